//! How such a cache is made.

use super::PlainCache;
use super::inner::{Defaults, Inner, Lookups};
use super::shard::Shard;
use super::words::Plain;
use crate::budget::Budget;
use crate::builder::{MAX_SHARDS, default_shards};
use crate::choosing::Choosing;
use crate::inner::SAMPLE_NONE;
use crate::policy::PolicyKind;
use crate::ruling::Ruling;
use crate::{Capacity, ConfigError};
use hashbrown::DefaultHashBuilder;
use perf_core::{ByteSize, Clock, Ratio, Stripes};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Makes a [`PlainCache`].
///
/// One bound is needed, [`max_entries`](PlainCacheBuilder::max_entries) or
/// [`max_bytes`](PlainCacheBuilder::max_bytes); all else has a default.
#[must_use]
pub struct PlainCacheBuilder<K, V, S = DefaultHashBuilder> {
    name: String,
    capacity: Capacity,
    policy: PolicyKind,
    ttl: Duration,
    jitter: Ratio,
    clock: Clock,
    shards: Option<usize>,
    hasher: S,
    pair: PhantomData<fn() -> (K, V)>,
}

impl<K, V> PlainCacheBuilder<K, V> {
    pub(super) fn new() -> PlainCacheBuilder<K, V> {
        PlainCacheBuilder {
            name: "cache".to_owned(),
            capacity: Capacity::default(),
            policy: PolicyKind::Adaptive,
            ttl: Duration::ZERO,
            jitter: Ratio::ZERO,
            clock: Clock::system(),
            shards: None,
            hasher: DefaultHashBuilder::default(),
            pair: PhantomData,
        }
    }
}

impl<K, V, S> PlainCacheBuilder<K, V, S> {
    /// What the cache is called where several are shown. `cache` if not set.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Holds at most so many entries.
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.capacity.entries = Some(entries);
        self
    }

    /// Holds at most as many entries as fit, at
    /// [`ENTRY_BYTES`](PlainCache::ENTRY_BYTES) each; at least one.
    pub fn max_bytes(mut self, bytes: ByteSize) -> Self {
        self.capacity.bytes = Some(bytes);
        self
    }

    /// By which policy entries leave. [`PolicyKind::Adaptive`] if not set.
    pub fn policy(mut self, policy: PolicyKind) -> Self {
        self.policy = policy;
        self
    }

    /// How long entries live that come in without a time to live of their own. Zero, the default:
    /// for ever.
    #[doc(alias = "ttl")]
    pub fn time_to_live(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Shortens the cache's time to live for each entry by a random share, at most this one. Times
    /// to live that are given for one entry stay exact. Zero is the default.
    pub fn jitter(mut self, jitter: Ratio) -> Self {
        self.jitter = jitter;
        self
    }

    /// Where the time comes from. The system if not set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many parts are locked separately by those who write: a power of two, at most 1024.
    ///
    /// Not set: four for each core, but fewer where that would leave a shard less than 64 entries.
    /// With one shard the order of eviction is exact.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// How keys are hashed. All 64 bits are used: a hasher that leaves some of them alone makes a
    /// slow cache. Not set: a fast one with a seed of its own in each cache.
    pub fn hasher<T: BuildHasher>(self, hasher: T) -> PlainCacheBuilder<K, V, T> {
        PlainCacheBuilder {
            name: self.name,
            capacity: self.capacity,
            policy: self.policy,
            ttl: self.ttl,
            jitter: self.jitter,
            clock: self.clock,
            shards: self.shards,
            hasher,
            pair: PhantomData,
        }
    }
}

impl<K: Plain + Hash + Eq, V: Plain, S: BuildHasher> PlainCacheBuilder<K, V, S> {
    /// Makes the cache.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] without a bound, with a bound of zero, and with a number of shards that is no
    /// power of two up to 1024.
    pub fn build(self) -> Result<PlainCache<K, V, S>, ConfigError> {
        if self.capacity.entries == Some(0) {
            return Err(ConfigError::new("max_entries", 0, "use 1 or more"));
        }
        if let Some(bytes) = self.capacity.bytes.filter(|bytes| bytes.as_u64() == 0) {
            return Err(ConfigError::new("max_bytes", bytes, "use 1 B or more"));
        }
        let Some(entries) = PlainCache::<K, V, S>::entries_of(self.capacity) else {
            let remedy = "set `max_entries` or `max_bytes`";
            return Err(ConfigError::new("max_entries", "unbounded", remedy));
        };
        let entries = entries.max(1);
        let shards = match self.shards {
            Some(n) if n.is_power_of_two() && n <= MAX_SHARDS => n,
            Some(n) => {
                return Err(ConfigError::new("shards", n, "use a power of two from 1 to 1024"));
            }
            None => default_shards(Some(entries), None),
        };
        let since = self.clock.now().as_nanos();
        let ttl = u64::try_from(self.ttl.as_nanos()).unwrap_or(u64::MAX);
        let share = entries.div_ceil(shards as u64);
        let mut hits = 0;
        let shards = (0..shards).map(|seed| {
            let policy = Ruling::of(self.policy, seed as u64);
            hits = Inner::<K, V, S>::noted(&policy);
            // Keys are not spread evenly: three times the root of its share is what one shard in
            // a thousand has more.
            Shard::new(policy, if shards == 1 { share } else { share + 3 * share.isqrt() })
        });
        let shards = shards.collect();
        let inner = Inner {
            shards,
            hasher: self.hasher,
            hits: AtomicU64::new(hits),
            sample_mask: AtomicU64::new(SAMPLE_NONE),
            choosing: Choosing::new(false, 1),
            lookups: Stripes::default(),
            clock: self.clock,
            name: self.name,
            jitter: self.jitter.as_f64(),
            entries: Budget::new(Some(entries)),
            bytes: Budget::new(None),
            ttl: AtomicU64::new(ttl),
            since: AtomicU64::new(since),
            shared_lookups: Lookups::default(),
            settings: Mutex::new(Defaults {
                capacity: entries,
                ttl: Duration::from_nanos(ttl),
                policy: self.policy,
                before: (0, 0),
            }),
        };
        inner.expect_entries(self.policy);
        Ok(PlainCache::new(inner))
    }
}

impl<K, V, S> fmt::Debug for PlainCacheBuilder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlainCacheBuilder")
            .field("name", &self.name)
            .field("capacity", &self.capacity)
            .field("policy", &self.policy)
            .field("time_to_live", &self.ttl)
            .field("jitter", &self.jitter)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}
