//! The handle that callers hold.

use crate::expiry::{self, NEVER};
use crate::inner::{Inner, Origin};
use crate::lru::entry_overhead;
use crate::stats::{Cause, Counts};
use crate::{CacheBuilder, CacheStats, Capacity};
use perf_core::{ByteSize, Instant};
use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A concurrent cache in memory.
///
/// A `Cache` is a handle: clones share one cache. Values are handed out as clones, so what is
/// large belongs in an `Arc`.
///
/// See the [crate page](crate) for an example, the costs, and when not to use it.
#[doc(alias = "CachingSystem")]
#[doc(alias = "MemoryCache")]
#[doc(alias = "CacheManager")]
#[doc(alias = "IntelligentCacheManager")]
pub struct Cache<K, V> {
    pub(crate) inner: Arc<Inner<K, V>>,
}

impl<K, V> Cache<K, V> {
    /// Bytes that the cache needs for an entry beside what key and value own on the heap: the key
    /// and the value themselves, links, hash, weight, deadline, and a place in the table.
    ///
    /// While a shard grows it may have up to twice as many places as entries.
    pub const ENTRY_OVERHEAD: u64 = entry_overhead::<K, V>() as u64;

    /// Starts making a cache.
    pub fn builder() -> CacheBuilder<K, V> {
        CacheBuilder::new()
    }

    pub(crate) fn new(inner: Arc<Inner<K, V>>) -> Cache<K, V> {
        Cache { inner }
    }

    /// What the cache is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Number of entries, expired ones that nobody has met yet included. Takes no lock.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.inner.len()).unwrap_or(usize::MAX)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the entries weigh: the sum of what the weigher said when they came in.
    ///
    /// Without a weigher each entry counts [`ENTRY_OVERHEAD`](Cache::ENTRY_OVERHEAD), and what
    /// keys and values own on the heap is not in it. Takes no lock: the shards are read one after
    /// the other, so what moves meanwhile may be counted twice or not at all.
    #[must_use]
    pub fn memory_usage(&self) -> ByteSize {
        ByteSize::from_bytes(self.inner.weight())
    }

    /// How much the cache may hold.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        Capacity {
            entries: self.inner.entries.max(),
            bytes: self.inner.bytes.max().map(ByteSize::from_bytes),
        }
    }

    /// Moves the bounds that the cache was built with; a bound that it was built without, or that
    /// is not given here, stays as it is. Zero counts as one.
    ///
    /// A lower bound takes effect in steps: this call evicts up to 128 entries for each shard,
    /// later insertions go on, each evicting more than it brings, and
    /// [`evict_excess`](Cache::evict_excess) does it at once. Until then usage may be above the
    /// bound, but does not grow.
    pub fn set_capacity(&self, capacity: Capacity) {
        let settings = self.inner.settings();
        self.move_capacity(capacity);
        // Before anything is dropped: its destructor may ask for the settings.
        drop(settings);
        self.evict_first_excess();
    }

    pub(crate) fn move_capacity(&self, capacity: Capacity) {
        if let Some(entries) = capacity.entries {
            self.inner.entries.set_max(entries);
        }
        if let Some(bytes) = capacity.bytes {
            self.inner.bytes.set_max(bytes.as_u64());
        }
    }

    pub(crate) fn evict_first_excess(&self) {
        self.inner.evict_excess(128 * self.inner.shards.len() as u64);
    }

    /// Evicts up to `limit` entries of what is above a bound that was lowered; answers how many.
    pub fn evict_excess(&self, limit: u64) -> u64 {
        self.inner.evict_excess(limit)
    }

    /// How long entries live that come in without a time to live of their own, `None` for ever.
    #[must_use]
    pub fn time_to_live(&self) -> Option<Duration> {
        match self.inner.ttl.load(Ordering::Relaxed) {
            0 => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }

    /// Sets how long entries live that come in from now on; zero or `None`: for ever. Entries that
    /// are there keep their deadline.
    pub fn set_time_to_live(&self, ttl: Option<Duration>) {
        let settings = self.inner.settings();
        self.move_time_to_live(ttl.unwrap_or_default());
        drop(settings);
    }

    pub(crate) fn move_time_to_live(&self, ttl: Duration) {
        let nanos = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
        self.inner.ttl.store(nanos, Ordering::Relaxed);
    }

    /// Removes everything. What is being loaded is not kept either: its callers get it, the cache
    /// does not. O(entries), outside of the locks.
    pub fn clear(&self) {
        for shard in &self.inner.shards {
            let mut held = shard.lock();
            let (entries, loads, bytes) = shard.clear(&mut held);
            drop(held);
            self.inner.entries.give(entries.len() as u64);
            self.inner.bytes.give(bytes);
            drop((entries, loads));
        }
    }

    /// Frees up to `limit` expired entries and answers how many. For callers that want them gone
    /// without waiting for insertions to come by; at most O(entries), a few microseconds in each
    /// holding of a lock, and nothing where no deadline has passed.
    pub fn remove_expired(&self, limit: u64) -> u64 {
        self.inner.remove_expired(limit)
    }

    /// What the cache has counted since [`reset_statistics`](Cache::reset_statistics) or since it
    /// was built. O(shards).
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let (counts, loading) = self.inner.counts();
        CacheStats {
            hits: counts.hits,
            misses: counts.misses,
            insertions: counts.insertions,
            evictions: counts.evictions(),
            loads: counts.loads,
            load_failures: counts.load_failures,
            abandoned: counts.loading.abandoned,
            refreshes: counts.loading.refreshes,
            refreshes_skipped: counts.loading.refreshes_skipped,
            stale_served: counts.loading.stale_served,
            timed_out: counts.loading.timed_out,
            negative_hits: counts.loading.negative_hits,
            negatives_dropped: counts.loading.negatives_dropped,
            joins: counts.joins,
            loading,
            load_duration: counts.load_duration,
            entries: self.inner.len(),
            bytes: self.memory_usage(),
            since: Instant::from_nanos(self.inner.since.load(Ordering::Relaxed)),
        }
    }

    /// Counts from zero again, from now on.
    pub fn reset_statistics(&self) {
        for shard in &self.inner.shards {
            shard.lock().counts = Counts::new();
        }
        self.inner.since.store(self.inner.clock.now().as_nanos(), Ordering::Relaxed);
    }
}

impl<K: Hash + Eq, V> Cache<K, V> {
    /// A clone of the value, which becomes the most recently used.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        let inner = &*self.inner;
        let hash = inner.hash(key);
        let shard = inner.shard(hash);
        // Dropped after the lock, which is declared later.
        let mut gone = None;
        let mut held = shard.lock();
        let found = inner.look_up(shard, &mut held, hash, key, &mut gone);
        match found {
            Some(_) => held.counts.hits += 1,
            None => held.counts.misses += 1,
        }
        found
    }

    /// Whether there is a value that has not expired. Counts as no lookup and as no use.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let hash = self.inner.hash(key);
        let held = self.inner.shard(hash).lock();
        let found = held.store.find(hash, key);
        found.is_some_and(|id| {
            !expiry::has_passed(held.store.get(id).deadline.get(), &self.inner.clock)
        })
    }

    /// Puts a value in, for the cache's time to live.
    ///
    /// Entries that were not used for longest make room. A value heavier than the whole cache may
    /// be is refused and counted as `too_large`; what the key had before is gone then as well.
    #[doc(alias = "set")]
    #[doc(alias = "put")]
    pub fn insert(&self, key: K, value: V) {
        let hash = self.inner.hash(&key);
        let deadline = self.inner.default_deadline(hash);
        self.inner.put(hash, key, value, deadline, &Origin::Caller);
    }

    /// Puts a value in for a time to live of its own, exactly; [`Duration::MAX`] is for ever, zero
    /// puts nothing in and removes what the key had before.
    #[doc(alias = "set_with_ttl")]
    pub fn insert_with_ttl(&self, key: K, value: V, ttl: Duration) {
        if ttl.is_zero() {
            drop(self.remove(&key));
            return;
        }
        let deadline =
            if ttl == Duration::MAX { NEVER } else { expiry::deadline(&self.inner.clock, ttl) };
        self.inner.put(self.inner.hash(&key), key, value, deadline, &Origin::Caller);
    }

    /// Removes a value and answers it, unless it has expired.
    ///
    /// What is being loaded for this key is not kept: its callers get it, the cache does not, and
    /// who asks from now on starts another load.
    #[doc(alias = "invalidate")]
    #[doc(alias = "delete")]
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let inner = &*self.inner;
        let hash = inner.hash(key);
        let shard = inner.shard(hash);
        let mut held = shard.lock();
        let ended = held.loads.detach(hash, key);
        let found = held.store.find(hash, key);
        let entry = found.map(|id| {
            let expired = expiry::has_passed(held.store.get(id).deadline.get(), &inner.clock);
            let cause = if expired { Cause::Expired } else { Cause::Removed };
            (expired, inner.take(shard, &mut held, id, cause))
        });
        drop(held);
        drop(ended);
        entry.and_then(|(expired, entry)| (!expired).then_some(entry.value))
    }

    /// Removes every entry for which `keep` answers `false`, and answers how many.
    ///
    /// What is being loaded is not kept, since nobody can ask `keep` about it yet. O(entries);
    /// `keep` runs under the lock of a shard and must not call this cache.
    pub fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> u64 {
        let mut removed = 0;
        for shard in &self.inner.shards {
            // Dropped after the lock, which is declared later, also where `keep` panics.
            let mut gone = Vec::new();
            let ended;
            let mut held = shard.lock();
            ended = held.loads.detach_all();
            for place in 0..held.store.places() {
                let Some((id, entry)) = held.store.at(place) else { continue };
                if !keep(&entry.key, &entry.value) {
                    gone.push(self.inner.take(shard, &mut held, id, Cause::Removed));
                }
            }
            drop(held);
            drop(ended);
            removed += gone.len() as u64;
        }
        removed
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Cache<K, V> {
        Cache { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name())
            .field("entries", &self.len())
            .field("bytes", &self.memory_usage())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
