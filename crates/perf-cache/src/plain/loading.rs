//! Values that are made where they are missing, once for all who ask.

use super::PlainCache;
use super::inner::{Inner, Origin};
use super::words::Plain;
use crate::invalidation::Fence;
use crate::loading::flight::{Load, Outcome};
use crate::loading::scope::LeaderId;
use perf_core::Instant;
use std::any::Any;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// What a lookup that may load comes to.
enum Start<V> {
    Hit(V),
    /// Nobody is at it: the caller loads.
    Lead(Arc<Load<V>>),
    /// Somebody is: the caller waits.
    Join(Arc<Load<V>>),
}

impl<K: Plain + Hash + Eq, V: Plain, S: BuildHasher> PlainCache<K, V, S> {
    /// The value, made by `load` where there is none. Callers who ask for the same key meanwhile
    /// wait for this load instead of starting their own.
    ///
    /// If `load` panics, the panic goes to its own caller, and one of those who wait loads instead.
    /// If the key is removed, inserted or cleared while `load` runs, its callers get the value, but
    /// the cache keeps it out.
    ///
    /// # Panics
    ///
    /// Where `load` panics, and where `load` asks this cache for this key on the same thread: it
    /// would wait for itself.
    #[doc(alias = "get_or_insert_with")]
    #[inline]
    pub fn get_with(&self, key: K, load: impl FnOnce() -> V) -> V {
        match self.try_get_with(key, || Ok::<V, Infallible>(load())) {
            Ok(value) => value,
            Err(never) => match *never {},
        }
    }

    /// Like [`get_with`](PlainCache::get_with), for a `load` that may fail. The error goes to
    /// everybody who waits for this load and is not kept: who asks later loads again.
    ///
    /// Who waits with another type of error loads by itself then.
    ///
    /// # Errors
    ///
    /// What `load` answered, or the `load` of the caller who was first.
    ///
    /// # Panics
    ///
    /// As [`get_with`](PlainCache::get_with).
    #[inline]
    pub fn try_get_with<E>(&self, key: K, load: impl FnOnce() -> Result<V, E>) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        let hash = self.inner.hash(&key);
        match self.inner.get(hash, &key) {
            Some(value) => Ok(value),
            None => self.load_or_join(hash, key, load),
        }
    }

    #[cold]
    fn load_or_join<E>(
        &self,
        hash: u64,
        key: K,
        load: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        // One call is one lookup, however often it has to come back.
        let mut first = true;
        let id = LeaderId::new();
        loop {
            match self.inner.start(hash, &key, id, std::mem::take(&mut first)) {
                Start::Hit(value) => return Ok(value),
                Start::Lead(running) => {
                    let leader = Leader::new(&self.inner, hash, running);
                    return leader.finish(key, id.run(load));
                }
                Start::Join(running) => match running.wait(None, &self.inner.clock).as_deref() {
                    Some(Outcome::Value(value) | Outcome::Outdated(value)) => return Ok(*value),
                    Some(Outcome::Failed(error)) => {
                        if let Ok(error) = Arc::clone(error).downcast() {
                            return Err(error);
                        }
                    }
                    Some(Outcome::Absent | Outcome::Abandoned) | None => {}
                },
            }
        }
    }
}

impl<K: Plain + Hash + Eq, V: Plain, S: BuildHasher> Inner<K, V, S> {
    /// Finds the value or the load in flight, or begins one, in one holding of the lock.
    fn start(&self, hash: u64, key: &K, id: LeaderId, first: bool) -> Start<V> {
        let shard = self.shard(hash);
        let mut held = shard.lock();
        if let Some((_, copied)) = shard.find_held(hash, key)
            && !crate::expiry::has_passed(copied.deadline, &self.clock)
        {
            return Start::Hit(copied.value);
        }
        if let Some(load) = held.loads.find(hash, key).cloned() {
            if load.leader().is_running_here() {
                drop(held);
                panic!("a loader asks for the very key that it loads: it would wait for itself");
            }
            held.counts.joins += u64::from(first);
            return Start::Join(load);
        }
        let load = Arc::new(Load::new(id, Fence::default()));
        held.loads.add(hash, *key, Arc::clone(&load));
        Start::Lead(load)
    }
}

/// The right and the duty to end a load. Dropped without having ended it, by a panic, it lets
/// somebody else try.
struct Leader<'a, K: Plain + Hash + Eq, V: Plain, S: BuildHasher> {
    inner: &'a Inner<K, V, S>,
    hash: u64,
    load: Arc<Load<V>>,
    started: Instant,
    ended: bool,
}

impl<'a, K: Plain + Hash + Eq, V: Plain, S: BuildHasher> Leader<'a, K, V, S> {
    fn new(inner: &'a Inner<K, V, S>, hash: u64, load: Arc<Load<V>>) -> Leader<'a, K, V, S> {
        Leader { inner, hash, load, started: inner.clock.now(), ended: false }
    }

    /// Counts a load that gave no value, and ends its claim.
    fn end(&mut self, gave_error: bool) {
        self.ended = true;
        let took = self.inner.clock.now() - self.started;
        let mut held = self.inner.shard(self.hash).lock();
        let _ended = held.loads.end(self.hash, &self.load);
        held.counts.loads += 1;
        held.counts.load_failures += 1;
        held.counts.loading.abandoned += u64::from(!gave_error);
        if gave_error {
            held.counts.load_duration.record_duration(took);
        }
    }

    fn finish<E>(mut self, key: K, made: Result<V, E>) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        match made {
            Ok(value) => {
                let deadline = self.inner.default_deadline(self.hash);
                let origin = Origin::Load(&self.load, self.inner.clock.now() - self.started);
                self.inner.put(self.hash, key, value, deadline, &origin);
                self.ended = true;
                self.load.settle(Outcome::Value(value));
                Ok(value)
            }
            Err(error) => {
                let error = Arc::new(error);
                self.end(true);
                let shared: Arc<dyn Any + Send + Sync> = Arc::clone(&error) as _;
                self.load.settle(Outcome::Failed(shared));
                Err(error)
            }
        }
    }
}

impl<K: Plain + Hash + Eq, V: Plain, S: BuildHasher> Drop for Leader<'_, K, V, S> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(false);
            self.load.settle(Outcome::Abandoned);
        }
    }
}
