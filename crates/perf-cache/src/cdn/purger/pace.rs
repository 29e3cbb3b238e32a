//! When the next call may be made: the rate of the service, and what failed before.

use crate::cdn::purge::{PurgeError, PurgeErrorKind, PurgeLimits};
use perf_core::{ConfigError, Instant};
use perf_guard::{Backoff, Gcra, RetryBudget};
use std::time::Duration;

/// What paces calls.
#[derive(Debug)]
pub(super) struct Pace {
    calls: Gcra,
    items: Gcra,
    backoff: Backoff,
    budget: RetryBudget,
    /// Calls in a row that were to be tried again.
    failures: u32,
    not_before: Instant,
    /// The same, as far as the service has asked for it.
    asked_for: Instant,
}

impl Pace {
    pub(super) fn new(limits: &PurgeLimits, now: Instant) -> Result<Pace, ConfigError> {
        Ok(Pace {
            calls: Gcra::builder().rate(limits.calls, limits.per).burst(limits.burst).build()?,
            items: Gcra::builder()
                .rate(limits.items_per_second, SECOND)
                .burst(limits.items_per_second.max(limits.items_per_call as u64))
                .build()?,
            backoff: Backoff::builder()
                .base(Duration::from_millis(200))
                .cap(LONGEST)
                .retries(u32::MAX)
                .build()?,
            // A call in five may be a retry at once, and one in a second in any case.
            budget: RetryBudget::builder().reserve_per_second(1).capacity(20).build()?,
            failures: 0,
            not_before: now,
            asked_for: now,
        })
    }

    /// Whether a call may be made now, which it then counts as; else when to ask again.
    pub(super) fn ask(&mut self, now: Instant) -> Result<(), Duration> {
        let pause = self.not_before.saturating_since(now);
        if !pause.is_zero() {
            return Err(pause);
        }
        if self.items.available(now) == 0 {
            return Err(Duration::from_millis(10));
        }
        self.calls.check(now).map_err(|limited| limited.retry_after())
    }

    /// How many items may go.
    pub(super) fn room(&self, now: Instant) -> usize {
        usize::try_from(self.items.available(now)).unwrap_or(usize::MAX).max(1)
    }

    /// So many go.
    pub(super) fn went(&mut self, items: usize, now: Instant) {
        for _ in 0..items {
            // There was room for them.
            let _ = self.items.check(now);
        }
        if self.failures == 0 {
            self.budget.deposit(now);
        }
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// When it is tried again.
    pub(super) fn failed(&mut self, error: &PurgeError, now: Instant, random: u64) -> Duration {
        let drawn = self.backoff.delay(self.failures, random).unwrap_or(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let asked_for = error.retry_after().unwrap_or_default().min(MOST_OBEYED);
        self.asked_for = now + asked_for;
        let mut pause = drawn.max(asked_for);
        if error.kind() == PurgeErrorKind::Denied || self.budget.withdraw(now).is_err() {
            pause = pause.max(LONGEST / 2);
        }
        self.not_before = now + pause;
        pause
    }

    /// The next call waits no longer than the service has asked for.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.not_before = now.max(self.asked_for);
    }
}

const SECOND: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A service that asks for longer is asked again all the same.
const MOST_OBEYED: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(limits: PurgeLimits) -> Pace {
        Pace::new(&limits, Instant::from_nanos(0)).unwrap()
    }

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn calls_keep_to_the_rate_and_its_burst() {
        let mut pace = pace(PurgeLimits::new(10).rate(2, SECOND, 3));
        let made = (0..10_000).filter(|ms| pace.ask(at(*ms)).is_ok()).count();
        // Three at once, then two in each of the ten seconds.
        assert_eq!(made, 3 + 19);
    }

    #[test]
    fn items_keep_to_their_own_rate() {
        let mut pace = pace(PurgeLimits::new(10).rate(1_000, SECOND, 1_000).items_per_second(20));
        let mut went = 0;
        for ms in 0..10_000 {
            while pace.ask(at(ms)).is_ok() {
                let items = pace.room(at(ms)).min(10);
                pace.went(items, at(ms));
                went += items;
            }
        }
        assert!((200..=221).contains(&went), "{went}");
    }

    #[test]
    fn what_fails_is_tried_again_later_and_later_and_never_too_late() {
        let mut pace = pace(PurgeLimits::new(10));
        let error = |kind| PurgeError::new("double", kind, "no");
        let down = error(PurgeErrorKind::Unavailable);
        let pauses: Vec<_> =
            (0..12).map(|n| pace.failed(&down, at(n * 100_000), u64::MAX)).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!((pauses[0], pauses[11]), (Duration::from_millis(200), LONGEST));
        assert!(pace.ask(at(1_100_001)).is_err());
        pace.forgive(at(1_100_001));
        assert!(pace.ask(at(1_100_001)).is_ok());
        pace.succeeded();
        let busy = error(PurgeErrorKind::Busy).with_retry_after(Some(Duration::from_secs(7)));
        assert_eq!(pace.failed(&busy, at(2_000_000), 0), Duration::from_secs(7));
        pace.forgive(at(2_000_001));
        assert!(pace.ask(at(2_006_999)).is_err() && pace.ask(at(2_007_000)).is_ok());
        let forever = busy.with_retry_after(Some(Duration::MAX));
        assert_eq!(pace.failed(&forever, at(3_000_000), 0), MOST_OBEYED);
        let denied = error(PurgeErrorKind::Denied);
        assert!(pace.failed(&denied, at(4_000_000), 0) >= LONGEST / 2);
    }

    #[test]
    fn many_retries_at_once_use_up_their_budget() {
        let mut pace = pace(PurgeLimits::new(10));
        let down = PurgeError::new("double", PurgeErrorKind::Unavailable, "no");
        let short = (0..100).filter(|_| pace.failed(&down, at(0), 0) < LONGEST / 2).count();
        assert_eq!(short, 20);
    }
}
