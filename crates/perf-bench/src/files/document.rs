//! The comparison as a report.

use super::{FileComparison, Kind, Measurements};
use crate::report::{
    Block, Document, Level, Section, Tone, before_and_after, judged_blocks, worst_first,
};
use crate::{Outcome, Verdict};

/// Benches whose distributions are drawn: the worst of them.
const DRAWN: usize = 6;

impl FileComparison {
    /// As a report: verdicts worst first, and before and after of those that changed.
    #[must_use]
    pub fn document(&self) -> Document {
        let (tone, words) = self.headline();
        let mut blocks: Vec<Block> =
            self.notes.iter().map(|n| Block::Notice(Level::Info, n.clone())).collect();
        let verdicts = judged_blocks(&self.judged, self.margin);
        // Facts stand first, remarks under them.
        let at = usize::from(matches!(verdicts.first(), Some(Block::Facts(_))));
        let (facts, rest) = verdicts.split_at(at);
        let mut all = facts.to_vec();
        all.append(&mut blocks);
        all.extend_from_slice(rest);
        let mut document = Document::new(
            "Head against base",
            format!("{} against {}", side(&self.head), side(&self.base)),
        )
        .verdict(tone, words)
        .section(Section::new("Verdicts", all));
        let drawn = self.distributions();
        if !drawn.is_empty() {
            document = document.section(Section::new("Before and after", drawn));
        }
        document
    }

    fn headline(&self) -> (Tone, String) {
        let count = |verdict| self.judged.iter().filter(|j| j.verdict == verdict).count();
        let all = self.judged.len();
        let of = |n: usize, word: &str| {
            format!("{n} of {all} {} {word}", if n == 1 { "is" } else { "are" })
        };
        let open = count(Verdict::Inconclusive) + count(Verdict::Incomparable);
        match self.outcome() {
            Outcome::ToolFailed => {
                let failed = self.failed();
                let benches = if failed == 1 { "bench" } else { "benches" };
                (Tone::Bad, format!("{failed} {benches} failed in the head"))
            }
            Outcome::Regression => (Tone::Bad, of(count(Verdict::Regress), "slower")),
            Outcome::Inconclusive if open == 0 && self.judged.iter().any(|j| j.ratio.is_some()) => {
                (Tone::Warn, "a run ended half way".to_owned())
            }
            Outcome::Inconclusive if open == 0 => {
                (Tone::Warn, "nothing to compare with".to_owned())
            }
            Outcome::Inconclusive => (Tone::Warn, of(open, "undecided, none is slower")),
            _ if count(Verdict::Improve) > 0 => {
                (Tone::Good, of(count(Verdict::Improve), "faster, none is slower"))
            }
            _ => (Tone::Good, format!("none of {all} is slower")),
        }
    }

    fn distributions(&self) -> Vec<Block> {
        let changed = worst_first(&self.judged).into_iter().filter(|j| {
            matches!(j.verdict, Verdict::Regress | Verdict::Improve | Verdict::Inconclusive)
                && j.ratio.is_some()
        });
        changed
            .take(DRAWN)
            .filter_map(|judged| {
                let base = self.base.benches.get(&judged.bench)?;
                let head = self.head.benches.get(&judged.bench)?;
                let (title, unit) = (&judged.bench, &judged.unit);
                Some(Block::Chart(before_and_after(title, unit, &base.samples, &head.samples)))
            })
            .collect()
    }
}

fn side(measurements: &Measurements) -> String {
    let kinds: Vec<String> = measurements.kinds.iter().map(Kind::to_string).collect();
    let path = measurements.path.display();
    if kinds.is_empty() { path.to_string() } else { format!("{path} ({})", kinds.join(", ")) }
}
