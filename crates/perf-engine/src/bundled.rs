//! The cache and the operations manager that an optimizer brings along.

use crate::optimizer::{OptimizerBuilder, PerformanceOptimizer};
use crate::registry::Registry;
use perf_core::Component;
use std::sync::{Arc, OnceLock};

#[cfg(feature = "operations")]
use perf_async::{BatchError, ConfigError, Handle, Manager, Operation, Refused, Work};
#[cfg(feature = "cache")]
use perf_core::{ByteSize, Clock, Glob};
#[cfg(feature = "operations")]
use std::borrow::Cow;
use std::time::Duration;

/// The cache that an optimizer brings along: bytes by name.
#[cfg(feature = "cache")]
pub type BytesCache = perf_cache::Cache<String, Arc<[u8]>>;

#[cfg(feature = "cache")]
impl OptimizerBuilder {
    /// The cache of [`PerformanceOptimizer::cache`], registered as `cache`. By default it is made
    /// when it is first asked for: 100 MiB for an hour.
    #[must_use]
    pub fn cache(mut self, cache: BytesCache) -> OptimizerBuilder {
        self.bundled.cache = OnceLock::from(Arc::new(cache));
        self
    }
}

#[cfg(feature = "cache")]
impl PerformanceOptimizer {
    /// A cache of bytes by name, registered as `cache`. If another component has taken that name
    /// it works all the same, unwatched.
    pub fn cache(&self) -> &BytesCache {
        let engine = self.engine();
        let cache = engine.bundled.cache.get_or_init(|| {
            let cache = Arc::new(default_cache(engine.clock().clone()));
            watch(engine.registry(), CACHE, &cache);
            cache
        });
        cache.as_ref()
    }

    /// What the cache holds under a key.
    #[must_use]
    pub fn get_from_cache(&self, key: &str) -> Option<Arc<[u8]>> {
        self.cache().get(key)
    }

    /// Puts bytes in the cache, for so long or for as long as the cache keeps its entries.
    pub fn set_in_cache(
        &self,
        key: impl Into<String>,
        value: impl Into<Arc<[u8]>>,
        time_to_live: Option<Duration>,
    ) {
        match time_to_live {
            Some(ttl) => self.cache().insert_with_ttl(key.into(), value.into(), ttl),
            None => self.cache().insert(key.into(), value.into()),
        }
    }

    /// Removes every entry whose key matches, and answers how many there were. O(entries).
    pub fn invalidate_cache(&self, keys: &Glob) -> u64 {
        self.cache().retain(|key, _| !keys.matches(key))
    }
}

#[cfg(feature = "cache")]
fn default_cache(clock: Clock) -> BytesCache {
    let own = size_of::<String>() as u64 + BytesCache::ENTRY_OVERHEAD;
    perf_cache::Cache::builder()
        .name(CACHE)
        .max_bytes(ByteSize::from_bytes(100 << 20))
        .weigher(move |key: &String, value: &Arc<[u8]>| own + (key.len() + value.len()) as u64)
        .time_to_live(Duration::from_secs(3600))
        .clock(clock)
        .build()
        .expect("these settings are within their bounds")
}

#[cfg(feature = "operations")]
impl OptimizerBuilder {
    /// The manager of [`PerformanceOptimizer::operations`], registered as `operations`. By default
    /// it is made with its defaults when it is first asked for.
    #[must_use]
    pub fn operations(mut self, operations: Manager) -> OptimizerBuilder {
        self.bundled.operations = OnceLock::from(Arc::new(operations));
        self
    }
}

#[cfg(feature = "operations")]
impl PerformanceOptimizer {
    /// A manager of asynchronous operations, registered as `operations`. If another component has
    /// taken that name it works all the same, unwatched.
    pub fn operations(&self) -> &Manager {
        let engine = self.engine();
        let operations = engine.bundled.operations.get_or_init(|| {
            let manager = Arc::new(default_operations());
            watch(engine.registry(), OPERATIONS, &manager);
            manager
        });
        operations.as_ref()
    }

    /// Starts an operation, or queues it if too many run.
    ///
    /// # Errors
    ///
    /// [`Refused`] if as many wait as may, or the manager was closed.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn queue_operation<T, W>(&self, operation: Operation<T, W>) -> Result<Handle<T>, Refused>
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        self.operations().submit(operation)
    }

    /// Hands the items of a kind that [batches](Manager::enable_batching) over together: all of
    /// them, or none if there is no room for all. Answers a handle for each, in their order; `T` is
    /// what the kind's handler answers for one.
    ///
    /// # Errors
    ///
    /// [`BatchError`] if the kind does not batch, its handler works with other types, or as many
    /// operations wait as may. The items are dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn batch_operations<T, I>(
        &self,
        kind: impl Into<Cow<'static, str>>,
        items: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Handle<T>>, BatchError>
    where
        T: Send + 'static,
        I: Send + 'static,
    {
        self.operations().submit_items(kind, items)
    }

    /// Sets how long after an operation of that kind started the next one may; zero takes the
    /// throttle away. Operations that come sooner wait in the queue, and keep nobody of another
    /// kind waiting. For rates and bursts see
    /// [`KindSettings::throttle`](perf_async::KindSettings::throttle).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the time is out of bounds; nothing has changed then.
    #[doc(alias = "set_async_throttle_ms")]
    pub fn set_async_throttle(
        &self,
        kind: impl Into<Cow<'static, str>>,
        spacing: Duration,
    ) -> Result<(), ConfigError> {
        self.operations().set_operation_throttle(kind, spacing)
    }

    /// How many operations wait for their turn.
    #[must_use]
    pub fn pending_operations_count(&self) -> usize {
        self.operations().pending_count()
    }
}

#[cfg(feature = "operations")]
fn default_operations() -> Manager {
    Manager::builder().name(OPERATIONS).build().expect("the defaults are within their bounds")
}

/// What comes along, once it is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bundled {
    #[cfg(feature = "cache")]
    cache: OnceLock<Arc<BytesCache>>,
    #[cfg(feature = "operations")]
    operations: OnceLock<Arc<Manager>>,
}

impl Bundled {
    /// Registers what was given to the builder.
    pub(crate) fn watch(&self, registry: &Registry) {
        #[cfg(feature = "cache")]
        if let Some(cache) = self.cache.get() {
            watch(registry, CACHE, cache);
        }
        #[cfg(feature = "operations")]
        if let Some(operations) = self.operations.get() {
            watch(registry, OPERATIONS, operations);
        }
    }
}

/// A name that is taken is no reason to refuse work: see the accessors.
fn watch<C: Component + 'static>(registry: &Registry, name: &str, component: &Arc<C>) {
    let component = Arc::clone(component) as Arc<dyn Component>;
    registry.register(name, Arc::downgrade(&component)).unwrap_or_default();
}

#[cfg(feature = "cache")]
const CACHE: &str = "cache";
#[cfg(feature = "operations")]
const OPERATIONS: &str = "operations";
