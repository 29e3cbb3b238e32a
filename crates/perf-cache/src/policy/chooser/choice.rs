//! What there is to choose from.

/// How [`Adaptive`](crate::policy::Adaptive) divides the cache between its queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Choice {
    /// Of the cold queue, in 1/65536; the largest number is all.
    cold: u16,
}

impl Choice {
    /// Keeps what it has: for loops and scans that do not fit.
    pub const STEADY: Choice = Choice { cold: 1311 };
    /// Keeps what returns: for skewed popularity.
    pub const FREQUENT: Choice = Choice { cold: 6554 };
    /// Keeps what came last, and a little longer what was used again: for what is used a few times
    /// and then no more, and for popularity that wanders.
    pub const YOUNG: Choice = Choice { cold: 58_982 };
    /// Keeps what was used last: close to LRU. CLOCK.
    pub const RECENT: Choice = Choice { cold: u16::MAX };

    /// All candidates.
    pub const ALL: [Choice; 4] = [Choice::STEADY, Choice::FREQUENT, Choice::YOUNG, Choice::RECENT];
    /// The one before anything is known: no worse than LRU to begin with.
    pub(crate) const START: Choice = Choice::RECENT;

    /// With this share of the cold queue, from 0 to 1, for experiments.
    #[must_use]
    pub fn from_cold_share(share: f64) -> Choice {
        Choice { cold: (share * 65_536.0).round().clamp(1.0, 65_535.0) as u16 }
    }

    /// The share of the cold queue, 0 to 1.
    #[must_use]
    pub fn cold_share(self) -> f64 {
        if self.is_recency() { 1.0 } else { f64::from(self.cold) / 65_536.0 }
    }

    /// As a number, for an atomic.
    #[must_use]
    pub const fn to_bits(self) -> u16 {
        self.cold
    }

    /// From [`to_bits`](Choice::to_bits).
    #[must_use]
    pub const fn from_bits(cold: u16) -> Choice {
        Choice { cold }
    }

    /// What it is called: lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Choice::STEADY => "steady",
            Choice::FREQUENT => "frequent",
            Choice::YOUNG => "young",
            Choice::RECENT => "recent",
            _ => "other",
        }
    }

    #[inline]
    pub(in crate::policy) const fn is_recency(self) -> bool {
        self.cold == u16::MAX
    }

    /// So much of a weight.
    #[inline]
    pub(in crate::policy) const fn share_of(self, weight: u64) -> u64 {
        if self.is_recency() {
            return weight;
        }
        let cold = self.cold as u64;
        (weight >> 16) * cold + (((weight & 0xffff) * cold) >> 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_shares() {
        for choice in Choice::ALL {
            assert_eq!(Choice::from_bits(choice.to_bits()), choice);
        }
        assert_eq!(Choice::from_cold_share(1.0), Choice::RECENT);
        assert_eq!(Choice::from_cold_share(0.9), Choice::YOUNG);
        assert_eq!(Choice::from_cold_share(0.02), Choice::STEADY);
        assert_eq!(Choice::from_cold_share(0.1), Choice::FREQUENT);
        assert_eq!(Choice::RECENT.share_of(u64::MAX), u64::MAX);
        assert_eq!(Choice::from_cold_share(0.5).share_of(u64::MAX), u64::MAX / 2);
        assert_eq!(Choice::STEADY.share_of(1_000), 20);
    }
}
