//! Warming a cache in memory.

use super::{WarmReport, WarmUp, Warmed};
use crate::{Cache, Terms};
use std::future::Future;
use std::hash::{BuildHasher, Hash};

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> Cache<K, V, S> {
    /// Loads keys before they are asked for, in their order: see [`warming`](crate::warming). A key
    /// that the cache has is skipped; whoever asks for a key that is being loaded waits for that.
    /// Counts no lookups.
    ///
    /// Where there is not room for all, those that come last take the place of others, so give no
    /// more than fit.
    pub fn warm<E>(
        &self,
        up: &WarmUp,
        keys: impl IntoIterator<Item = K, IntoIter: Send>,
        load: impl Fn(&K) -> Result<(V, Terms), E> + Sync,
    ) -> WarmReport
    where
        K: Send + Sync,
        V: Send + Sync,
        S: Sync,
        E: Send + Sync + 'static,
    {
        up.run(&self.inner.clock, keys, |key| {
            warmed(self.inner.load_unasked(self.hash(&key), &key, || load(&key)))
        })
    }

    /// The same with futures, on any runtime; see [`WarmUp::run_async`].
    pub async fn warm_async<E, F>(
        &self,
        up: &WarmUp,
        keys: impl IntoIterator<Item = K>,
        load: impl Fn(K) -> F,
    ) -> WarmReport
    where
        F: Future<Output = Result<(V, Terms), E>>,
        E: Send + Sync + 'static,
    {
        let load = &load;
        let warm = |key: K| async move {
            let made = async { load(key.clone()).await };
            warmed(self.inner.load_unasked_async(self.hash(&key), &key, made).await)
        };
        up.run_async(&self.inner.clock, keys, warm).await
    }
}

const fn warmed(loaded: Option<bool>) -> Warmed {
    match loaded {
        Some(true) => Warmed::Loaded,
        Some(false) => Warmed::Failed,
        None => Warmed::Skipped,
    }
}
