//! What the adaptive policies of all shards are to do, found out from a sample of the accesses.

use crate::policy::{Choice, Chooser};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// One for a cache. What shards read is apart from what the sample writes.
#[derive(Debug)]
pub(crate) struct Choosing {
    is_on: AtomicBool,
    mask: AtomicU32,
    choice: AtomicU16,
    /// What somebody has settled on; zero: nothing.
    fixed: AtomicU16,
    chooser: Mutex<Chooser>,
    /// Accesses of the sample that came while another was being recorded.
    dropped: AtomicU64,
}

impl Choosing {
    pub(crate) fn new(is_on: bool, entries: usize) -> Choosing {
        Choosing::of(is_on, Chooser::new(if is_on { entries } else { 1 }))
    }

    /// Nobody to be chosen for yet; then, all accesses are sampled up to so many entries.
    pub(crate) fn full_up_to(entries: usize) -> Choosing {
        Choosing::of(false, Chooser::new(1).full_up_to(entries))
    }

    fn of(is_on: bool, chooser: Chooser) -> Choosing {
        Choosing {
            is_on: AtomicBool::new(is_on),
            mask: AtomicU32::new(chooser.sample_mask()),
            choice: AtomicU16::new(chooser.choice().to_bits()),
            fixed: AtomicU16::new(0),
            chooser: Mutex::new(chooser),
            dropped: AtomicU64::new(0),
        }
    }

    /// The bits that no sampled access has in its hash; `None`: none is wanted.
    pub(crate) fn mask(&self) -> Option<u32> {
        let is_on = self.is_on.load(Ordering::Relaxed);
        is_on.then(|| self.mask.load(Ordering::Relaxed))
    }

    /// What is best, as far as is known.
    #[inline]
    pub(crate) fn choice(&self) -> Choice {
        Choice::from_bits(self.choice.load(Ordering::Relaxed))
    }

    /// What is not to be found out, but settled; `None`: nothing. To be followed by
    /// [`expect`](Choosing::expect).
    pub(crate) fn settle_on(&self, choice: Option<Choice>) {
        self.fixed.store(choice.map_or(0, Choice::to_bits), Ordering::Relaxed);
    }

    /// What was settled on.
    pub(crate) fn settled(&self) -> Option<Choice> {
        let fixed = self.fixed.load(Ordering::Relaxed);
        (fixed != 0).then(|| Choice::from_bits(fixed))
    }

    /// What is to be done, with the lock held: who stores it must not overtake who settles.
    fn in_force(&self, chooser: &Chooser) -> u16 {
        self.settled().unwrap_or_else(|| chooser.choice()).to_bits()
    }

    /// Accesses of the sample that were left out.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether somebody is to be chosen for, and for about how many entries.
    pub(crate) fn expect(&self, is_on: bool, entries: usize) {
        let mut chooser = self.chooser.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Shadows cost something, and teach nothing where nobody listens.
        let is_on = is_on && self.settled().is_none();
        chooser.set_capacity(if is_on { entries } else { 1 });
        self.is_on.store(is_on, Ordering::Relaxed);
        self.mask.store(chooser.sample_mask(), Ordering::Relaxed);
        self.choice.store(self.in_force(&chooser), Ordering::Relaxed);
    }

    /// Takes a hit into account if it belongs to the sample. Waits for nobody. Answers whether
    /// another one of the same key at once could be [passed by](Choosing::pass_by).
    pub(crate) fn observe(&self, hash: u64) -> bool {
        self.tell(hash, Chooser::record).unwrap_or(true)
    }

    /// The same for a lookup that found nothing.
    pub(crate) fn observe_miss(&self, hash: u64) {
        _ = self.tell(hash, Chooser::miss);
    }

    /// The same for a key that has come in.
    pub(crate) fn observe_insertion(&self, hash: u64) {
        _ = self.tell(hash, Chooser::fill);
    }

    /// What the chooser says to something about a key; `None` if the key is not of the sample.
    fn tell<T: Default>(&self, hash: u64, what: impl FnOnce(&mut Chooser, u32) -> T) -> Option<T> {
        let hash = hash as u32;
        if self.mask().is_none_or(|mask| hash & mask != 0) {
            return None;
        }
        let Ok(mut chooser) = self.chooser.try_lock() else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return Some(T::default());
        };
        let answer = what(&mut chooser, hash);
        let choice = self.in_force(&chooser);
        if choice != self.choice.load(Ordering::Relaxed) {
            self.choice.store(choice, Ordering::Relaxed);
        }
        Some(answer)
    }

    /// So many hits of a key were not observed, since that would have taught nothing.
    pub(crate) fn pass_by(&self, hash: u64, times: u32) {
        if self.mask().is_some_and(|mask| hash as u32 & mask == 0) {
            match self.chooser.try_lock() {
                Ok(mut chooser) => chooser.pass_by(times),
                Err(_) => _ = self.dropped.fetch_add(u64::from(times), Ordering::Relaxed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_does_not_fit_is_noticed() {
        let choosing = Choosing::new(true, 100);
        assert_eq!(choosing.choice(), Choice::START);
        (0..40_000_u64).for_each(|n| {
            choosing.observe((n % 150).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32);
        });
        assert_eq!((choosing.choice(), choosing.dropped()), (Choice::STEADY, 0));
    }

    #[test]
    fn what_was_settled_on_holds_until_it_is_to_be_found_out_again() {
        let choosing = Choosing::full_up_to(64);
        choosing.expect(true, 100);
        assert_eq!(choosing.mask(), Some(1), "a sample, since there are more than 64");
        choosing.settle_on(Some(Choice::FREQUENT));
        choosing.expect(true, 100);
        assert_eq!((choosing.choice(), choosing.mask()), (Choice::FREQUENT, None));
        (0..40_000_u64).for_each(|n| _ = choosing.observe(n % 150));
        assert_eq!(choosing.choice(), Choice::FREQUENT);
        choosing.settle_on(None);
        choosing.expect(true, 100);
        assert_eq!((choosing.choice(), choosing.mask()), (Choice::START, Some(1)));
    }

    #[test]
    fn without_anybody_to_choose_for_nothing_is_sampled() {
        let choosing = Choosing::new(false, 100);
        assert_eq!(choosing.mask(), None);
        choosing.expect(true, 10_000);
        assert!(choosing.mask().is_some_and(|mask| mask > 0));
    }
}
