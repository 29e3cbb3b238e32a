//! One operation with its tags: handle, guard and series.

use super::registry::Tags;
use super::{DURATION, ERRORS, Inner, OPERATION, borrowed, lock};
use perf_core::{Counter, Instant, Signal, StripedHistogram, Unit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Records one operation with fixed tags. Cheap to clone; share it between threads.
#[derive(Clone, Debug)]
pub struct OperationHandle {
    series: Arc<OperationSeries>,
    recorder: Arc<Inner>,
}

impl OperationHandle {
    pub(super) fn new(series: Arc<OperationSeries>, recorder: Arc<Inner>) -> OperationHandle {
        OperationHandle { series, recorder }
    }

    /// Times until the guard is dropped. A success, unless [`Guard::fail`] is called or the thread
    /// panics.
    pub fn start(&self) -> Guard<'_> {
        Guard { handle: self, start: self.recorder.clock.now(), outcome: Outcome::Success }
    }

    /// Records an operation timed elsewhere.
    pub fn record(&self, elapsed: Duration, outcome: Outcome) {
        self.series.record(&self.recorder, self.recorder.clock.coarse(), elapsed, outcome);
    }

    /// Remembers the text of the last error, cut at a kilobyte. Does not count as a failure.
    pub fn note_error(&self, error: &str) {
        self.series.note_error(error);
    }

    pub(super) fn into_series(self) -> Arc<OperationSeries> {
        self.series
    }
}

/// Whether an operation did what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It did.
    Success,
    /// It did not.
    Failure,
}

/// Times an operation until it is dropped.
#[derive(Debug)]
#[must_use = "a guard that is dropped at once times nothing"]
pub struct Guard<'a> {
    handle: &'a OperationHandle,
    start: Instant,
    outcome: Outcome,
}

impl Guard<'_> {
    /// Says that the operation failed. Timing goes on until the guard is dropped.
    pub fn fail(&mut self) {
        self.outcome = Outcome::Failure;
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let now = self.handle.recorder.clock.now();
        let outcome = if std::thread::panicking() { Outcome::Failure } else { self.outcome };
        self.handle.series.record(&self.handle.recorder, now, now - self.start, outcome);
    }
}

#[derive(Debug)]
pub(super) struct OperationSeries {
    /// First the operation's name, then the tags.
    pub(super) labels: Vec<(String, String)>,
    since: Instant,
    durations: StripedHistogram,
    errors: Counter,
    last_error: Mutex<Option<String>>,
    /// The step, counted from the clock's origin, that records now belong to.
    open: AtomicU64,
}

impl OperationSeries {
    pub(super) fn new(name: &str, tags: &Tags, now: Instant) -> OperationSeries {
        OperationSeries {
            labels: tags.labelled(OPERATION, name),
            since: now,
            durations: StripedHistogram::new(),
            errors: Counter::new(),
            last_error: Mutex::new(None),
            open: AtomicU64::new(now.as_nanos()),
        }
    }

    pub(super) fn idle(&self, now: Instant) -> Duration {
        now - Instant::from_nanos(self.open.load(Ordering::Relaxed))
    }

    pub(super) fn record(
        &self,
        recorder: &Inner,
        now: Instant,
        elapsed: Duration,
        outcome: Outcome,
    ) {
        self.roll(recorder, now);
        self.durations.record_duration(elapsed);
        if outcome == Outcome::Failure {
            self.errors.increment();
        }
    }

    pub(super) fn note_error(&self, error: &str) {
        *lock(&self.last_error) = Some(super::event::cut(error));
    }

    pub(super) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    /// Puts what was recorded in earlier steps where it belongs, if a new step has begun.
    pub(super) fn roll(&self, recorder: &Inner, now: Instant) {
        let step = recorder.history.step().as_nanos().max(1) as u64;
        let open = self.open.load(Ordering::Relaxed);
        if now.as_nanos() / step <= open / step {
            return;
        }
        // One thread closes the step. A record that slips in between counts in the step before,
        // which is where a clock read a moment earlier would have put it.
        let swapped =
            self.open.compare_exchange(open, now.as_nanos(), Ordering::AcqRel, Ordering::Relaxed);
        if swapped.is_ok() {
            self.sample(recorder, Instant::from_nanos(open));
        }
    }

    pub(super) fn sample(&self, recorder: &Inner, at: Instant) {
        let at = begin_of_step(at, recorder.history.step());
        self.visit(&mut |signal| recorder.history.sample(at, &recorder.name, &signal));
    }

    pub(super) fn visit(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let labels = borrowed(&self.labels);
        let durations = self.durations.snapshot();
        visit(
            Signal::histogram(DURATION, Unit::Nanoseconds, &durations, self.since)
                .labels(&labels)
                .help("How long the operation took, whether or not it succeeded."),
        );
        visit(
            Signal::counter(ERRORS, self.errors.get(), self.since)
                .labels(&labels)
                .help("Operations that failed."),
        );
    }
}

/// Readings of a step stand at its beginning, wherever in it they were made.
pub(super) fn begin_of_step(at: Instant, step: Duration) -> Instant {
    let step = step.as_nanos().max(1) as u64;
    Instant::from_nanos(at.as_nanos() / step * step)
}
