//! The handle that callers hold.

use crate::inner::{Incoming, Inner, Origin, Settings};
use crate::policy::{Checked, Choice, Policy, PolicyKind};
use crate::ruling::Ruling;
use crate::slots::place_size;
use crate::{CacheBuilder, CacheStats, Capacity, Terms};
use equivalent::Equivalent;
use hashbrown::DefaultHashBuilder;
use perf_core::{ByteSize, Instant, Ratio};
use std::fmt;
use std::hash::{BuildHasher, Hash};
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
pub struct Cache<K, V, S = DefaultHashBuilder> {
    pub(crate) inner: Arc<Inner<K, V>>,
    hasher: S,
}

impl<K, V> Cache<K, V> {
    /// Starts making a cache.
    pub fn builder() -> CacheBuilder<K, V> {
        CacheBuilder::new()
    }
}

impl<K, V, S> Cache<K, V, S> {
    /// Bytes that the cache needs for an entry beside what key and value own on the heap: the key
    /// and the value themselves, hash, weight, deadline, a place in the index, and what the policy
    /// keeps.
    ///
    /// While a shard grows it may have up to twice as many places as entries.
    pub const ENTRY_OVERHEAD: u64 = entry_overhead::<K, V>() as u64;

    pub(crate) fn new(inner: Arc<Inner<K, V>>, hasher: S) -> Cache<K, V, S> {
        Cache { inner, hasher }
    }

    /// What the cache is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Number of entries, expired ones that nobody has met yet included. Takes no lock: the shards
    /// are read one after the other, so what moves meanwhile may be missing, but a bound is never
    /// passed.
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
    /// keys and values own on the heap is not in it. Takes no lock, as [`len`](Cache::len).
    #[must_use]
    pub fn memory_usage(&self) -> ByteSize {
        ByteSize::from_bytes(self.inner.weight())
    }

    /// What the tables of the cache take now: places of entries, used or not, and the index. Not
    /// what keys and values own on the heap, and not what the policy keeps. O(shards).
    #[must_use]
    pub fn table_size(&self) -> ByteSize {
        let tables = self.inner.shards.iter().map(|s| s.slots.allocated() + s.index.allocated());
        ByteSize::from_bytes(tables.sum())
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
        self.move_capacity(capacity, &settings);
        // Before anything is dropped: its destructor may ask for the settings.
        drop(settings);
        self.evict_first_excess();
    }

    /// With the lock of the settings held.
    pub(crate) fn move_capacity(&self, capacity: Capacity, settings: &Settings) {
        if let Some(entries) = capacity.entries {
            self.inner.entries.set_max(entries);
            self.inner.expect_entries(settings.policy == Some(PolicyKind::Adaptive));
        }
        if let Some(bytes) = capacity.bytes {
            self.inner.bytes.set_max(bytes.as_u64());
        }
        self.inner.watch_bounds();
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
        self.inner.lifetimes.time_to_live()
    }

    /// Sets how long entries live that come in from now on; zero or `None`: for ever. Entries that
    /// are there keep their deadline.
    pub fn set_time_to_live(&self, ttl: Option<Duration>) {
        let settings = self.inner.settings();
        self.move_time_to_live(ttl.unwrap_or_default());
        drop(settings);
    }

    pub(crate) fn move_time_to_live(&self, ttl: Duration) {
        self.inner.lifetimes.set_time_to_live(ttl);
    }

    /// The policy that chooses what makes room, `None` if it is a
    /// [custom](CacheBuilder::custom_policy) one.
    #[must_use]
    pub fn policy(&self) -> Option<PolicyKind> {
        self.inner.settings().policy
    }

    /// Puts another policy in charge. Entries stay; the new policy gets them in the order in which
    /// the old one would have let them go. O(entries), one shard after the other under its lock.
    pub fn set_policy(&self, policy: PolicyKind) {
        self.switch_policy(Some(policy), |seed| Ruling::of(policy, seed));
    }

    /// The same for a policy of the caller's, which is made once for each shard.
    pub fn set_custom_policy<P: Policy + 'static>(&self, make: impl Fn() -> P) {
        self.switch_policy(None, |_| Ruling::Other(Box::new(Checked::new(make()))));
    }

    /// The share of the cache in which [`Adaptive`](crate::policy::Adaptive) tries new entries out,
    /// if that was fixed; `None` if it is found out.
    #[must_use]
    pub fn cold_share(&self) -> Option<Ratio> {
        let settled = self.inner.choosing.settled()?;
        Ratio::new(settled.cold_share()).ok()
    }

    /// Fixes that share, or has it found out from now on, see
    /// [`CacheBuilder::cold_share`]. Entries move with the next insertions. Other policies have no
    /// such share; it holds as soon as `Adaptive` is in charge again. O(entries of the shadows).
    pub fn set_cold_share(&self, share: Option<Ratio>) {
        let mut settings = self.inner.settings();
        let choice = share.map(|share| Choice::from_cold_share(share.as_f64()));
        settings.own_cold_share = choice;
        self.move_cold_share(choice, &settings);
    }

    /// With the lock of the settings held.
    pub(crate) fn move_cold_share(&self, choice: Option<Choice>, settings: &Settings) {
        self.inner.choosing.settle_on(choice);
        self.inner.expect_entries(settings.policy == Some(PolicyKind::Adaptive));
    }

    fn switch_policy(&self, kind: Option<PolicyKind>, make: impl Fn(u64) -> Ruling) {
        // They may be the caller's: made before, and dropped after the lock of the settings.
        let policies = (0..self.inner.shards.len() as u64).map(make).collect();
        let mut settings = self.inner.settings();
        let old = self.move_policy(&mut settings, kind, policies);
        drop(settings);
        drop(old);
    }

    /// Puts a policy in charge of each shard, and answers the old ones.
    pub(crate) fn move_policy(
        &self,
        settings: &mut Settings,
        kind: Option<PolicyKind>,
        policies: Vec<Ruling>,
    ) -> Vec<Ruling> {
        settings.policy = kind;
        let shards = self.inner.shards.iter().zip(policies);
        let old =
            shards.map(|(shard, policy)| shard.set_policy(&mut shard.lock(), policy)).collect();
        self.inner.expect_entries(kind == Some(PolicyKind::Adaptive));
        old
    }

    /// Removes everything. What is being loaded is not kept either: its callers get it, the cache
    /// does not. O(entries), some hundred in each holding of a lock; what comes in meanwhile may
    /// stay or go.
    pub fn clear(&self) {
        self.inner.clear();
    }

    /// Drops the values that have left the cache and that nobody reads any more.
    ///
    /// Values leave at once, but one that another thread may be reading at that moment is dropped
    /// later: see [what the crate promises](crate#what-it-promises). This is for callers who want
    /// them dropped now. O(values that wait) and one barrier.
    pub fn reclaim(&self) {
        self.inner.reclaim();
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
            loading,
            invalidations: self.inner.invalidations.counts.read(),
            listener_panics: self.inner.listeners.panics(),
            entries: self.inner.len(),
            bytes: self.memory_usage(),
            since: Instant::from_nanos(self.inner.since.load(Ordering::Relaxed)),
            ..counts.stats()
        }
    }

    /// Counts from zero again, from now on.
    pub fn reset_statistics(&self) {
        self.inner.reset_counts();
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> Cache<K, V, S> {
    #[inline]
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    /// A clone of the value, which is marked as used.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        self.inner.read(self.hash(key), key, V::clone, V::clone)
    }

    /// What `read` makes of the value, which is marked as used. Preferred over
    /// [`get`](Cache::get) where a clone would cost more than a few nanoseconds: even that of an
    /// `Arc` is a write to a place that all its readers share.
    ///
    /// No lock is held meanwhile, and the value stays as it is; the entry may leave the cache.
    #[inline]
    pub fn with<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        self.inner.read(self.hash(key), key, V::clone, read)
    }

    /// A clone of the value. Counts as no lookup and as no use.
    pub fn peek<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        self.inner.peek(self.hash(key), key, |entry| entry.value.clone())
    }

    /// Whether there is a value that has not expired. Counts as no lookup and as no use.
    pub fn contains<Q>(&self, key: &Q) -> bool
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        self.inner.peek(self.hash(key), key, |_| ()).is_some()
    }

    /// Puts a value in, for the cache's time to live.
    ///
    /// The [policy](Cache::policy) says which entries make room. A value heavier than the whole cache
    /// may be is refused and counted as `too_large`; what the key had before is gone then as well.
    #[doc(alias = "set")]
    #[doc(alias = "put")]
    pub fn insert(&self, key: K, value: V) {
        let hash = self.hash(&key);
        if let Err((key, value)) = self.inner.put_plainly(hash, key, value) {
            let _ = self.inner.put(hash, Incoming::new(key, value), &Origin::Caller);
        }
    }

    /// Puts a value in on terms of its own. Answers whether it went in: it does not if it is heavier
    /// than the whole cache may be, its time to live is zero, or there are too many tags; what the
    /// key had before is gone then as well.
    pub fn insert_with(&self, key: K, value: V, terms: Terms) -> bool {
        self.inner.put(self.hash(&key), Incoming { key, value, terms }, &Origin::Caller).is_ok()
    }

    /// Puts a value in for a time to live of its own, exactly; [`Duration::MAX`] is for ever, zero
    /// puts nothing in and removes what the key had before.
    #[doc(alias = "set_with_ttl")]
    pub fn insert_with_ttl(&self, key: K, value: V, ttl: Duration) {
        self.insert_with(key, value, Terms::new().time_to_live(ttl));
    }

    /// Removes a value and answers it, unless it has expired.
    ///
    /// What is being loaded for this key is not kept: its callers get it, the cache does not, and
    /// who asks from now on starts another load.
    ///
    /// The answer is a clone: another thread may be reading the value, which is dropped as soon as
    /// nobody does.
    #[doc(alias = "invalidate")]
    #[doc(alias = "delete")]
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
        V: Clone,
    {
        self.inner.remove(self.hash(key), key)
    }

    /// Removes every entry for which `keep` answers `false`, and answers how many.
    ///
    /// What is being loaded is not kept, since nobody can ask `keep` about it yet; what comes in
    /// meanwhile may go unasked. O(entries). `keep` runs outside of the locks and may use the
    /// cache.
    pub fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> u64 {
        self.inner.retain(keep)
    }
}

impl<K, V, S: Clone> Clone for Cache<K, V, S> {
    fn clone(&self) -> Cache<K, V, S> {
        Cache { inner: Arc::clone(&self.inner), hasher: self.hasher.clone() }
    }
}

impl<K, V, S> fmt::Debug for Cache<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name())
            .field("entries", &self.len())
            .field("bytes", &self.memory_usage())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// Bytes that one entry takes beside what key and value own elsewhere: its place, its share of the
/// index, four for its weight and eight for the policy. Nothing for growth.
pub(crate) const fn entry_overhead<K, V>() -> usize {
    place_size::<K, V>() + 8 + 4 + 8
}
