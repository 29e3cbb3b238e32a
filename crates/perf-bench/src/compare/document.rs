//! A comparison as a report.

use super::Comparison;
use crate::report::{
    Block, Chart, Document, Level, Section, Tone, before_and_after, figure, judged_blocks,
};
use crate::{Outcome, Run, Verdict};

impl Comparison {
    /// As a report: a table with the worst first and the unchanged folded, all intervals in one
    /// drawing, and the distributions of those that are red.
    #[must_use]
    pub fn document(&self) -> Document {
        let mut document = Document {
            title: "Comparison".to_owned(),
            subtitle: self.subtitle(),
            verdict: Some(self.headline()),
            sections: Vec::new(),
        };
        let mut blocks: Vec<Block> =
            self.notes.iter().map(|note| Block::Notice(Level::Warning, note.clone())).collect();
        blocks.extend(judged_blocks(&self.judged, self.margin));
        document.sections.push(Section { title: "Benches".to_owned(), blocks });
        let distributions: Vec<Block> = self
            .judged
            .iter()
            .filter(|judged| judged.verdict == Verdict::Regress)
            .filter_map(|judged| self.distribution(&judged.bench))
            .map(Block::Chart)
            .collect();
        if !distributions.is_empty() {
            let title = "Distributions of what got slower".to_owned();
            document.sections.push(Section { title, blocks: distributions });
        }
        document
    }

    fn subtitle(&self) -> String {
        let pairs = self.base.benches.iter().map(|bench| bench.samples.len()).max().unwrap_or(0);
        let commit = |run: &Run| run.commit.as_ref().map(|id| id.chars().take(12).collect());
        let between = match (commit(&self.base), commit(&self.head)) {
            (Some(base), Some(head)) => {
                let (base, head): (String, String) = (base, head);
                format!("{base} → {head}, ")
            }
            _ => String::new(),
        };
        let margin = figure(self.margin, "fraction");
        format!("{between}{pairs} pairs a bench, margin {margin}, {}", self.head.machine.summary())
    }

    fn headline(&self) -> (Tone, String) {
        let count = |verdict| self.judged.iter().filter(|j| j.verdict == verdict).count();
        let red = count(Verdict::Regress);
        let open = count(Verdict::Inconclusive) + count(Verdict::Incomparable);
        match self.outcome() {
            Outcome::Regression => (Tone::Bad, format!("{red} slower")),
            Outcome::ToolFailed => (Tone::Bad, "a bench failed".to_owned()),
            Outcome::Inconclusive if self.judged.is_empty() => {
                (Tone::Warn, "no benches".to_owned())
            }
            Outcome::Inconclusive if !self.complete => (Tone::Warn, "not finished".to_owned()),
            Outcome::Inconclusive => (Tone::Warn, format!("{open} without an answer")),
            Outcome::Pass => (Tone::Good, "nothing got slower".to_owned()),
        }
    }

    fn distribution(&self, bench: &str) -> Option<Chart> {
        let side = |run: &'_ Run| -> Option<(Vec<f64>, String)> {
            let found = run.benches.iter().find(|b| b.name == bench && !b.samples.is_empty())?;
            Some((found.samples.clone(), found.unit.clone()))
        };
        let ((base, unit), (head, _)) = (side(&self.base)?, side(&self.head)?);
        Some(before_and_after(bench, &unit, &base, &head))
    }
}
