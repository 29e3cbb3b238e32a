//! Calls that make a value where no tier has it.

use super::TieredCache;
use super::held::Held;
use super::options::TieredTerms;
use super::seeking::{certain, perhaps, sure};
use crate::{CacheKey, Terms};
use std::convert::Infallible;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

/// Values that are made where no tier has them.
impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The value, from the nearest tier that has it, or made by `load` and put in all of them.
    /// Callers who ask for the same key meanwhile, synchronous or not, wait for this one.
    ///
    /// # Panics
    ///
    /// Where `load` panics, and where `load` asks this cache for this key.
    #[doc(alias = "get_or_fetch")]
    pub fn get_with(&self, key: K, load: impl FnOnce() -> V) -> V {
        self.get_with_terms(key, || (load(), Terms::new()))
    }

    /// Like [`get_with`](TieredCache::get_with), for a `load` that says as well what the entry asks
    /// for: [`Terms`], a [`Strategy`](super::Strategy) or [`TieredTerms`].
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with).
    pub fn get_with_terms<T: Into<TieredTerms>>(&self, key: K, load: impl FnOnce() -> (V, T)) -> V {
        match self.try_get_with_terms(key, || Ok::<_, Infallible>(load())) {
            Ok(value) => value,
            Err(never) => match *never {},
        }
    }

    /// Like [`get_with`](TieredCache::get_with), for a `load` that may fail; the error goes to
    /// everybody who waits for this load.
    ///
    /// # Errors
    ///
    /// What `load` answered, or the `load` of the caller who was first.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with).
    pub fn try_get_with<E>(&self, key: K, load: impl FnOnce() -> Result<V, E>) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        self.try_get_with_terms(key, || load().map(|value| (value, Terms::new())))
    }

    /// Like [`try_get_with`](TieredCache::try_get_with), for a `load` that says as well what the
    /// entry asks for.
    ///
    /// # Errors
    ///
    /// As [`try_get_with`](TieredCache::try_get_with).
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with).
    pub fn try_get_with_terms<E, T>(
        &self,
        key: K,
        load: impl FnOnce() -> Result<(V, T), E>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
        T: Into<TieredTerms>,
    {
        sure(self.core.ask(key, false, || load().into()))
    }

    /// Like [`get_with`](TieredCache::get_with), for a `load` that may find that there is no value.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with).
    pub fn optionally_get_with(&self, key: K, load: impl FnOnce() -> Option<V>) -> Option<V> {
        certain(self.core.ask(key, true, || perhaps(load()))).map(Held::into_value)
    }

    /// Like [`get_with`](TieredCache::get_with), for a future on any runtime. It runs as part of the
    /// returned future; if that is dropped, one of those who wait loads instead.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with), when polled.
    pub async fn get_with_async(&self, key: K, load: impl Future<Output = V>) -> V {
        self.get_with_terms_async(key, async { (load.await, Terms::new()) }).await
    }

    /// Like [`get_with_terms`](TieredCache::get_with_terms), for a future on any runtime.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with), when polled.
    pub async fn get_with_terms_async<T: Into<TieredTerms>>(
        &self,
        key: K,
        load: impl Future<Output = (V, T)>,
    ) -> V {
        let load = async { Ok::<_, Infallible>(load.await) };
        match self.try_get_with_terms_async(key, load).await {
            Ok(value) => value,
            Err(never) => match *never {},
        }
    }

    /// Like [`try_get_with`](TieredCache::try_get_with), for a future on any runtime.
    ///
    /// # Errors
    ///
    /// What `load` answered, or the `load` of the caller who was first.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with), when polled.
    pub async fn try_get_with_async<E>(
        &self,
        key: K,
        load: impl Future<Output = Result<V, E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        let load = async { load.await.map(|value| (value, Terms::new())) };
        self.try_get_with_terms_async(key, load).await
    }

    /// Like [`try_get_with_terms`](TieredCache::try_get_with_terms), for a future on any runtime.
    ///
    /// # Errors
    ///
    /// As [`try_get_with_async`](TieredCache::try_get_with_async).
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with), when polled.
    pub async fn try_get_with_terms_async<E, T>(
        &self,
        key: K,
        load: impl Future<Output = Result<(V, T), E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
        T: Into<TieredTerms>,
    {
        sure(self.core.ask_async(key, false, async { load.await.into() }).await)
    }

    /// Like [`optionally_get_with`](TieredCache::optionally_get_with), for a future on any runtime.
    ///
    /// # Panics
    ///
    /// As [`get_with`](TieredCache::get_with), when polled.
    pub async fn optionally_get_with_async(
        &self,
        key: K,
        load: impl Future<Output = Option<V>>,
    ) -> Option<V> {
        let found = self.core.ask_async(key, true, async { perhaps(load.await) }).await;
        certain(found).map(Held::into_value)
    }
}
