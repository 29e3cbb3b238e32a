//! A moment after which an answer is of no use.

use perf_core::Instant;
use std::time::Duration;

/// A moment after which an answer is of no use, or never.
///
/// Deadlines are ordered by time, so `a.min(b)` is the one that comes first.
///
/// ```
/// use perf_core::Instant;
/// use perf_guard::Deadline;
/// use std::time::Duration;
///
/// let now = Instant::from_nanos(0);
/// let request = Deadline::after(now, Duration::from_secs(2));
/// let attempt = Deadline::after(now, Duration::from_secs(1)).min(request);
/// assert_eq!(attempt.remaining(now), Duration::from_secs(1));
/// assert!(!Deadline::NEVER.expired(now));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// No deadline; later than any other.
    pub const NEVER: Deadline = Deadline(END_OF_TIME);

    /// The deadline at that moment.
    #[must_use]
    pub const fn at(moment: Instant) -> Deadline {
        Deadline(moment)
    }

    /// The deadline `limit` from `now`. [`Duration::MAX`] gives [`NEVER`](Deadline::NEVER).
    #[must_use]
    pub fn after(now: Instant, limit: Duration) -> Deadline {
        Deadline(now + limit)
    }

    /// The moment, `None` for [`NEVER`](Deadline::NEVER).
    #[must_use]
    pub fn moment(self) -> Option<Instant> {
        (self != Deadline::NEVER).then_some(self.0)
    }

    /// Whether the moment has come. Never true of [`NEVER`](Deadline::NEVER).
    #[must_use]
    pub fn expired(self, now: Instant) -> bool {
        self.moment().is_some_and(|at| at <= now)
    }

    /// The time left, zero once expired, [`Duration::MAX`] for [`NEVER`](Deadline::NEVER).
    #[must_use]
    pub fn remaining(self, now: Instant) -> Duration {
        self.moment().map_or(Duration::MAX, |at| at - now)
    }
}

const END_OF_TIME: Instant = Instant::from_nanos(u64::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expires_at_its_very_moment() {
        let at = Instant::from_nanos(10);
        let deadline = Deadline::at(at);
        assert!(!deadline.expired(Instant::from_nanos(9)));
        assert!(deadline.expired(at));
        assert_eq!(deadline.remaining(Instant::from_nanos(4)), Duration::from_nanos(6));
        assert_eq!(deadline.remaining(Instant::from_nanos(40)), Duration::ZERO);
    }

    #[test]
    fn never_is_later_than_anything_and_does_not_expire() {
        let late = Instant::from_nanos(u64::MAX);
        assert!(!Deadline::NEVER.expired(late));
        assert_eq!(Deadline::after(late, Duration::from_secs(1)), Deadline::NEVER);
        assert_eq!(Deadline::NEVER.remaining(late), Duration::MAX);
        let soon = Deadline::at(Instant::from_nanos(1));
        assert_eq!(soon.min(Deadline::NEVER), soon);
    }
}
