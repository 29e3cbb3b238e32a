//! Calls that put values in and take them out, and the end.

use super::options::TieredTerms;
use super::promise::block_on;
use super::tier::TierError;
use super::{CloseReport, TieredCache};
use crate::CacheKey;
use equivalent::Equivalent;
use std::hash::Hash;
use std::sync::Arc;

/// Writing.
impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Puts a value in, on the terms of the cache, in all tiers as the
    /// [`WritePolicy`](super::WritePolicy) says. Readers see it when this returns. A tier that fails
    /// is counted, and what it has for the key is not answered any more.
    #[doc(alias = "set")]
    #[doc(alias = "put")]
    pub fn insert(&self, key: K, value: V) {
        self.insert_with(key, value, TieredTerms::new());
    }

    /// Puts a value in on terms of its own: [`Terms`](crate::Terms), a [`Strategy`](super::Strategy) or
    /// [`TieredTerms`].
    #[doc(alias = "set_with_ttl")]
    pub fn insert_with(&self, key: K, value: V, terms: impl Into<TieredTerms>) {
        #[cfg(feature = "cdn")]
        let _due = self.core.purging.as_ref().map(|purging| purging.of_key(&key));
        if let Some(begun) = self.core.insert(key, value, terms.into()) {
            // What comes of it is counted.
            let _ = block_on(self.core.outside.carry(begun));
        }
    }

    /// Like [`insert`](TieredCache::insert), for tasks on any runtime. Memory has the value when this
    /// is first polled; if the future is dropped then, the other tiers get it all the same.
    pub async fn insert_async(&self, key: K, value: V) {
        self.insert_with_async(key, value, TieredTerms::new()).await;
    }

    /// Like [`insert_with`](TieredCache::insert_with), for tasks on any runtime.
    pub async fn insert_with_async(&self, key: K, value: V, terms: impl Into<TieredTerms>) {
        #[cfg(feature = "cdn")]
        let _due = self.core.purging.as_ref().map(|purging| purging.of_key(&key));
        if let Some(begun) = self.core.insert(key, value, terms.into()) {
            // What comes of it is counted.
            let _ = self.core.outside.carry(begun).await;
        }
    }

    /// Removes a key from all tiers; whether memory had it. When this has returned `Ok`, no crash of
    /// the process brings it back, and whatever was read before is not kept.
    ///
    /// # Errors
    ///
    /// If a tier could not remove it. This process does not answer it any more, but the next one
    /// may, unless the tier gets well: then it is removed.
    #[doc(alias = "invalidate")]
    #[doc(alias = "delete")]
    pub fn remove<Q>(&self, key: &Q) -> Result<bool, TierError>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        block_on(self.remove_async(key))
    }

    /// Like [`remove`](TieredCache::remove), for tasks on any runtime.
    ///
    /// # Errors
    ///
    /// As [`remove`](TieredCache::remove).
    pub async fn remove_async<Q>(&self, key: &Q) -> Result<bool, TierError>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        #[cfg(feature = "cdn")]
        let _due = self.core.purging.as_ref().map(|purging| purging.of_key(&key.to_owned()));
        let (was_there, begun) = self.core.remove(self.core.memory.hash(key), &key.to_owned());
        if let Some(begun) = begun {
            self.core.outside.carry(begun).await?;
        }
        Ok(was_there)
    }

    /// Waits until what is to be [written behind](super::WritePolicy::Behind) has been.
    pub fn flush(&self) {
        block_on(self.flush_async());
    }

    /// Like [`flush`](TieredCache::flush), for tasks on any runtime.
    pub async fn flush_async(&self) {
        let drained = self.core.outside.behind.drain();
        let _ = drained.wait(None, &self.core.outside.timers).await;
    }

    /// Writes what still waits, closes the tiers beyond memory, and tells what was done and what was
    /// lost; takes no longer than [set](super::TieredCacheBuilder::close_within). Memory goes on, and
    /// loads are still made; they are not stored any more, and what other processes change is not heard
    /// of. Later calls get the same report.
    #[must_use = "it tells what was lost"]
    pub fn close(&self) -> Arc<CloseReport> {
        block_on(self.close_async())
    }

    /// Like [`close`](TieredCache::close), for tasks on any runtime.
    #[must_use = "it tells what was lost"]
    pub async fn close_async(&self) -> Arc<CloseReport> {
        let outside = &self.core.outside;
        let promise = self.core.closing.begin(outside);
        promise.wait(None, &outside.timers).await.unwrap_or_default()
    }
}
