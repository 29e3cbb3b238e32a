//! A length of time in four bytes.

use std::time::Duration;

/// A length of time, exact to the nanosecond up to a second, to the microsecond up to 17 minutes, to
/// the millisecond up to 12 days and to the second up to 34 years, rounded up; longer ones are as
/// long as there are.
///
/// Each operation that waits keeps several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Brief(u32);

impl Brief {
    pub(crate) const ZERO: Brief = Brief(0);
    pub(crate) const FOREVER: Brief = Brief(u32::MAX);

    #[inline]
    pub(crate) fn new(time: Duration) -> Brief {
        Brief::of_nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    #[inline]
    pub(crate) fn of_nanos(nanos: u64) -> Brief {
        for (unit, nanos_each) in (0..).zip(UNITS) {
            let count = nanos.div_ceil(nanos_each);
            if count < MOST {
                return Brief(unit << BITS | count as u32);
            }
        }
        Brief::FOREVER
    }

    /// `Duration::MAX` if it is as long as there are.
    #[inline]
    pub(crate) fn duration(self) -> Duration {
        if self == Brief::FOREVER {
            return Duration::MAX;
        }
        let count = u64::from(self.0 & ((1 << BITS) - 1));
        Duration::from_nanos(count * UNITS[(self.0 >> BITS) as usize])
    }
}

/// What the two upper bits say, in nanoseconds.
const UNITS: [u64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];
const BITS: u32 = 30;
/// Never reached, so that no count is taken for the longest time.
const MOST: u64 = (1 << BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_figures_and_are_never_cut_short() {
        let ms = Duration::from_millis;
        for exact in [ms(0), Duration::from_nanos(1_000_000_001), ms(1_500), ms(30_000)] {
            assert_eq!(Brief::new(exact).duration(), exact);
        }
        for days in [1, 30, 3_650] {
            let exact = Duration::from_secs(days * 86_400);
            assert_eq!(Brief::new(exact).duration(), exact);
        }
        let rounded = Brief::new(Duration::from_nanos(30_000_000_001)).duration();
        assert_eq!(rounded, Duration::from_nanos(30_000_001_000));
        for shift in 0..64 {
            let time = Duration::from_nanos(u64::MAX >> shift);
            let kept = Brief::new(time).duration();
            assert!(kept >= time && (kept - time <= time / 1_000_000 || kept == Duration::MAX));
        }
        assert_eq!(Brief::new(Duration::MAX), Brief::FOREVER);
        assert_eq!(Brief::FOREVER.duration(), Duration::MAX);
    }
}
