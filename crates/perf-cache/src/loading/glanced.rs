//! Lookups in two steps: the key that a load needs is made only where there is no value.

use super::faces::{perhaps, some, sure};
use super::start::{Asked, Glance};
use crate::{Cache, Terms};
use equivalent::Equivalent;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// A lookup that has found no value to be answered as it is, and is to be gone on with.
pub struct Glanced<V>(Asked<V>);

impl<V> fmt::Debug for Glanced<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Glanced")
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> Cache<K, V, S> {
    /// Looks for the value. One that is due to be loaded anew counts as none.
    #[inline]
    pub(crate) fn glance<Q>(&self, key: &Q) -> Result<V, Glanced<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hash(key);
        match self.inner.glance(hash, key) {
            Glance::Hit(value) => Ok(value),
            glance => Err(Glanced(Asked::new(hash, glance))),
        }
    }

    /// Goes on like [`try_get_with_terms`](Cache::try_get_with_terms). The key must equal that of
    /// the lookup.
    pub(crate) fn go_on<E>(
        &self,
        Glanced(asked): Glanced<V>,
        key: K,
        load: impl FnOnce() -> Result<(V, Terms), E>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        sure(self.inner.ask_further(asked, key, false, || load().into()))
    }

    /// The same for a future.
    pub(crate) async fn go_on_async<E>(
        &self,
        Glanced(asked): Glanced<V>,
        key: K,
        load: impl Future<Output = Result<(V, Terms), E>>,
    ) -> Result<V, Arc<E>>
    where
        E: Send + Sync + 'static,
    {
        sure(self.inner.ask_further_async(asked, key, false, async { load.await.into() }).await)
    }

    /// Goes on like [`optionally_get_with_terms`](Cache::optionally_get_with_terms).
    pub(crate) fn go_on_optionally(
        &self,
        Glanced(asked): Glanced<V>,
        key: K,
        load: impl FnOnce() -> Option<(V, Terms)>,
    ) -> Option<V> {
        some(self.inner.ask_further(asked, key, true, || perhaps(load())))
    }

    /// The same for a future.
    pub(crate) async fn go_on_optionally_async(
        &self,
        Glanced(asked): Glanced<V>,
        key: K,
        load: impl Future<Output = Option<(V, Terms)>>,
    ) -> Option<V> {
        let load = async { perhaps(load.await) };
        some(self.inner.ask_further_async(asked, key, true, load).await)
    }
}
