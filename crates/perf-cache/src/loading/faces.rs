//! The calls that load on the caller's own thread, or as part of its own future.

use super::leader::{Got, Made};
use crate::{Cache, Terms};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// Values that are made where they are missing, once for all who ask; see the section on loaders
/// of the [crate page](crate#loaders).
impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> Cache<K, V, S> {
    /// The value, made by `load` where there is none. Callers who ask for the same key meanwhile,
    /// synchronous or not, wait for this load instead of starting their own.
    ///
    /// If `load` panics, the panic goes to its own caller, and one of those who wait loads instead.
    /// If the key is removed, inserted or cleared while `load` runs, its callers get the value, but
    /// the cache keeps it out.
    ///
    /// # Panics
    ///
    /// Where `load` panics, and where `load` asks this cache for this key on the same thread or in
    /// the same task: it would wait for itself.
    #[doc(alias = "get_or_insert_with")]
    pub fn get_with(&self, key: K, load: impl FnOnce() -> V) -> V {
        self.get_with_terms(key, || (load(), Terms::new()))
    }

    /// Like [`get_with`](Cache::get_with), for a `load` that says as well what the entry asks for:
    /// its own time to live, tags, and so on.
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with).
    pub fn get_with_terms(&self, key: K, load: impl FnOnce() -> (V, Terms)) -> V {
        match self.try_get_with_terms(key, || Ok::<_, Infallible>(load())) {
            Ok(value) => value,
            Err(never) => match *never {},
        }
    }

    /// Like [`get_with`](Cache::get_with), for a `load` that may fail. The error goes to everybody
    /// who waits for this load, and is kept only for
    /// [`negative_ttl`](crate::CacheBuilder::negative_ttl): who asks later loads again. An old value
    /// that is kept by [`stale_if_error`](crate::CacheBuilder::stale_if_error) is answered instead.
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
        self.try_get_with_terms(key, || load().map(plain))
    }

    /// Like [`try_get_with`](Cache::try_get_with), for a `load` that says as well what the entry
    /// asks for.
    ///
    /// # Errors
    ///
    /// As [`try_get_with`](Cache::try_get_with).
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with).
    pub fn try_get_with_terms<E>(
        &self,
        key: K,
        load: impl FnOnce() -> Result<(V, Terms), E>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        sure(self.inner.ask(self.hash(&key), key, false, || load().into()))
    }

    /// Like [`get_with`](Cache::get_with), for a `load` that may find that there is no value. That
    /// is remembered for [`negative_ttl`](crate::CacheBuilder::negative_ttl), and a value that the
    /// load was to renew is removed.
    ///
    /// Those who wait for this load learn the same, except for callers who need a value, such as
    /// `get_with`: they load by themselves.
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with).
    pub fn optionally_get_with(&self, key: K, load: impl FnOnce() -> Option<V>) -> Option<V> {
        self.optionally_get_with_terms(key, || load().map(plain))
    }

    /// Like [`optionally_get_with`](Cache::optionally_get_with), for a `load` that says as well what
    /// the entry asks for.
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with).
    pub fn optionally_get_with_terms(
        &self,
        key: K,
        load: impl FnOnce() -> Option<(V, Terms)>,
    ) -> Option<V> {
        some(self.inner.ask(self.hash(&key), key, true, || perhaps(load())))
    }

    /// Like [`get_with`](Cache::get_with), for a future on any runtime.
    ///
    /// `load` runs as part of the returned future, on nobody else's thread. Dropping that future
    /// cancels the load, and one of those who wait loads instead. A future that is kept but not
    /// polled keeps them waiting: spawn it where that can happen, or use
    /// [`fetch_async`](Cache::fetch_async).
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with), when polled.
    pub async fn get_with_async(&self, key: K, load: impl Future<Output = V>) -> V {
        self.get_with_terms_async(key, async { plain(load.await) }).await
    }

    /// Like [`get_with_terms`](Cache::get_with_terms), for a future on any runtime; see
    /// [`get_with_async`](Cache::get_with_async).
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with), when polled.
    pub async fn get_with_terms_async(&self, key: K, load: impl Future<Output = (V, Terms)>) -> V {
        let load = async { Ok::<_, Infallible>(load.await) };
        match self.try_get_with_terms_async(key, load).await {
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
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with), when polled.
    pub async fn try_get_with_async<E>(
        &self,
        key: K,
        load: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        self.try_get_with_terms_async(key, async { load.await.map(plain) }).await
    }

    /// Like [`try_get_with_terms`](Cache::try_get_with_terms), for a future on any runtime; see
    /// [`get_with_async`](Cache::get_with_async).
    ///
    /// # Errors
    ///
    /// As [`try_get_with`](Cache::try_get_with).
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with), when polled.
    pub async fn try_get_with_terms_async<E>(
        &self,
        key: K,
        load: impl Future<Output = Result<(V, Terms), E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        sure(self.inner.ask_async(self.hash(&key), key, false, async { load.await.into() }).await)
    }

    /// Like [`optionally_get_with`](Cache::optionally_get_with), for a future on any runtime; see
    /// [`get_with_async`](Cache::get_with_async).
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with), when polled.
    pub async fn optionally_get_with_async(
        &self,
        key: K,
        load: impl Future<Output = Option<V>>,
    ) -> Option<V> {
        self.optionally_get_with_terms_async(key, async { load.await.map(plain) }).await
    }

    /// Like [`optionally_get_with_terms`](Cache::optionally_get_with_terms), for a future on any
    /// runtime; see [`get_with_async`](Cache::get_with_async).
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with), when polled.
    pub async fn optionally_get_with_terms_async(
        &self,
        key: K,
        load: impl Future<Output = Option<(V, Terms)>>,
    ) -> Option<V> {
        some(self.inner.ask_async(self.hash(&key), key, true, async { perhaps(load.await) }).await)
    }

    /// The values of many keys. Those that are missing, and that nobody else is loading, are made
    /// in one call of `load`; those that others are loading are waited for. Each key is loaded once,
    /// however calls for one and for many keys overlap.
    ///
    /// The answer lacks the keys for which `load` gave nothing. What it gives for other keys than
    /// it was asked for is dropped: it may be older than an invalidation. `load` runs again only
    /// where somebody else's load came to nothing.
    ///
    /// ```
    /// use perf_cache::Cache;
    ///
    /// let squares: Cache<u64, u64> = Cache::builder().max_entries(1_000).build()?;
    /// squares.insert(2, 4);
    /// let found = squares.get_many_with([1, 2, 3], |missing| {
    ///     assert_eq!(missing, [1, 3]);
    ///     missing.iter().map(|n| (*n, n * n)).collect::<Vec<_>>()
    /// });
    /// assert_eq!((found[&1], found[&2], found[&3]), (1, 4, 9));
    /// assert_eq!(squares.stats().joins, 0);
    /// # Ok::<(), perf_cache::ConfigError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with).
    #[doc(alias = "get_all")]
    pub fn get_many_with<I>(
        &self,
        keys: impl IntoIterator<Item = K>,
        mut load: impl FnMut(&[K]) -> I,
    ) -> HashMap<K, V>
    where
        I: IntoIterator<Item = (K, V)>,
    {
        match self.try_get_many_with(keys, |missing| Ok::<_, Infallible>(load(missing))) {
            Ok(values) => values,
            Err(never) => match *never {},
        }
    }

    /// Like [`get_many_with`](Cache::get_many_with), for a `load` that may fail.
    ///
    /// # Errors
    ///
    /// The first error that `load`, or the load of another caller, answered for a key that has no
    /// old value to be answered instead. What was loaded besides is in the cache.
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with).
    pub fn try_get_many_with<E, I>(
        &self,
        keys: impl IntoIterator<Item = K>,
        load: impl FnMut(&[K]) -> Result<I, E>,
    ) -> Result<HashMap<K, V>, Arc<E>>
    where
        I: IntoIterator<Item = (K, V)>,
        E: Send + Sync + 'static,
    {
        self.inner.ask_many(|key| self.hash(key), keys, load)
    }

    /// Like [`get_many_with`](Cache::get_many_with), for a future on any runtime; see
    /// [`get_with_async`](Cache::get_with_async).
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with), when polled.
    pub async fn get_many_with_async<F>(
        &self,
        keys: impl IntoIterator<Item = K>,
        mut load: impl FnMut(Vec<K>) -> F,
    ) -> HashMap<K, V>
    where
        F: Future<Output: IntoIterator<Item = (K, V)>>,
    {
        let load = |missing| {
            let load = load(missing);
            async { Ok::<_, Infallible>(load.await) }
        };
        match self.try_get_many_with_async(keys, load).await {
            Ok(values) => values,
            Err(never) => match *never {},
        }
    }

    /// Like [`try_get_many_with`](Cache::try_get_many_with), for a future on any runtime; see
    /// [`get_with_async`](Cache::get_with_async).
    ///
    /// # Errors
    ///
    /// As [`try_get_many_with`](Cache::try_get_many_with).
    ///
    /// # Panics
    ///
    /// As [`get_with`](Cache::get_with), when polled.
    pub async fn try_get_many_with_async<E, I, F>(
        &self,
        keys: impl IntoIterator<Item = K>,
        load: impl FnMut(Vec<K>) -> F,
    ) -> Result<HashMap<K, V>, Arc<E>>
    where
        F: Future<Output = Result<I, E>>,
        I: IntoIterator<Item = (K, V)>,
        E: Send + Sync + 'static,
    {
        self.inner.ask_many_async(|key| self.hash(key), keys, load).await
    }
}

const fn plain<V>(value: V) -> (V, Terms) {
    (value, Terms::new())
}

pub(super) fn perhaps<V>(answer: Option<(V, Terms)>) -> Made<V, Infallible> {
    answer.map_or(Made::Absent, |(value, terms)| Made::Value(value, terms))
}

pub(super) fn sure<V, E>(got: Got<V, E>) -> Result<V, Arc<E>> {
    match got {
        Got::Value(value) => Ok(value),
        Got::Failed(error) => Err(error),
        Got::Absent => unreachable!("it was not asked whether there is a value"),
    }
}

pub(super) fn some<V>(got: Got<V, Infallible>) -> Option<V> {
    match got {
        Got::Value(value) => Some(value),
        Got::Absent => None,
        Got::Failed(never) => match *never {},
    }
}
