//! How a value is looked for: in memory, beyond it, and from a loader at last. Written once, as a
//! future; a call that blocks runs that on its own thread.

use super::gathering::Gather;
use super::held::Held;
use super::inner::{Core, Loads};
use super::leasing::Turn;
use super::options::TieredTerms;
use super::promise::block_on;
use crate::CacheKey;
use crate::loading::{Found, Sought};
use crate::lookup::Lookup;
use equivalent::Equivalent;
use perf_core::{Clock, Instant};
use std::convert::Infallible;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// What a loader answered.
pub(super) enum Loaded<V, E> {
    Value(V, TieredTerms),
    Absent,
    Error(E),
}

/// A key that memory does not have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missed {
    hash: u64,
    /// Whether the miss is counted.
    is_counted: bool,
}

/// A loader that runs; counted however it ends.
struct Loading<'a> {
    loads: &'a Loads,
    clock: &'a Clock,
    started: Instant,
    gave_value: bool,
    took: Option<Duration>,
}

impl<'a> Loading<'a> {
    fn begin(loads: &'a Loads, clock: &'a Clock) -> Loading<'a> {
        let started = clock.now();
        Loading { loads, clock, started, gave_value: false, took: None }
    }

    /// How long it took.
    fn end<V, E>(mut self, loaded: &Loaded<V, E>) -> Duration {
        self.gave_value = !matches!(loaded, Loaded::Error(_));
        *self.took.insert(self.clock.now() - self.started)
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.loads.ended.increment();
        if !self.gave_value {
            self.loads.failed.increment();
        }
        if let Some(took) = self.took {
            self.loads.duration.record_duration(took);
        }
    }
}

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Looks beyond memory for a key that memory does not have.
    fn seek(&self, hash: u64, key: K, is_counted: bool) -> Option<Held<V>> {
        if !self.has_outers() {
            return None;
        }
        let seek = |key: &K, _| block_on(self.seek_beyond(hash, key, None));
        certain(self.memory.inner.seek(hash, key, (Some(is_counted), true), seek))
    }

    async fn seek_async(
        &self,
        Missed { hash, is_counted }: Missed,
        key: K,
        gather: Option<&Gather>,
    ) -> Option<Held<V>> {
        if !self.has_outers() {
            return None;
        }
        let seek = |key: K, _| async move { self.seek_beyond(hash, &key, gather).await };
        certain(self.memory.inner.seek_async(hash, key, (Some(is_counted), true), seek).await)
    }

    async fn seek_beyond(
        &self,
        hash: u64,
        key: &K,
        gather: Option<&Gather>,
    ) -> Sought<Held<V>, Infallible> {
        match self.fetch(hash, key, gather).await {
            Some((held, terms)) => Sought::Value(held, terms),
            None => Sought::Nothing,
        }
    }

    /// The value, found in any tier or loaded.
    pub(super) fn ask<E>(
        &self,
        key: K,
        takes_absent: bool,
        load: impl FnOnce() -> Loaded<V, E>,
    ) -> Found<Held<V>, E>
    where
        E: Send + Sync + 'static,
    {
        let hash = self.memory.hash(&key);
        self.memory.inner.seek(hash, key, (None, takes_absent), |key, refreshes| {
            block_on(self.find_or_load((hash, refreshes), key, async move { load() }))
        })
    }

    pub(super) async fn ask_async<E>(
        &self,
        key: K,
        takes_absent: bool,
        load: impl Future<Output = Loaded<V, E>>,
    ) -> Found<Held<V>, E>
    where
        E: Send + Sync + 'static,
    {
        let hash = self.memory.hash(&key);
        let seek = |key: K, refreshes: bool| async move {
            self.find_or_load((hash, refreshes), &key, load).await
        };
        self.memory.inner.seek_async(hash, key, (None, takes_absent), seek).await
    }

    async fn find_or_load<E>(
        &self,
        (hash, refreshes): (u64, bool),
        key: &K,
        load: impl Future<Output = Loaded<V, E>>,
    ) -> Sought<Held<V>, E> {
        let mut leased = None;
        // What is to be renewed is what the tiers have.
        if !refreshes {
            if let Some((held, terms)) = self.fetch(hash, key, None).await {
                return Sought::Value(held, terms);
            }
            if self.lease.is_some() {
                match self.take_turn(hash, key).await {
                    Turn::Found(held, terms) => return Sought::Value(held, terms),
                    Turn::Loads(lease) => leased = lease,
                }
            }
        }
        let ticket = self.outside.ticket(hash);
        let loading = Loading::begin(&self.loads, &self.clock);
        let loaded = load.await;
        let took = loading.end(&loaded);
        match loaded {
            Loaded::Value(value, terms) => {
                let (held, terms) =
                    self.keep_loaded(&ticket, (hash, took), key, value, terms).await;
                if let (Some(leased), true) = (leased, self.outside.behind.is_on()) {
                    // What is stored is still to come.
                    leased.stays();
                }
                Sought::Value(held, terms)
            }
            Loaded::Absent => {
                if refreshes {
                    self.keep_absent(&ticket, hash, key).await;
                }
                Sought::Absent
            }
            Loaded::Error(error) => Sought::Error(error),
        }
    }

    /// A lookup: what `near` makes of a value that is in memory, or one that was found beyond it.
    pub(super) fn find<Q, R>(&self, key: &Q, near: fn(&Held<V>) -> R) -> Option<Result<R, Held<V>>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        match self.glance(key, near) {
            Ok(found) => Some(Ok(found)),
            Err(Missed { hash, is_counted }) => {
                self.seek(hash, key.to_owned(), is_counted).map(Err)
            }
        }
    }

    pub(super) async fn find_async<Q, R>(
        &self,
        key: &Q,
        near: fn(&Held<V>) -> R,
    ) -> Option<Result<R, Held<V>>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        match self.glance(key, near) {
            Ok(found) => Some(Ok(found)),
            Err(missed) => self.seek_missed(key, missed, None).await.map(Err),
        }
    }

    /// The part of a lookup that is about memory.
    pub(super) fn glance<Q, R>(&self, key: &Q, near: fn(&Held<V>) -> R) -> Result<R, Missed>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.memory.hash(key);
        self.look_near(hash, key, near).map_err(|is_counted| Missed { hash, is_counted })
    }

    /// And the part beyond it, together with the other keys of a call.
    pub(super) async fn seek_missed<Q>(
        &self,
        key: &Q,
        missed: Missed,
        gather: Option<&Gather>,
    ) -> Option<Held<V>>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        self.seek_async(missed, key.to_owned(), gather).await
    }

    /// A lookup in memory: what `read` makes of the value, or whether the miss is counted. It is
    /// where nothing else is asked.
    fn look_near<Q, R>(&self, hash: u64, key: &Q, read: fn(&Held<V>) -> R) -> Result<R, bool>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let inner = &*self.memory.inner;
        if !self.has_outers() {
            return inner.read(hash, key, Held::clone, read).ok_or(true);
        }
        match inner.look_up(hash, key, false) {
            Lookup::Hit(entry) => Ok(read(&entry.value)),
            Lookup::Miss => Err(false),
            Lookup::Locked => {
                inner.read_locked(hash, key, Held::clone).map(|held| read(&held)).ok_or(true)
            }
        }
    }
}

impl<V, T: Into<TieredTerms>, E> From<Result<(V, T), E>> for Loaded<V, E> {
    fn from(answer: Result<(V, T), E>) -> Loaded<V, E> {
        match answer {
            Ok((value, terms)) => Loaded::Value(value, terms.into()),
            Err(error) => Loaded::Error(error),
        }
    }
}

pub(super) fn perhaps<V>(answer: Option<V>) -> Loaded<V, Infallible> {
    answer.map_or(Loaded::Absent, |value| Loaded::Value(value, TieredTerms::new()))
}

pub(super) fn certain<V>(found: Found<V, Infallible>) -> Option<V> {
    match found {
        Ok(value) => value,
        Err(never) => match *never {},
    }
}

pub(super) fn sure<V, E>(found: Found<Held<V>, E>) -> Result<V, Arc<E>> {
    match found {
        Ok(Some(held)) => Ok(held.value),
        Err(error) => Err(error),
        Ok(None) => unreachable!("it was not asked whether there is a value"),
    }
}
