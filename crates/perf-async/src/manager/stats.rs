//! What a manager reports.

use super::Manager;
use crate::KindId;
use crate::sync::lock;
use perf_core::{Component, Histogram, Instant, Observe, Signal, Unit};
use std::time::Duration;

/// What has happened since the statistics were last reset, and how things stand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AsyncStats {
    /// Since when it has been counting.
    pub since: Instant,
    /// Operations taken on, without those that joined another. The sum of all that ended, wait or
    /// run.
    pub submitted: u64,
    /// Operations that ended with a value.
    pub completed: u64,
    /// Operations that ended with an error or a panic.
    pub failed: u64,
    /// Operations whose time passed.
    pub timed_out: u64,
    /// Operations that were cancelled or abandoned.
    pub cancelled: u64,
    /// Operations that were turned away.
    pub rejected: u64,
    /// Callers who joined an operation with the same key.
    pub joined: u64,
    /// Operations that wait.
    pub pending: usize,
    /// Operations that run.
    pub running: usize,
    /// How many may run at once.
    pub max_concurrent: usize,
    /// How many may wait.
    pub queue_limit: usize,
    /// Ended operations forgotten to make room for later ones.
    pub forgotten: u64,
    /// How long operations waited for their turn, in nanoseconds.
    pub wait_duration: Histogram,
    /// How long operations ran, each attempt by itself, in nanoseconds.
    pub run_duration: Histogram,
    /// Attempts that were followed by another.
    pub retried: u64,
    /// Operations that a circuit breaker refused; they count as failed.
    pub refused: u64,
    /// Callers who were answered with the value of an earlier operation: see
    /// [`Operation::keep_for`](crate::Operation::keep_for).
    pub kept_answers: u64,
    /// Kept values that made room for others before their time had passed.
    pub kept_evicted: u64,
    /// Values kept now.
    pub kept: usize,
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
    /// Operations whose kind had no room for its name, ever since the manager was built: see
    /// [`Manager::kinds`].
    pub unnamed: u64,
    /// Threads that are still at operations which have timed out or been cancelled. Each keeps its
    /// place among the running, but for those that
    /// `max_zombies` of the builder lets go. None without the feature `lanes`.
    pub zombies: usize,
}

impl AsyncStats {
    /// How long operations waited for their turn, on average.
    #[must_use]
    pub fn mean_wait(&self) -> Option<Duration> {
        mean(&self.wait_duration)
    }

    /// How long operations ran, on average.
    #[must_use]
    pub fn mean_run(&self) -> Option<Duration> {
        mean(&self.run_duration)
    }

    /// The longest that an operation ran.
    #[must_use]
    pub fn longest_run(&self) -> Option<Duration> {
        self.run_duration.max().map(Duration::from_nanos)
    }
}

impl Manager {
    /// What has happened since the statistics were last reset, and how things stand.
    #[must_use]
    pub fn stats(&self) -> AsyncStats {
        let core = lock(&self.shared.core);
        let totals = core.totals();
        let (pending, running) = (core.pending(), core.running());
        let (max_concurrent, queue_limit) = (core.max_concurrent(), core.queue_limit());
        let forgotten = core.forgotten();
        let kinds: Vec<KindId> = core.kinds().collect();
        let unnamed = core.unnamed();
        drop(core);
        let (mut wait_duration, mut run_duration) = (Histogram::new(), Histogram::new());
        for kind in kinds {
            // A lock for each, so that none is held for long.
            let (waits, runs) = lock(&self.shared.core).durations(kind);
            wait_duration.merge(&waits);
            run_duration.merge(&runs);
        }
        let kept = self.shared.kept.counts();
        AsyncStats {
            since: self.shared.since(),
            submitted: totals.submitted,
            completed: totals.completed,
            failed: totals.failed,
            timed_out: totals.timed_out,
            cancelled: totals.cancelled,
            rejected: totals.rejected,
            joined: totals.joined,
            pending,
            running,
            max_concurrent,
            queue_limit,
            forgotten,
            wait_duration,
            run_duration,
            retried: totals.retried,
            refused: totals.refused,
            kept_answers: kept.answered,
            kept_evicted: kept.evicted,
            kept: self.shared.kept.len(),
            retries_refused: totals.retries_refused,
            retries_too_late: totals.retries_too_late,
            hedges: totals.hedges,
            hedges_won: totals.hedges_won,
            hedges_refused: totals.hedges_refused,
            fallbacks: totals.fallbacks,
            stale: totals.stale,
            unnamed,
            #[cfg(feature = "lanes")]
            zombies: self.shared.lanes.zombies(),
            #[cfg(not(feature = "lanes"))]
            zombies: 0,
        }
    }

    /// Starts counting from zero. Operations that wait or run count as submitted.
    pub fn reset_statistics(&self) {
        let mut core = lock(&self.shared.core);
        core.reset_totals();
        self.shared.kept.reset_counts();
        self.shared.set_since(self.shared.clock.now());
    }
}

impl Observe for Manager {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let stats = self.stats();
        let counters = [
            (
                "submitted",
                stats.submitted,
                "Operations taken on, without those that joined another.",
            ),
            ("completed", stats.completed, "Operations that ended with a value."),
            ("failed", stats.failed, "Operations that ended with an error or a panic."),
            (
                "timed_out",
                stats.timed_out,
                "Operations whose time passed while they waited or ran.",
            ),
            ("cancelled", stats.cancelled, "Operations that were cancelled or abandoned."),
            ("rejected", stats.rejected, "Operations turned away because too many waited."),
            ("joined", stats.joined, "Callers who joined an operation with the same key."),
            ("kept_answers", stats.kept_answers, "Callers answered with a value kept from before."),
            ("kept_evicted", stats.kept_evicted, "Kept values that made room before their time."),
            ("retried", stats.retried, "Attempts that were followed by another."),
            ("retries_refused", stats.retries_refused, "Retries that the budget did not allow."),
            ("hedges", stats.hedges, "Second attempts beside slow ones."),
            ("hedges_won", stats.hedges_won, "Second attempts that were the first to succeed."),
            ("fallbacks", stats.fallbacks, "Operations whose fallback answered."),
            ("stale", stats.stale, "Operations whose stale value answered."),
        ];
        for (name, value, help) in counters {
            visit(Signal::counter(name, value, stats.since).help(help));
        }
        let gauges = [
            ("pending", stats.pending, "Operations that wait for their turn."),
            ("running", stats.running, "Operations that run."),
            ("concurrency", stats.max_concurrent, "How many operations may run at once."),
        ];
        for (name, value, help) in gauges {
            visit(Signal::gauge(name, Unit::Count, value as f64).help(help));
        }
        #[cfg(feature = "lanes")]
        visit(
            Signal::gauge("zombies", Unit::Count, stats.zombies as f64)
                .help("Threads still at operations that have timed out or been cancelled."),
        );
        let histograms = [
            ("wait_duration", &stats.wait_duration, "How long operations waited for their turn."),
            ("run_duration", &stats.run_duration, "How long operations ran, without waiting."),
        ];
        for (name, histogram, help) in histograms {
            visit(Signal::histogram(name, Unit::Nanoseconds, histogram, stats.since).help(help));
        }
        self.observe_pools(stats.since, visit);
        self.observe_batches(stats.since, visit);
        self.observe_limits(visit);
    }
}

impl Component for Manager {}

fn mean(histogram: &Histogram) -> Option<Duration> {
    let count = u128::from(histogram.count());
    let mean = histogram.sum().checked_div(count)?;
    Some(Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX)))
}
