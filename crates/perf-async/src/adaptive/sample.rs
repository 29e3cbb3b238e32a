//! Means of run times, and how much they scatter.

use super::Window;

/// The mean of run times in seconds, over windows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pool {
    samples: f64,
    sum: f64,
}

impl Pool {
    pub(super) fn is_empty(self) -> bool {
        self.samples == 0.0
    }

    pub(super) fn samples(self) -> u64 {
        self.samples as u64
    }

    pub(super) fn mean(self) -> f64 {
        self.sum / self.samples
    }

    pub(super) fn add(&mut self, mean: f64, samples: u64) {
        self.merge(Pool { samples: samples as f64, sum: mean * samples as f64 });
    }

    /// What is old counts for less once there is enough of it.
    pub(super) fn merge(&mut self, other: Pool) {
        self.samples += other.samples;
        self.sum += other.sum;
        if self.samples > MEMORY {
            self.sum *= MEMORY / self.samples;
            self.samples = MEMORY;
        }
    }
}

/// How many samples are enough.
const MEMORY: f64 = 5_000.0;

/// How much run times scatter, learned from how much the means of windows do.
#[derive(Debug)]
pub(super) struct Noise {
    /// The square of the standard deviation over the mean.
    variation: f64,
    last: Option<(f64, Window)>,
}

impl Default for Noise {
    /// As exponential times scatter.
    fn default() -> Noise {
        Noise { variation: 1.0, last: None }
    }
}

impl Noise {
    /// Learns from two windows in a row with one limit.
    pub(super) fn learn(&mut self, window: &Window, limit: f64) {
        let last = self.last.replace((limit, *window));
        let Some((_, last)) = last.filter(|(at, _)| (at - limit).abs() < 0.5) else { return };
        let (a, b) = (last.mean.as_secs_f64(), window.mean.as_secs_f64());
        let difference = 2.0 * (a - b) / (a + b);
        if difference.abs() < REGIME {
            let samples = 2.0 / (1.0 / last.samples as f64 + 1.0 / window.samples as f64);
            let seen = difference * difference * samples / 2.0;
            self.variation += LEARN * (seen - self.variation);
            self.variation = self.variation.clamp(LEAST, MOST);
        }
    }

    /// The standard error of a mean, as a share of it.
    pub(super) fn of(&self, pool: Pool) -> f64 {
        (self.variation / pool.samples.max(1.0)).sqrt()
    }

    /// Whether this mean of so many is another than that of the pool.
    pub(super) fn is_significant(&self, pool: Pool, mean: f64, samples: u64) -> bool {
        if pool.is_empty() {
            return false;
        }
        let other = Pool { samples: samples as f64, sum: 0.0 };
        let error = self.of(pool).hypot(self.of(other));
        (mean / pool.mean() - 1.0).abs() > SIGNIFICANT * error
    }
}

const SIGNIFICANT: f64 = 3.0;
/// More than that from one window to the next is no noise.
const REGIME: f64 = 0.5;
const LEARN: f64 = 0.05;
const LEAST: f64 = 0.05;
const MOST: f64 = 16.0;
