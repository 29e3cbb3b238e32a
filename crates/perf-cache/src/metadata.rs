//! What is known of one entry beside its value.

use crate::Cache;
use crate::entry::Entry;
use crate::expiry::{Life, NEVER, remaining};
use crate::inner::Inner;
use crate::invalidation::Name;
use crate::policy::Slot;
use crate::shard::Shard;
use crate::slots::{Look, tag_of};
use equivalent::Equivalent;
use perf_core::{ByteSize, Instant};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a cache knows of one entry, beside its value.
///
/// When it came in and how often it was hit is known where
/// [`track_entries`](crate::CacheBuilder::track_entries) is on, at the price of an allocation for
/// each entry and a shared count for each hit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CacheEntry<K> {
    /// Its key.
    pub key: K,
    /// When it came in, on the cache's clock.
    pub created: Option<Instant>,
    /// How long ago that is.
    pub age: Option<Duration>,
    /// What is left of its time to live, zero for one that is only kept for failing loaders;
    /// `None` for ever.
    pub time_to_live: Option<Duration>,
    /// How long it lives if nobody reads it; `None` for as long as it lives.
    pub time_to_idle: Option<Duration>,
    /// How often it was read.
    pub hits: Option<u64>,
    /// Whether each hit was counted; else the number is an estimate from every 128th hit of a
    /// thread.
    pub hits_are_exact: bool,
    /// What it weighs: what the weigher said, or [`Cache::ENTRY_OVERHEAD`].
    pub size: ByteSize,
    /// Whether the value is kept compressed, as its [`Terms`](crate::Terms) said.
    pub compressed: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// What it depends on.
    pub depends_on: Vec<String>,
}

impl<K: Hash + Eq + Clone, V, S: BuildHasher> Cache<K, V, S> {
    /// What is known of the entry of a key, unless it has expired. Counts as no lookup and as no
    /// use.
    #[doc(alias = "get_metadata")]
    pub fn entry_info<Q>(&self, key: &Q) -> Option<CacheEntry<K>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.inner.entry_info(self.hash(key), key)
    }

    /// The `n` entries that are hit most, the hottest first.
    ///
    /// Exact and O(entries) where entries are [tracked](crate::CacheBuilder::track_entries). Else
    /// from one in 128 hits of each thread, counted for some 1 000 keys: good for keys that get a
    /// thousandth of all hits or more, and empty without [`insight`](crate::CacheBuilder::insight).
    pub fn hottest(&self, n: usize) -> Vec<CacheEntry<K>> {
        if self.inner.tracks_entries {
            return self.inner.most_hit(n);
        }
        let mut hottest = Vec::new();
        for (hash, hits) in self.inner.hot_hashes() {
            if hottest.len() >= n {
                break;
            }
            // One that left, or was never here to stay, makes way for the next.
            if let Some(mut entry) = self.inner.info_by_hash(hash, |key| self.hash(key) == hash) {
                entry.hits = Some(hits);
                hottest.push(entry);
            }
        }
        hottest
    }
}

impl<K: Clone, V> Inner<K, V> {
    fn entry_info<Q>(&self, hash: u64, key: &Q) -> Option<CacheEntry<K>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.info_by_hash(hash, |other| key.equivalent(other))
    }

    /// The entry with that hash whose key is the right one.
    fn info_by_hash(&self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<CacheEntry<K>> {
        let shard = self.shard(hash);
        let tag = tag_of(hash);
        shard.index.find(u64::from(tag), |slot| {
            self.info_at(shard, slot, tag, |entry| is_it(&entry.key)).flatten()
        })
    }

    /// What is known of an entry at a place, if it is the right one; the inner `None` if it is dead.
    fn info_at(
        &self,
        shard: &Shard<K, V>,
        slot: Slot,
        tag: u32,
        is_it: impl FnOnce(&Entry<K, V>) -> bool,
    ) -> Option<Option<CacheEntry<K>>> {
        if let Some(record) = self.readers.own() {
            match shard.slots.protect(slot, tag, &self.readers, record) {
                Look::Live(entry) => {
                    let weight = || shard.lock().weights.get(slot);
                    return is_it(&entry).then(|| self.describe(&entry, entry.era(), weight));
                }
                Look::Gone => return None,
                Look::NoWord => {}
            }
        }
        let held = shard.lock();
        // In the slot may be another entry by now.
        let entry = self.pin(shard, &held, slot).filter(|_| shard.slots.tag(slot) == tag)?;
        let (era, weight) = (shard.slots.era(slot), held.weights.get(slot));
        drop(held);
        is_it(&entry).then(|| self.describe(&entry, era, || weight))
    }

    fn describe(
        &self,
        entry: &Entry<K, V>,
        era: u32,
        weight: impl FnOnce() -> u64,
    ) -> Option<CacheEntry<K>> {
        if self.why_dead(entry, era).is_some() {
            return None;
        }
        let extra = entry.extra.as_deref();
        let life = extra.map(|extra| &extra.life);
        let deadline = life.map_or(entry.look_at(), Life::deadline);
        let idle = life.map_or(NEVER, Life::idle_deadline);
        let tracked = extra.and_then(|extra| extra.usage.tracked());
        let created = tracked.map(|(created, _)| Instant::from_nanos(created));
        let (mut tags, mut depends_on) = (Vec::new(), Vec::new());
        for name in extra.into_iter().flat_map(|extra| extra.marks.names()) {
            match name {
                Name::Tag(tag) => tags.push(tag.to_string()),
                Name::Parent(parent) => depends_on.push(parent.to_string()),
                Name::Namespace(_) => {}
            }
        }
        Some(CacheEntry {
            key: entry.key.clone(),
            created,
            age: created.map(|created| self.clock.now() - created),
            time_to_live: remaining(deadline, &self.clock),
            time_to_idle: remaining(idle, &self.clock),
            hits: tracked.map(|(_, hits)| hits),
            hits_are_exact: tracked.is_some(),
            size: ByteSize::from_bytes(weight()),
            compressed: extra.is_some_and(|extra| extra.usage.is_compressed()),
            tags,
            depends_on,
        })
    }

    /// By the counts that each entry keeps.
    fn most_hit(&self, n: usize) -> Vec<CacheEntry<K>> {
        // The coldest of the hottest on top.
        let mut hottest = BinaryHeap::new();
        for (index, shard) in self.shards.iter().enumerate() {
            let mut from = 0;
            while from < shard.slots.used() {
                let until = (from + CHUNK).min(shard.slots.used());
                let held = shard.lock();
                for slot in (from..until).map(Slot::new) {
                    let entry = shard.slots.get(&held.ledger, slot);
                    let usage = entry.and_then(|entry| entry.extra.as_ref()).map(|e| &e.usage);
                    if let Some((_, hits)) = usage.and_then(Usage::tracked) {
                        hottest.push(Reverse((hits, index, slot, shard.slots.tag(slot))));
                        if hottest.len() > n {
                            hottest.pop();
                        }
                    }
                }
                from = until;
            }
        }
        let sorted = hottest.into_sorted_vec().into_iter();
        let info = |(_, index, slot, tag)| {
            let shard: &Shard<K, V> = &self.shards[index];
            self.info_at(shard, slot, tag, |_| true).flatten()
        };
        sorted.filter_map(|Reverse(found)| info(found)).collect()
    }
}

/// Places looked at in one holding of a lock.
const CHUNK: u32 = 256;

/// What an entry tells of its use, where that is tracked or asked for.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// When it came in, in nanoseconds of the clock; zero where that is not tracked.
    created: u64,
    hits: AtomicU64,
    compressed: bool,
}

impl Usage {
    pub(crate) const fn new(created: u64, compressed: bool) -> Usage {
        Usage { created, hits: AtomicU64::new(0), compressed }
    }

    /// The same once more, for a copy of the entry.
    pub(crate) fn copy(&self) -> Usage {
        let hits = AtomicU64::new(self.hits.load(Ordering::Relaxed));
        Usage { created: self.created, hits, compressed: self.compressed }
    }

    /// Counts a hit where entries are tracked.
    pub(crate) fn note_hit(&self) {
        if self.created != 0 {
            // Relaxed: a count, on which nothing else depends.
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// When it came in and how often it was hit, where that is tracked.
    pub(crate) fn tracked(&self) -> Option<(u64, u64)> {
        (self.created != 0).then(|| (self.created, self.hits.load(Ordering::Relaxed)))
    }

    pub(crate) const fn is_compressed(&self) -> bool {
        self.compressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_tracked_is_counted() {
        let (plain, tracked) = (Usage::default(), Usage::new(5, true));
        plain.note_hit();
        tracked.note_hit();
        assert_eq!((plain.tracked(), plain.is_compressed()), (None, false));
        assert_eq!((tracked.tracked(), tracked.is_compressed()), (Some((5, 1)), true));
    }
}
