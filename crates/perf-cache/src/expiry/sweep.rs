//! Finding expired entries by walking the places of a shard.
//!
//! A wheel of timers would find them sooner and cost every entry a link; the walk costs each
//! insertion a look at a few places that lie side by side in memory, and only while something may
//! have expired.

use super::{NEVER, has_passed};
use perf_core::Clock;

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
    #[inline]
    pub(crate) fn note(&mut self, deadline: u64) {
        self.earliest = self.earliest.min(deadline);
        self.seen = self.seen.min(deadline);
    }

    /// Whether something may have expired.
    #[inline]
    pub(crate) fn is_due(&self, clock: &Clock) -> bool {
        self.earliest != NEVER && has_passed(self.earliest, clock)
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
    use crate::expiry::deadline;
    use std::time::Duration;

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
