//! When an entry expires, and how the expired ones are found.
//!
//! Deadlines are nanoseconds of the cache's clock. They are compared with the coarse clock, and
//! within two ticks of them with the precise one, so that an answer is exact at the price of a
//! coarse reading; what never expires reads no clock.

mod custom;
mod life;
mod lifetimes;
mod settings;
mod sweep;

pub use custom::Expiry;
pub(crate) use life::{Life, State, deadline_of, end_of, look_closer};
pub(crate) use lifetimes::{Lifetimes, remaining};
pub(crate) use settings::{Begins, ExpirySettings, LearnedLives};
pub(crate) use sweep::Sweep;

use perf_core::Clock;
use std::time::Duration;

/// The deadline of what never expires.
pub(crate) const NEVER: u64 = u64::MAX;

/// How far the coarse clock may be behind, doubled: two ticks of a kernel that ticks at 100 Hz.
const SLACK: u64 = 20_000_000;

/// The deadline of something that lives for `ttl` from now.
#[cfg(test)]
pub(crate) fn deadline(clock: &Clock, ttl: Duration) -> u64 {
    // `now`, not `coarse`: a deadline that is a tick early would cut short times to live visibly.
    (clock.now() + ttl).as_nanos()
}

/// Whether a deadline has passed: exact, and without a clock where there is no deadline.
#[inline]
pub(crate) fn has_passed(deadline: u64, clock: &Clock) -> bool {
    deadline != NEVER && has_passed_since(deadline, clock.coarse().as_nanos(), clock)
}

/// The same for who has read the coarse clock already.
#[inline]
pub(crate) fn has_passed_since(deadline: u64, coarse: u64, clock: &Clock) -> bool {
    if deadline == NEVER {
        return false;
    }
    // Only near the deadline can the precise clock tell more.
    coarse >= deadline || (deadline - coarse <= SLACK && clock.now().as_nanos() >= deadline)
}

/// `ttl`, less a share of it that is drawn anew for each entry from `seed`.
pub(crate) fn jittered(ttl: Duration, jitter: f64, seed: u64) -> Duration {
    if jitter == 0.0 {
        return ttl;
    }
    // The finalizer of SplitMix64; the top 53 bits make a number from 0 to 1.
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let unit = ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
    ttl.mul_f64(1.0 - jitter * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_expires_reads_no_clock() {
        let clock = Clock::from_fn(|| unreachable!("no clock is needed"));
        assert!(!has_passed(NEVER, &clock));
    }

    #[test]
    fn a_deadline_passes_at_its_nanosecond() {
        let (clock, hand) = Clock::manual();
        let at = deadline(&clock, Duration::from_millis(5));
        hand.advance(Duration::from_nanos(4_999_999));
        assert!(!has_passed(at, &clock));
        hand.advance(Duration::from_nanos(1));
        assert!(has_passed(at, &clock));
    }

    #[test]
    fn a_coarse_clock_that_lags_makes_no_difference() {
        for tick in [1, 999, 4_000_000, 10_000_000] {
            let (clock, hand) = Clock::manual();
            hand.set_tick(Duration::from_nanos(tick));
            let at = deadline(&clock, Duration::from_millis(50));
            for step in [49_999_999, 1, 1, 7_000_000] {
                assert_eq!(has_passed(at, &clock), clock.now().as_nanos() >= at, "{tick}");
                hand.advance(Duration::from_nanos(step));
            }
            assert!(has_passed(at, &clock));
        }
    }

    #[test]
    fn jitter_only_shortens_and_by_no_more_than_its_share() {
        let ttl = Duration::from_secs(100);
        let drawn: Vec<_> = (0..1_000).map(|seed| jittered(ttl, 0.2, seed)).collect();
        assert!(drawn.iter().all(|t| (80.0..=100.0).contains(&t.as_secs_f64())));
        let mean = drawn.iter().map(Duration::as_secs_f64).sum::<f64>() / 1_000.0;
        assert!((89.0..91.0).contains(&mean), "{mean}");
        assert_eq!(jittered(ttl, 0.0, 7), ttl);
    }
}
