//! How a cache that loads ahead is made.

use super::super::Prefetch;
use super::Prefetching;
use super::ahead::{Defaults, Shared, in_units};
use crate::{Cache, ConfigError, Spawn, Terms, Threads};
use hashbrown::DefaultHashBuilder;
use perf_core::Ratio;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

/// Makes a [`Prefetching`].
#[must_use]
pub struct PrefetchingBuilder<K, V, S = DefaultHashBuilder> {
    cache: Cache<K, V, S>,
    budget: f64,
    least_precision: Option<Ratio>,
    rows: Option<usize>,
    patience: Option<u64>,
    max_loads: u64,
    spawner: Option<Arc<dyn Spawn>>,
}

impl<K, V, S> PrefetchingBuilder<K, V, S> {
    pub(super) const fn new(cache: Cache<K, V, S>) -> PrefetchingBuilder<K, V, S> {
        PrefetchingBuilder {
            cache,
            budget: BUDGET,
            least_precision: None,
            rows: None,
            patience: None,
            max_loads: MAX_LOADS,
            spawner: None,
        }
    }

    /// The share of the cache that may be taken by what was loaded ahead and not asked for yet, in
    /// bytes where those are bounded, else in entries; a twentieth if not set.
    pub fn budget(mut self, share: Ratio) -> Self {
        self.budget = share.as_f64();
        self
    }

    /// See [`PrefetchBuilder::least_precision`](super::super::PrefetchBuilder::least_precision).
    pub fn least_precision(mut self, share: Ratio) -> Self {
        self.least_precision = Some(share);
        self
    }

    /// See [`PrefetchBuilder::rows`](super::super::PrefetchBuilder::rows).
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows = Some(rows);
        self
    }

    /// See [`PrefetchBuilder::patience`](super::super::PrefetchBuilder::patience).
    pub fn patience(mut self, requests: u64) -> Self {
        self.patience = Some(requests);
        self
    }

    /// How many loads ahead there may be under way; 16 if not set. What is advised beyond that is
    /// not loaded, which is counted. They do not count among the cache's own
    /// [background loads](crate::CacheBuilder::max_background_loads).
    pub fn max_loads(mut self, loads: u64) -> Self {
        self.max_loads = loads;
        self
    }

    /// Where loads ahead run. That of the cache if not set, and [`Threads`] if that has none either:
    /// then each takes some 20 µs of the request that it follows.
    pub fn spawner(mut self, spawner: impl Spawn + 'static) -> Self {
        self.spawner = Some(Arc::new(spawner));
        self
    }

    /// Makes it, with a loader that is a function, for [`Prefetching::get`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with a budget of zero or above a half, without room for a load, and as
    /// [`PrefetchBuilder::build`](super::super::PrefetchBuilder::build).
    pub fn load<E, L>(self, load: L) -> Result<Prefetching<K, V, L, S>, ConfigError>
    where
        K: Hash + Eq + Clone,
        L: Fn(&K) -> Result<(V, Terms), E> + Send + Sync + 'static,
    {
        self.build(load)
    }

    /// Makes it, with a loader that answers futures, for [`Prefetching::get_async`].
    ///
    /// # Errors
    ///
    /// As [`load`](PrefetchingBuilder::load).
    pub fn load_async<E, F, L>(self, load: L) -> Result<Prefetching<K, V, L, S>, ConfigError>
    where
        K: Hash + Eq + Clone,
        L: Fn(K) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(V, Terms), E>> + Send + 'static,
    {
        self.build(load)
    }

    fn build<L>(self, load: L) -> Result<Prefetching<K, V, L, S>, ConfigError>
    where
        K: Hash + Eq + Clone,
    {
        if self.budget <= 0.0 || self.budget > MOST_BUDGET {
            let remedy = "use up to a half of the cache, as 0.05";
            return Err(ConfigError::new("budget", self.budget, remedy));
        }
        if self.max_loads == 0 {
            return Err(ConfigError::new("max_loads", 0, "use some, as 16"));
        }
        let mut builder = Prefetch::builder(in_units(&self.cache, self.budget));
        if let Some(share) = self.least_precision {
            builder = builder.least_precision(share);
        }
        if let Some(rows) = self.rows {
            builder = builder.rows(rows);
        }
        if let Some(patience) = self.patience {
            builder = builder.patience(patience);
        }
        let inner = &self.cache.inner;
        let own = || inner.loading.spawner.clone();
        let spawner = self.spawner.or_else(own).unwrap_or_else(|| Arc::new(Threads));
        let prefetch: Prefetch<K> = builder.build()?;
        let least_precision = prefetch.least_precision().as_f64();
        let defaults = Defaults { budget: self.budget, least_precision };
        let since = inner.clock.now();
        let shared = Shared::new(prefetch, spawner, self.max_loads, defaults, since);
        Ok(Prefetching { load: Arc::new(load), shared: Arc::new(shared), cache: self.cache })
    }
}

impl<K, V, S> fmt::Debug for PrefetchingBuilder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefetchingBuilder")
            .field("cache", &self.cache)
            .field("budget", &self.budget)
            .field("max_loads", &self.max_loads)
            .finish_non_exhaustive()
    }
}

const BUDGET: f64 = 0.05;
pub(super) const MOST_BUDGET: f64 = 0.5;
const MAX_LOADS: u64 = 16;
