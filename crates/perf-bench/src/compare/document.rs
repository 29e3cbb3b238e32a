//! A comparison as a report.

use super::Comparison;
use crate::report::{
    Axis, Block, Bucket, Chart, Document, Group, Level, Mark, Section, Tone, figure, judged_blocks,
};
use crate::{Outcome, Run, Verdict};
use perf_stats::median;

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
            Outcome::Inconclusive if !self.complete => (Tone::Warn, "not finished".to_owned()),
            Outcome::Inconclusive => (Tone::Warn, format!("{open} without an answer")),
            Outcome::Pass if self.judged.is_empty() => (Tone::Warn, "no benches".to_owned()),
            Outcome::Pass => (Tone::Good, "nothing got slower".to_owned()),
        }
    }

    fn distribution(&self, bench: &str) -> Option<Chart> {
        let side = |run: &'_ Run| -> Option<(Vec<f64>, String)> {
            let found = run.benches.iter().find(|b| b.name == bench && !b.samples.is_empty())?;
            Some((found.samples.clone(), found.unit.clone()))
        };
        let ((base, unit), (head, _)) = (side(&self.base)?, side(&self.head)?);
        let all = || base.iter().chain(&head).copied();
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
        let mark = |label: &str, samples: &[f64]| {
            let at = median(samples).ok()?;
            Some(Mark { at, label: format!("{label} median"), tone: Tone::Plain })
        };
        Some(Chart::Distribution {
            title: bench.to_owned(),
            x: axis("time of an iteration", &unit),
            groups: vec![
                Group { name: "base".to_owned(), buckets: buckets(&base, low, high) },
                Group { name: "head".to_owned(), buckets: buckets(&head, low, high) },
            ],
            marks: [mark("base", &base), mark("head", &head)].into_iter().flatten().collect(),
        })
    }
}

fn axis(label: &str, unit: &str) -> Axis {
    Axis { label: label.to_owned(), unit: unit.to_owned(), ..Axis::default() }
}

/// Twenty buckets of one width from `low` to `high`.
fn buckets(samples: &[f64], low: f64, high: f64) -> Vec<Bucket> {
    const COUNT: usize = 20;
    let width = ((high - low) / COUNT as f64).max(low.abs() * 1e-6).max(f64::MIN_POSITIVE);
    let mut counts = [0_u32; COUNT];
    for sample in samples {
        counts[(((sample - low) / width) as usize).min(COUNT - 1)] += 1;
    }
    let bucket = |(place, count): (usize, &u32)| Bucket {
        low: low + width * place as f64,
        high: low + width * (place + 1) as f64,
        count: f64::from(*count),
    };
    counts.iter().enumerate().map(bucket).collect()
}
