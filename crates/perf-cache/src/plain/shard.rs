//! One part of the cache: what readers go through without a lock, and what the lock guards.

use super::slots::{Copied, NEVER, Read, Slots};
use super::words::Plain;
use crate::expiry::{self, Sweep};
use crate::index::Index;
use crate::load::Loads;
use crate::policy::{Choice, Slot};
use crate::ruling::Ruling;
use crate::stats::{Cause, Counts};
use perf_core::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Aligned so that two shards never share a pair of cache lines.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct Shard<K, V> {
    pub(super) slots: Slots<K, V>,
    pub(super) index: Index,
    held: Mutex<Held<K, V>>,
    /// A copy for those who only want to know: written under the lock, read without it.
    entries: AtomicU64,
}

/// What the lock guards.
#[derive(Debug)]
pub(super) struct Held<K, V> {
    pub(super) policy: Ruling,
    pub(super) loads: Loads<K, V>,
    pub(super) sweep: Sweep,
    pub(super) counts: Counts,
    /// Slots used before and vacant now.
    vacant: Vec<u32>,
    /// The first slot that was never used.
    fresh: u32,
}

impl<K: Plain + Eq, V: Plain> Shard<K, V> {
    /// With room for so many entries made at once, if it is not too much.
    pub(super) fn new(policy: Ruling, entries: u64) -> Shard<K, V> {
        let held = Held {
            policy,
            loads: Loads::new(),
            sweep: Sweep::new(),
            counts: Counts::new(),
            vacant: Vec::new(),
            fresh: 0,
        };
        Shard {
            slots: Slots::with_capacity(entries),
            index: Index::with_capacity(entries),
            held: Mutex::new(held),
            entries: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Held<K, V>> {
        // A panic of somebody's `Eq` or of a policy leaves the slots whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of entries, without the lock.
    pub(super) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// The entry of a key, expired or not, and its slot. Takes no lock but where a writer was
    /// interrupted.
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &K) -> Option<(Slot, Copied<K, V>)> {
        let mut busy = false;
        let found = self.index.find(hash, |slot| match self.slots.read(slot, hash, key) {
            Read::Found(copied) => Some((slot, copied)),
            Read::Other => None,
            Read::Busy => {
                busy = true;
                None
            }
        });
        if busy && found.is_none() { self.find_locked(hash, key) } else { found }
    }

    #[cold]
    fn find_locked(&self, hash: u64, key: &K) -> Option<(Slot, Copied<K, V>)> {
        let _held = self.lock();
        self.find_held(hash, key)
    }

    /// The same, for who holds the lock.
    pub(super) fn find_held(&self, hash: u64, key: &K) -> Option<(Slot, Copied<K, V>)> {
        self.index.find(hash, |slot| match self.slots.read(slot, hash, key) {
            Read::Found(copied) => Some((slot, copied)),
            // Nobody else writes.
            Read::Other | Read::Busy => None,
        })
    }

    /// Puts in an entry whose key is not there.
    pub(super) fn insert(
        &self,
        held: &mut Held<K, V>,
        hash: u64,
        key: &K,
        value: &V,
        deadline: u64,
        choice: Choice,
    ) {
        let slot = Slot::new(held.vacant.pop().unwrap_or_else(|| {
            held.fresh += 1;
            held.fresh - 1
        }));
        self.slots.fill(slot, hash, key, value, deadline);
        self.index.insert(hash, slot, |slot| self.slots.hash_of(slot));
        held.policy.choose(choice);
        held.policy.insert(slot, &self.slots);
        held.sweep.note(deadline);
        held.counts.insertions += 1;
        self.publish();
    }

    /// Puts a new value in the place of the old one.
    pub(super) fn overwrite(&self, held: &mut Held<K, V>, slot: Slot, value: &V, deadline: u64) {
        self.slots.overwrite(slot, value, deadline);
        held.sweep.note(deadline);
        held.counts.insertions += 1;
        held.counts.evictions[Cause::Replaced as usize] += 1;
    }

    /// Takes an entry out that the policy holds.
    pub(super) fn remove(&self, held: &mut Held<K, V>, slot: Slot, cause: Cause) {
        held.policy.remove(slot, &self.slots);
        self.let_go(held, slot, cause);
    }

    /// Takes out what the policy gives up; whether there was anything.
    pub(super) fn evict(&self, held: &mut Held<K, V>) -> bool {
        let Some(slot) = held.policy.victim(&self.slots) else { return false };
        self.let_go(held, slot, Cause::Size);
        true
    }

    /// Takes an entry out that the policy holds no more.
    fn let_go(&self, held: &mut Held<K, V>, slot: Slot, cause: Cause) {
        self.index.remove(self.slots.hash_of(slot), slot, |slot| self.slots.hash_of(slot));
        self.slots.retire(slot);
        held.vacant.push(slot.as_u32());
        held.counts.evictions[cause as usize] += 1;
        self.publish();
    }

    /// Takes everything out; answers how much that was.
    pub(super) fn clear(&self, held: &mut Held<K, V>) -> u64 {
        let mut slots = Vec::with_capacity(self.index.len());
        held.policy.for_each(&mut |slot| slots.push(slot));
        for &slot in &slots {
            self.remove(held, slot, Cause::Removed);
        }
        held.sweep = Sweep::new();
        slots.len() as u64
    }

    /// Looks at some places and takes out what has expired, at most so many entries; answers how
    /// many, and whether a round has ended.
    pub(super) fn sweep(
        &self,
        held: &mut Held<K, V>,
        clock: &Clock,
        places: usize,
        most: u64,
    ) -> (u64, bool) {
        let mut removed = 0;
        for _ in 0..places {
            if removed >= most {
                return (removed, false);
            }
            let Some(place) = held.sweep.next(held.fresh as usize) else { return (removed, true) };
            let slot = Slot::new(place as u32);
            let deadline = self.slots.get(slot).map_or(NEVER, |copied| copied.deadline);
            if expiry::has_passed(deadline, clock) {
                self.remove(held, slot, Cause::Expired);
                removed += 1;
            } else {
                held.sweep.left(deadline);
            }
        }
        (removed, false)
    }

    /// Hands the entries over to another policy; answers the old one, to be dropped.
    pub(super) fn switch(&self, mut policy: Ruling) -> Ruling {
        let mut held = self.lock();
        policy.succeed(&held.policy, &self.slots);
        std::mem::replace(&mut held.policy, policy)
    }

    fn publish(&self) {
        self.entries.store(self.index.len() as u64, Ordering::Relaxed);
    }
}

impl<K, V> Held<K, V> {
    /// Number of slots that were ever used.
    pub(super) const fn places(&self) -> usize {
        self.fresh as usize
    }
}
