//! What became of a case, and of all of them.

use super::Fingerprint;
use crate::sync::Arc;
use std::fmt;
use std::time::{Duration, SystemTime};

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// An attempt passed; if it was not the first, the case is flaky.
    Passed,
    /// It passed before, and nothing that it depends on has changed: it was not run.
    Unchanged,
    /// The last attempt failed.
    Failed,
    /// The last attempt took too long and was ended.
    TimedOut,
    /// The run was stopped before it ended.
    Cancelled,
}

impl Verdict {
    /// Whether all is well: it passed, now or before.
    #[must_use]
    pub const fn is_passed(self) -> bool {
        matches!(self, Verdict::Passed | Verdict::Unchanged)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Passed => "passed",
            Verdict::Unchanged => "unchanged",
            Verdict::Failed => "failed",
            Verdict::TimedOut => "timed out",
            Verdict::Cancelled => "cancelled",
        })
    }
}

/// What became of one case.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestResult {
    /// Names this execution among all there have ever been: the run, and the case's number in it.
    pub execution_id: String,
    /// The case's name.
    pub name: String,
    /// The group that it belongs to.
    pub group: Option<String>,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it did not pass.
    pub reason: Option<String>,
    /// How often it was run; 0 if it never was.
    pub attempts: u32,
    /// Why earlier attempts failed, first to last.
    pub failures: Vec<String>,
    /// How long it ran, all attempts together, without waiting for its turn.
    pub duration: Duration,
    /// Whether it ran longer than a case should.
    pub slow: bool,
    /// When it started; when it was passed over if it did not.
    pub created_at: SystemTime,
    /// Of what it depends on, if it says so.
    pub fingerprint: Option<Fingerprint>,
    /// The end of what the last failed attempt has written; empty if none failed.
    pub output: String,
    /// How many bytes before that were cut.
    pub output_cut: u64,
    /// Whether it left processes behind, which were then killed.
    pub left_processes: bool,
}

impl TestResult {
    /// Whether all is well: it passed, now or before.
    #[must_use]
    pub const fn is_passed(&self) -> bool {
        self.verdict.is_passed()
    }

    /// Whether it failed and passed in one run.
    #[must_use]
    pub const fn is_flaky(&self) -> bool {
        matches!(self.verdict, Verdict::Passed) && self.attempts > 1
    }
}

/// What became of all cases of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestReport {
    /// The run's name: the first part of each [`TestResult::execution_id`].
    pub run_id: String,
    /// One for each case, in the order in which they were given.
    pub results: Vec<Arc<TestResult>>,
    /// How many ran at once at most.
    pub jobs: usize,
    /// From the start to the end.
    pub elapsed: Duration,
    /// Results that the sink has taken.
    pub stored: usize,
    /// Why results could not be stored, or former ones not be read.
    pub sink_error: Option<String>,
    /// What else went wrong: inputs that cannot be read, so that the case ran all the same.
    pub notices: Vec<String>,
    /// Events that fell off because nobody took them.
    pub events_dropped: u64,
}

impl TestReport {
    /// Whether every case passed, now or before.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.results.iter().all(|result| result.is_passed())
    }

    /// How many ended so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.results.iter().filter(|result| result.verdict == verdict).count()
    }

    /// Those that neither passed nor were passed over.
    pub fn failed(&self) -> impl Iterator<Item = &TestResult> {
        let failed =
            |result: &&TestResult| matches!(result.verdict, Verdict::Failed | Verdict::TimedOut);
        self.results.iter().map(|result| &**result).filter(failed)
    }

    /// Those that failed and then passed.
    pub fn flaky(&self) -> impl Iterator<Item = &TestResult> {
        self.results.iter().map(|result| &**result).filter(|result| result.is_flaky())
    }

    /// The ones that took longest, longest first, at most so many. O(n log n).
    #[must_use]
    pub fn slowest(&self, many: usize) -> Vec<&TestResult> {
        let mut ran: Vec<&TestResult> =
            self.results.iter().map(|result| &**result).filter(|r| r.attempts > 0).collect();
        ran.sort_by_key(|result| std::cmp::Reverse(result.duration));
        ran.truncate(many);
        ran
    }
}
