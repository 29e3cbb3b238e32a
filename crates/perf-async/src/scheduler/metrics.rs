//! What has happened, by kind.

use super::kinds::Kind;
use super::line::LEVELS;
use super::{KindId, Scheduler};
use crate::adaptive::Limiter;
use crate::{AdaptiveState, BatchStats, Batching, KindSettings, Status};
use perf_core::{Histogram, Instant};
use perf_guard::BreakerState;
use std::borrow::Cow;
use std::ops::AddAssign;

/// How many operations there have been, by what became of them.
///
/// `submitted` is the sum of those that ended and those that wait or run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Taken on; without those that joined another.
    pub submitted: u64,
    /// Ended with a value.
    pub completed: u64,
    /// Ended with an error or a panic, or were refused by a circuit breaker.
    pub failed: u64,
    /// Their time passed.
    pub timed_out: u64,
    /// Cancelled or abandoned.
    pub cancelled: u64,
    /// Turned away because too many waited.
    pub rejected: u64,
    /// Joined an operation with the same key.
    pub joined: u64,
    /// Attempts that were followed by another.
    pub retried: u64,
    /// Of the failed, those that a circuit breaker refused.
    pub refused: u64,
    /// Attempts that another would have followed, had the budget for retries not been used up.
    pub retries_refused: u64,
    /// Attempts that another would have followed, had there been time for it.
    pub retries_too_late: u64,
    /// Second attempts beside slow ones; each is an operation of its own as well.
    pub hedges: u64,
    /// Of these, those that were the first to succeed.
    pub hedges_won: u64,
    /// Those that were not made, for want of a place or of budget.
    pub hedges_refused: u64,
    /// Operations without a value whose fallback answered.
    pub fallbacks: u64,
    /// Operations without a value whose stale value answered.
    pub stale: u64,
}

impl Totals {
    pub(super) fn count(&mut self, status: Status) {
        match status {
            Status::Completed => self.completed += 1,
            Status::Failed => self.failed += 1,
            Status::Timeout => self.timed_out += 1,
            _ => self.cancelled += 1,
        }
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.submitted += other.submitted;
        self.completed += other.completed;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.cancelled += other.cancelled;
        self.rejected += other.rejected;
        self.joined += other.joined;
        self.retried += other.retried;
        self.refused += other.refused;
        self.retries_refused += other.retries_refused;
        self.retries_too_late += other.retries_too_late;
        self.hedges += other.hedges;
        self.hedges_won += other.hedges_won;
        self.hedges_refused += other.hedges_refused;
        self.fallbacks += other.fallbacks;
        self.stale += other.stale;
    }
}

/// What has happened to the operations of one kind since the statistics were last reset, and how
/// things stand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OperationMetrics {
    /// The name of the kind.
    pub kind: Cow<'static, str>,
    /// How many there have been.
    pub totals: Totals,
    /// How many wait.
    pub pending: usize,
    /// How many wait for their turn at priority 1, 2, ... 10. Those that wait for another attempt
    /// are in [`pending`](OperationMetrics::pending) alone.
    pub pending_by_priority: [usize; LEVELS],
    /// How many run.
    pub running: usize,
    /// How long they waited for their turn, in nanoseconds.
    pub wait_duration: Histogram,
    /// How long they ran, each attempt by itself, in nanoseconds.
    pub run_duration: Histogram,
    /// The state of the circuit breaker, if there is one.
    pub breaker: Option<BreakerState>,
    /// Whether operations wait for the throttle only.
    pub throttled: bool,
    /// What its batches have been like, if its operations are handed over together.
    pub batches: Option<BatchStats>,
    /// Where the limit stands that finds itself, if the kind has one.
    pub adaptive: Option<AdaptiveState>,
    /// How the kind is set.
    pub settings: KindSettings,
}

impl<P> Scheduler<P> {
    /// How many operations there have been, of all kinds. O(kinds).
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        self.kinds.iter().for_each(|(_, kind)| sum += kind.totals);
        sum
    }

    /// What has happened to operations of that kind. O(buckets of its
    /// histograms, and waiting operations that have changed their priority).
    #[must_use]
    pub fn metrics(&self, kind: KindId, now: Instant) -> OperationMetrics {
        let kind = &self.kinds[kind];
        OperationMetrics {
            kind: kind.name.clone(),
            totals: kind.totals,
            pending: kind.waiting,
            pending_by_priority: kind.line.by_level(),
            running: kind.running,
            wait_duration: kind.wait_duration(),
            run_duration: kind.runs.clone(),
            breaker: kind.breaker.as_ref().map(|breaker| breaker.state(now)),
            throttled: kind.line.len() > 0 && kind.blocked.is_some_and(|until| until > now),
            batches: kind.settings.batch.as_ref().map(Batching::stats),
            adaptive: kind.limiter.as_deref().map(Limiter::state),
            settings: kind.settings.clone(),
        }
    }

    /// How long operations of that kind waited and ran, in nanoseconds.
    #[must_use]
    pub fn durations(&self, kind: KindId) -> (Histogram, Histogram) {
        let kind = &self.kinds[kind];
        (kind.wait_duration(), kind.runs.clone())
    }

    /// Starts counting from zero. Those that wait or run count as submitted.
    pub fn reset_totals(&mut self) {
        for (_, kind) in self.kinds.iter_mut() {
            let submitted = (kind.running + kind.waiting) as u64;
            kind.totals = Totals { submitted, ..Totals::default() };
            kind.at_once = 0;
            kind.waits = Histogram::new();
            kind.runs = Histogram::new();
            if let Some(batching) = &kind.settings.batch {
                batching.reset_stats();
            }
        }
    }
}

impl Kind {
    fn wait_duration(&self) -> Histogram {
        let mut waits = self.waits.clone();
        waits.record_n(0, self.at_once);
        waits
    }
}
