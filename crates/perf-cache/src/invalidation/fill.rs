//! Values that a caller reads by itself and puts in afterwards.

use super::{Fence, Refusal};
use crate::inner::{Incoming, Origin};
use crate::{Cache, Terms};
use hashbrown::DefaultHashBuilder;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};

/// The right to put in what was read since [`Cache::reserve`], unless something has been
/// invalidated meanwhile that it may be older than. Dropped, it does nothing.
#[must_use = "take it before the value is read, and fill it afterwards"]
pub struct FillToken<K, V, S = DefaultHashBuilder>
where
    K: Hash + Eq,
    S: BuildHasher,
{
    cache: Cache<K, V, S>,
    /// Until it is filled.
    key: Option<K>,
    hash: u64,
    claim: u64,
    fence: Fence,
}

impl<K: Hash + Eq, V, S: BuildHasher + Clone> Cache<K, V, S> {
    /// Reserves the right to put in a value that is about to be read.
    ///
    /// A plain [`insert`](Cache::insert) takes whatever it is given: a value that was read before
    /// an invalidation and is inserted after it stays. A token takes note of when the reading
    /// began. Nothing is locked, others may insert, load and reserve the same key; of several
    /// values that were all read in time the last one stays.
    ///
    /// ```
    /// # let cache = perf_cache::Cache::<&str, u32>::builder().max_entries(10).build()?;
    /// use perf_cache::Refusal;
    ///
    /// let token = cache.reserve("answer");
    /// let read = 41;
    /// // Meanwhile somebody changes what it was read from, and says so.
    /// cache.remove("answer");
    /// assert_eq!(token.fill(read), Err(Refusal::Key));
    /// assert_eq!(cache.get("answer"), None);
    ///
    /// let token = cache.reserve("answer");
    /// assert_eq!(token.fill(42), Ok(()));
    /// assert_eq!(cache.get("answer"), Some(42));
    /// # Ok::<(), perf_cache::ConfigError>(())
    /// ```
    pub fn reserve(&self, key: K) -> FillToken<K, V, S> {
        // Not from `sync`: it orders nothing.
        static CLAIMS: AtomicU64 = AtomicU64::new(0);
        let claim = CLAIMS.fetch_add(1, Ordering::Relaxed);
        let hash = self.hash(&key);
        self.inner.shard(hash).lock().loads.claims_mut().add(hash, claim);
        // After the claim: what comes between is found by one or the other.
        let fence = self.inner.invalidations.fence();
        FillToken { cache: self.clone(), key: Some(key), hash, claim, fence }
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> FillToken<K, V, S> {
    /// Puts the value in, on the terms of the cache.
    ///
    /// # Errors
    ///
    /// Why it was not taken.
    pub fn fill(self, value: V) -> Result<(), Refusal> {
        self.fill_with(value, Terms::new())
    }

    /// Puts the value in on terms of its own. Tags and dependencies that are named here count as if
    /// they had been named when the key was reserved.
    ///
    /// # Errors
    ///
    /// Why it was not taken.
    pub fn fill_with(mut self, value: V, terms: Terms) -> Result<(), Refusal> {
        let Some(key) = self.key.take() else { return Err(Refusal::Key) };
        let origin = Origin::Reserved(self.claim, self.fence);
        let inner = &self.cache.inner;
        let filled = inner.put(self.hash, Incoming { key, value, terms }, &origin);
        if filled == Err(Refusal::Key) {
            inner.invalidations.count(Refusal::Key);
        }
        filled
    }

    /// The key that was reserved.
    #[must_use]
    pub fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }
}

impl<K, V, S> Drop for FillToken<K, V, S>
where
    K: Hash + Eq,
    S: BuildHasher,
{
    fn drop(&mut self) {
        let mut held = self.cache.inner.shard(self.hash).lock();
        held.loads.claims_mut().end(self.hash, self.claim);
    }
}

impl<K, V, S> fmt::Debug for FillToken<K, V, S>
where
    K: Hash + Eq + fmt::Debug,
    S: BuildHasher,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FillToken").field("key", &self.key).finish_non_exhaustive()
    }
}
