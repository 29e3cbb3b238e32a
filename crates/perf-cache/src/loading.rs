//! Values that are made where they are missing, once for all who ask.

use crate::Cache;
use crate::inner::{Inner, Origin};
use crate::load::{Load, Outcome};
use perf_core::Instant;
use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::thread;

/// What a lookup that may load comes to.
enum Start<V> {
    Hit(V),
    /// Nobody is at it: the caller loads.
    Lead(Arc<Load<V>>),
    /// Somebody is: the caller waits.
    Join(Arc<Load<V>>),
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// The value, made by `load` where there is none. Callers who ask for the same key meanwhile,
    /// synchronous or not, wait for this load instead of starting their own.
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
    pub fn get_with(&self, key: K, load: impl FnOnce() -> V) -> V {
        match self.try_get_with(key, || Ok::<V, Infallible>(load())) {
            Ok(value) => value,
            Err(never) => match *never {},
        }
    }

    /// Like [`get_with`](Cache::get_with), for a `load` that may fail. The error goes to everybody
    /// who waits for this load and is not kept: who asks later loads again.
    ///
    /// Who waits with another type of error loads by itself then.
    ///
    /// # Errors
    ///
    /// What `load` answered, or the `load` of the caller who was first.
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with).
    pub fn try_get_with<E>(&self, key: K, load: impl FnOnce() -> Result<V, E>) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        let hash = self.inner.hash(&key);
        let mut again = false;
        loop {
            match self.inner.start(hash, &key, again, true) {
                Start::Hit(value) => return Ok(value),
                Start::Lead(running) => {
                    let leader = Leader::new(&self.inner, hash, running);
                    return leader.finish(key, load());
                }
                Start::Join(running) => {
                    if let Some(answer) = answer(running.wait()) {
                        return answer;
                    }
                }
            }
            again = true;
        }
    }

    /// Like [`get_with`](Cache::get_with), for a future on any runtime.
    ///
    /// `load` runs as part of the returned future, on nobody else's thread. Dropping that future
    /// cancels the load, and one of those who wait loads instead. A future that is kept but not
    /// polled keeps them waiting: spawn it where that can happen.
    pub async fn get_with_async(&self, key: K, load: impl Future<Output = V>) -> V {
        let load = async { Ok::<V, Infallible>(load.await) };
        match self.try_get_with_async(key, load).await {
            Ok(value) => value,
            Err(never) => match *never {},
        }
    }

    /// Like [`try_get_with`](Cache::try_get_with), for a future on any runtime; see
    /// [`get_with_async`](Cache::get_with_async).
    ///
    /// # Errors
    ///
    /// What `load` answered, or the `load` of the caller who was first.
    pub async fn try_get_with_async<E>(
        &self,
        key: K,
        load: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        let hash = self.inner.hash(&key);
        let load = pin!(load);
        let mut again = false;
        loop {
            match self.inner.start(hash, &key, again, false) {
                Start::Hit(value) => return Ok(value),
                Start::Lead(running) => {
                    let leader = Leader::new(&self.inner, hash, running);
                    let made = load.await;
                    return leader.finish(key, made);
                }
                Start::Join(running) => {
                    if let Some(answer) = answer(running.join().await) {
                        return answer;
                    }
                }
            }
            again = true;
        }
    }
}

/// What a load that somebody else ran means for one who asked with errors of type `E`; `None`: ask
/// again.
fn answer<V: Clone, E: Send + Sync + 'static>(outcome: &Outcome<V>) -> Option<Result<V, Arc<E>>> {
    match outcome {
        Outcome::Value(value) => Some(Ok(value.clone())),
        Outcome::Failed(error) => Arc::clone(error).downcast().ok().map(Err),
        Outcome::Abandoned => None,
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Inner<K, V> {
    /// Finds the value or the load in flight, or begins one, in one holding of the lock.
    fn start(&self, hash: u64, key: &K, again: bool, blocking: bool) -> Start<V> {
        let shard = self.shard(hash);
        let mut gone = None;
        let mut held = shard.lock();
        // One call is one lookup, however often it has to come back.
        let first = u64::from(!again);
        if let Some(value) = self.look_up(shard, &mut held, hash, key, &mut gone) {
            held.counts.hits += first;
            return Start::Hit(value);
        }
        held.counts.misses += first;
        let thread = blocking.then(|| thread::current().id());
        if let Some(load) = held.loads.find(hash, key).cloned() {
            if load.is_run_by(thread) {
                drop(held);
                panic!("a loader asks for the very key that it loads: it would wait for itself");
            }
            held.counts.joins += first;
            return Start::Join(load);
        }
        let load = Arc::new(Load::new(thread));
        held.loads.add(hash, key.clone(), Arc::clone(&load));
        Start::Lead(load)
    }
}

/// The right and the duty to end a load. Dropped without having ended it, by a panic or because a
/// future was cancelled, it lets somebody else try.
struct Leader<'a, K: Eq, V> {
    inner: &'a Inner<K, V>,
    hash: u64,
    load: Arc<Load<V>>,
    started: Instant,
    ended: bool,
}

impl<'a, K: Eq, V> Leader<'a, K, V> {
    fn new(inner: &'a Inner<K, V>, hash: u64, load: Arc<Load<V>>) -> Leader<'a, K, V> {
        Leader { inner, hash, load, started: inner.clock.now(), ended: false }
    }

    /// Counts a load that gave no value, and ends its claim.
    fn end(&mut self, gave_error: bool) {
        self.ended = true;
        let took = self.inner.clock.now() - self.started;
        let mut held = self.inner.shard(self.hash).lock();
        let claim = held.loads.end(self.hash, &self.load);
        held.counts.loads += 1;
        held.counts.load_failures += 1;
        if gave_error {
            held.counts.load_duration.record_duration(took);
        }
        drop(held);
        drop(claim);
    }

    /// Whether somebody may wait. Once the claim has ended, nobody new can.
    fn has_waiters(&self) -> bool {
        Arc::strong_count(&self.load) > 1
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Leader<'_, K, V> {
    fn finish<E>(mut self, key: K, made: Result<V, E>) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        match made {
            Ok(value) => {
                let deadline = self.inner.default_deadline(self.hash);
                let origin = Origin::Load(&self.load, self.inner.clock.now() - self.started);
                self.inner.put(self.hash, key, value.clone(), deadline, &origin);
                // The claim has ended, so those who wait are all there.
                let told = self.has_waiters().then(|| value.clone());
                self.ended = true;
                if let Some(value) = told {
                    self.load.settle(Outcome::Value(value));
                }
                Ok(value)
            }
            Err(error) => {
                let error = Arc::new(error);
                self.end(true);
                if self.has_waiters() {
                    let shared: Arc<dyn Any + Send + Sync> = Arc::clone(&error) as _;
                    self.load.settle(Outcome::Failed(shared));
                }
                Err(error)
            }
        }
    }
}

impl<K: Eq, V> Drop for Leader<'_, K, V> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(false);
            self.load.settle(Outcome::Abandoned);
        }
    }
}
