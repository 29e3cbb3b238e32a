//! How a cache is made.

use crate::budget::Budget;
use crate::inner::{Defaults, Inner, Weigher};
use crate::loading::LoadOptions;
use crate::lru::entry_overhead;
use crate::shard::Shard;
use crate::{Cache, ConfigError};
use hashbrown::DefaultHashBuilder;
use perf_core::{ByteSize, Clock, Ratio};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Makes a [`Cache`].
///
/// One bound is needed, [`max_entries`](CacheBuilder::max_entries) or
/// [`max_bytes`](CacheBuilder::max_bytes); all else has a default.
#[must_use]
pub struct CacheBuilder<K, V> {
    name: String,
    max_entries: Option<u64>,
    max_bytes: Option<ByteSize>,
    weigher: Option<Weigher<K, V>>,
    ttl: Duration,
    jitter: Ratio,
    clock: Clock,
    shards: Option<usize>,
    pub(crate) loading: LoadOptions<K>,
}

impl<K, V> CacheBuilder<K, V> {
    pub(crate) fn new() -> CacheBuilder<K, V> {
        CacheBuilder {
            name: "cache".to_owned(),
            max_entries: None,
            max_bytes: None,
            weigher: None,
            ttl: Duration::ZERO,
            jitter: Ratio::ZERO,
            clock: Clock::system(),
            shards: None,
            loading: LoadOptions::new(),
        }
    }

    /// What the cache is called where several are shown. `cache` if not set.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Holds at most so many entries.
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.max_entries = Some(entries);
        self
    }

    /// Holds at most so many bytes, as the [`weigher`](CacheBuilder::weigher) counts them.
    pub fn max_bytes(mut self, bytes: ByteSize) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// How many bytes an entry takes, asked once when it comes in.
    ///
    /// Count what key and value own on the heap, and [`Cache::ENTRY_OVERHEAD`] for everything
    /// else. Called outside of any lock.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u64 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Box::new(weigher));
        self
    }

    /// How long entries live that come in without a time to live of their own. Zero, the default:
    /// for ever.
    #[doc(alias = "ttl")]
    pub fn time_to_live(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Shortens the cache's time to live for each entry by a random share, at most this one, so
    /// that entries that came together do not leave together. Times to live that are given for one
    /// entry stay exact. Zero is the default.
    pub fn jitter(mut self, jitter: Ratio) -> Self {
        self.jitter = jitter;
        self
    }

    /// Where the time comes from. The system if not set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many parts are locked separately: a power of two, at most 1024.
    ///
    /// Not set: four for each core, but fewer where that would leave a shard less than 64 entries
    /// or 256 KiB. With one shard the order of eviction is exact.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Makes the cache.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] without a bound, with a bound of zero, with a bound on bytes but no weigher,
    /// with a number of shards that is no power of two up to 1024, and with settings for
    /// loaders that contradict each other.
    pub fn build(self) -> Result<Cache<K, V>, ConfigError> {
        match (self.max_entries, self.max_bytes) {
            (None, None) => {
                let remedy = "set `max_entries`, or `max_bytes` with a `weigher`";
                return Err(ConfigError::new("max_entries", "unbounded", remedy));
            }
            (Some(0), _) => return Err(ConfigError::new("max_entries", 0, "use 1 or more")),
            (_, Some(bytes)) if bytes.as_u64() == 0 => {
                return Err(ConfigError::new("max_bytes", bytes, "use 1 B or more"));
            }
            (_, Some(bytes)) if self.weigher.is_none() => {
                let remedy = "it needs a `weigher` that says how many bytes an entry takes";
                return Err(ConfigError::new("max_bytes", bytes, remedy));
            }
            _ => {}
        }
        self.loading.check()?;
        let max_bytes = self.max_bytes.map(ByteSize::as_u64);
        let shards = match self.shards {
            Some(n) if n.is_power_of_two() && n <= MAX_SHARDS => n,
            Some(n) => {
                return Err(ConfigError::new("shards", n, "use a power of two from 1 to 1024"));
            }
            None => default_shards(self.max_entries, max_bytes),
        };
        let since = self.clock.now().as_nanos();
        let ttl = u64::try_from(self.ttl.as_nanos()).unwrap_or(u64::MAX);
        let defaults = Defaults {
            capacity: max_bytes.or(self.max_entries).unwrap_or(u64::MAX),
            ttl: Duration::from_nanos(ttl),
        };
        Ok(Cache::new(Arc::new(Inner {
            name: self.name,
            clock: self.clock,
            weigher: self.weigher,
            jitter: self.jitter.as_f64(),
            default_weight: entry_overhead::<K, V>() as u64,
            entries: Budget::new(self.max_entries),
            bytes: Budget::new(max_bytes),
            ttl: AtomicU64::new(ttl),
            since: AtomicU64::new(since),
            settings: Mutex::new(defaults),
            loading: self.loading,
            hasher: DefaultHashBuilder::default(),
            shards: std::iter::repeat_with(Shard::new).take(shards).collect(),
        })))
    }
}

fn default_shards(max_entries: Option<u64>, max_bytes: Option<u64>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wanted = (4 * cores).next_power_of_two().min(MAX_SHARDS);
    let sensible = max_entries.map_or(u64::MAX, |n| n / MIN_SHARD_ENTRIES);
    let sensible = sensible.min(max_bytes.map_or(u64::MAX, |n| n / MIN_SHARD_BYTES));
    let sensible = usize::try_from(sensible).unwrap_or(usize::MAX).max(1);
    wanted.min(1 << sensible.ilog2())
}

const MAX_SHARDS: usize = 1024;
/// Fewer entries than this cost hit ratio, since each shard evicts by its own order.
const MIN_SHARD_ENTRIES: u64 = 64;
const MIN_SHARD_BYTES: u64 = 256 << 10;

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("name", &self.name)
            .field("max_entries", &self.max_entries)
            .field("max_bytes", &self.max_bytes)
            .field("time_to_live", &self.ttl)
            .field("jitter", &self.jitter)
            .field("shards", &self.shards)
            .field("loading", &self.loading)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_caches_have_few_shards() {
        assert_eq!(default_shards(Some(1), None), 1);
        assert_eq!(default_shards(Some(127), None), 1);
        assert!(default_shards(Some(128), None) <= 2);
        assert_eq!(default_shards(Some(1 << 40), Some(1 << 18)), 1);
        assert!(default_shards(Some(1 << 40), None).is_power_of_two());
    }
}
