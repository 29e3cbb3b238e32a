//! One run: counts and time, of two equal programs and with the slowdown.

use super::tally::{Kind, Tally};
use crate::progress::Progress;
use crate::timing;
use crate::usage;
use anyhow::{Context, Result, bail};
use perf_bench::{
    Callgrind, Compare, Counted, CountsLimits, CountsReport, Judged, MeasureCounts, Outcome, Rule,
    SubjectProgram,
};
use std::path::{Path, PathBuf};

/// What every run needs.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    /// The program in all link orders.
    pub(super) programs: &'a [PathBuf],
    /// The slowdown as programs read it.
    pub(super) injected: String,
    /// How time is compared.
    pub(super) settings: Compare,
    /// The rule of the gate.
    pub(super) rule: Rule,
    /// Whether time is compared at all.
    pub(super) timed: bool,
}

/// Refuses benches that are not there before anything takes long.
pub(super) fn check_names(program: &Path, wanted: &[String]) -> Result<()> {
    let listed = SubjectProgram::new(program).list().context("the benches cannot be listed")?;
    match wanted.iter().find(|name| !listed.iter().any(|bench| bench.name == **name)) {
        Some(unknown) => bail!(usage(format!("there is no bench `{unknown}`"))),
        None => Ok(()),
    }
}

impl Judge<'_> {
    /// Does one run and adds what came out.
    pub(super) fn run(&self, number: u16, tallies: &mut [Tally]) -> Result<()> {
        let [base, head, base_again, head_again] = orders(number, self.programs.len());
        self.count(base, head, tallies)?;
        if !self.timed {
            return Ok(());
        }
        for kind in [Kind::Equal, Kind::Slowed] {
            let sides = |base: usize, head: usize| {
                let head = SubjectProgram::new(&self.programs[head]);
                let head = match kind {
                    Kind::Equal => head,
                    Kind::Slowed => head.inject(&self.injected),
                };
                [SubjectProgram::new(&self.programs[base]), head]
            };
            let title = format!("run {}, {}", number + 1, kind.word());
            let mut comparison = timing::between(&self.settings, &sides(base, head), &title)?;
            timing::confirm(&mut comparison, &self.settings, &self.rule, |_| {
                Ok(sides(base_again, head_again))
            })?;
            if comparison.outcome() == Outcome::ToolFailed {
                let failed = comparison.judged.iter().find(|judged| judged.ratio.is_none());
                bail!("a bench failed: {}", failed.map(|judged| judged.why.as_str()).unwrap_or(""));
            }
            add(tallies, kind, &comparison.judged);
        }
        Ok(())
    }

    /// Counts the base once, the head once and once slowed down.
    fn count(&self, base: usize, head: usize, tallies: &mut [Tally]) -> Result<()> {
        let callgrind = Callgrind::find().context("the self-test counts")?;
        let program = |order: usize| SubjectProgram::new(&self.programs[order]);
        let names: Vec<String> = tallies.iter().map(|tally| tally.bench.clone()).collect();
        let measure = MeasureCounts::new(callgrind).only(names);
        let counted = |measure: &MeasureCounts, program: &SubjectProgram| -> Result<Counted> {
            let bar = Progress::new("counting");
            let counted = measure
                .measure(program, &|at| bar.at(at.done as u64, at.total as u64, at.bench))
                .context("nothing could be counted")?;
            match counted.benches.iter().find_map(|bench| bench.failure.as_ref()) {
                Some(failure) => bail!("a bench could not be counted: {failure}"),
                None => Ok(counted),
            }
        };
        let before = counted(&measure, &program(base))?;
        let measure = measure.iterations(before.iterations());
        let slowed = program(head).inject(&self.injected);
        for (kind, program) in [(Kind::Equal, program(head)), (Kind::Slowed, slowed)] {
            let after = counted(&measure, &program)?;
            let report = CountsReport::judge(&before, &after, &CountsLimits::default());
            add(tallies, kind, &report.judged);
        }
        Ok(())
    }
}

/// Adds each verdict to its bench's tally.
fn add(tallies: &mut [Tally], kind: Kind, judged: &[Judged]) {
    for tally in tallies {
        tally.add(kind, judged);
    }
}

/// The link orders of a run: base and head, and both again for the confirmation. In every third
/// run both sides have one order; else two different ones, all pairs in turn.
fn orders(number: u16, count: usize) -> [usize; 4] {
    let number = usize::from(number);
    let base = number % count;
    let step = number % 3 * (1 + number / 3 % count.saturating_sub(1).max(1)) % count.max(1);
    let head = (base + step) % count;
    [base, head, (base + 1) % count, (head + 1) % count]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_runs_has_one_order_and_confirmations_have_others() {
        let runs: Vec<[usize; 4]> = (0..60).map(|number| orders(number, 5)).collect();
        let same = runs.iter().filter(|[base, head, ..]| base == head).count();
        assert!((20..32).contains(&same), "{same} of 60");
        for [base, head, base_again, head_again] in runs {
            assert!(base != base_again && head != head_again);
        }
        assert_eq!(orders(7, 1), [0; 4]);
    }
}
