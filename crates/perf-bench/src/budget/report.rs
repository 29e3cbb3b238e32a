//! The report in words and a table.

use super::{BudgetReport, BudgetRow, BudgetVerdict};
use crate::Outcome;
use crate::report::{Block, Document, Section, Table, Tone, figure};

impl BudgetReport {
    /// As a document: one table, worst first.
    #[must_use]
    pub fn document(&self) -> Document {
        Document {
            title: "Performance budget".to_owned(),
            subtitle: format!("{} limits, worst first.", self.rows.len()),
            verdict: Some(self.verdict()),
            sections: vec![Section {
                title: "Limits".to_owned(),
                blocks: vec![Block::Table(self.table())],
            }],
        }
    }

    /// The table alone, for a report that holds more.
    #[must_use]
    pub fn table(&self) -> Table {
        let columns = ["limit of", "at most>", "measured>", "room>", "verdict"];
        Table {
            columns: columns.map(str::to_owned).to_vec(),
            rows: self.rows.iter().map(cells).collect(),
            note: Some(
                "Room is the share of the limit that is left; tight means less than 10 %."
                    .to_owned(),
            ),
        }
    }

    fn verdict(&self) -> (Tone, String) {
        let count = |verdict| self.rows.iter().filter(|row| row.verdict == verdict).count();
        let all = self.rows.len();
        match self.outcome() {
            Outcome::Pass => (Tone::Good, format!("all {all} limits kept")),
            Outcome::Inconclusive => {
                let missing = count(BudgetVerdict::NotMeasured);
                (Tone::Warn, format!("{missing} of {all} limits not measured"))
            }
            _ => {
                let broken = count(BudgetVerdict::Broken);
                (Tone::Bad, format!("{broken} of {all} limits broken"))
            }
        }
    }
}

fn cells(row: &BudgetRow) -> Vec<(String, Tone)> {
    let (word, tone) = match row.verdict {
        BudgetVerdict::Broken => ("broken", Tone::Bad),
        BudgetVerdict::NotMeasured => ("not measured", Tone::Warn),
        BudgetVerdict::Tight => ("tight", Tone::Warn),
        BudgetVerdict::Within => ("within", Tone::Good),
    };
    let what = match row.note.as_str() {
        "" => row.what.clone(),
        note => format!("{} ({note})", row.what),
    };
    let shown = |value: Option<f64>, unit| value.map_or("–".to_owned(), |v| figure(v, unit));
    vec![
        (what, Tone::Plain),
        (figure(row.limit, &row.unit), Tone::Plain),
        (shown(row.measured, &row.unit), tone),
        (shown(row.room, "fraction"), tone),
        (word.to_owned(), tone),
    ]
}

#[cfg(test)]
mod tests {
    use crate::budget::{Budget, Measured};
    use crate::report::{Block, Tone};
    use std::time::Duration;

    #[test]
    fn a_row_says_limit_figure_room_and_verdict() {
        let budget = Budget::read("[start-up]\ntime = \"200ms\"").unwrap();
        let report = budget.check(&Measured::new().start_up(Duration::from_millis(50)));
        let document = report.document();
        assert_eq!(document.verdict, Some((Tone::Good, "all 1 limits kept".to_owned())));
        let Block::Table(table) = &document.sections[0].blocks[0] else { panic!("no table") };
        let cells: Vec<&str> = table.rows[0].iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(cells, ["start-up time", "200 ms", "50.0 ms", "75.0 %", "within"]);
    }
}
