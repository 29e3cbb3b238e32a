//! What is noted beside an entry, in two words that are read without a lock.

use super::{LIVE, OCCUPIED, Pinned, Protected, Slots};
use crate::policy::Slot;
use crate::sync::Ordering;

pub(super) const HITS: u32 = 0x7f;
/// There is more to the entry than its key and value. Set when it is put in, or another in
/// its place.
pub(super) const PECULIAR: u32 = 0x80;
pub(super) const ERA_SHIFT: u32 = 8;

/// What a live entry of that hash has as its tag. The index uses it as the hash: these bits are
/// what is kept of it. Which two are missing matters little, but for the lowest eight, which are
/// compared in a bucket.
#[inline]
pub(crate) const fn tag_of(hash: u64) -> u32 {
    hash as u32 | LIVE | OCCUPIED
}

impl<K, V> Slots<K, V> {
    /// Has the processor fetch what is known of a slot, which will be asked for soon.
    #[inline]
    pub(crate) fn foresee(&self, slot: Slot) {
        std::hint::black_box(self.place(slot).tag.load(Ordering::Relaxed));
    }

    /// How many slots there are to walk through, from slot zero: vacant ones as well.
    pub(crate) fn used(&self) -> u32 {
        self.used.load(Ordering::Acquire)
    }

    /// The hash of an entry as [`tag_of`] has left it, also of a retired one.
    #[inline]
    pub(crate) fn tag(&self, slot: Slot) -> u32 {
        self.place(slot).tag.load(Ordering::Relaxed) | LIVE | OCCUPIED
    }

    /// The tag of a slot, to protect whatever lies there; `None` unless that is live.
    pub(crate) fn live_tag(&self, slot: Slot) -> Option<u32> {
        let tag = self.place(slot).tag.load(Ordering::Relaxed);
        (tag & LIVE != 0).then_some(tag)
    }

    #[inline]
    pub(crate) fn hits(&self, slot: Slot) -> u8 {
        (self.place(slot).notes.load(Ordering::Relaxed) & HITS) as u8
    }

    /// A hit that is noted at the same instant may be lost.
    #[inline]
    pub(crate) fn set_hits(&self, slot: Slot, hits: u8) {
        let notes = &self.place(slot).notes;
        let kept = notes.load(Ordering::Relaxed) & !HITS;
        notes.store(kept | u32::from(hits) & HITS, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn era(&self, slot: Slot) -> u32 {
        self.place(slot).notes.load(Ordering::Relaxed) >> ERA_SHIFT
    }

    /// For whoever holds the lock. A hit that is noted at the same instant may be lost, or undo it.
    pub(crate) fn set_era(&self, slot: Slot, era: u32) {
        let notes = &self.place(slot).notes;
        let kept = notes.load(Ordering::Relaxed) & (HITS | PECULIAR);
        notes.store(era << ERA_SHIFT | kept, Ordering::Relaxed);
    }
}

impl<'a, K, V> Protected<'a, K, V> {
    /// Which pattern invalidations the entry came in after.
    #[inline]
    pub(crate) fn era(&self) -> u32 {
        self.place.notes.load(Ordering::Relaxed) >> ERA_SHIFT
    }

    /// It is known to be covered by no pattern up to this era.
    pub(crate) fn set_era(&self, era: u32) {
        let kept = self.place.notes.load(Ordering::Relaxed) & (HITS | PECULIAR);
        self.place.notes.store(era << ERA_SHIFT | kept, Ordering::Relaxed);
    }

    /// How many hits are counted, up to what was asked for.
    #[inline]
    pub(crate) fn hits(&self) -> u8 {
        (self.place.notes.load(Ordering::Relaxed) & HITS) as u8
    }

    /// Whether nothing is known of the entry but its key and value, and that it came in or was looked
    /// at in this era: all that a reader must ask, in one word that lies beside the tag.
    #[inline]
    pub(crate) fn is_plain(&self, era: u32) -> bool {
        (self.place.notes.load(Ordering::Relaxed) ^ era << ERA_SHIFT) < PECULIAR
    }

    /// The same, and at least so many hits are counted.
    #[inline]
    pub(crate) fn is_plain_and_hot(&self, era: u32, most_hits: u8) -> bool {
        let rest = self.place.notes.load(Ordering::Relaxed) ^ era << ERA_SHIFT;
        rest < PECULIAR && rest >= u32::from(most_hits)
    }

    /// Counts a hit; to be called only where less than 127 are counted.
    #[inline]
    pub(crate) fn count_hit(&self) {
        // No locked addition: a few hits may be lost.
        let notes = self.place.notes.load(Ordering::Relaxed);
        if notes & HITS < HITS {
            self.place.notes.store(notes + 1, Ordering::Relaxed);
        }
    }

    /// Where it lies.
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    /// Whether the entry is still in the cache. Exact under the lock of its shard.
    pub(crate) fn is_live(&self) -> bool {
        self.place.tag.load(Ordering::Relaxed) & LIVE != 0
    }
}

impl<K, V> Pinned<'_, K, V> {
    /// Whether the entry is still in the cache. Exact under the lock of its shard.
    pub(crate) fn is_live(&self) -> bool {
        self.place.tag.load(Ordering::Relaxed) & LIVE != 0
    }
}
