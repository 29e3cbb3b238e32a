//! What is measured between two decisions.

use std::time::Duration;

/// What was measured between two decisions about a limit.
///
/// Run times count from the start of an attempt, so waiting in the manager's queue is no part of
/// them. Operations that were cancelled leave no sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Window {
    /// How long the window was.
    pub length: Duration,
    /// The limit that held.
    pub limit: usize,
    /// How many operations ended, those that timed out aside.
    pub samples: u64,
    /// How many timed out.
    pub drops: u64,
    /// The most operations that ran at once.
    pub max_running: usize,
    /// Their mean run time.
    pub mean: Duration,
    /// The run time that half of them took at most.
    pub p50: Duration,
    /// The run time that nine of ten took at most.
    pub p90: Duration,
    /// The run time that 99 of 100 took at most.
    pub p99: Duration,
}

impl Window {
    /// Operations that ended per second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        let seconds = self.length.as_secs_f64();
        if seconds > 0.0 { self.samples as f64 / seconds } else { 0.0 }
    }

    /// How many operations ran at once in the mean, by Little's law: throughput times run time.
    #[must_use]
    pub fn mean_running(&self) -> f64 {
        self.throughput() * self.mean.as_secs_f64()
    }

    /// The share of operations that timed out, from 0 to 1.
    #[must_use]
    pub fn drop_ratio(&self) -> f64 {
        let all = self.samples + self.drops;
        if all > 0 { self.drops as f64 / all as f64 } else { 0.0 }
    }

    /// Whether the limit held operations back at least once.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.max_running >= self.limit
    }
}
