//! How much has been written beyond memory, by which can be told without asking whether a tier
//! still holds what it was known to hold.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes put into tiers, all counted together.
///
/// A tier with a bound drops what is oldest, or keeps what was read not long ago. So what was
/// written or read when so much had been written is still there until its bound has been written
/// once more; a quarter of that leaves room for what is counted otherwise. Being wrong costs a
/// value, as evicting one does.
#[derive(Debug)]
pub(super) struct Volume {
    written: AtomicU64,
    /// Nothing is known of what was seen up to here: a value was lost on its way, or a bound moved.
    doubted: AtomicU64,
    /// So much may be written before a tier may have dropped something.
    horizon: AtomicU64,
}

impl Volume {
    pub(super) const fn new() -> Volume {
        Volume {
            // Zero is what was never seen.
            written: AtomicU64::new(1),
            doubted: AtomicU64::new(0),
            horizon: AtomicU64::new(u64::MAX),
        }
    }

    /// To be kept with what is about to be written, or was found.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A value did not reach a tier.
    pub(super) fn doubt(&self) {
        self.doubted.fetch_max(self.now(), Ordering::Relaxed);
    }

    /// The bounds of the tiers; zero for one that has none.
    pub(super) fn set_bounds(&self, bounds: impl Iterator<Item = u64>) {
        let least = bounds.filter(|bound| *bound > 0).min().unwrap_or(u64::MAX);
        self.horizon.store(least / 4, Ordering::Relaxed);
        self.doubt();
    }

    /// Whether a tier may not hold what was seen then.
    #[inline]
    pub(super) fn may_lack(&self, seen: u64) -> bool {
        // Relaxed: who reads an old number errs by what was written in that moment.
        seen <= self.doubted.load(Ordering::Relaxed)
            || self.now().saturating_sub(seen) >= self.horizon.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_there_until_much_was_written_or_something_lost() {
        let volume = Volume::new();
        volume.set_bounds([0, 4_000, 9_000].into_iter());
        volume.add(1);
        let seen = volume.now();
        assert!(volume.may_lack(0) && !volume.may_lack(seen));
        volume.add(999);
        assert!(!volume.may_lack(seen));
        volume.add(1);
        assert!(volume.may_lack(seen) && !volume.may_lack(volume.now()));
        volume.doubt();
        assert!(volume.may_lack(volume.now()));
        volume.add(1);
        assert!(!volume.may_lack(volume.now()));
    }

    #[test]
    fn without_a_bound_what_was_seen_stays() {
        let volume = Volume::new();
        volume.set_bounds([0].into_iter());
        volume.add(1);
        let seen = volume.now();
        volume.add(1 << 60);
        assert!(!volume.may_lack(seen));
    }
}
