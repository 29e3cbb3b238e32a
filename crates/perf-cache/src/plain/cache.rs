//! The handle that callers hold.

use super::PlainCacheBuilder;
use super::builder::MOST_ENTRIES;
use super::inner::{CHUNK, Inner, Origin};
use super::slots::Slots;
use super::words::Plain;
use crate::expiry::{self, NEVER};
use crate::policy::{PolicyKind, Slot};
use crate::ruling::Ruling;
use crate::stats::{Cause, Counts};
use crate::{CacheStats, Capacity};
use hashbrown::DefaultHashBuilder;
use perf_core::{ByteSize, Instant};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A concurrent cache of keys and values that are a few words each: integers, floats, small tuples,
/// and what derives [`Plain`].
///
/// It does what [`Cache`](crate::Cache) does for such pairs, faster and smaller: keys and values
/// lie as words in the table itself, a hit takes no lock, protects nothing, and writes nothing that
/// threads share but the first few hits on each entry. A new value for a key that is there is
/// written in place of the old one.
///
/// ```
/// use perf_cache::PlainCache;
///
/// let prices: PlainCache<u64, (f64, u32)> = PlainCache::builder().max_entries(100_000).build()?;
/// prices.insert(4711, (9.99, 3));
/// assert_eq!(prices.get(&4711), Some((9.99, 3)));
/// assert_eq!(prices.get_with(4712, || (1.5, 0)), (1.5, 0));
/// assert_eq!((prices.stats().hits, prices.stats().misses), (1, 1));
/// # Ok::<(), perf_cache::ConfigError>(())
/// ```
///
/// A `PlainCache` is a handle: clones share one cache. All pairs take the same room, so there is no
/// weigher: a bound on bytes is a bound on entries of [`ENTRY_BYTES`](PlainCache::ENTRY_BYTES).
///
/// # Cost
///
/// A lookup hashes the key once and reads one cache line of the index and one or two of the slots.
/// A table with the pairs in the index itself would read one line less, but entries would move
/// about in it, and policies want places that stay; measured with all hits it gains nothing as long
/// as the lines are in the cache of a core, and a third where each comes from memory.
///
/// # When not to use it
///
/// - Values of more than some ten words: a read copies all of them; put them behind an
///   [`Arc`] in a [`Cache`](crate::Cache).
/// - Where entries have tags, times to idle or weights, where loaders are async, answer for many
///   keys or give stale values, where somebody listens to what leaves, and for
///   [`hottest`](crate::Cache::hottest), snapshots and the insight into a workload: those are in
///   [`Cache`](crate::Cache). A `PlainCache` is in no [`Registry`](crate::Registry) of caches; it
///   can be watched and steered as a [`Component`](perf_core::Component).
pub struct PlainCache<K, V, S = DefaultHashBuilder> {
    pub(super) inner: Arc<Inner<K, V, S>>,
}

impl<K: Plain + Hash + Eq, V: Plain> PlainCache<K, V> {
    /// Starts making a cache.
    pub fn builder() -> PlainCacheBuilder<K, V> {
        PlainCacheBuilder::new()
    }
}

impl<K: Plain + Hash + Eq, V: Plain, S: BuildHasher> PlainCache<K, V, S> {
    /// Bytes of an entry where the cache is full: its words, the count of its changes, its place in
    /// the index and what the policy keeps. One with a deadline takes eight more.
    pub const ENTRY_BYTES: u64 = 8 * Slots::<K, V>::STRIDE as u64 + 16;

    pub(super) fn new(inner: Inner<K, V, S>) -> PlainCache<K, V, S> {
        PlainCache { inner: Arc::new(inner) }
    }

    /// The value. Counts as a use of it.
    #[inline]
    pub fn get(&self, key: &K) -> Option<V> {
        self.inner.get(self.inner.hash(key), key)
    }

    /// The value. Counts as no lookup and as no use.
    #[must_use]
    pub fn peek(&self, key: &K) -> Option<V> {
        let hash = self.inner.hash(key);
        let (_, copied) = self.inner.shard(hash).find(hash, key)?;
        (!expiry::has_passed(copied.deadline, &self.inner.clock)).then_some(copied.value)
    }

    /// Whether there is a value that has not expired. Counts as no lookup and as no use.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.peek(key).is_some()
    }

    /// Puts a value in, for the cache's time to live. What the policy thinks least of makes room.
    #[doc(alias = "set")]
    #[doc(alias = "put")]
    pub fn insert(&self, key: K, value: V) {
        let hash = self.inner.hash(&key);
        let deadline = self.inner.default_deadline(hash);
        self.inner.put(hash, key, value, deadline, &Origin::Caller);
    }

    /// Puts a value in for a time to live of its own, exactly; [`Duration::MAX`] is for ever, zero
    /// puts nothing in and removes what the key had before.
    pub fn insert_with_ttl(&self, key: K, value: V, ttl: Duration) {
        if ttl.is_zero() {
            self.remove(&key);
            return;
        }
        let deadline =
            if ttl == Duration::MAX { NEVER } else { (self.inner.clock.now() + ttl).as_nanos() };
        self.inner.put(self.inner.hash(&key), key, value, deadline, &Origin::Caller);
    }

    /// Removes a value and answers it, unless it has expired.
    ///
    /// What is being loaded for this key is not kept: its callers get it, the cache does not, and
    /// who asks from now on starts another load.
    #[doc(alias = "invalidate")]
    #[doc(alias = "delete")]
    pub fn remove(&self, key: &K) -> Option<V> {
        let inner = &*self.inner;
        let hash = inner.hash(key);
        let shard = inner.shard(hash);
        let mut held = shard.lock();
        let _ended = held.loads.detach(hash, key);
        let found = shard.find_held(hash, key).map(|(slot, copied)| {
            let expired = expiry::has_passed(copied.deadline, &inner.clock);
            let cause = if expired { Cause::Expired } else { Cause::Removed };
            inner.take(shard, &mut held, slot, cause);
            (!expired).then_some(copied.value)
        });
        found.flatten()
    }

    /// Removes every entry for which `keep` answers `false`, and answers how many.
    ///
    /// `keep` is asked outside of the locks, about entries that were there when the call came by;
    /// one that has got another value meanwhile stays. What is being loaded is not kept. O(entries).
    pub fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> u64 {
        let inner = &*self.inner;
        let mut removed = 0;
        for shard in &inner.shards {
            let mut held = shard.lock();
            let ended = held.loads.detach_all();
            let places = held.places();
            drop(held);
            drop(ended);
            let mut leaving = Vec::new();
            for start in (0..places).step_by(CHUNK) {
                let held = shard.lock();
                let slots = (start..places.min(start + CHUNK)).map(|place| Slot::new(place as u32));
                let entries = slots.filter_map(|slot| Some((slot, shard.slots.get(slot)?)));
                leaving.extend(entries);
                drop(held);
                leaving.retain(|(_, copied)| !keep(&copied.key, &copied.value));
                let mut held = shard.lock();
                for (slot, copied) in leaving.drain(..) {
                    if shard.slots.is_still(slot, copied.meta) {
                        inner.take(shard, &mut held, slot, Cause::Removed);
                        removed += 1;
                    }
                }
            }
        }
        removed
    }

    /// Copies of all entries that have not expired, in no order. Counts as no lookups and as no
    /// uses. What comes and goes meanwhile may be among them or not; a key that leaves and comes
    /// back may be met twice. Takes no lock for longer than a few hundred entries. O(entries).
    pub fn iter(&self) -> impl Iterator<Item = (K, V)> + '_ {
        let inner = &*self.inner;
        let chunks = inner.shards.iter().flat_map(|shard| {
            let places = shard.lock().places();
            (0..places).step_by(CHUNK).map(move |start| (shard, start..places.min(start + CHUNK)))
        });
        let copies = chunks.flat_map(|(shard, places)| {
            let _held = shard.lock();
            let slots = places.map(|place| Slot::new(place as u32));
            slots.filter_map(|slot| shard.slots.get(slot)).collect::<Vec<_>>()
        });
        let fresh = copies.filter(|copied| !expiry::has_passed(copied.deadline, &inner.clock));
        fresh.map(|copied| (copied.key, copied.value))
    }

    /// Removes everything. What is being loaded is not kept either: its callers get it, the cache
    /// does not. O(entries), with one part of the cache locked at a time.
    pub fn clear(&self) {
        for shard in &self.inner.shards {
            let mut held = shard.lock();
            let loads = held.loads.detach_all();
            let removed = shard.clear(&mut held);
            drop(held);
            self.inner.entries.give(removed);
            drop(loads);
        }
    }

    /// Frees up to `limit` expired entries and answers how many; at most O(entries), and nothing
    /// where no deadline has passed.
    pub fn remove_expired(&self, limit: u64) -> u64 {
        self.inner.remove_expired(limit)
    }

    /// What the cache is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Number of entries, expired ones that nobody has met yet included; a bound is never passed.
    /// Takes no lock. O(shards).
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.inner.len()).unwrap_or(usize::MAX)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the entries take, at [`ENTRY_BYTES`](PlainCache::ENTRY_BYTES) each. Takes no lock.
    #[must_use]
    pub fn memory_usage(&self) -> ByteSize {
        ByteSize::from_bytes(self.inner.len().saturating_mul(Self::ENTRY_BYTES))
    }

    /// How much the cache may hold, always in entries.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        Capacity { entries: self.inner.entries.max(), bytes: None }
    }

    /// Moves the bound. Given in entries and bytes, the lower one holds; zero counts as one, and more
    /// than 4 294 967 295 entries as so many.
    ///
    /// A lower bound takes effect in steps: this call evicts up to 128 entries for each shard,
    /// later insertions go on, each evicting more than it brings, and
    /// [`evict_excess`](PlainCache::evict_excess) does it at once.
    pub fn set_capacity(&self, capacity: Capacity) {
        let settings = self.inner.settings();
        if let Some(entries) = Self::entries_of(capacity) {
            self.move_capacity(entries, settings.policy);
        }
        drop(settings);
        self.evict_first_excess();
    }

    /// The bound on entries that a capacity means.
    pub(super) fn entries_of(capacity: Capacity) -> Option<u64> {
        let of_bytes = capacity.bytes.map(|bytes| bytes.as_u64() / Self::ENTRY_BYTES);
        capacity.entries.into_iter().chain(of_bytes).min()
    }

    pub(super) fn move_capacity(&self, entries: u64, policy: PolicyKind) {
        self.inner.entries.set_max(entries.min(MOST_ENTRIES));
        self.inner.expect_entries(policy);
    }

    pub(super) fn evict_first_excess(&self) {
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

    pub(super) fn move_time_to_live(&self, ttl: Duration) {
        let nanos = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
        self.inner.ttl.store(nanos, Ordering::Relaxed);
    }

    /// The policy by which entries leave.
    #[must_use]
    pub fn policy(&self) -> PolicyKind {
        self.inner.settings().policy
    }

    /// Changes the policy. The new one gets the entries in the order in which the old one would have
    /// let them go. O(entries), with one part of the cache locked at a time.
    pub fn set_policy(&self, kind: PolicyKind) {
        let mut settings = self.inner.settings();
        settings.policy = kind;
        for (seed, shard) in (0..).zip(&self.inner.shards) {
            let policy = Ruling::of(kind, seed);
            let noted = Inner::<K, V, S>::noted(&policy);
            let old = shard.switch(policy);
            // Hits are noted as the new policy wants them once a shard has it; until all have,
            // some are lost.
            self.inner.hits.store(noted, Ordering::Relaxed);
            drop(old);
        }
        self.inner.expect_entries(kind);
    }

    /// What the cache has counted since [`reset_statistics`](PlainCache::reset_statistics) or since
    /// it was built. O(shards).
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let (counts, loading) = self.counts();
        CacheStats {
            loading,
            entries: self.inner.len(),
            bytes: self.memory_usage(),
            since: self.counting_since(),
            ..counts.stats()
        }
    }

    /// All that was counted since counting began, and the number of running loads.
    pub(super) fn counts(&self) -> (Counts, u64) {
        let before = self.inner.settings().before;
        let (hits, misses) = self.inner.all_lookups();
        let (mut counts, loading) = self.inner.counts();
        counts.hits = hits.saturating_sub(before.0);
        counts.misses = misses.saturating_sub(before.1);
        (counts, loading)
    }

    pub(super) fn counting_since(&self) -> Instant {
        Instant::from_nanos(self.inner.since.load(Ordering::Relaxed))
    }

    /// Counts from zero again, from now on.
    pub fn reset_statistics(&self) {
        self.inner.settings().before = self.inner.all_lookups();
        for shard in &self.inner.shards {
            shard.lock().counts = Counts::new();
        }
        self.inner.since.store(self.inner.clock.now().as_nanos(), Ordering::Relaxed);
    }
}

impl<K, V, S> Clone for PlainCache<K, V, S> {
    fn clone(&self) -> PlainCache<K, V, S> {
        PlainCache { inner: Arc::clone(&self.inner) }
    }
}

impl<K: Plain + Hash + Eq, V: Plain, S: BuildHasher> fmt::Debug for PlainCache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainCache")
            .field("name", &self.name())
            .field("entries", &self.len())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
