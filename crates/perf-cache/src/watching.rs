//! How what happens in a cache reaches its [`Observer`], and what that has found.

use crate::inner::{Inner, SAMPLE_NONE};
use crate::insight::{Bounds, Insight, ONE_HIT_IN, Observer, Outlook, wanted};
use crate::{Cache, CacheBuilder};
use std::sync::atomic::Ordering;

impl<K, V, S> CacheBuilder<K, V, S> {
    /// Whether the cache watches a sample of its keys, for [`insight`](Cache::insight) and
    /// [`hottest`](Cache::hottest). On if not set.
    ///
    /// Costs a lookup of a key outside of the sample an instruction or two, one of a key in it some
    /// hundred nanoseconds, which is one key in 16 for a small cache and one in 1 024 for a large
    /// one, and the cache up to a megabyte as its sample fills, less for small caches. With a
    /// thousand entries or fewer more keys are in it: a hit takes a quarter longer at 1 000 entries,
    /// and twice as long at 100.
    pub fn insight(mut self, on: bool) -> Self {
        self.insight = on;
        self
    }
}

impl<K, V, S> Cache<K, V, S> {
    /// What the cache knows of its workload, and what other settings would make of it. `None` if it
    /// was built without [`insight`](CacheBuilder::insight).
    ///
    /// Takes about as long as sorting the sample: a millisecond at most.
    ///
    /// ```
    /// use perf_cache::Cache;
    ///
    /// let cache: Cache<u64, u64> = Cache::builder().max_entries(10_000).build()?;
    /// // A loop over twice as many keys as there is room for.
    /// for key in (0..20_000).cycle().take(200_000) {
    ///     cache.get_with(key, || key);
    /// }
    /// let insight = cache.insight().unwrap();
    /// assert!(insight.curve.miss_ratio_at(10_000).unwrap() > 0.9);
    /// assert!(insight.curve.miss_ratio_at(30_000).unwrap() < 0.2);
    /// # Ok::<(), perf_cache::ConfigError>(())
    /// ```
    #[must_use]
    pub fn insight(&self) -> Option<Insight> {
        let observer = self.inner.observer.as_ref()?;
        let (counts, _) = self.inner.counts();
        let (accesses, hit_ratio) = self.inner.lookups(counts.hits, counts.misses);
        Some(observer.snapshot(accesses, hit_ratio))
    }
}

impl<K, V> Inner<K, V> {
    /// The few numbers of it that are read again and again: some ten microseconds, unless there is
    /// something new.
    pub(crate) fn outlook(&self, hits: u64, misses: u64) -> Option<Outlook> {
        let observer = self.observer.as_ref()?;
        let (accesses, hit_ratio) = self.lookups(hits, misses);
        Some(observer.outlook(accesses, hit_ratio))
    }

    /// All since the cache was built, and the share of hits of what was counted.
    fn lookups(&self, hits: u64, misses: u64) -> (u64, Option<f64>) {
        let lookups = hits + misses;
        let hit_ratio = (lookups > 0).then(|| hits as f64 / lookups as f64);
        (self.lookups_before.load(Ordering::Relaxed) + lookups, hit_ratio)
    }

    /// The bits that a hash has none of if its key is sampled, given those that another needs who
    /// shares the sample: the fewer of both.
    pub(crate) fn watched_mask(&self, other: u64) -> u64 {
        if self.observer.is_none() {
            return other;
        }
        let own = wanted(self.watched_bounds().entries) - 1;
        if other == SAMPLE_NONE { own } else { own & other }
    }

    /// Tells the observer of the bounds of the cache and of the sample.
    pub(crate) fn watch_bounds(&self) {
        if let Some(observer) = &self.observer {
            let one_in = self.sample_mask.load(Ordering::Relaxed).wrapping_add(1);
            observer.on_capacity(self.watched_bounds(), one_in);
        }
    }

    fn watched_bounds(&self) -> Bounds {
        let most = self.entries.max().unwrap_or(1 << 40);
        let Some(capacity) = self.bytes.max() else {
            return Bounds { capacity: most, entries: most, room: most };
        };
        // In steps, so that it does not change all the time.
        let step = |entries: u64| entries.clamp(512, 1 << 40).next_power_of_two().min(most);
        let (entries, weight) = (self.len(), self.weight());
        let room = if entries < TELLING || weight == 0 {
            entries
        } else {
            (capacity as f64 * entries as f64 / weight as f64) as u64
        };
        Bounds { capacity, entries: step(entries), room: step(room).max(step(entries)) }
    }

    /// An access to a sampled key.
    pub(crate) fn watch_access(&self, hash: u64) {
        if let Some(observer) = &self.observer {
            let turn = self.readers.own().map_or(0, |own| own.turn());
            observer.on_access(hash, turn, || {
                let (counts, _) = self.counts();
                self.lookups_before.load(Ordering::Relaxed) + counts.hits + counts.misses
            });
        }
    }

    /// So many hits of a sampled key that were not told of one by one.
    pub(crate) fn watch_repeats(&self, hash: u64, times: u32) {
        if let Some(observer) = &self.observer {
            observer.on_repeats(hash, times);
        }
    }

    /// A value came in for a sampled key.
    pub(crate) fn watch_insertion(&self, hash: u64, weight: u64, replaced: bool) {
        if let Some(observer) = &self.observer {
            let weight = if self.weigher.is_some() { weight } else { 1 };
            let now_ms = self.clock.coarse().as_nanos() / 1_000_000;
            observer.on_insert(hash, weight, replaced, now_ms);
        }
    }

    /// One hit of so many of this thread.
    #[cold]
    #[inline(never)]
    pub(crate) fn watch_hit(&self, hash: u64) {
        if let Some(observer) = &self.observer {
            observer.on_hit(hash);
        }
    }

    /// Hashes of keys that are hit often, with about how many hits, the hottest first.
    pub(crate) fn hot_hashes(&self) -> Vec<(u64, u64)> {
        let observer = self.observer.as_ref();
        let counted = observer.map(Observer::hottest).unwrap_or_default();
        counted.into_iter().map(|(hash, hits)| (hash, u64::from(hits) * ONE_HIT_IN)).collect()
    }

    /// The observer of a cache that is being built.
    pub(crate) fn observer(on: bool, is_weighed: bool) -> Option<Observer> {
        // It learns the bounds as soon as they are known.
        on.then(|| Observer::new(Bounds::of(1), is_weighed, 1))
    }
}

/// Entries whose mean weight says something about others.
const TELLING: u64 = 64;
