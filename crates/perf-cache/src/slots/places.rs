//! Finding places, and making more of them.

use super::{Place, SMALLEST, Slots, new_places};
use crate::policy::Slot;
use crate::sync::{OnceLock, Ordering};
use std::fmt;

impl<K, V> Slots<K, V> {
    /// Bytes of all places made so far, used or not.
    pub(crate) fn allocated(&self) -> u64 {
        let more = self.more.iter().filter_map(OnceLock::get).map(|places| places.len());
        ((self.first.len() + more.sum::<usize>()) * size_of::<Place<K, V>>()) as u64
    }

    #[inline]
    pub(super) fn place(&self, slot: Slot) -> &Place<K, V> {
        match self.first.get(slot.index()) {
            Some(place) => place,
            None => self.place_beyond(slot.index() - self.first.len()),
        }
    }

    #[inline(never)]
    fn place_beyond(&self, index: usize) -> &Place<K, V> {
        let (chunk, index) = chunk_of(index);
        let places = self.more.get(chunk).and_then(OnceLock::get);
        &places.expect("a slot that was given out has its place")[index]
    }

    /// A place that was never used.
    #[cold]
    pub(super) fn fresh(&self) -> u32 {
        let slot = self.used.load(Ordering::Relaxed);
        if let Some(beyond) = (slot as usize).checked_sub(self.first.len()) {
            let (chunk, _) = chunk_of(beyond);
            let chunk_is_there = self.more.get(chunk);
            let places = chunk_is_there.expect("a shard has fewer than 2^32 entries");
            places.get_or_init(|| new_places(SMALLEST << chunk));
        }
        let next = slot.checked_add(1).expect("a shard has fewer than 2^32 entries");
        // Release: the place is there.
        self.used.store(next, Ordering::Release);
        slot
    }
}

impl<K, V> fmt::Debug for Slots<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("used", &self.used()).finish_non_exhaustive()
    }
}

impl<K, V> fmt::Debug for Place<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// The chunk of a place beyond the first piece, and its index there.
#[inline]
pub(super) const fn chunk_of(beyond: usize) -> (usize, usize) {
    let at = beyond + SMALLEST;
    let chunk = at.ilog2() - SMALLEST.ilog2();
    (chunk as usize, at - (SMALLEST << chunk))
}

/// Bytes of a place.
pub(crate) const fn place_size<K, V>() -> usize {
    size_of::<Place<K, V>>()
}
