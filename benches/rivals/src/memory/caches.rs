//! The subjects behind one face.

use super::pairs::{Numbers, Pairs};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the suite asks of a cache. Lookups answer the number that the value was made from.
pub(super) trait Rival<P: Pairs>: Sync {
    fn with_room_for(entries: usize) -> Self;
    fn get(&self, key: &P::Asked) -> Option<u64>;
    fn insert(&self, key: P::Key, value: P::Value);
    fn len(&self) -> usize;
    /// Finishes what the cache has put off.
    fn settle(&self) {}
}

pub(super) struct Ours<P: Pairs>(perf_cache::Cache<P::Key, P::Value>);

impl<P: Pairs> Rival<P> for Ours<P> {
    fn with_room_for(entries: usize) -> Ours<P> {
        let cache = perf_cache::Cache::builder().max_entries(entries as u64).build();
        Ours(cache.expect("a plain bound is valid"))
    }

    #[inline]
    fn get(&self, key: &P::Asked) -> Option<u64> {
        self.0.get(key).map(|value| P::number(&value))
    }

    #[inline]
    fn insert(&self, key: P::Key, value: P::Value) {
        self.0.insert(key, value);
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Ours, with values that are looked at where they lie.
pub(super) struct OursByRef<P: Pairs>(perf_cache::Cache<P::Key, P::Value>);

impl<P: Pairs> Rival<P> for OursByRef<P> {
    fn with_room_for(entries: usize) -> OursByRef<P> {
        let Ours(cache) = Ours::<P>::with_room_for(entries);
        OursByRef(cache)
    }

    #[inline]
    fn get(&self, key: &P::Asked) -> Option<u64> {
        self.0.get_ref(key).map(|value| P::number(&value))
    }

    #[inline]
    fn insert(&self, key: P::Key, value: P::Value) {
        self.0.insert(key, value);
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Ours for values that are words.
pub(super) struct OursPlain(perf_cache::PlainCache<u64, u64>);

impl Rival<Numbers> for OursPlain {
    fn with_room_for(entries: usize) -> OursPlain {
        let cache = perf_cache::PlainCache::builder().max_entries(entries as u64).build();
        OursPlain(cache.expect("a plain bound is valid"))
    }

    #[inline]
    fn get(&self, key: &u64) -> Option<u64> {
        self.0.get(key).map(|value| Numbers::number(&value))
    }

    #[inline]
    fn insert(&self, key: u64, value: u64) {
        self.0.insert(key, value);
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

pub(super) struct Moka<P: Pairs>(moka::sync::Cache<P::Key, P::Value>);

impl<P: Pairs> Rival<P> for Moka<P> {
    fn with_room_for(entries: usize) -> Moka<P> {
        Moka(moka::sync::Cache::new(entries as u64))
    }

    #[inline]
    fn get(&self, key: &P::Asked) -> Option<u64> {
        self.0.get(key).map(|value| P::number(&value))
    }

    #[inline]
    fn insert(&self, key: P::Key, value: P::Value) {
        self.0.insert(key, value);
    }

    fn len(&self) -> usize {
        self.0.entry_count() as usize
    }

    fn settle(&self) {
        self.0.run_pending_tasks();
    }
}

pub(super) struct Quick<P: Pairs>(quick_cache::sync::Cache<P::Key, P::Value>);

impl<P: Pairs> Rival<P> for Quick<P> {
    fn with_room_for(entries: usize) -> Quick<P> {
        Quick(quick_cache::sync::Cache::new(entries))
    }

    #[inline]
    fn get(&self, key: &P::Asked) -> Option<u64> {
        self.0.get(key).map(|value| P::number(&value))
    }

    #[inline]
    fn insert(&self, key: P::Key, value: P::Value) {
        self.0.insert(key, value);
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

pub(super) struct Foyer<P: Pairs>(foyer_memory::Cache<P::Key, P::Value>);

impl<P: Pairs> Rival<P> for Foyer<P> {
    fn with_room_for(entries: usize) -> Foyer<P> {
        Foyer(foyer_memory::CacheBuilder::new(entries).build())
    }

    #[inline]
    fn get(&self, key: &P::Asked) -> Option<u64> {
        self.0.get(key).map(|entry| P::number(entry.value()))
    }

    #[inline]
    fn insert(&self, key: P::Key, value: P::Value) {
        self.0.insert(key, value);
    }

    fn len(&self) -> usize {
        self.0.entries()
    }
}

/// `lru` is for one thread; a mutex is what people put around it.
pub(super) struct Mutexed<P: Pairs>(Mutex<lru::LruCache<P::Key, P::Value>>);

impl<P: Pairs> Mutexed<P> {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, lru::LruCache<P::Key, P::Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Pairs> Rival<P> for Mutexed<P> {
    fn with_room_for(entries: usize) -> Mutexed<P> {
        let entries = NonZeroUsize::new(entries).expect("the definitions ask for some room");
        Mutexed(Mutex::new(lru::LruCache::new(entries)))
    }

    #[inline]
    fn get(&self, key: &P::Asked) -> Option<u64> {
        // The value is taken out as the concurrent caches do it, and read after the lock.
        let value = self.lock().get(key).cloned();
        value.map(|value| P::number(&value))
    }

    #[inline]
    fn insert(&self, key: P::Key, value: P::Value) {
        // What falls out is dropped after the lock.
        let _evicted = self.lock().push(key, value);
    }

    fn len(&self) -> usize {
        self.lock().len()
    }
}
