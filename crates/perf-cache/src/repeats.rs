//! Sampled keys that a thread has just hit, so that one that is hit all the time costs no more for
//! being in the sample.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// A few keys, each with the number of hits that were passed by since it was put in. Only the thread
/// that this belongs to uses it, so loads and stores do.
///
/// Who learns from the sample says of which keys another hit at once would teach nothing. All are
/// forgotten after a number of accesses to other keys of the sample, before much has changed for
/// them, and what was passed by is told then.
#[derive(Debug)]
pub(crate) struct Repeats {
    hashes: [AtomicU64; PLACES],
    /// [`MOST`] where the place is vacant.
    passed: [AtomicU16; PLACES],
    learnt: AtomicU16,
}

/// So that the record of a thread is two cache lines.
const PLACES: usize = 3;
/// As many as can be passed by before the key is looked at again.
const MOST: u16 = 1_000;
/// Accesses that something was learnt from until all is forgotten.
const LASTS: u16 = 32;

impl Default for Repeats {
    fn default() -> Repeats {
        Repeats {
            hashes: [const { AtomicU64::new(0) }; PLACES],
            passed: [const { AtomicU16::new(MOST) }; PLACES],
            learnt: AtomicU16::new(0),
        }
    }
}

impl Repeats {
    /// Whether a hit teaches nothing; it is counted then.
    #[inline]
    pub(crate) fn pass_by(&self, hash: u64) -> bool {
        let place = home(hash);
        // Relaxed, here and below: nobody else is there.
        let passed = self.passed[place].load(Ordering::Relaxed);
        if self.hashes[place].load(Ordering::Relaxed) != hash || passed == MOST {
            return false;
        }
        self.passed[place].store(passed + 1, Ordering::Relaxed);
        true
    }

    /// Another access is learnt from; if that `suffices` for the key, its next hits are passed by.
    /// Tells how often keys were passed by that are forgotten.
    pub(crate) fn learn(&self, hash: u64, suffices: bool, mut tell: impl FnMut(u64, u32)) {
        let learnt = self.learnt.load(Ordering::Relaxed) + 1;
        let is_over = learnt >= LASTS;
        self.learnt.store(if is_over { 0 } else { learnt }, Ordering::Relaxed);
        for place in (0..PLACES).filter(|&place| is_over || place == home(hash)) {
            let before = self.hashes[place].load(Ordering::Relaxed);
            let passed = self.passed[place].load(Ordering::Relaxed);
            self.hashes[place].store(0, Ordering::Relaxed);
            self.passed[place].store(MOST, Ordering::Relaxed);
            if before != 0 && passed > 0 {
                tell(before, passed.into());
            }
        }
        if suffices {
            self.hashes[home(hash)].store(hash, Ordering::Relaxed);
            self.passed[home(hash)].store(0, Ordering::Relaxed);
        }
    }
}

/// Not by the lowest bits, which all keys of a sample have in common.
#[inline]
const fn home(hash: u64) -> usize {
    (hash >> 24) as usize % PLACES
}

#[cfg(all(test, not(perf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn hits_are_passed_by_until_enough_else_was_learnt_and_are_told_then() {
        let (repeats, mut told) = (Repeats::default(), Vec::new());
        assert!(!repeats.pass_by(0), "a vacant place is no key");
        repeats.learn(7, false, |_, _| unreachable!());
        assert!(!repeats.pass_by(7));
        repeats.learn(7, true, |_, _| unreachable!());
        assert_eq!((0..5).filter(|_| repeats.pass_by(7)).count(), 5);
        assert!(!repeats.pass_by(8));
        for other in 0..30 {
            assert!(told.is_empty());
            repeats.learn((1 << 24) + other, true, |hash, times| told.push((hash, times)));
        }
        assert_eq!(told, [(7, 5)]);
        assert!(!repeats.pass_by(7));
    }

    #[test]
    fn one_key_alone_is_looked_at_again_some_time() {
        let (repeats, mut passed, mut told) = (Repeats::default(), 0, 0);
        for _ in 0..10_000 {
            if repeats.pass_by(7) {
                passed += 1;
            } else {
                repeats.learn(7, true, |_, times| told += times);
            }
        }
        assert!(passed > 9_900 && told > 8_900 && told <= passed, "{passed}, {told}");
    }
}
