//! Values that a caller reads by itself and puts in afterwards.

use super::TieredCache;
use super::inner::Core;
use super::keys::Action;
use super::options::TieredTerms;
use super::outside::Ticket;
use super::promise::block_on;
use crate::inner::{Incoming, Origin};
use crate::invalidation::Fence;
use crate::{CacheKey, Refusal};
use equivalent::Equivalent;
use perf_core::Instant;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

/// The right to put in what was read since [`TieredCache::reserve`], unless something has changed
/// meanwhile that it may be older than: here, or in another process that uses the same
/// [tier](super::SharedTier). Dropped, it does nothing.
#[must_use = "take it before the value is read, and put that in afterwards"]
pub struct Reservation<K, V> {
    core: Arc<Core<K, V>>,
    key: K,
    ticket: Ticket,
    fence: Fence,
    began: Instant,
}

impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Reserves the right to put in a value that is about to be read, for callers who cannot read it
    /// within [`get_with`](TieredCache::get_with).
    ///
    /// A plain [`insert`](TieredCache::insert) takes what it is given for newer than anything else, and
    /// tells the other processes so. What is put in by a reservation is as old as that, and no change.
    /// Nothing is locked: others may insert, load and reserve the same key; of several values that
    /// were all read in time the last one stays.
    ///
    /// ```
    /// # use perf_cache::{Cache, Refusal, Terms, TieredCache};
    /// # let memory = Cache::builder().max_entries(10);
    /// # let cache: TieredCache<String, u32> = TieredCache::builder().memory(memory).build()?;
    /// let reserved = cache.reserve("answer");
    /// let read = 41;
    /// // Meanwhile somebody changes what it was read from, and says so.
    /// cache.remove("answer")?;
    /// assert_eq!(reserved.insert(read, Terms::new()), Err(Refusal::Key));
    /// assert_eq!(cache.get("answer"), None);
    ///
    /// let reserved = cache.reserve("answer");
    /// assert_eq!(reserved.insert(42, Terms::new()), Ok(()));
    /// assert_eq!(cache.get("answer"), Some(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve<Q>(&self, key: &Q) -> Reservation<K, V>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let inner = &*self.core.memory.inner;
        let hash = self.core.memory.hash(key);
        let ticket = self.core.outside.ticket(hash);
        inner.shard(hash).lock().loads.claims_mut().add(hash, ticket.number);
        // After the claim: what comes between is found by one or the other.
        let fence = inner.invalidations.fence();
        let (core, began) = (Arc::clone(&self.core), self.core.clock.now());
        Reservation { core, key: key.to_owned(), ticket, fence, began }
    }
}

impl<K, V> Reservation<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Puts the value in, on terms of its own: [`Terms`](crate::Terms), a
    /// [`Strategy`](super::Strategy) or [`TieredTerms`]. Tags and dependencies that are named here
    /// count as if they had been named when the key was reserved. Memory has it when this returns; the
    /// other tiers have it too, or what came of it is counted.
    ///
    /// # Errors
    ///
    /// Why no tier is to keep it.
    pub fn insert(self, value: V, terms: impl Into<TieredTerms>) -> Result<(), Refusal> {
        block_on(self.insert_async(value, terms))
    }

    /// Like [`insert`](Reservation::insert), for tasks on any runtime.
    ///
    /// # Errors
    ///
    /// As [`insert`](Reservation::insert).
    pub async fn insert_async(
        self,
        value: V,
        terms: impl Into<TieredTerms>,
    ) -> Result<(), Refusal> {
        let Reservation { core, key, ticket, fence, began } = &self;
        let hash = core.memory.hash(key);
        let made_in = Some(core.clock.now() - *began);
        let mut planned = core.plan((hash, ticket.era), key, value, terms.into(), made_in);
        let changes = std::mem::take(&mut planned.changes);
        let goes_out = changes.iter().any(|change| matches!(change.action, Action::Put(..)));
        let (value, terms) = planned.numbered(ticket.number);
        let incoming = Incoming { key: key.clone(), value, terms };
        let origin = Origin::Reserved(ticket.number, *fence);
        let near = core.memory.inner.put(hash, incoming, &origin);
        if let Err(
            refusal @ (Refusal::Key | Refusal::Tag | Refusal::Pattern | Refusal::Dependency),
        ) = near
        {
            return Err(refusal);
        }
        if !core.has_outers() {
            return near;
        }
        let Some(begun) = core.outside.offer(hash, ticket.order(), changes) else {
            return Err(Refusal::Key);
        };
        // What comes of it is counted.
        let _ = core.outside.carry(begun).await;
        if goes_out { Ok(()) } else { near }
    }

    /// The key that was reserved.
    #[must_use]
    pub const fn key(&self) -> &K {
        &self.key
    }
}

impl<K, V> Drop for Reservation<K, V> {
    fn drop(&mut self) {
        let Ticket { hash, number, .. } = self.ticket;
        let mut held = self.core.memory.inner.shard(hash).lock();
        held.loads.claims_mut().end(hash, number);
    }
}

impl<K: fmt::Debug, V> fmt::Debug for Reservation<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("key", &self.key).finish_non_exhaustive()
    }
}
