//! When an entry expires, and how the expired ones are found.

use perf_core::{Clock, Instant};
use std::time::Duration;

/// The deadline of what never expires.
pub(crate) const NEVER: u64 = u64::MAX;

/// How long one entry lives, where one deadline does not say it all.
#[derive(Debug, Default)]
pub(crate) struct Life;

/// How far the coarse clock may be behind, doubled: two ticks of a kernel that ticks at 100 Hz.
const SLACK: u64 = 20_000_000;

/// The deadline of something that lives for `ttl` from now.
pub(crate) fn deadline(clock: &Clock, ttl: Duration) -> u64 {
    // `now`, not `coarse`: a deadline that is a tick early would cut short times to live visibly.
    (clock.now() + ttl).as_nanos()
}

/// Whether a deadline has passed: exact, and without a clock where there is no deadline.
#[inline]
pub(crate) fn has_passed(deadline: u64, clock: &Clock) -> bool {
    if deadline == NEVER {
        return false;
    }
    let coarse = clock.coarse().as_nanos();
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

/// Walks the places of a shard in rounds, a few at a time, and knows when it is not worth it.
#[derive(Debug)]
pub(crate) struct Sweep {
    place: usize,
    /// No entry expires before this.
    earliest: u64,
    /// The same for the entries this round has seen or that came during it.
    seen: u64,
}

impl Sweep {
    pub(crate) const fn new() -> Sweep {
        Sweep { place: 0, earliest: NEVER, seen: NEVER }
    }

    /// Takes note of an entry that came in.
    pub(crate) fn note(&mut self, deadline: u64) {
        self.earliest = self.earliest.min(deadline);
        self.seen = self.seen.min(deadline);
    }

    /// Whether something may have expired.
    pub(crate) fn is_due(&self, clock: &Clock) -> bool {
        self.earliest != NEVER && clock.coarse() >= Instant::from_nanos(self.earliest)
    }

    /// The next place to look at, out of `places`; ends a round where they end.
    pub(crate) fn next(&mut self, places: usize) -> Option<usize> {
        if self.place >= places {
            self.place = 0;
            self.earliest = std::mem::replace(&mut self.seen, NEVER);
            return None;
        }
        self.place += 1;
        Some(self.place - 1)
    }

    /// Takes note of an entry that the round has passed and left.
    pub(crate) fn left(&mut self, deadline: u64) {
        self.seen = self.seen.min(deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_expires_reads_no_clock() {
        let clock = Clock::from_fn(|| unreachable!("no clock is needed"));
        assert!(!has_passed(NEVER, &clock));
        assert!(!Sweep::new().is_due(&clock));
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
    fn jitter_only_shortens_and_by_no_more_than_its_share() {
        let ttl = Duration::from_secs(100);
        let drawn: Vec<_> = (0..1_000).map(|seed| jittered(ttl, 0.2, seed)).collect();
        assert!(drawn.iter().all(|t| (80.0..=100.0).contains(&t.as_secs_f64())));
        let mean = drawn.iter().map(Duration::as_secs_f64).sum::<f64>() / 1_000.0;
        assert!((89.0..91.0).contains(&mean), "{mean}");
        assert_eq!(jittered(ttl, 0.0, 7), ttl);
    }

    #[test]
    fn a_round_without_anything_that_expires_is_the_last() {
        let (clock, hand) = Clock::manual();
        let mut sweep = Sweep::new();
        sweep.note(deadline(&clock, Duration::from_secs(1)));
        assert!(!sweep.is_due(&clock));
        hand.advance(Duration::from_secs(1));
        assert!(sweep.is_due(&clock));
        // The first end of a round still holds what `note` saw during it.
        while sweep.is_due(&clock) {
            while sweep.next(3).is_some() {}
        }
        assert_eq!(sweep.next(3), Some(0));
    }
}
