//! A history as a report: what changed at which commits, and lines over the commits.

use super::{Change, HistoryReport, Series};
use crate::report::{
    Axis, Block, Chart, Document, Level, Line, Mark, Scale, Section, Table, Tone, change, figure,
};

/// How many series of each kind are drawn; the worst come first.
const DRAWN: usize = 24;

impl HistoryReport {
    /// As a report.
    #[must_use]
    pub fn document(&self) -> Document {
        let (tone, words) = self.headline();
        let mut blocks: Vec<Block> = self
            .left_out
            .sentences()
            .into_iter()
            .map(|sentence| Block::Notice(Level::Warning, sentence))
            .collect();
        blocks.push(Block::Table(self.table()));
        let subtitle = match self.runs {
            1 => "1 run".to_owned(),
            runs => format!("{runs} runs, oldest first"),
        };
        let document = Document::new("History", subtitle)
            .verdict(tone, words)
            .section(Section::new("Changes", blocks));
        let drawn = self.drawn();
        if drawn.is_empty() {
            return document;
        }
        document.section(Section::new("Over the commits", drawn))
    }

    fn headline(&self) -> (Tone, String) {
        let changes = || self.series.iter().flat_map(|series| &series.changes);
        let slower = changes().filter(|change| change.after > change.before).count();
        let faster = changes().count() - slower;
        let series = counted(self.series.len());
        match (slower, faster) {
            (0, 0) => (Tone::Good, format!("no change in {series}")),
            (0, better) => (Tone::Good, format!("{better} for the better in {series}")),
            (worse, 0) => (Tone::Warn, format!("{worse} for the worse in {series}")),
            (worse, better) => {
                (Tone::Warn, format!("{worse} for the worse, {better} for the better in {series}"))
            }
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new([
            "bench", "measure", "after", "up to", "before>", "now>", "change>", "p>", "note",
        ]);
        let several = self.series.iter().any(|series| series.machine != self.series[0].machine);
        for series in &self.series {
            for found in &series.changes {
                let mut notes: Vec<String> = found.also.clone();
                if found.last == found.first {
                    notes.push("one commit, so it is not the code".to_owned());
                }
                if several {
                    notes.push(series.machine.clone());
                }
                table.push([
                    (series.bench.clone(), Tone::Plain),
                    (series.measure.replace('_', " "), Tone::Plain),
                    (short(&found.last).to_owned(), Tone::Plain),
                    (short(&found.first).to_owned(), Tone::Plain),
                    (figure(found.before, &series.unit), Tone::Plain),
                    (figure(found.after, &series.unit), Tone::Plain),
                    size(found),
                    (probability(found.p), Tone::Quiet),
                    (notes.join("; "), Tone::Quiet),
                ]);
            }
        }
        table.note = self.note();
        table
    }

    /// What has not changed, or was not looked at, in one line.
    fn note(&self) -> Option<String> {
        let unsearched = self.series.iter().filter(|series| series.unsearched.is_some());
        let (unsearched, first) = (unsearched.clone().count(), unsearched.clone().next());
        let searched = self.series.len() - unsearched;
        let unchanged = self.series.iter().filter(|series| series.changes.is_empty()).count();
        let mut parts = Vec::new();
        if unchanged > unsearched {
            let unchanged = unchanged - unsearched;
            parts.push(format!("{} of {} unchanged", unchanged, counted(searched)));
        }
        if let Some(why) = first.and_then(|series| series.unsearched.as_deref()) {
            parts.push(format!("{} not searched, the first: {why}", counted(unsearched)));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Those that changed, then the others behind a line to click on.
    fn drawn(&self) -> Vec<Block> {
        let (changed, others): (Vec<&Series>, Vec<&Series>) = self
            .series
            .iter()
            .filter(|series| series.points.len() > 1)
            .partition(|series| !series.changes.is_empty());
        let draw = |series: &[&Series]| -> Vec<Block> {
            let drawn = series.iter().take(DRAWN).map(|series| Block::Chart(series.chart()));
            let more = series.len().saturating_sub(DRAWN);
            let left =
                (more > 0).then(|| Block::Text(format!("{} more are not drawn.", counted(more))));
            drawn.chain(left).collect()
        };
        let mut blocks = draw(&changed);
        if !others.is_empty() {
            blocks
                .push(Block::Folded(format!("{} unchanged", counted(others.len())), draw(&others)));
        }
        blocks
    }
}

impl Series {
    fn chart(&self) -> Chart {
        let measure = self.measure.replace('_', " ");
        let values = || self.points.iter().enumerate().map(|(i, point)| (i as f64, point.value));
        let mut lines = vec![Line::new(measure.clone(), values())];
        if let Some(first) = self.changes.first() {
            let level = |index: usize| {
                let last = self.changes.iter().rev().find(|change| change.index <= index);
                last.map_or(first.before, |change| change.after)
            };
            let levels = (0..self.points.len()).map(|index| (index as f64, level(index)));
            lines.push(Line::new("level", levels));
        }
        let marks = self.changes.iter().map(|found| {
            let (words, tone) = size(found);
            Mark::new(found.index as f64, format!("{words} {}", short(&found.first)), tone)
        });
        Chart::Lines {
            title: format!("{}, {measure}", self.bench),
            x: Axis::new("commit", "").named(self.points.iter().map(|p| short(&p.commit))),
            y: Axis::new("per iteration", self.unit.clone()).scale(Scale::Fitted),
            lines,
            marks: marks.collect(),
        }
    }
}

fn size(found: &Change) -> (String, Tone) {
    let tone = if found.after > found.before { Tone::Bad } else { Tone::Good };
    (found.ratio.map_or_else(|| "from zero".to_owned(), change), tone)
}

fn probability(p: f64) -> String {
    if p < 1e-9 { "< 1e-9".to_owned() } else { format!("{p:.1e}") }
}

/// A commit as people write it; names that are none stay as they are.
fn short(commit: &str) -> &str {
    let hash = commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hash { &commit[..10] } else { commit }
}

fn counted(series: usize) -> String {
    // Singular and plural are one word.
    format!("{series} series")
}
