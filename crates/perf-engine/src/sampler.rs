//! The thread that samples.

use crate::engine::{Engine, lock};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Ends the sampling thread.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(crate) fn stop(&self) {
        *lock(&self.stopped) = true;
        self.changed.notify_all();
    }

    /// Waits; answers whether it was stopped.
    fn wait_until(&self, deadline: Instant) -> bool {
        let mut stopped = lock(&self.stopped);
        while !*stopped {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            stopped =
                self.changed.wait_timeout(stopped, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

/// Samples at once and then at whole multiples of the interval from there, so that small delays
/// do not add up. Rounds missed because the machine slept are left out.
pub(crate) fn start(engine: Arc<Engine>, stop: Arc<Stop>) -> io::Result<()> {
    let every = engine.sample_every();
    let run = move || {
        let begun = Instant::now();
        loop {
            // Whatever a round meets, there is another one.
            if catch_unwind(AssertUnwindSafe(|| engine.sample())).is_err() {
                engine.note_lost_round();
            }
            if stop.wait_until(begun + next(begun.elapsed(), every)) {
                return;
            }
        }
    };
    thread::Builder::new().name("perfkit-sampler".to_owned()).spawn(run).map(drop)
}

/// The next multiple of `every` after `elapsed`.
fn next(elapsed: Duration, every: Duration) -> Duration {
    // Not a number of rounds times `every`: one that has to fit 32 bits ends after 497 days.
    let into_round = elapsed.as_nanos() % every.as_nanos().max(1);
    elapsed + every - Duration::from_nanos(u64::try_from(into_round).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_stand_at_multiples_and_missed_ones_are_left_out() {
        let every = Duration::from_secs(1);
        assert_eq!(next(Duration::from_millis(3), every), Duration::from_secs(1));
        assert_eq!(next(Duration::from_millis(1004), every), Duration::from_secs(2));
        assert_eq!(next(Duration::from_millis(7900), every), Duration::from_secs(8));
    }

    #[test]
    fn the_next_round_lies_ahead_however_long_it_has_run() {
        let (every, years) = (Duration::from_millis(10), Duration::from_secs(3 * 365 * 86_400));
        assert_eq!(next(years, every), years + every);
        assert_eq!(next(years + Duration::from_millis(7), every), years + every);
    }

    #[test]
    fn a_stopped_wait_ends_at_once() {
        let stop = Stop::default();
        assert!(!stop.wait_until(Instant::now()));
        stop.stop();
        assert!(stop.wait_until(Instant::now() + Duration::from_secs(3600)));
    }
}
