//! Walking through a cache.

use crate::Cache;
use crate::policy::Slot;
use std::fmt;
use std::iter::FusedIterator;

/// Clones of the entries of a cache, one shard after the other; see [`Cache::iter`].
pub struct Iter<'a, K, V, S> {
    cache: &'a Cache<K, V, S>,
    shard: usize,
    slot: u32,
}

impl<K, V, S> Cache<K, V, S> {
    /// Clones of all entries, in no order that means anything. Counts as no use.
    ///
    /// Nothing is locked between two steps. An entry that is there from beginning to end comes by
    /// once, unless it is overwritten meanwhile; what comes in or leaves meanwhile may come by or
    /// not, and an overwritten key twice or not at all.
    pub const fn iter(&self) -> Iter<'_, K, V, S>
    where
        K: Clone,
        V: Clone,
    {
        Iter { cache: self, shard: 0, slot: 0 }
    }
}

impl<K: Clone, V: Clone, S> Iterator for Iter<'_, K, V, S> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        let inner = &*self.cache.inner;
        while let Some(shard) = inner.shards.get(self.shard) {
            while self.slot < shard.slots.used() {
                let slot = Slot::new(self.slot);
                self.slot += 1;
                let clone = inner.at(shard, slot, |e| (e.key.clone(), e.value.clone()));
                if clone.is_some() {
                    return clone;
                }
            }
            self.shard += 1;
            self.slot = 0;
        }
        None
    }
}

impl<K: Clone, V: Clone, S> FusedIterator for Iter<'_, K, V, S> {}

impl<'a, K: Clone, V: Clone, S> IntoIterator for &'a Cache<K, V, S> {
    type Item = (K, V);
    type IntoIter = Iter<'a, K, V, S>;

    fn into_iter(self) -> Iter<'a, K, V, S> {
        self.iter()
    }
}

impl<K, V, S> fmt::Debug for Iter<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("shard", &self.shard).field("slot", &self.slot).finish()
    }
}
