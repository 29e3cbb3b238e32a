//! The accounts of a shard: which places are vacant, and which wait to be freed.
//!
//! What nobody can read any more is not dropped at once, but left where it is until its place is
//! used again: memory that came piece by piece goes back piece by piece. Allocators keep a few
//! pieces for each thread; hundreds that come back together go where threads wait for each other.

use super::{Detached, Slots};
use crate::barrier;
use crate::hazard::Readers;
use crate::policy::Slot;

/// The right to change what lies in the places of one shard: kept behind its lock.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Of the slots that this belongs to.
    pub(super) id: u64,
    pub(super) live: u32,
    /// Places that can be used again.
    pub(super) vacant: Vec<u32>,
    /// Retired places that are not sealed yet.
    pub(super) waiting: Vec<u32>,
    /// Retired places that wait for a barrier after the stamp.
    pub(super) sealed: Vec<u32>,
    pub(super) stamp: u64,
    /// Retired places that have had their barrier, but somebody still reads them.
    pub(super) pinned: Vec<u32>,
    /// Retired places that nobody reads any more nor will, with what is to be dropped in them.
    pub(super) unread: Vec<u32>,
    /// Whether somebody has gone to make a barrier.
    pub(super) barrier_is_coming: bool,
}

impl Ledger {
    /// Number of live entries.
    pub(crate) const fn len(&self) -> usize {
        self.live as usize
    }

    /// How many entries have left and are not freed yet.
    pub(crate) const fn retired(&self) -> usize {
        self.waiting.len() + self.sealed.len() + self.pinned.len() + self.unread.len()
    }

    /// Slots of entries that only wait to be dropped.
    pub(crate) fn unread(&self) -> impl ExactSizeIterator<Item = Slot> {
        self.unread.iter().copied().map(Slot::new)
    }

    /// How many entries have left since the last sealing.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether somebody has been told that a barrier is needed, and has not come back yet.
    pub(crate) const fn barrier_is_coming(&self) -> bool {
        self.barrier_is_coming
    }
}

/// What is to be done so that retired entries can be freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Harvest {
    Done,
    /// A [`barrier::heavy`] outside of the lock, and a harvest after it.
    NeedsBarrier,
}

impl<K, V> Slots<K, V> {
    /// Like [`retire`](Slots::retire), and keeps the entry readable until it is handed back by
    /// [`release`](Slots::release).
    ///
    /// # Panics
    ///
    /// As [`retire`](Slots::retire).
    pub(crate) fn detach<'a>(&'a self, ledger: &mut Ledger, slot: Slot) -> Detached<'a, K, V> {
        self.retire(ledger, slot);
        ledger.waiting.pop();
        Detached { place: self.place(slot), slot, id: self.id }
    }

    /// Hands a detached entry back, to be freed like others that were retired.
    pub(crate) fn release(&self, ledger: &mut Ledger, detached: Detached<'_, K, V>) {
        assert_eq!((self.id, detached.id), (ledger.id, ledger.id), "a ledger belongs to its slots");
        ledger.waiting.push(detached.slot.as_u32());
    }

    /// Finds the retired entries that nobody can look at. They are dropped as their places are used
    /// again, or by [`vacate`](Slots::vacate). `readers` is the one that all reads were made with.
    ///
    /// Each call finds what was sealed by an earlier one, if a barrier has passed since, and then
    /// seals what was retired after that. Where that barrier is missing the answer is
    /// [`Harvest::NeedsBarrier`]; with `all`, what was retired is sealed in any case, and the
    /// answer is the same if there is any.
    pub(crate) fn harvest(&self, ledger: &mut Ledger, readers: &Readers, all: bool) -> Harvest {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let alone = readers.is_alone();
        let passed = alone || ledger.sealed.is_empty() || barrier::has_passed(ledger.stamp);
        let mut free = std::mem::take(&mut ledger.pinned);
        if passed {
            free.append(&mut ledger.sealed);
        }
        if alone {
            free.append(&mut ledger.waiting);
        }
        if !free.is_empty() {
            let protected = readers.protected();
            free.retain(|&index| {
                let at = self.place(Slot::new(index)).address();
                let is_read = protected.binary_search(&at).is_ok();
                if !is_read {
                    ledger.unread.push(index);
                }
                is_read
            });
        }
        ledger.pinned = free;
        if (all || passed) && !ledger.waiting.is_empty() {
            ledger.sealed.append(&mut ledger.waiting);
            ledger.stamp = barrier::stamp();
        }
        let is_missing = if all { !ledger.sealed.is_empty() } else { !passed };
        ledger.barrier_is_coming = is_missing;
        if is_missing { Harvest::NeedsBarrier } else { Harvest::Done }
    }
}
