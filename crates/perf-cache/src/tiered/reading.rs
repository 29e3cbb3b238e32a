//! Calls that look a value up.

use super::held::Held;
use super::{TieredCache, TieredEntry};
use crate::CacheKey;
use equivalent::Equivalent;
use std::hash::Hash;

/// Reading.
impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A clone of the value, from the nearest tier that has it; what is found beyond memory is in
    /// memory afterwards.
    ///
    /// Waits where a tier has to wait for its device, at most for the tier's
    /// [deadline](super::TieredCacheBuilder::deadline).
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let found = self.core.find(key, Held::to_value)?;
        Some(found.unwrap_or_else(Held::into_value))
    }

    /// Like [`get`](TieredCache::get), for tasks on any runtime.
    pub async fn get_async<Q>(&self, key: &Q) -> Option<V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let found = self.core.find_async(key, Held::to_value).await?;
        Some(found.unwrap_or_else(Held::into_value))
    }

    /// The value with what is known of it: where it was found, how old it is, what is left of its
    /// life. Counts as a lookup.
    #[doc(alias = "get_metadata")]
    pub fn get_entry<Q>(&self, key: &Q) -> Option<TieredEntry<V>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        self.core.find(key, Held::clone).map(|found| self.core.describe(found))
    }

    /// Like [`get_entry`](TieredCache::get_entry), for tasks on any runtime.
    pub async fn get_entry_async<Q>(&self, key: &Q) -> Option<TieredEntry<V>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        self.core.find_async(key, Held::clone).await.map(|found| self.core.describe(found))
    }
}
