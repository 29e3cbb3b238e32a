//! A bound that all shards of a cache share.

use std::sync::atomic::{AtomicU64, Ordering};

/// How much may be used, and how much is.
///
/// What is used never passes the maximum, not for an instant, unless the maximum itself was
/// lowered: then it may not grow until it fits.
#[derive(Debug)]
pub(crate) struct Budget {
    bounded: bool,
    max: AtomicU64,
    used: AtomicU64,
}

impl Budget {
    pub(crate) fn new(max: Option<u64>) -> Budget {
        Budget {
            bounded: max.is_some(),
            max: AtomicU64::new(max.unwrap_or(u64::MAX)),
            used: AtomicU64::new(0),
        }
    }

    /// The maximum, if there is one.
    pub(crate) fn max(&self) -> Option<u64> {
        self.bounded.then(|| self.max.load(Ordering::Relaxed))
    }

    /// Moves the maximum; without one there is nothing to move.
    pub(crate) fn set_max(&self, max: u64) {
        if self.bounded {
            self.max.store(max.max(1), Ordering::Relaxed);
        }
    }

    /// Whether this could never be within the maximum.
    pub(crate) fn refuses(&self, need: u64) -> bool {
        self.bounded && need > self.max.load(Ordering::Relaxed)
    }

    /// How far the use is above the maximum.
    pub(crate) fn excess(&self) -> u64 {
        if !self.bounded {
            return 0;
        }
        self.used.load(Ordering::Relaxed).saturating_sub(self.max.load(Ordering::Relaxed))
    }

    /// How much there is, given a sum over the shards. Such a sum counts twice what left a shard
    /// that it had passed for the good of one that it had not; what is used does not.
    pub(crate) fn no_more_than_used(&self, sum: u64) -> u64 {
        if self.bounded { sum.min(self.used.load(Ordering::Relaxed)) } else { sum }
    }

    /// Exchanges `credit`, which the caller has freed and not given back, for `need`.
    ///
    /// `anyway`: also where that stays above the maximum, if the use does not grow by it.
    pub(crate) fn exchange(&self, credit: u64, need: u64, anyway: bool) -> bool {
        if !self.bounded {
            return true;
        }
        let max = self.max.load(Ordering::Relaxed);
        if credit == need {
            // The commonest: one goes for one that comes. Nothing changes, so nothing is written
            // that other processors hold.
            return anyway || self.used.load(Ordering::Relaxed) <= max;
        }
        // Relaxed: the number alone is shared; entries are guarded by the locks of their shards.
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                let next = (used - credit).checked_add(need)?;
                (next <= max || (anyway && need <= credit)).then_some(next)
            })
            .is_ok()
    }

    /// Whether [`exchange`](Budget::exchange) would succeed now, within the maximum.
    fn fits(&self, credit: u64, need: u64) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        let next = used.saturating_sub(credit).checked_add(need);
        !self.bounded || next.is_some_and(|next| next <= self.max.load(Ordering::Relaxed))
    }

    /// Gives back what was freed.
    pub(crate) fn give(&self, credit: u64) {
        if self.bounded && credit > 0 {
            self.used.fetch_sub(credit, Ordering::Relaxed);
        }
    }
}

/// What one insertion has freed, and what it has paid for: first its place, then its bytes.
///
/// What it frees is its own until it has paid, so nobody else can take it meanwhile. What is left
/// is given back when the deal is dropped, and all of it if the insertion came to nothing.
#[derive(Debug)]
pub(crate) struct Deal<'a> {
    entries: &'a Budget,
    bytes: &'a Budget,
    freed_entries: u64,
    freed_bytes: u64,
    evicted: u64,
    entry_paid: bool,
    bytes_paid: bool,
}

impl<'a> Deal<'a> {
    pub(crate) const fn new(entries: &'a Budget, bytes: &'a Budget) -> Deal<'a> {
        Deal {
            entries,
            bytes,
            freed_entries: 0,
            freed_bytes: 0,
            evicted: 0,
            entry_paid: false,
            bytes_paid: false,
        }
    }

    /// Takes an entry that went out of the cache into account.
    pub(crate) const fn freed(&mut self, weight: u64) {
        self.freed_entries += 1;
        self.freed_bytes = self.freed_bytes.saturating_add(weight);
    }

    /// The same, for one that went to make room.
    pub(crate) const fn evicted(&mut self, weight: u64) {
        self.evicted += 1;
        self.freed(weight);
    }

    /// Pays out of what was freed and what is left; whether all is paid.
    pub(crate) fn pay(&mut self, weight: u64) -> bool {
        let anyway = self.evicted >= STEP;
        if !self.entry_paid && self.entries.exchange(self.freed_entries, 1, anyway) {
            self.entry_paid = true;
            self.freed_entries = 0;
        }
        if self.entry_paid
            && !self.bytes_paid
            && self.bytes.exchange(self.freed_bytes, weight, anyway)
        {
            self.bytes_paid = true;
            self.freed_bytes = 0;
        }
        self.bytes_paid
    }

    /// Whether [`pay`](Deal::pay) would come a step further now.
    pub(crate) fn may_go_on(&self, weight: u64) -> bool {
        if self.wants_bytes() {
            self.bytes.fits(self.freed_bytes, weight)
        } else {
            self.entries.fits(self.freed_entries, 1)
        }
    }

    /// Whether it is bytes that are short, not places.
    pub(crate) const fn wants_bytes(&self) -> bool {
        self.entry_paid
    }

    /// Gives back all that was freed and paid. For when nothing more can be freed: others may hold
    /// what is missing, and wait for what is held here.
    pub(crate) fn give_back(&mut self) {
        let unused_place = self.entry_paid && !self.bytes_paid;
        self.entries.give(std::mem::take(&mut self.freed_entries) + u64::from(unused_place));
        self.bytes.give(std::mem::take(&mut self.freed_bytes));
        self.entry_paid &= !unused_place;
    }

    /// Whether nothing was freed or paid yet.
    pub(crate) const fn is_untouched(&self) -> bool {
        self.freed_entries == 0 && !self.entry_paid
    }
}

impl Drop for Deal<'_> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Evictions after which an insertion goes in although the cache is still above a capacity that was
/// lowered meanwhile, if it has freed as much as it brings.
const STEP: u64 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_never_passes_the_maximum() {
        let budget = Budget::new(Some(10));
        assert!(budget.exchange(0, 10, false));
        assert!(!budget.exchange(0, 1, true));
        assert!(budget.exchange(4, 4, false));
        assert!(!budget.exchange(4, 5, true));
    }

    #[test]
    fn above_a_lowered_maximum_use_may_not_grow() {
        let budget = Budget::new(Some(10));
        assert!(budget.exchange(0, 10, false));
        budget.set_max(3);
        assert_eq!(budget.excess(), 7);
        assert!(!budget.exchange(2, 2, false));
        assert!(!budget.exchange(2, 3, true));
        assert!(budget.exchange(2, 2, true));
        budget.give(7);
        assert_eq!(budget.excess(), 0);
        assert!(budget.refuses(4));
    }

    #[test]
    fn a_sum_is_no_more_than_what_is_used() {
        let budget = Budget::new(Some(10));
        assert!(budget.exchange(0, 9, false));
        assert_eq!((budget.no_more_than_used(11), budget.no_more_than_used(8)), (9, 8));
        assert_eq!(Budget::new(None).no_more_than_used(11), 11);
    }

    #[test]
    fn the_greatest_maximum_is_a_bound_too() {
        let budget = Budget::new(Some(u64::MAX));
        assert!(budget.exchange(0, u64::MAX - 1, false));
        assert!(!budget.fits(0, 2) && !budget.exchange(0, 2, true));
        budget.give(u64::MAX - 1);
        assert!(budget.exchange(0, u64::MAX, false));
    }

    #[test]
    fn a_deal_that_comes_to_nothing_gives_everything_back() {
        let (entries, bytes) = (Budget::new(Some(2)), Budget::new(Some(10)));
        assert!(Deal::new(&entries, &bytes).pay(8));
        let mut deal = Deal::new(&entries, &bytes);
        assert!(!deal.pay(8) && deal.wants_bytes() && !deal.may_go_on(8));
        drop(deal);
        let mut deal = Deal::new(&entries, &bytes);
        deal.evicted(8);
        assert!(deal.pay(10));
        drop(deal);
        assert!(entries.fits(0, 1) && !entries.fits(0, 2) && !bytes.fits(0, 1));
    }

    #[test]
    fn without_a_maximum_all_fits() {
        let budget = Budget::new(None);
        assert!(budget.exchange(0, u64::MAX, false) && budget.fits(0, u64::MAX));
        assert_eq!((budget.excess(), budget.max()), (0, None));
    }
}
