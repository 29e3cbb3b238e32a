//! How far an operation has come.

use crate::sync::{AtomicU64, Ordering};

/// How far an operation has come, as it said last.
///
/// Numbers up to 536,870,911 are exact; above that both are rounded down to the same power of two,
/// to one part in 268 million of the larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How much is done, in the operation's own units.
    pub done: u64,
    /// How much there is to do; zero if it has not said.
    pub total: u64,
}

/// Where an operation leaves its progress: both numbers in one word, so that a report is one store
/// and nobody reads half of one.
#[derive(Debug, Default)]
pub(crate) struct ProgressCell(AtomicU64);

impl ProgressCell {
    pub(crate) fn set(&self, progress: Progress) {
        // Relaxed: a report orders nothing else.
        self.0.store(pack(progress), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Progress {
        unpack(self.0.load(Ordering::Relaxed))
    }
}

/// As a floating-point number would, with one exponent for both.
fn pack(Progress { done, total }: Progress) -> u64 {
    let bits = u64::BITS - (done | total).leading_zeros();
    let exponent = bits.saturating_sub(MANTISSA);
    u64::from(exponent) << (2 * MANTISSA) | (done >> exponent) << MANTISSA | total >> exponent
}

fn unpack(word: u64) -> Progress {
    let exponent = word >> (2 * MANTISSA);
    let mantissa = |word: u64| (word & ((1 << MANTISSA) - 1)) << exponent;
    Progress { done: mantissa(word >> MANTISSA), total: mantissa(word) }
}

/// Twice these and the six bits of the exponent make a word.
const MANTISSA: u32 = 29;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_exact_and_large_ones_keep_their_ratio() {
        let cell = ProgressCell::default();
        assert_eq!(cell.get(), Progress::default());
        for (done, total) in [(0, 0), (3, 7), (7, 3), (0, (1 << 29) - 1), (1 << 40, 1 << 41)] {
            cell.set(Progress { done, total });
            assert_eq!(cell.get(), Progress { done, total });
        }
        cell.set(Progress { done: u64::MAX, total: u64::MAX });
        let Progress { done, total } = cell.get();
        assert!(done == total && u64::MAX - done <= u64::MAX >> 28);
        cell.set(Progress { done: 1, total: u64::MAX });
        assert_eq!(cell.get().done, 0);
    }
}
