//! What was judged how often.

use perf_bench::{Judged, Verdict};
use serde::Serialize;

/// How the test was made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    /// How often everything was judged.
    pub(super) runs: u16,
    /// The slowdown, as a fraction.
    pub(super) injected: f64,
    /// Pairs of samples for each judgement of time.
    pub(super) pairs: u16,
    /// How long a sample takes.
    pub(super) sample_ms: f64,
    /// In how many orders the program was linked.
    pub(super) orders: u32,
    /// Whether time was judged.
    pub(super) timed: bool,
}

/// What the head was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The base's source.
    Equal,
    /// The same with the slowdown.
    Slowed,
}

impl Kind {
    /// For people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Equal => "equal programs",
            Kind::Slowed => "slowed down",
        }
    }
}

/// One bench's judgements.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Tally {
    /// The bench.
    pub(super) bench: String,
    /// Counts of equal programs.
    pub(super) counts_equal: Votes,
    /// Counts with the slowdown.
    pub(super) counts_slowed: Votes,
    /// Time of equal programs.
    pub(super) time_equal: Votes,
    /// Time with the slowdown.
    pub(super) time_slowed: Votes,
    /// The largest relative difference of the instructions of equal programs.
    pub(super) counts_wander: f64,
}

/// How often it was what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Votes {
    /// Slower.
    pub(super) red: u32,
    /// Unchanged, or faster.
    pub(super) green: u32,
    /// No answer.
    pub(super) open: u32,
}

impl Votes {
    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Regress => self.red += 1,
            Verdict::Same | Verdict::Improve => self.green += 1,
            _ => self.open += 1,
        }
    }

    /// All together.
    pub(super) fn all(self) -> u32 {
        self.red + self.green + self.open
    }
}

impl Tally {
    /// Nothing judged yet.
    pub(super) fn new(bench: &str) -> Tally {
        Tally {
            bench: bench.to_owned(),
            counts_equal: Votes::default(),
            counts_slowed: Votes::default(),
            time_equal: Votes::default(),
            time_slowed: Votes::default(),
            counts_wander: 0.0,
        }
    }

    /// Adds what one run judged of this bench: its time, or the worst of its counts.
    pub(super) fn add(&mut self, kind: Kind, judged: &[Judged]) {
        let (mut counts, mut time) = (None, None);
        for judged in judged.iter().filter(|judged| judged.bench == self.bench) {
            if judged.measure == "time" {
                time = Some(judged.verdict);
                continue;
            }
            if judged.measure == "instructions" && kind == Kind::Equal {
                let wander = judged.ratio.map_or(0.0, |ratio| (ratio.value - 1.0).abs());
                self.counts_wander = self.counts_wander.max(wander);
            }
            counts = match (counts, judged.verdict) {
                (Some(Verdict::Regress), _) | (_, Verdict::Regress) => Some(Verdict::Regress),
                (None, verdict) => Some(verdict),
                (Some(Verdict::Same | Verdict::Improve), verdict) => Some(verdict),
                (open, _) => open,
            };
        }
        let (of_counts, of_time) = match kind {
            Kind::Equal => (&mut self.counts_equal, &mut self.time_equal),
            Kind::Slowed => (&mut self.counts_slowed, &mut self.time_slowed),
        };
        if let Some(verdict) = counts {
            of_counts.add(verdict);
        }
        if let Some(verdict) = time {
            of_time.add(verdict);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_count_is_the_benchs_and_time_is_apart() {
        let mut tally = Tally::new("a");
        let judged = [
            Judged::new("a", "instructions", Verdict::Same),
            Judged::new("a", "allocations", Verdict::Regress),
            Judged::new("a", "allocated_bytes", Verdict::Same),
            Judged::new("a", "time", Verdict::Inconclusive),
        ];
        tally.add(Kind::Slowed, &judged);
        assert_eq!(tally.counts_slowed, Votes { red: 1, green: 0, open: 0 });
        assert_eq!(tally.time_slowed, Votes { red: 0, green: 0, open: 1 });
        assert_eq!(tally.time_equal.all(), 0);
    }
}
