//! Up by one, down by a tenth.

use super::{LimitPolicy, Reason, Window};
use std::time::Duration;

/// Raises the limit by one while it holds operations back, and lowers it by a tenth when they time
/// out or take too long.
///
/// Robust, and blind to a queue that nobody times out of: it goes as high as time-outs let it.
///
/// Source: Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion
/// avoidance", 1989; the figures are those of Netflix, concurrency-limits, `AIMDLimit`.
#[derive(Debug)]
pub struct Aimd {
    max_healthy: Option<Duration>,
    reason: Reason,
}

impl Default for Aimd {
    fn default() -> Aimd {
        Aimd { max_healthy: None, reason: Reason::Start }
    }
}

impl Aimd {
    /// Starts from whatever limit holds.
    #[must_use]
    pub fn new() -> Aimd {
        Aimd::default()
    }

    /// Lowers the limit as long as one of ten operations takes longer than this.
    #[must_use]
    pub fn max_healthy_latency(mut self, latency: Duration) -> Aimd {
        self.max_healthy = Some(latency);
        self
    }
}

impl LimitPolicy for Aimd {
    fn on_window(&mut self, window: &Window) -> usize {
        let unhealthy = self.max_healthy.is_some_and(|latency| window.p90 > latency);
        if unhealthy || window.drop_ratio() > MOST_DROPPED {
            self.reason = if unhealthy { Reason::Unhealthy } else { Reason::Drops };
            return (window.limit * 9 / 10).max(1);
        }
        if window.max_running * 2 < window.limit {
            self.reason = Reason::NotFull;
            return window.limit;
        }
        self.reason = Reason::Room;
        window.limit + 1
    }

    fn reason(&self) -> Reason {
        self.reason
    }
}

/// The share of time-outs that is too much.
const MOST_DROPPED: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    fn window(limit: usize, max_running: usize, drops: u64) -> Window {
        let p90 = Duration::from_millis(50);
        Window { limit, max_running, samples: 100, drops, p90, ..Window::default() }
    }

    #[test]
    fn up_by_one_down_by_a_tenth_and_still_where_nobody_is_held_back() {
        let mut aimd = Aimd::new();
        assert_eq!(aimd.on_window(&window(20, 20, 0)), 21);
        assert_eq!(aimd.on_window(&window(20, 20, 2)), 18);
        assert_eq!((aimd.on_window(&window(20, 9, 0)), aimd.reason()), (20, Reason::NotFull));
        assert_eq!(aimd.on_window(&window(1, 1, 50)), 1);
        let mut healthy = Aimd::new().max_healthy_latency(Duration::from_millis(40));
        assert_eq!(
            (healthy.on_window(&window(20, 20, 0)), healthy.reason()),
            (18, Reason::Unhealthy)
        );
    }
}
