//! How far a run has come, for whoever watches from another thread.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A run seen from another thread: how far it is, and the means to end it.
#[derive(Debug, Default)]
pub struct LoadProgress {
    stop: AtomicBool,
    seen: Mutex<LoadSnapshot>,
    told: AtomicU64,
}

/// A run at one instant.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LoadSnapshot {
    /// What is being done: `warm-up`, `measuring`, `draining`, or a step of a stress run.
    pub phase: String,
    /// Since the start, warm-up included.
    pub elapsed: Duration,
    /// How long it is to last, warm-up included.
    pub length: Duration,
    /// Requests under way.
    pub in_flight: u64,
    /// Answers a second, over the last second.
    pub rate: f64,
    /// Median latency from the intended start over the last second.
    pub p50: Option<Duration>,
    /// The 99th percentile likewise.
    pub p99: Option<Duration>,
    /// Answers since the start.
    pub answered: u64,
    /// Failures since the start.
    pub failed: u64,
}

impl LoadProgress {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new() -> LoadProgress {
        LoadProgress::default()
    }

    /// Ends the run: nothing more is sent, what is open is waited for a second at most, and the
    /// report is marked as interrupted.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The run as it was last told, ten times a second at most.
    #[must_use]
    pub fn snapshot(&self) -> LoadSnapshot {
        // A panic while it was held leaves plain numbers behind.
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// How often it has been told; it is worth looking again when this has grown.
    #[must_use]
    pub fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn tell(&self, change: impl FnOnce(&mut LoadSnapshot)) {
        change(&mut self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        self.told.fetch_add(1, Ordering::Relaxed);
    }
}
