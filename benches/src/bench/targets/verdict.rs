//! Promises against figures, and the table that says so.

use super::definition::{Better, Source, Target};
use crate::product::Figures;
use perf_bench::report::{Block, Document, Section, Table, Tone};
use perf_bench::{Machine, Outcome};
use serde::Serialize;

/// All promises with what was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    format: u32,
    machine: Machine,
    rows: Vec<Row>,
}

/// One promise with what was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Row {
    id: String,
    what: String,
    load: String,
    better: &'static str,
    target: f64,
    tolerance: Option<f64>,
    unit: String,
    measured: Option<f64>,
    verdict: Verdict,
    /// Which part is missing, or why it cannot be measured here.
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
}

/// Worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Missed,
    NotMeasured,
    WithinTolerance,
    Met,
    NotBuilt,
    Elsewhere,
}

impl Report {
    pub(super) fn new(targets: &[Target], figures: &Figures, machine: Machine) -> Report {
        let mut rows: Vec<Row> = targets.iter().map(|target| row(target, figures)).collect();
        rows.sort_by_key(|row| row.verdict);
        Report { format: 1, machine, rows }
    }

    /// What is not built, or cannot be had here, counts neither way.
    pub(super) fn outcome(&self) -> Outcome {
        if self.count(Verdict::Missed) > 0 {
            Outcome::Regression
        } else if self.count(Verdict::NotMeasured) > 0 {
            Outcome::Inconclusive
        } else {
            Outcome::Pass
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }

    pub(super) fn document(&self) -> Document {
        let counted = [
            (Verdict::Missed, "missed"),
            (Verdict::NotMeasured, "not measured"),
            (Verdict::WithinTolerance, "within tolerance"),
            (Verdict::Met, "met"),
            (Verdict::NotBuilt, "not built yet"),
            (Verdict::Elsewhere, "not to be had here"),
        ];
        let words: Vec<String> = counted
            .into_iter()
            .map(|(verdict, word)| (self.count(verdict), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let tone = match self.outcome() {
            Outcome::Pass => Tone::Good,
            Outcome::Inconclusive => Tone::Warn,
            _ => Tone::Bad,
        };
        Document {
            title: "Promised figures".to_owned(),
            subtitle: format!("{}, {} cores", self.machine.processor, self.machine.cores),
            verdict: Some((tone, words.join(", "))),
            sections: vec![Section {
                title: "Targets".to_owned(),
                blocks: vec![Block::Table(self.table())],
            }],
        }
    }

    fn table(&self) -> Table {
        let columns = ["what", "load", "target>", "tolerance>", "measured>", "verdict"];
        Table {
            columns: columns.map(str::to_owned).to_vec(),
            rows: self.rows.iter().map(Row::cells).collect(),
            note: Some(
                "What is not built yet, or depends on a user's deployment, counts neither way."
                    .to_owned(),
            ),
        }
    }
}

impl Row {
    fn cells(&self) -> Vec<(String, Tone)> {
        let (tone, verdict) = match self.verdict {
            Verdict::Missed => (Tone::Bad, "missed".to_owned()),
            Verdict::NotMeasured => (Tone::Warn, "not measured".to_owned()),
            Verdict::WithinTolerance => (Tone::Warn, "within tolerance".to_owned()),
            Verdict::Met => (Tone::Good, "met".to_owned()),
            Verdict::NotBuilt => (Tone::Quiet, format!("not built yet: {}", self.why)),
            Verdict::Elsewhere => (Tone::Quiet, format!("not here: {}", self.why)),
        };
        let bound = match self.better {
            "lower" => "≤ ",
            _ => "≥ ",
        };
        let shown = |value: f64| format!("{} {}", digits(value), self.unit);
        vec![
            (self.what.clone(), Tone::Plain),
            (self.load.clone(), Tone::Plain),
            (format!("{bound}{}", shown(self.target)), Tone::Plain),
            (self.tolerance.map_or(String::new(), shown), Tone::Plain),
            (self.measured.map_or("–".to_owned(), shown), tone),
            (verdict, tone),
        ]
    }
}

fn row(target: &Target, figures: &Figures) -> Row {
    let (measured, why) = match target.source() {
        Source::Figure(figure) => (figures.get(figure).map(|v| v / target.scale()), ""),
        Source::NotBuilt(part) => (None, part),
        Source::Elsewhere(reason) => (None, reason),
    };
    let keeps = |bound: f64, value: f64| match target.better {
        Better::Lower => value <= bound,
        Better::Higher => value >= bound,
    };
    let verdict = match (measured, target.source()) {
        (_, Source::NotBuilt(_)) => Verdict::NotBuilt,
        (_, Source::Elsewhere(_)) => Verdict::Elsewhere,
        (None, _) => Verdict::NotMeasured,
        (Some(value), _) if keeps(target.target, value) => Verdict::Met,
        (Some(value), _) if target.tolerance.is_some_and(|bound| keeps(bound, value)) => {
            Verdict::WithinTolerance
        }
        _ => Verdict::Missed,
    };
    Row {
        id: target.id.clone(),
        what: target.what.clone(),
        load: target.load.clone(),
        better: if target.better == Better::Lower { "lower" } else { "higher" },
        target: target.target,
        tolerance: target.tolerance,
        unit: target.unit.clone(),
        measured,
        verdict,
        why: why.to_owned(),
    }
}

/// Three significant digits, in the target's own unit, so that both can be compared at a glance.
fn digits(value: f64) -> String {
    let size = value.abs();
    if value == value.trunc() && size < 1e9 || size >= 100.0 {
        return format!("{value:.0}");
    }
    let whole = if size > 0.0 { size.log10().floor() as i32 } else { 0 };
    format!("{value:.*}", usize::try_from(2 - whole).unwrap_or(0).min(9))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(figures: &[(&str, f64)]) -> Report {
        let mut measured = Figures::default();
        for (name, value) in figures {
            measured.set(name, *value);
        }
        let targets: Vec<Target> = Target::all()
            .unwrap()
            .into_iter()
            .filter(|target| {
                ["cache/lookup", "live/sockets", "render/fps", "deployment/score"]
                    .contains(&target.id.as_str())
            })
            .collect();
        Report::new(&targets, &measured, Machine::default())
    }

    fn verdict(report: &Report, id: &str) -> Verdict {
        report.rows.iter().find(|row| row.id == id).unwrap().verdict
    }

    #[test]
    fn a_promise_is_kept_kept_within_tolerance_or_missed() {
        for (nanos, wanted, outcome) in [
            (900_000.0, Verdict::Met, Outcome::Pass),
            (1_500_000.0, Verdict::WithinTolerance, Outcome::Pass),
            (2_500_000.0, Verdict::Missed, Outcome::Regression),
        ] {
            let report = report(&[("suite/cache/lookup", nanos), ("live/sockets", 1_000.0)]);
            assert_eq!(verdict(&report, "cache/lookup"), wanted);
            assert_eq!(report.outcome(), outcome);
        }
    }

    #[test]
    fn more_can_be_better() {
        let few = report(&[("suite/cache/lookup", 1.0), ("live/sockets", 999.0)]);
        assert_eq!(verdict(&few, "live/sockets"), Verdict::Missed);
    }

    #[test]
    fn what_is_missing_is_inconclusive_and_what_is_not_built_counts_neither_way() {
        let report = report(&[("suite/cache/lookup", 1.0)]);
        assert_eq!(verdict(&report, "live/sockets"), Verdict::NotMeasured);
        assert_eq!(verdict(&report, "render/fps"), Verdict::NotBuilt);
        assert_eq!(verdict(&report, "deployment/score"), Verdict::Elsewhere);
        assert_eq!(report.outcome(), Outcome::Inconclusive);
    }

    #[test]
    fn figures_are_rounded_to_what_matters() {
        for (value, text) in
            [(0.0123456, "0.0123"), (1.0, "1"), (98.76, "98.8"), (123.4, "123"), (0.0, "0")]
        {
            assert_eq!(digits(value), text);
        }
    }
}
