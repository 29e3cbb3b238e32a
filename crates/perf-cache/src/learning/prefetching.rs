//! A cache with a loader that loads ahead.

mod ahead;
mod builder;
mod component;

use super::{Prefetch, PrefetchStats};
use crate::{Cache, LoadError, Terms, Work};
use ahead::{Errand, Shared};
pub use builder::PrefetchingBuilder;
use hashbrown::DefaultHashBuilder;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// A [`Cache`] with a loader, which loads what [`Prefetch`] advises before it is asked for.
///
/// It knows of the requests that are made through it. What it loads ahead is loaded in the
/// background, by the cache's [`spawner`](crate::CacheBuilder::spawner) if it has one; whoever asks
/// meanwhile waits for that load. What was loaded in vain leaves the cache again. Where less than
/// half of what is loaded ahead is used, [`Prefetch`] stops that but for a few trials.
///
/// ```
/// use perf_cache::learning::Prefetching;
/// use perf_cache::{Cache, LoadError, Terms, Work};
/// use std::io;
///
/// let cache = Cache::builder()
///     .max_entries(100)
///     // Here on the thread that asks; else leave it out, or give a runtime.
///     .spawner(|work: Work| work.run())
///     .build()?;
/// let files = Prefetching::builder(cache).load(|path: &String| {
///     Ok::<_, io::Error>((format!("what is in {path}"), Terms::new()))
/// })?;
///
/// for path in ["page", "style", "page", "style"] {
///     files.get(&path.to_owned())?;
///     files.cache().remove(path);
/// }
/// files.get(&"page".to_owned())?;
/// assert!(files.cache().contains("style"), "loaded ahead");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A loader is a function that answers a value with its [`Terms`] or an error, or the future of one:
/// [`get`](Prefetching::get) is there for the former, [`get_async`](Prefetching::get_async) for the
/// latter. A clone is a handle to the same.
///
/// Each request takes a lock for the time that [`Prefetch::request`] takes; a request that finds it
/// taken goes on without being noted, which is counted. So the cost of a hit grows by some hundred
/// nanoseconds, and requests of many threads at once teach less. Keys are hashed, compared and cloned
/// under that lock.
///
/// As a [`Component`](perf_core::Component) it has the signals and knobs of its cache beside its own,
/// so register it instead of the cache.
pub struct Prefetching<K, V, L, S = DefaultHashBuilder> {
    cache: Cache<K, V, S>,
    load: Arc<L>,
    shared: Arc<Shared<K>>,
}

impl<K, V, S> Prefetching<K, V, (), S> {
    /// Starts making one, over a cache that has a bound on entries or bytes.
    pub fn builder(cache: Cache<K, V, S>) -> PrefetchingBuilder<K, V, S> {
        PrefetchingBuilder::new(cache)
    }
}

impl<K, V, L, S> Prefetching<K, V, L, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    L: Send + Sync + 'static,
    S: BuildHasher + Clone + Send + Sync + 'static,
{
    /// The value, loaded where there is none, as by [`Cache::fetch`].
    ///
    /// # Errors
    ///
    /// [`LoadError`], as [`Cache::fetch`].
    ///
    /// # Panics
    ///
    /// As [`Cache::fetch`].
    pub fn get<E>(&self, key: &K) -> Result<V, LoadError<E>>
    where
        L: Fn(&K) -> Result<(V, Terms), E>,
        E: Send + Sync + 'static,
    {
        let hash = self.cache.hash(key);
        let found = self.cache.inner.glance_fetched(hash, key);
        let was_held = found.as_ref().err().is_none_or(|asked| asked.has_value());
        for errand in self.errands(hash, key, was_held) {
            let load = Arc::clone(&self.load);
            let run = move || errand.run(|key| load(key));
            self.shared.spawner().spawn(Work::Blocking(Box::new(run)));
        }
        match found {
            Ok(value) => Ok(value),
            Err(asked) => {
                let (load, own) = (Arc::clone(&self.load), key.clone());
                self.cache.fetch_further(key.clone(), asked, move || load(&own))
            }
        }
    }

    /// The value, loaded where there is none, as by [`Cache::fetch_async`].
    ///
    /// # Errors
    ///
    /// [`LoadError`], as [`Cache::fetch`].
    ///
    /// # Panics
    ///
    /// As [`Cache::fetch`], when polled.
    pub async fn get_async<E, F>(&self, key: &K) -> Result<V, LoadError<E>>
    where
        L: Fn(K) -> F,
        F: Future<Output = Result<(V, Terms), E>> + Send + 'static,
        E: Send + Sync + 'static,
    {
        let hash = self.cache.hash(key);
        let found = self.cache.inner.glance_fetched(hash, key);
        let was_held = found.as_ref().err().is_none_or(|asked| asked.has_value());
        for errand in self.errands(hash, key, was_held) {
            let load = Arc::clone(&self.load);
            let run = async move { errand.run_async(|key| load(key)).await };
            self.shared.spawner().spawn(Work::Future(Box::pin(run)));
        }
        match found {
            Ok(value) => Ok(value),
            Err(asked) => {
                let (load, own) = (Arc::clone(&self.load), key.clone());
                // Called where it runs, as in the background.
                let load = async move { load(own).await };
                self.cache.fetch_further_async(key.clone(), asked, load).await
            }
        }
    }

    /// What is to be loaded ahead after this request, as far as there is room.
    fn errands(&self, hash: u64, key: &K, was_held: bool) -> Vec<Errand<K, V, S>> {
        let advised = self.shared.note(&self.cache, hash, key, was_held);
        let errand = |key| Errand::begin(&self.cache, &self.shared, key);
        advised.into_iter().filter_map(errand).collect()
    }
}

impl<K, V, L, S> Prefetching<K, V, L, S> {
    /// The cache, for everything else. Reads that are made there are not noted.
    #[must_use]
    pub const fn cache(&self) -> &Cache<K, V, S> {
        &self.cache
    }

    /// What became of what was loaded ahead.
    #[must_use]
    pub fn prefetch_stats(&self) -> PrefetchStats {
        self.with(Prefetch::stats)
    }

    /// Shows what was learned to a closure, under the lock.
    pub fn with<R>(&self, look: impl FnOnce(&Prefetch<K>) -> R) -> R {
        look(&self.shared.prefetch())
    }

    /// Requests that were not noted, because another one was being noted at that moment.
    #[must_use]
    pub fn unnoted(&self) -> u64 {
        self.shared.unnoted()
    }

    /// Loads that were advised and not begun, because as many as there may be were under way.
    #[must_use]
    pub fn crowded_out(&self) -> u64 {
        self.shared.crowded_out()
    }

    /// Whether anything is loaded ahead.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.shared.is_enabled()
    }

    /// Turns loading ahead off or on again. Off, a request costs what it costs the cache, and what
    /// was loaded ahead is forgotten, not dropped; what was learned stays.
    pub fn set_enabled(&self, on: bool) {
        self.shared.set_enabled(on);
    }
}

impl<K, V, L, S: Clone> Clone for Prefetching<K, V, L, S> {
    fn clone(&self) -> Prefetching<K, V, L, S> {
        Prefetching {
            cache: self.cache.clone(),
            load: Arc::clone(&self.load),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<K, V, L, S> fmt::Debug for Prefetching<K, V, L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefetching")
            .field("cache", &self.cache)
            .field("prefetch", &*self.shared.prefetch())
            .field("is_enabled", &self.is_enabled())
            .finish_non_exhaustive()
    }
}
