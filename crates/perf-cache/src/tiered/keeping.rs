//! Values put in and taken out, in memory at once and beyond it in order.

use super::held::{Held, Sealer};
use super::inner::Core;
use super::keys::{Action, KeyBytes};
use super::options::TieredTerms;
use super::outside::{Begun, Change, Ticket};
use crate::inner::{Incoming, Origin};
use crate::invalidation::Fence;
use crate::{CacheKey, Terms};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    /// Puts a value in, in memory at once. What is to be done beyond it has begun, and is carried
    /// out by whoever gets the answer.
    pub(super) fn insert(&self, key: K, value: V, terms: TieredTerms) -> Option<Begun> {
        let hash = self.memory.hash(&key);
        // Before anything is read of it: it may only be taken for older.
        let era = self.outside.generations.era();
        let mut planned = self.plan((hash, era), &key, value, terms, None);
        if !self.has_outers() {
            let (value, terms) = planned.numbered(0);
            let incoming = Incoming { key, value, terms };
            // What comes of it is counted.
            let _ = self.memory.inner.put(hash, incoming, &Origin::Caller);
            return None;
        }
        let changes = std::mem::take(&mut planned.changes);
        let inner = &*self.memory.inner;
        let mut ended = None;
        let mut fence = Fence::default();
        let (ticket, begun) = self.outside.begin(hash, changes, |number| {
            // Who loads has asked before, and of those who insert the last one stays.
            let mut held = inner.shard(hash).lock();
            ended = held.loads.detach(hash, &key);
            held.loads.claims_mut().add(hash, number);
            fence = inner.invalidations.fence();
        });
        drop(ended);
        let number = ticket.number;
        let (held, terms) = planned.numbered(number);
        let origin = Origin::Reserved(number, fence);
        // Refused if somebody began after us: then what there is is newer.
        let _ = inner.put(hash, Incoming { key, value: held, terms }, &origin);
        inner.shard(hash).lock().loads.claims_mut().end(hash, number);
        drop(ticket);
        Some(begun)
    }

    /// What memory is to keep of a value that was loaded. It is stored beyond memory first, unless
    /// something newer has begun since.
    pub(super) async fn keep_loaded(
        &self,
        ticket: &Ticket,
        (hash, took): (u64, Duration),
        key: &K,
        value: V,
        terms: TieredTerms,
    ) -> (Held<V>, Terms) {
        let mut planned = self.plan((hash, ticket.era), key, value, terms, Some(took));
        let changes = std::mem::take(&mut planned.changes);
        if self.has_outers()
            && let Some(begun) = self.outside.offer(hash, ticket.order(), changes)
        {
            // What comes of it is counted.
            let _ = self.outside.carry(begun).await;
        }
        planned.numbered(ticket.number)
    }

    /// The loader has found that there is no value any more: what the tiers have is older.
    pub(super) async fn keep_absent(&self, ticket: &Ticket, hash: u64, key: &K) {
        let Some(sealer) = self.sealer.as_ref().filter(|_| self.has_outers()) else { return };
        let changes = self.removals(sealer, key);
        if let Some(begun) = self.outside.offer_changes(hash, ticket.number, changes) {
            // What comes of it is counted.
            let _ = self.outside.carry(begun).await;
        }
    }

    fn removals(&self, sealer: &Sealer<V>, key: &K) -> Vec<Change> {
        let mut name = Vec::new();
        sealer.name(key, &mut name);
        let name = KeyBytes::from(name);
        let change = |tier| Change { tier, key: Arc::clone(&name), action: Action::Remove };
        (0..self.outside.outers.len()).map(change).collect()
    }

    /// Removes a key from memory, at once, and begins to remove it beyond.
    pub(super) fn remove(&self, hash: u64, key: &K) -> (bool, Option<Begun>) {
        let Some(sealer) = self.sealer.as_ref().filter(|_| self.has_outers()) else {
            return (self.memory.inner.remove(hash, key).is_some(), None);
        };
        let changes = self.removals(sealer, key);
        let inner = &*self.memory.inner;
        let mut ended = None;
        let (ticket, begun) = self.outside.begin(hash, changes, |_| {
            ended = inner.shard(hash).lock().loads.detach(hash, key);
        });
        drop(ended);
        let was_there = inner.remove(hash, key).is_some();
        drop(ticket);
        (was_there, Some(begun))
    }
}
