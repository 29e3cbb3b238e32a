//! One part of a cache behind one lock.

use crate::expiry::Sweep;
use crate::load::Loads;
use crate::lru::{Entry, Id, Lru};
use crate::stats::{Cause, Counts};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Aligned so that two shards never share a pair of cache lines.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard<K, V> {
    held: Mutex<Held<K, V>>,
    // Copies for those who only want to know: written under the lock, read without it.
    entries: AtomicU64,
    bytes: AtomicU64,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct Held<K, V> {
    pub(crate) store: Lru<K, V>,
    pub(crate) loads: Loads<K, V>,
    pub(crate) sweep: Sweep,
    pub(crate) counts: Counts,
    /// Sum of the weights, modulo 2^64.
    bytes: u64,
}

impl<K, V> Shard<K, V> {
    pub(crate) const fn new() -> Shard<K, V> {
        let held = Held {
            store: Lru::new(),
            loads: Loads::new(),
            sweep: Sweep::new(),
            counts: Counts::new(),
            bytes: 0,
        };
        Shard { held: Mutex::new(held), entries: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held<K, V>> {
        // A panic of somebody's `Clone`, `Eq` or `retain` closure leaves the shard whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of entries, without the lock.
    pub(crate) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Sum of the weights, without the lock.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Puts in an entry whose key is not there.
    pub(crate) fn insert(&self, held: &mut Held<K, V>, hash: u64, entry: Entry<K, V>) {
        held.counts.insertions += 1;
        held.bytes = held.bytes.wrapping_add(entry.weight);
        held.sweep.note(entry.deadline.get());
        held.store.insert(hash, entry);
        self.publish(held);
    }

    /// Takes an entry out and counts why.
    pub(crate) fn remove(&self, held: &mut Held<K, V>, id: Id, cause: Cause) -> Entry<K, V> {
        let entry = held.store.remove(id);
        held.counts.evictions[cause as usize] += 1;
        held.bytes = held.bytes.wrapping_sub(entry.weight);
        self.publish(held);
        entry
    }

    /// Puts a value in the place of another of the same key and answers the old one.
    pub(crate) fn replace(&self, held: &mut Held<K, V>, id: Id, entry: Entry<K, V>) -> Entry<K, V> {
        held.counts.insertions += 1;
        held.counts.evictions[Cause::Replaced as usize] += 1;
        held.sweep.note(entry.deadline.get());
        held.bytes = held.bytes.wrapping_add(entry.weight);
        let old = held.store.replace(id, entry);
        held.bytes = held.bytes.wrapping_sub(old.weight);
        self.publish(held);
        old
    }

    /// Takes everything out, and ends the claim of loads to put something in.
    pub(crate) fn clear(&self, held: &mut Held<K, V>) -> (Lru<K, V>, Loads<K, V>, u64) {
        let store = std::mem::replace(&mut held.store, Lru::new());
        let loads = held.loads.detach_all();
        held.sweep = Sweep::new();
        held.counts.evictions[Cause::Removed as usize] += store.len() as u64;
        let bytes = std::mem::take(&mut held.bytes);
        self.publish(held);
        (store, loads, bytes)
    }

    fn publish(&self, held: &Held<K, V>) {
        self.entries.store(held.store.len() as u64, Ordering::Relaxed);
        self.bytes.store(held.bytes, Ordering::Relaxed);
    }
}
