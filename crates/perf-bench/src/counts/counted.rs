//! What was counted, per iteration.

use super::CountsEnvironment;
use super::callgrind::Tally;
use crate::subject::ListedSubject;
use crate::{Bench, Counts, Machine, Run};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one program's benches cost, counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counted {
    /// What the counts depend on besides the code.
    pub environment: CountsEnvironment,
    /// The benches, by name.
    pub benches: Vec<CountedBench>,
}

/// What one bench costs, per iteration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CountedBench {
    /// Its name.
    pub name: String,
    /// What it does.
    pub work: String,
    /// Iterations that were counted together. Only counts of equally many are compared: what a
    /// table costs to grow is shared by all of them.
    pub iterations: u64,
    /// Its answer: fast and wrong is no gain.
    pub answer: Option<u64>,
    /// Instructions.
    pub instructions: Option<f64>,
    /// Allocations, if the program counts them.
    pub allocations: Option<f64>,
    /// Bytes asked of the allocator, if the program counts them.
    pub allocated_bytes: Option<f64>,
    /// Why it was not counted, where that is no failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Why it could not be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl CountedBench {
    pub(super) fn of(bench: &ListedSubject) -> CountedBench {
        CountedBench {
            name: bench.name.clone(),
            work: bench.work.clone(),
            ..CountedBench::default()
        }
    }

    pub(super) fn take(&mut self, tally: &Tally) {
        let each = |count: u64| per_iteration(count, tally.iterations);
        self.iterations = tally.iterations;
        self.answer = Some(tally.answer);
        self.instructions = Some(each(tally.instructions));
        self.allocations = tally.allocations.map(each);
        self.allocated_bytes = tally.allocated_bytes.map(each);
    }
}

/// To the thousandth: less than any limit asks for, and short in a file that people read.
fn per_iteration(count: u64, iterations: u64) -> f64 {
    (count as f64 / iterations.max(1) as f64 * 1000.0).round() / 1000.0
}

impl Counted {
    /// How many iterations each bench was counted with.
    #[must_use]
    pub fn iterations(&self) -> BTreeMap<String, u64> {
        let counted = self.benches.iter().filter(|bench| bench.iterations > 0);
        counted.map(|bench| (bench.name.clone(), bench.iterations)).collect()
    }

    /// Whether every bench that could be counted was.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.benches.iter().all(|bench| bench.failure.is_none())
    }

    /// As a run, for whoever keeps a history. Benches that were not counted are left out.
    #[must_use]
    pub fn run(&self, machine: Machine) -> Run {
        let mut run = Run::new(machine);
        run.complete = self.is_complete();
        run.benches = self.benches.iter().filter_map(CountedBench::bench).collect();
        run
    }
}

impl CountedBench {
    fn bench(&self) -> Option<Bench> {
        if self.skipped.is_some() {
            return None;
        }
        let mut bench = Bench::new(self.name.clone(), Vec::new());
        bench.work = Some(self.work.clone());
        bench.failure.clone_from(&self.failure);
        bench.counts = self.instructions.map(|instructions| Counts {
            instructions,
            allocations: self.allocations.unwrap_or_default(),
            allocated_bytes: self.allocated_bytes.unwrap_or_default(),
        });
        Some(bench)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_kept_to_the_thousandth() {
        assert_eq!(per_iteration(7_019, 1_000), 7.019);
        assert_eq!(per_iteration(2, 3), 0.667);
    }

    #[test]
    fn a_run_keeps_failures_and_leaves_out_what_was_skipped() {
        let bench = |name: &str| CountedBench { name: name.to_owned(), ..CountedBench::default() };
        let mut counted = Counted { benches: vec![bench("a"), bench("b")], ..Counted::default() };
        counted.benches[0].failure = Some("panicked".to_owned());
        counted.benches[1].skipped = Some("threads".to_owned());
        let run = counted.run(Machine::default());
        assert_eq!((run.complete, run.benches.len()), (false, 1));
        assert_eq!(run.benches[0].failure.as_deref(), Some("panicked"));
    }
}
