//! What loads need of the table of entries.

use crate::Terms;
use crate::eviction::Leavers;
use crate::inner::{Incoming, Inner, Origin};
use crate::shard::{Held, Shard};
use crate::stats::Cause;
use std::hash::Hash;

impl<K: Hash + Eq, V: Clone> Inner<K, V> {
    /// Puts in what a load gave, if it still has its claim.
    pub(super) fn put_loaded(
        &self,
        hash: u64,
        key: K,
        value: V,
        terms: Terms,
        origin: &Origin<'_, V>,
    ) {
        self.put(hash, Incoming { key, value, terms }, origin);
    }

    /// The value that is kept beyond its time to live for the case that loading it anew fails.
    pub(super) fn kept(&self, hash: u64, key: &K) -> Option<V> {
        let _ = (hash, key);
        None
    }

    /// A value for a caller whose time is up, which is counted: an old one, or what came meanwhile.
    pub(super) fn instead(&self, hash: u64, key: &K) -> Option<V> {
        let mut held = self.shard(hash).lock();
        held.counts.loading.timed_out += 1;
        drop(held);
        self.peek(hash, key, |entry| entry.value.clone())
    }

    /// Takes out what there is for a key that has no value any more.
    pub(super) fn take_absent<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        hash: u64,
        key: &K,
        left: &mut Leavers<'a, K, V>,
    ) {
        if let Some(slot) = shard.find(held, hash, key) {
            self.remove_slot(shard, held, slot, Cause::Removed, left);
        }
    }
}
