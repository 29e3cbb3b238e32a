//! Gradient2, to be compared with: not part of the crate, since under steady overload it drifts.

use perf_async::{LimitPolicy, Reason, Window};

/// Limit by the ratio of a long to a short mean of run times.
///
/// Source: Netflix, concurrency-limits, `Gradient2Limit`, with its defaults.
#[derive(Debug, Default)]
pub(crate) struct Gradient2 {
    limit: f64,
    long: f64,
    windows: u32,
}

impl LimitPolicy for Gradient2 {
    fn on_window(&mut self, window: &Window) -> usize {
        let short = window.mean.as_secs_f64();
        self.windows += 1;
        if self.windows <= WARM_UP {
            self.limit = window.limit as f64;
            self.long += (short - self.long) / f64::from(self.windows);
        } else {
            self.long += (short - self.long) * 2.0 / (LONG + 1.0);
        }
        if self.long / short > 2.0 {
            self.long *= 0.95;
        }
        if (window.max_running as f64) < self.limit / 2.0 {
            return self.limit as usize;
        }
        let gradient = (TOLERANCE * self.long / short).clamp(0.5, 1.0);
        let wanted = self.limit * gradient + QUEUE;
        self.limit = self.limit * (1.0 - SMOOTHING) + wanted * SMOOTHING;
        self.limit as usize
    }

    fn reason(&self) -> Reason {
        Reason::Room
    }
}

const WARM_UP: u32 = 10;
const LONG: f64 = 600.0;
const TOLERANCE: f64 = 1.5;
const QUEUE: f64 = 4.0;
const SMOOTHING: f64 = 0.2;
