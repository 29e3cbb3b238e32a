//! How such a cache is made.

use super::PlainCache;
use super::inner::{Defaults, Inner, Lookups};
use super::shard::Shard;
use super::words::Plain;
use crate::budget::Budget;
use crate::builder::{Basics, MADE_AT_ONCE};
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
    basics: Basics<S>,
    policy: PolicyKind,
    pair: PhantomData<fn() -> (K, V)>,
}

impl<K, V> PlainCacheBuilder<K, V> {
    pub(super) fn new() -> PlainCacheBuilder<K, V> {
        PlainCacheBuilder { basics: Basics::new(), policy: PolicyKind::Adaptive, pair: PhantomData }
    }
}

impl<K, V, S> PlainCacheBuilder<K, V, S> {
    /// What the cache is called where several are shown. `cache` if not set.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.basics.name = name.into();
        self
    }

    /// Holds at most so many entries, no more than 4 294 967 295.
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.basics.capacity.entries = Some(entries);
        self
    }

    /// Holds at most as many entries as fit, at
    /// [`ENTRY_BYTES`](PlainCache::ENTRY_BYTES) each; at least one.
    pub fn max_bytes(mut self, bytes: ByteSize) -> Self {
        self.basics.capacity.bytes = Some(bytes);
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
        self.basics.ttl = ttl;
        self
    }

    /// Shortens the cache's time to live for each entry by a random share, at most this one. Times
    /// to live that are given for one entry stay exact. Zero is the default.
    pub fn jitter(mut self, jitter: Ratio) -> Self {
        self.basics.jitter = jitter;
        self
    }

    /// Where the time comes from. The system if not set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.basics.clock = clock;
        self
    }

    /// How many parts are locked separately by those who write: a power of two, at most 1024.
    ///
    /// Not set: as many as a [`Cache`](crate::CacheBuilder::shards) of so many entries has. With one
    /// shard the order of eviction is exact.
    pub fn shards(mut self, shards: usize) -> Self {
        self.basics.shards = Some(shards);
        self
    }

    /// How keys are hashed. All 64 bits are used: a hasher that leaves some of them alone makes a
    /// slow cache. Not set: a fast one with a seed of its own in each cache.
    pub fn hasher<T: BuildHasher>(self, hasher: T) -> PlainCacheBuilder<K, V, T> {
        PlainCacheBuilder {
            basics: self.basics.hasher(hasher),
            policy: self.policy,
            pair: PhantomData,
        }
    }
}

impl<K: Plain + Hash + Eq, V: Plain, S: BuildHasher> PlainCacheBuilder<K, V, S> {
    /// Makes the cache.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] without a bound, with a bound of zero or of more than 4 294 967 295 entries,
    /// and with a number of shards that is no power of two up to 1024.
    pub fn build(self) -> Result<PlainCache<K, V, S>, ConfigError> {
        self.basics.check_bounds("set `max_entries` or `max_bytes`")?;
        let capacity = self.basics.capacity;
        let entries = PlainCache::<K, V, S>::entries_of(capacity).unwrap_or(MOST_ENTRIES).max(1);
        if entries > MOST_ENTRIES {
            let remedy = "use a bound of at most 4294967295 entries";
            return Err(match capacity.bytes {
                Some(bytes) => ConfigError::new("max_bytes", bytes, remedy),
                None => ConfigError::new("max_entries", entries, remedy),
            });
        }
        let shards = self.basics.shards(Capacity::entries(entries))?;
        let Basics { name, ttl, jitter, clock, hasher, .. } = self.basics;
        let since = clock.now().as_nanos();
        let ttl = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
        let at_once = MADE_AT_ONCE / shards as u64;
        let share = entries.div_ceil(shards as u64);
        let mut hits = 0;
        let shards = (0..shards).map(|seed| {
            let policy = Ruling::of(self.policy, seed as u64);
            hits = Inner::<K, V, S>::noted(&policy);
            // Keys are not spread evenly: three times the root of its share is what one shard in
            // a thousand has more.
            let share = if shards == 1 { share } else { share + 3 * share.isqrt() };
            Shard::new(policy, share.min(at_once))
        });
        let shards = shards.collect();
        let inner = Inner {
            shards,
            hasher,
            hits: AtomicU64::new(hits),
            sample_mask: AtomicU64::new(SAMPLE_NONE),
            choosing: Choosing::new(false, 1),
            lookups: Stripes::default(),
            clock,
            name,
            jitter: jitter.as_f64(),
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

/// As many as have a slot each, even if all keys fall in one shard.
pub(super) const MOST_ENTRIES: u64 = u32::MAX as u64;

impl<K, V, S> fmt::Debug for PlainCacheBuilder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PlainCacheBuilder");
        self.basics.show(&mut shown);
        shown.field("policy", &self.policy).finish_non_exhaustive()
    }
}
