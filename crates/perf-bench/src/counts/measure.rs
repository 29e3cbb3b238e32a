//! Counts the benches of a program, some at a time.

use super::callgrind::{Callgrind, Tally};
use super::program::Side;
use super::{Counted, CountedBench, CountsEnvironment, CountsError, CountsLimits, CountsReport};
use crate::subject::ListedSubject;
use crate::{SubjectProgram, Verdict};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A bench has been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CountsProgress<'a> {
    /// Its name.
    pub bench: &'a str,
    /// How many are done, this one included.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// Counts the benches of programs.
///
/// Cost: a bench takes two or three starts of Valgrind, half a second each, and ten million
/// instructions at a thirtieth of their usual speed.
#[derive(Clone, Debug)]
pub struct MeasureCounts {
    callgrind: Callgrind,
    features: String,
    filter: Option<String>,
    only: Option<Vec<String>>,
    at_once: usize,
    limit: Duration,
    iterations: BTreeMap<String, u64>,
    identical_too: bool,
}

impl MeasureCounts {
    /// With this valgrind; as many benches at once as there are cores.
    #[must_use]
    pub fn new(callgrind: Callgrind) -> MeasureCounts {
        MeasureCounts {
            callgrind,
            features: String::new(),
            filter: None,
            only: None,
            at_once: cores(),
            limit: Duration::from_secs(300),
            iterations: BTreeMap::new(),
            identical_too: false,
        }
    }

    /// Cargo features and profile that the program was built with, for the record.
    #[must_use]
    pub fn features(mut self, features: impl Into<String>) -> MeasureCounts {
        self.features = features.into();
        self
    }

    /// Only benches whose name contains this.
    #[must_use]
    pub fn filter(mut self, filter: impl Into<String>) -> MeasureCounts {
        self.filter = Some(filter.into());
        self
    }

    /// Only benches of these names.
    #[must_use]
    pub fn only(mut self, names: impl IntoIterator<Item = String>) -> MeasureCounts {
        self.only = Some(names.into_iter().collect());
        self
    }

    /// So many benches at once, at least one, at most as many as there are cores.
    #[must_use]
    pub fn at_once(mut self, benches: usize) -> MeasureCounts {
        self.at_once = benches.clamp(1, cores());
        self
    }

    /// The longest that one bench may take, five minutes unless said otherwise.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> MeasureCounts {
        self.limit = limit;
        self
    }

    /// Iterations of benches as they were counted before, so that the counts can be compared.
    /// Those of other benches are found out.
    #[must_use]
    pub fn iterations(mut self, iterations: BTreeMap<String, u64>) -> MeasureCounts {
        self.iterations = iterations;
        self
    }

    /// Counts both sides of a comparison even where their programs are the same byte for byte:
    /// for a check of the method itself.
    #[must_use]
    pub fn identical_too(mut self) -> MeasureCounts {
        self.identical_too = true;
        self
    }

    /// Counts one program.
    ///
    /// # Errors
    ///
    /// [`CountsError`] if nothing can be counted. A bench that fails is kept with its failure.
    pub fn measure(
        &self,
        program: &SubjectProgram,
        progress: &(dyn Fn(CountsProgress<'_>) + Sync),
    ) -> Result<Counted, CountsError> {
        let side = Side::of(program)?;
        let benches: Vec<&ListedSubject> = self.chosen(side.benches.iter()).collect();
        let counted = self.spread(&benches, progress, |bench, place| {
            self.one(&side, bench, self.iterations.get(&bench.name).copied(), place)
        })?;
        Ok(self.counted(counted))
    }

    /// Counts two programs and judges the second by the first.
    ///
    /// Whatever looks worse is counted once more on both sides: a bench whose counts wander is
    /// told so, not called worse. One that fails then stays worse, and the run has failed.
    ///
    /// # Errors
    ///
    /// [`CountsError`] if nothing can be counted. A bench that fails is kept with its failure.
    pub fn compare(
        &self,
        base: &SubjectProgram,
        head: &SubjectProgram,
        limits: &CountsLimits,
        progress: &(dyn Fn(CountsProgress<'_>) + Sync),
    ) -> Result<CountsReport, CountsError> {
        let base_side = Side::of(base)?;
        if !self.identical_too && base.is_identical(head).unwrap_or(false) {
            let counted = self.measure(base, progress)?;
            let mut report = CountsReport::judge(&counted, &counted, limits);
            report.identical();
            return Ok(report);
        }
        let head_side = Side::of(head)?;
        let (base, head) = self.both(&base_side, &head_side, |_| true, progress)?;
        let mut report = CountsReport::judge(&base, &head, limits);
        let worse = |name: &str| {
            report.judged.iter().any(|j| j.bench == name && j.verdict == Verdict::Regress)
        };
        if report.judged.iter().any(|j| j.verdict == Verdict::Regress) {
            let again = MeasureCounts { iterations: base.iterations(), ..self.clone() };
            let (base, head) = again.both(&base_side, &head_side, worse, &|_| {})?;
            report.confirm(CountsReport::judge(&base, &head, limits));
        }
        Ok(report)
    }

    fn both(
        &self,
        base: &Side,
        head: &Side,
        wanted: impl Fn(&str) -> bool,
        progress: &(dyn Fn(CountsProgress<'_>) + Sync),
    ) -> Result<(Counted, Counted), CountsError> {
        let mut pairs: BTreeMap<&str, (Option<&ListedSubject>, Option<&ListedSubject>)> =
            BTreeMap::new();
        for bench in self.chosen(base.benches.iter()) {
            pairs.entry(&bench.name).or_default().0 = Some(bench);
        }
        for bench in self.chosen(head.benches.iter()) {
            pairs.entry(&bench.name).or_default().1 = Some(bench);
        }
        let pairs: Vec<_> =
            pairs.into_iter().filter(|(name, _)| wanted(name)).map(|(_, pair)| pair).collect();
        let counted = self.spread(&pairs, progress, |&(old, new), place| {
            // What does other work is not compared, so there is no use in counting it.
            let other_work = matches!((old, new), (Some(old), Some(new)) if old.work != new.work);
            let known = old.or(new).and_then(|b| self.iterations.get(&b.name)).copied();
            let count = |side: &Side, bench: Option<&ListedSubject>, iterations| {
                bench.map(|bench| match other_work {
                    true => CountedBench::of(bench),
                    false => self.one(side, bench, iterations, place),
                })
            };
            let old = count(base, old, known);
            let found = old.as_ref().map(|bench| bench.iterations).filter(|n| *n > 0);
            let new = count(head, new, found.or(known));
            (old, new)
        })?;
        let (old, new): (Vec<_>, Vec<_>) = counted.into_iter().unzip();
        let flat = |side: Vec<Option<CountedBench>>| self.counted(side.into_iter().flatten());
        Ok((flat(old), flat(new)))
    }

    fn chosen<'a>(
        &'a self,
        benches: impl Iterator<Item = &'a ListedSubject>,
    ) -> impl Iterator<Item = &'a ListedSubject> {
        benches.filter(|bench| {
            self.filter.as_ref().is_none_or(|part| bench.name.contains(part))
                && self.only.as_ref().is_none_or(|names| names.contains(&bench.name))
        })
    }

    fn counted(&self, benches: impl IntoIterator<Item = CountedBench>) -> Counted {
        let mut benches: Vec<CountedBench> = benches.into_iter().collect();
        benches.sort_by(|a, b| a.name.cmp(&b.name));
        let environment = CountsEnvironment::detect(&self.callgrind, self.features.clone());
        Counted { environment, benches }
    }

    /// Does the jobs on some threads and answers in the order of the jobs. Each has an empty
    /// folder of its own.
    fn spread<J: Named + Sync, R: Send>(
        &self,
        jobs: &[J],
        progress: &(dyn Fn(CountsProgress<'_>) + Sync),
        work: impl Fn(&J, &Path) -> R + Sync,
    ) -> Result<Vec<R>, CountsError> {
        let place = tempfile::Builder::new()
            .prefix("perfkit-counts-")
            .tempdir()
            .map_err(|source| io("make a temporary folder", source))?;
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let results: Vec<Mutex<Option<R>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..self.at_once.min(jobs.len()) {
                scope.spawn(|| {
                    while let Some((index, job)) = {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        jobs.get(index).map(|job| (index, job))
                    } {
                        let folder = place.path().join(index.to_string());
                        let result = work(job, &folder);
                        *results[index].lock().expect("nobody panics while holding it") =
                            Some(result);
                        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                        progress(CountsProgress { bench: job.name(), done, total: jobs.len() });
                    }
                });
            }
        });
        Ok(results
            .into_iter()
            .filter_map(|slot| slot.into_inner().expect("nobody panics while holding it"))
            .collect())
    }

    /// Counts one bench of one side, with these iterations or with as many as suit it.
    fn one(
        &self,
        side: &Side,
        bench: &ListedSubject,
        iterations: Option<u64>,
        folder: &Path,
    ) -> CountedBench {
        let mut counted = CountedBench::of(bench);
        if !bench.single_threaded {
            counted.skipped = Some(
                "runs on several threads, whose instructions depend on how they meet: \
                 it is judged by its time only"
                    .to_owned(),
            );
            return counted;
        }
        let tally = match iterations {
            Some(iterations) => self.run(side, bench, iterations, folder),
            None => self.calibrate(side, bench, folder),
        };
        match tally {
            Ok(tally) => counted.take(&tally),
            Err(failure) => counted.failure = Some(failure),
        }
        counted
    }

    /// Counts with more and more iterations until there are enough instructions.
    fn calibrate(
        &self,
        side: &Side,
        bench: &ListedSubject,
        folder: &Path,
    ) -> Result<Tally, String> {
        let mut tally = self.run(side, bench, 1, folder)?;
        for _ in 0..3 {
            let wanted = enough(tally.iterations, tally.instructions);
            if wanted <= tally.iterations {
                break;
            }
            tally = self.run(side, bench, wanted, folder)?;
        }
        Ok(tally)
    }

    fn run(
        &self,
        side: &Side,
        bench: &ListedSubject,
        iterations: u64,
        folder: &Path,
    ) -> Result<Tally, String> {
        side.enter(folder)
            .map_err(|error| format!("cannot prepare {}: {error}", folder.display()))?;
        self.callgrind.count(folder, &side.environment, &bench.name, iterations, self.limit)
    }
}

/// Instructions that are enough: one bench takes a third of a second, and what a call of the
/// region costs by itself is below a millionth of it.
const ENOUGH: u64 = 10_000_000;

/// More iterations than any bench needs.
const MOST_ITERATIONS: u64 = 5_000_000;

/// Iterations for [`ENOUGH`] instructions: 1, 2 or 5 times a power of ten, so that a small change
/// of the program does not change it.
fn enough(iterations: u64, instructions: u64) -> u64 {
    if instructions >= ENOUGH / 4 {
        return iterations;
    }
    let each = (instructions / iterations.max(1)).max(1);
    let wanted = (ENOUGH / each).clamp(1, MOST_ITERATIONS);
    let power = 10_u64.pow(wanted.ilog10());
    [5, 2].into_iter().map(|n| n * power).find(|round| *round <= wanted).unwrap_or(power)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn io(what: &str, source: std::io::Error) -> CountsError {
    CountsError::Io { what: what.to_owned(), source }
}

/// A job that can be named to whoever waits.
trait Named {
    fn name(&self) -> &str;
}

impl Named for &ListedSubject {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for (Option<&ListedSubject>, Option<&ListedSubject>) {
    fn name(&self) -> &str {
        self.0.or(self.1).map_or("", |bench| &bench.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterations_are_round_and_make_enough_instructions() {
        assert_eq!(enough(1, 700), 10_000);
        assert_eq!(enough(1, 7), 1_000_000);
        assert_eq!(enough(1, 40), 200_000);
        assert_eq!(enough(1, 1_900), 5_000);
        assert_eq!(enough(1, 0), MOST_ITERATIONS);
        assert_eq!(enough(1, 20_000_000), 1, "one is enough");
        assert_eq!(enough(200, 2_600_000), 200, "a quarter is near enough");
    }
}
