//! Which benches did a change make slower? Runs two programs side by side and judges the pairs.
//!
//! Both programs live at the same time and are asked in turn, base head head base, for one sample
//! each, so that whatever the machine does meets both. Every few pairs fresh processes take over,
//! since where the system puts a process's memory is noise too, and one process would keep it for
//! the whole run. Rounds go over all benches before the next one begins: a disturbance of a minute
//! costs every bench a pair or two and no bench all of them.
//!
//! Source of the interleaving: Bulej, Horký, Tůma, Farquet and Prokopec, "Duet Benchmarking:
//! Improving Measurement Accuracy in the Cloud", ICPE 2020.

mod comparison;
mod document;
mod measure;
mod pinning;
mod program;
mod session;

pub use comparison::Comparison;
pub use program::{ProgramError, SubjectProgram};

use crate::{Judged, Machine, Paired, Rule, Verdict};
use measure::{Measured, Round};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// A comparison of two [`SubjectProgram`]s to be run.
///
/// ```no_run
/// use perf_bench::{Compare, SubjectProgram};
///
/// # fn main() -> Result<(), perf_bench::CompareError> {
/// let base = SubjectProgram::new("base/subjects");
/// let head = SubjectProgram::new("head/subjects");
/// let comparison = Compare::new().filter("cache/").run(&base, &head, |_| ())?;
/// for judged in &comparison.judged {
///     println!("{}: {}", judged.bench, judged.why);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Compare {
    rule: Rule,
    pairs: usize,
    block: usize,
    sample: Duration,
    time: Option<Duration>,
    limit: Duration,
    pinned: bool,
    even_identical: bool,
    filter: Option<String>,
    only: Option<Vec<String>>,
    learnt: BTreeMap<String, f64>,
}

/// How far a comparison has come.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// The bench that is measured next.
    pub bench: String,
    /// Pairs taken, over all benches.
    pub done: usize,
    /// Pairs to take, over all benches; falls when time runs out or a bench fails.
    pub total: usize,
    /// Time since the start.
    pub elapsed: Duration,
}

impl Default for Compare {
    fn default() -> Compare {
        Compare {
            rule: Rule::default(),
            pairs: 30,
            block: 2,
            sample: Duration::from_millis(20),
            time: None,
            limit: Duration::from_secs(60),
            pinned: true,
            even_identical: false,
            filter: None,
            only: None,
            learnt: BTreeMap::new(),
        }
    }
}

impl Compare {
    /// 30 pairs of samples of 20 ms, fresh processes every 5 pairs, the default [`Rule`].
    #[must_use]
    pub fn new() -> Compare {
        Compare::default()
    }

    /// Another rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Compare {
        self.rule = rule;
        self
    }

    /// So many pairs of each bench. [`run`](Compare::run) refuses fewer than
    /// [`Rule::least_pairs`], with which no bench could be red.
    #[must_use]
    pub fn pairs(mut self, pairs: usize) -> Compare {
        self.pairs = pairs.max(1);
        self
    }

    /// Fresh processes after so many pairs, at least one.
    #[must_use]
    pub fn block(mut self, pairs: usize) -> Compare {
        self.block = pairs.max(1);
        self
    }

    /// How long the base takes for one sample; the head does as many iterations.
    #[must_use]
    pub fn sample(mut self, length: Duration) -> Compare {
        self.sample = length.max(Duration::from_micros(10));
        self
    }

    /// Time for the whole comparison, spread evenly over the benches: samples get shorter, down to
    /// 5 ms, then there are fewer pairs.
    #[must_use]
    pub fn time(mut self, time: Option<Duration>) -> Compare {
        self.time = time;
        self
    }

    /// How long a program may take for one answer before it is ended; a minute unless set.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Compare {
        self.limit = limit;
        self
    }

    /// Whether both sides are bound to one core where the bench has one thread and the machine
    /// more cores; `true` unless set.
    #[must_use]
    pub fn pinned(mut self, pinned: bool) -> Compare {
        self.pinned = pinned;
        self
    }

    /// Measures even if the programs are byte for byte the same, as learning the noise needs it.
    #[must_use]
    pub fn even_identical(mut self, measure: bool) -> Compare {
        self.even_identical = measure;
        self
    }

    /// Only benches whose name contains this.
    #[must_use]
    pub fn filter(mut self, part: impl Into<String>) -> Compare {
        self.filter = Some(part.into());
        self
    }

    /// Only benches of these names, as for a second measurement of those that look red.
    #[must_use]
    pub fn only(mut self, names: impl IntoIterator<Item = String>) -> Compare {
        self.only = Some(names.into_iter().collect());
        self
    }

    /// The margin learnt for each bench, as fractions.
    #[must_use]
    pub fn learnt(mut self, margins: BTreeMap<String, f64>) -> Compare {
        self.learnt = margins;
        self
    }

    /// Runs it, telling how far it has come before each block of pairs.
    ///
    /// A bench that panics, dies, hangs or prints is [`Incomparable`](Verdict::Incomparable) with
    /// the reason, and the others go on.
    ///
    /// # Errors
    ///
    /// [`CompareError`] if one of the programs cannot be asked for its benches, or so few pairs were
    /// asked for that no bench of this suite could be red.
    pub fn run(
        &self,
        base: &SubjectProgram,
        head: &SubjectProgram,
        mut progress: impl FnMut(Progress),
    ) -> Result<Comparison, CompareError> {
        let lists = [(Side::Base, base), (Side::Head, head)].map(|(side, program)| {
            program.list().map_err(|error| CompareError(Refused::Program { side, error }))
        });
        let [base_list, head_list] = lists;
        let (base_list, head_list) = (base_list?, head_list?);
        let mut comparison = Comparison::new(self.rule, Machine::here());
        // A file that was just started and cannot be read any more is simply measured.
        comparison.identical = base.is_identical(head).unwrap_or(false);
        let mut measured = Vec::new();
        for listed in base_list.iter().filter(|listed| self.wants(&listed.name)) {
            match head_list.iter().find(|other| other.name == listed.name) {
                None => comparison.one_sided(&listed.name, Verdict::Gone, "only the base has it"),
                Some(other) if listed.work != other.work => {
                    let why = format!(
                        "different work under one name: {} / {}",
                        quoted(&listed.work),
                        quoted(&other.work)
                    );
                    comparison.one_sided(&listed.name, Verdict::Incomparable, &why);
                }
                Some(other) => measured.push(Measured::new(listed, other)),
            }
        }
        let least = self.rule.least_pairs(measured.len());
        if !measured.is_empty() && self.pairs < least {
            let (pairs, benches) = (self.pairs, measured.len());
            return Err(CompareError(Refused::TooFewPairs { pairs, least, benches }));
        }
        for listed in head_list.iter().filter(|listed| self.wants(&listed.name)) {
            if !base_list.iter().any(|other| other.name == listed.name) {
                comparison.one_sided(&listed.name, Verdict::New, "only the head has it");
            }
        }
        if comparison.identical && !self.even_identical {
            for bench in &measured {
                let why = "the two programs are byte for byte the same";
                comparison.one_sided(&bench.name, Verdict::Same, why);
            }
        } else {
            self.measure(base, head, &mut measured, &mut comparison, &mut progress);
            self.judge(&measured, &mut comparison);
        }
        comparison.sort();
        Ok(comparison)
    }

    fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|part| name.contains(part.as_str()))
            && self.only.as_ref().is_none_or(|names| names.iter().any(|only| only == name))
    }

    /// Takes the pairs, round by round, as long as there is time.
    fn measure(
        &self,
        base: &SubjectProgram,
        head: &SubjectProgram,
        benches: &mut [Measured],
        comparison: &mut Comparison,
        progress: &mut dyn FnMut(Progress),
    ) {
        let start = Instant::now();
        let sample = self.sample_within_time(benches.len());
        let least = self.rule.least_pairs(benches.len());
        let mut slowest_round = Duration::ZERO;
        'rounds: for number in 0..self.pairs.div_ceil(self.block) {
            let begun = Instant::now();
            // Without the least that can make a bench red, all the time would be for nothing.
            let enough = number * self.block >= least;
            let spent = start.elapsed() + slowest_round;
            if enough && self.time.is_some_and(|time| spent > time) {
                comparison.notes.push(format!(
                    "the time allowed {} of {} pairs a bench",
                    number * self.block,
                    self.pairs
                ));
                break;
            }
            for place in 0..benches.len() {
                if enough && self.time.is_some_and(|time| start.elapsed() > 2 * time) {
                    comparison.complete = false;
                    comparison.notes.push(format!(
                        "stopped after {:.0?}, twice the time that was allowed: allow more time or \
                         name fewer benches",
                        start.elapsed()
                    ));
                    break 'rounds;
                }
                let going = benches.iter().filter(|bench| bench.failure.is_none()).count();
                let done: usize = benches.iter().map(|bench| bench.base.len()).sum();
                let bench = &mut benches[place];
                if bench.failure.is_some() {
                    continue;
                }
                progress(Progress {
                    bench: bench.name.clone(),
                    done,
                    total: (going * self.pairs).max(done),
                    elapsed: start.elapsed(),
                });
                let round = Round {
                    number,
                    pairs: self.block.min(self.pairs - number * self.block),
                    sample,
                    limit: self.limit,
                    pinned: self.pinned,
                };
                bench.take(&round, base, head);
            }
            slowest_round = slowest_round.max(begun.elapsed());
        }
        let total = |part: fn(&Measured) -> f64| benches.iter().map(part).sum::<f64>();
        let (ran, waited) = (total(|bench| bench.ran), total(|bench| bench.waited));
        if waited > WAITED * (ran + waited) {
            comparison.notes.push(format!(
                "the benches waited {:.0} % of the time for a core, which is not in their figures",
                100.0 * waited / (ran + waited)
            ));
        }
    }

    /// The length of a sample: the one that is asked for, or shorter where time is short.
    fn sample_within_time(&self, benches: usize) -> Duration {
        let Some(time) = self.time else { return self.sample };
        // Two sides, and a fifth for warming up and starting.
        let samples = 2.4 * (benches.max(1) * self.pairs) as f64;
        let affordable = time.div_f64(samples);
        self.sample.min(affordable.max(Duration::from_millis(5)))
    }

    fn judge(&self, benches: &[Measured], comparison: &mut Comparison) {
        let (failed, whole): (Vec<_>, Vec<_>) =
            benches.iter().partition(|bench| bench.failure.is_some());
        let suite: Vec<Paired<'_>> = whole
            .iter()
            .map(|bench| {
                let learnt = self.learnt.get(&bench.name).copied();
                Paired::new(&bench.name, &bench.base, &bench.head).learnt(learnt)
            })
            .collect();
        comparison.judged.extend(self.rule.judge_suite(&suite));
        for bench in &failed {
            let mut judged = Judged::new(&bench.name, "time", Verdict::Incomparable);
            judged.why = bench.why_failed();
            comparison.judged.push(judged);
            comparison.complete = false;
        }
        for bench in benches {
            let (base, head) = bench.kept();
            comparison.base.benches.push(base);
            comparison.head.benches.push(head);
        }
    }
}

/// The share of waiting for a core beyond which it is worth a remark.
const WAITED: f64 = 0.05;

/// The side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Base,
    Head,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Base => "base",
            Side::Head => "head",
        })
    }
}

/// A comparison that could not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompareError(Refused);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Refused {
    Program { side: Side, error: ProgramError },
    TooFewPairs { pairs: usize, least: usize, benches: usize },
}

impl CompareError {
    /// Whether it was asked for what cannot be, rather than that a program failed.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self.0, Refused::TooFewPairs { .. })
    }
}

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Refused::Program { side, error } => write!(f, "the {side}'s program {error}"),
            Refused::TooFewPairs { pairs, least, benches } => write!(
                f,
                "with {pairs} pairs no loss could be told from chance among {benches} benches, \
                 take at least {least}"
            ),
        }
    }
}

impl std::error::Error for CompareError {}

/// A text of somebody else's, short enough for a message.
fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
