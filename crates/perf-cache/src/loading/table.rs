//! What loads need of the table of entries.

use crate::Terms;
use crate::expiry::{self, NEVER};
use crate::inner::{Inner, Origin};
use crate::lru::Entry;
use crate::shard::{Held, Shard};
use crate::stats::Cause;
use std::hash::Hash;
use std::time::Duration;

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
        let deadline = match terms.time_to_live {
            Some(Duration::MAX) => NEVER,
            Some(ttl) => expiry::deadline(&self.clock, ttl),
            None => self.default_deadline(hash),
        };
        self.put(hash, key, value, deadline, origin);
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
        let id = held.store.find(hash, key)?;
        let entry = held.store.get(id);
        (!expiry::has_passed(entry.deadline.get(), &self.clock)).then(|| entry.value.clone())
    }

    /// Takes out what there is for a key that has no value any more.
    pub(super) fn take_absent(
        &self,
        shard: &Shard<K, V>,
        held: &mut Held<K, V>,
        hash: u64,
        key: &K,
    ) -> Option<Entry<K, V>> {
        let id = held.store.find(hash, key)?;
        Some(self.take(shard, held, id, Cause::Removed))
    }
}
