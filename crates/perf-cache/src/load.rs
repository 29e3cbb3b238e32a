//! The loads of one shard: those that run, and the answers that gave no value.
//!
//! A load has a claim on its key from its start until it ends or something newer comes: an
//! insertion, a removal, an invalidation. Only a load with its claim may publish. What is remembered
//! of failed loads goes with the claim, since it is as old.

use crate::invalidation::Claims;
use crate::loading::flight::Load;
use crate::loading::negatives::{Negatives, Refusal};
use equivalent::Equivalent;
use hashbrown::HashTable;
use std::fmt;
use std::sync::Arc;

/// The loads that run for keys of one shard: at most one for each key.
///
/// It holds as many as callers are loading at that moment; the answers beside them are bounded.
pub(crate) struct Loads<K, V> {
    table: HashTable<Running<K, V>>,
    negatives: Negatives<K>,
    claims: Claims,
}

struct Running<K, V> {
    hash: u64,
    key: K,
    load: Arc<Load<V>>,
}

/// What was taken out, to be dropped after the lock.
#[must_use]
pub(crate) struct Ended<K, V> {
    load: Option<(K, Arc<Load<V>>)>,
    _negative: Option<(K, Refusal)>,
}

impl<K, V> Ended<K, V> {
    /// The key of the load that has ended.
    pub(crate) fn into_key(self) -> Option<K> {
        self.load.map(|(key, _)| key)
    }
}

impl<K, V> Loads<K, V> {
    pub(crate) const fn new() -> Loads<K, V> {
        Loads { table: HashTable::new(), negatives: Negatives::new(), claims: Claims::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn find<Q>(&self, hash: u64, key: &Q) -> Option<&Arc<Load<V>>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.table.find(hash, |running| key.equivalent(&running.key)).map(|running| &running.load)
    }

    pub(crate) fn add(&mut self, hash: u64, key: K, load: Arc<Load<V>>) {
        self.table.insert_unique(hash, Running { hash, key, load }, |running| running.hash);
    }

    /// Whether there is nothing here that an insertion could end.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.table.is_empty() && self.negatives.is_empty() && self.claims.is_empty()
    }

    /// Something newer has come for this key: ends the claim of whatever loads it, and forgets what
    /// its last load gave.
    pub(crate) fn detach<Q>(&mut self, hash: u64, key: &Q) -> Option<Ended<K, V>>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.claims.detach(hash);
        let negative = self.negatives.forget(hash, key);
        let load = if self.table.is_empty() {
            None
        } else {
            self.table.find_entry(hash, |running| key.equivalent(&running.key)).ok()
        };
        let load = load.map(|found| {
            let running = found.remove().0;
            (running.key, running.load)
        });
        (load.is_some() || negative.is_some()).then_some(Ended { load, _negative: negative })
    }

    /// The same for all keys.
    pub(crate) fn detach_all(&mut self) -> Loads<K, V> {
        std::mem::replace(self, Loads::new())
    }

    /// Whether this very load still has its claim.
    pub(crate) fn holds(&self, hash: u64, load: &Arc<Load<V>>) -> bool {
        self.table.find(hash, |running| Arc::ptr_eq(&running.load, load)).is_some()
    }

    /// Ends the claim of this very load, if it still has one.
    pub(crate) fn end(&mut self, hash: u64, load: &Arc<Load<V>>) -> Option<Ended<K, V>> {
        let found = self.table.find_entry(hash, |running| Arc::ptr_eq(&running.load, load)).ok()?;
        let running = found.remove().0;
        Some(Ended { load: Some((running.key, running.load)), _negative: None })
    }

    /// Who has reserved keys.
    pub(crate) const fn claims(&self) -> &Claims {
        &self.claims
    }

    pub(crate) const fn claims_mut(&mut self) -> &mut Claims {
        &mut self.claims
    }

    /// What is remembered of the last load, to be looked up or added to.
    pub(crate) const fn negatives(&self) -> &Negatives<K> {
        &self.negatives
    }

    pub(crate) const fn negatives_mut(&mut self) -> &mut Negatives<K> {
        &mut self.negatives
    }
}

impl<K, V> fmt::Debug for Loads<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loads").field(&self.len()).finish()
    }
}
