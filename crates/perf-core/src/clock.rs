//! Time, brought in from outside.
//!
//! Code that needs the time takes a [`Clock`]; tests give it a manual one and turn its hand, so
//! that nothing sleeps and every expiry is exact.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// A source of time: the system's, a hand turned by a test, or any function.
///
/// Cheap to clone. [`now`](Clock::now) and [`coarse`](Clock::coarse) share one origin, so their
/// readings compare; readings of two different manual clocks do not.
#[derive(Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Clone)]
enum Source {
    System,
    Manual(Arc<Hand>),
    Function(Arc<dyn Fn() -> Instant + Send + Sync>),
}

impl Clock {
    /// The system's monotonic clock.
    #[must_use]
    pub const fn system() -> Clock {
        Clock { source: Source::System }
    }

    /// A clock that stands still, and the hand that moves it.
    ///
    /// It starts an hour past its origin, so that a test may subtract, and its wall time starts at
    /// 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn manual() -> (Clock, ManualClock) {
        let hand =
            Arc::new(Hand { nanos: AtomicU64::new(MANUAL_START.0), tick: AtomicU64::new(1) });
        (Clock { source: Source::Manual(Arc::clone(&hand)) }, ManualClock { hand })
    }

    /// A clock read from a function, such as one over a runtime's own paused clock.
    ///
    /// The function must never go backwards. [`wall`](Clock::wall) stays the system's.
    #[must_use]
    pub fn from_fn(now: impl Fn() -> Instant + Send + Sync + 'static) -> Clock {
        Clock { source: Source::Function(Arc::new(now)) }
    }

    /// The monotonic time, to the nanosecond. About 16 ns on Linux.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Instant {
        match &self.source {
            Source::System => system::now(),
            Source::Manual(hand) => hand.read(),
            Source::Function(now) => now(),
        }
    }

    /// The monotonic time at the kernel's last tick, at most about 4 ms behind
    /// [`now`](Clock::now). About 5 ns on Linux; the same as `now` elsewhere.
    #[inline]
    #[must_use]
    pub fn coarse(&self) -> Instant {
        match &self.source {
            Source::System => system::coarse(),
            Source::Manual(hand) => hand.read_coarse(),
            Source::Function(now) => now(),
        }
    }

    /// The time of day. For people and for stored timestamps, never for durations.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        match &self.source {
            Source::Manual(hand) => {
                SystemTime::UNIX_EPOCH + MANUAL_WALL_START + (hand.read() - MANUAL_START)
            }
            _ => SystemTime::now(),
        }
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::System => "system",
            Source::Manual(_) => "manual",
            Source::Function(_) => "function",
        };
        f.debug_tuple("Clock").field(&source).finish()
    }
}

/// The hand of a manual clock.
#[derive(Clone, Debug)]
pub struct ManualClock {
    hand: Arc<Hand>,
}

impl ManualClock {
    /// Moves the clock forward, at most to the end of time, 584 years after its origin.
    pub fn advance(&self, by: Duration) {
        // Not an addition that wraps: a clock never goes backwards.
        self.hand.nanos.update(Ordering::SeqCst, Ordering::SeqCst, |now| (Instant(now) + by).0);
    }

    /// Lets [`Clock::coarse`] move in steps of this, as a kernel's does: 4 ms on most. At first it
    /// is the same as [`Clock::now`]. To be set before the clock is read.
    pub fn set_tick(&self, tick: Duration) {
        let nanos = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
        self.hand.tick.store(nanos.max(1), Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Hand {
    nanos: AtomicU64,
    /// What the coarse time is a multiple of.
    tick: AtomicU64,
}

impl Hand {
    fn read(&self) -> Instant {
        Instant(self.nanos.load(Ordering::SeqCst))
    }

    fn read_coarse(&self) -> Instant {
        let now = self.read().0;
        Instant(now - now % self.tick.load(Ordering::SeqCst))
    }
}

/// A monotonic moment, in nanoseconds since its clock's origin.
///
/// Unlike [`std::time::Instant`] it is a plain number: it fits an atomic, and a test can make one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment that many nanoseconds after the clock's origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Instant {
        Instant(nanos)
    }

    /// Nanoseconds since the clock's origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to here, zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the end of time, 584 years after the origin.
    fn add(self, by: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    /// Saturates at the origin.
    fn sub(self, by: Duration) -> Instant {
        Instant(self.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero if `earlier` is later.
    fn sub(self, earlier: Instant) -> Duration {
        self.saturating_since(earlier)
    }
}

const MANUAL_START: Instant = Instant(3_600_000_000_000);
/// 2026-01-01T00:00:00Z, in seconds after the Unix epoch.
const MANUAL_WALL_START: Duration = Duration::from_secs(1_767_225_600);

#[cfg(target_os = "linux")]
mod system {
    use super::Instant;
    use rustix::time::{ClockId, clock_gettime};

    #[inline]
    pub(super) fn now() -> Instant {
        read(ClockId::Monotonic)
    }

    #[inline]
    pub(super) fn coarse() -> Instant {
        read(ClockId::MonotonicCoarse)
    }

    #[inline]
    fn read(clock: ClockId) -> Instant {
        let t = clock_gettime(clock);
        // Both parts of a monotonic reading are non-negative.
        Instant((t.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(t.tv_nsec as u64))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::Instant;
    use std::sync::OnceLock;

    pub(super) fn now() -> Instant {
        static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
        let origin = ORIGIN.get_or_init(std::time::Instant::now);
        Instant(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn coarse() -> Instant {
        now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_clock_moves_only_by_its_hand() {
        let (clock, hand) = Clock::manual();
        let (start, wall) = (clock.now(), clock.wall());
        assert_eq!(clock.now(), start);
        hand.advance(Duration::from_micros(7));
        assert_eq!(clock.now() - start, Duration::from_micros(7));
        assert_eq!(clock.coarse(), clock.now());
        assert_eq!(clock.wall().duration_since(wall).unwrap(), Duration::from_micros(7));
    }

    #[test]
    fn a_manual_clock_may_tick() {
        let (clock, hand) = Clock::manual();
        hand.set_tick(Duration::from_millis(4));
        let start = clock.coarse();
        hand.advance(Duration::from_nanos(3_999_999));
        assert_eq!((clock.coarse(), clock.now() - start), (start, Duration::from_nanos(3_999_999)));
        hand.advance(Duration::from_nanos(1));
        assert_eq!(clock.coarse(), clock.now());
    }

    #[test]
    fn manual_clock_stops_at_the_end_of_time() {
        let (clock, hand) = Clock::manual();
        hand.advance(Duration::MAX);
        hand.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Instant::from_nanos(u64::MAX));
    }

    #[test]
    fn coarse_never_runs_ahead_of_now() {
        let clock = Clock::system();
        for _ in 0..10_000 {
            let coarse = clock.coarse();
            let now = clock.now();
            assert!(coarse <= now);
            // Kernels tick at 100 Hz or faster; a stalled test machine may add to that.
            assert!(now >= coarse);
        }
    }

    #[test]
    fn subtraction_saturates() {
        let early = Instant::from_nanos(5);
        let late = Instant::from_nanos(9);
        assert_eq!(early - late, Duration::ZERO);
        assert_eq!(early - Duration::from_secs(1), Instant::from_nanos(0));
        assert_eq!(late + Duration::MAX, Instant::from_nanos(u64::MAX));
    }

    #[test]
    fn a_function_is_the_only_source_of_its_clock() {
        let clock = Clock::from_fn(|| Instant::from_nanos(42));
        assert_eq!(clock.now(), clock.coarse());
        assert_eq!(clock.now().as_nanos(), 42);
    }
}
