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

    /// Exchanges `credit`, which the caller has freed and not given back, for `need`.
    ///
    /// `anyway`: also where that stays above the maximum, if the use does not grow by it.
    pub(crate) fn exchange(&self, credit: u64, need: u64, anyway: bool) -> bool {
        if !self.bounded {
            return true;
        }
        let max = self.max.load(Ordering::Relaxed);
        // Relaxed: the number alone is shared; entries are guarded by the locks of their shards.
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                let next = (used - credit).saturating_add(need);
                (next <= max || (anyway && need <= credit)).then_some(next)
            })
            .is_ok()
    }

    /// Whether [`exchange`](Budget::exchange) would succeed now.
    pub(crate) fn fits(&self, credit: u64, need: u64) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        !self.bounded
            || used.saturating_sub(credit).saturating_add(need) <= self.max.load(Ordering::Relaxed)
    }

    /// Gives back what was freed.
    pub(crate) fn give(&self, credit: u64) {
        if self.bounded && credit > 0 {
            self.used.fetch_sub(credit, Ordering::Relaxed);
        }
    }
}

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
    fn without_a_maximum_all_fits() {
        let budget = Budget::new(None);
        assert!(budget.exchange(0, u64::MAX, false) && budget.fits(0, u64::MAX));
        assert_eq!((budget.excess(), budget.max()), (0, None));
    }
}
