//! How a cache is made.

mod basics;
#[cfg(feature = "tiered")]
mod holding;

pub(crate) use basics::Basics;

use crate::budget::Budget;
use crate::cache::entry_overhead;
use crate::choosing::Choosing;
use crate::expiry::ExpirySettings;
use crate::hazard::Readers;
use crate::inner::{Inner, Limbo, SAMPLE_NONE, Settings, Weigher};
use crate::invalidation::{Declared, Invalidations};
use crate::listener::Listeners;
use crate::loading::LoadOptions;
use crate::policy::{Checked, Choice, Policy, PolicyKind};
use crate::ruling::Ruling;
use crate::shard::Shard;
use crate::slots::place_size;
use crate::weights::Weights;
use crate::{Cache, Cause, ConfigError, EvictionListener, KeyText};
use hashbrown::DefaultHashBuilder;
use perf_core::{ByteSize, Clock, Ratio};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Makes a [`Cache`].
///
/// One bound is needed, [`max_entries`](CacheBuilder::max_entries) or
/// [`max_bytes`](CacheBuilder::max_bytes); all else has a default.
#[must_use]
pub struct CacheBuilder<K, V, S = DefaultHashBuilder> {
    basics: Basics<S>,
    weigher: Option<Weigher<K, V>>,
    pub(crate) expiry: ExpirySettings<K, V>,
    pub(crate) insight: bool,
    policy: Chosen,
    cold_share: Option<Ratio>,
    adaptive_min_capacity: u64,
    pub(crate) loading: LoadOptions<K>,
    pub(crate) declared: Declared<K>,
    pub(crate) listeners: Listeners<K, V>,
}

type MakePolicy = Box<dyn Fn() -> Box<dyn Policy> + Send + Sync>;

enum Chosen {
    Kind(PolicyKind),
    Custom(MakePolicy),
}

impl Chosen {
    fn kind(&self) -> Option<PolicyKind> {
        match self {
            Chosen::Kind(kind) => Some(*kind),
            Chosen::Custom(_) => None,
        }
    }

    fn make(&self, seed: u64) -> Ruling {
        match self {
            Chosen::Kind(kind) => Ruling::of(*kind, seed),
            Chosen::Custom(make) => Ruling::Other(make()),
        }
    }
}

impl<K, V> CacheBuilder<K, V> {
    pub(crate) fn new() -> CacheBuilder<K, V> {
        CacheBuilder {
            basics: Basics::new(),
            weigher: None,
            expiry: ExpirySettings::new(),
            insight: true,
            policy: Chosen::Kind(PolicyKind::Adaptive),
            cold_share: None,
            adaptive_min_capacity: ADAPTIVE_MIN_CAPACITY,
            loading: LoadOptions::new(),
            declared: Declared::default(),
            listeners: Listeners::new(),
        }
    }
}

impl<K, V, S> CacheBuilder<K, V, S> {
    /// What the cache is called where several are shown. `cache` if not set.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.basics.name = name.into();
        self
    }

    /// Holds at most so many entries.
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.basics.capacity.entries = Some(entries);
        self
    }

    /// Holds at most so many bytes, as the [`weigher`](CacheBuilder::weigher) counts them.
    pub fn max_bytes(mut self, bytes: ByteSize) -> Self {
        self.basics.capacity.bytes = Some(bytes);
        self
    }

    /// How many bytes an entry takes, asked once when it comes in.
    ///
    /// Count what key and value own on the heap, and [`Cache::ENTRY_OVERHEAD`] for everything
    /// else. A bound on bytes does not bound the number of entries that weigh nothing. Called
    /// outside of any lock.
    pub fn weigher(mut self, weigher: impl Fn(&K, &V) -> u64 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Box::new(weigher));
        self
    }

    /// How long entries live that come in without a time to live of their own. Zero, the default:
    /// for ever.
    #[doc(alias = "ttl")]
    pub fn time_to_live(mut self, ttl: Duration) -> Self {
        self.basics.ttl = ttl;
        self
    }

    /// Shortens the cache's time to live for each entry by a random share, at most this one, so
    /// that entries that came together do not leave together. Times to live that are given for one
    /// entry stay exact. Zero is the default.
    pub fn jitter(mut self, jitter: Ratio) -> Self {
        self.basics.jitter = jitter;
        self
    }

    /// Where the time comes from. The system if not set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.basics.clock = clock;
        self
    }

    /// How many parts are locked separately: a power of two, at most 1024.
    ///
    /// Not set: four for each core, but fewer where that would leave a shard less than 512 entries
    /// or 256 KiB, and one below 2048 entries. With one shard the order of eviction is exact.
    pub fn shards(mut self, shards: usize) -> Self {
        self.basics.shards = Some(shards);
        self
    }

    /// Which entries make room. [`PolicyKind::Adaptive`] if not set.
    pub fn policy(mut self, policy: PolicyKind) -> Self {
        self.policy = Chosen::Kind(policy);
        self
    }

    /// The same by a [policy](Policy) of the caller's, which is made once for each shard.
    ///
    /// The cache keeps a list beside it, eight bytes an entry: where the policy answers what it does
    /// not hold, or nothing though it holds some, the oldest entry makes room.
    pub fn custom_policy<P: Policy + 'static>(
        mut self,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        self.policy = Chosen::Custom(Box::new(move || Box::new(Checked::new(make()))));
        self
    }

    /// Fixes the share of the cache in which [`Adaptive`](crate::policy::Adaptive) tries new entries
    /// out, instead of having it found out: 0.02 keeps what it has through loops and scans, 0.1
    /// favours what is used often, 1 is close to least recently used. Nothing is sampled for it
    /// then. [`Cache::set_cold_share`] changes it in use; other policies have no such share.
    pub fn cold_share(mut self, share: Ratio) -> Self {
        self.cold_share = Some(share);
        self
    }

    /// Up to how many entries [`Adaptive`](crate::policy::Adaptive) learns from all accesses, from
    /// 16 to 65 536; 1 024 if not set. A larger cache has it learn from a sample of the keys, as
    /// large as would be used by half of so many entries at least.
    ///
    /// A smaller sample takes longer to tell what is best, and is wrong more often. Without one each
    /// access pays: a hit in a cache of this capacity takes some 270 instructions more than in a
    /// larger one, save for keys that are hit all the time. Each of so many entries takes some 180
    /// bytes, in all some 200 KB if this is not set.
    pub fn adaptive_min_capacity(mut self, entries: u64) -> Self {
        self.adaptive_min_capacity = entries;
        self
    }

    /// Has each entry that leaves told to a closure, with why it left; see [`EvictionListener`].
    /// Several are told in the order in which they were given.
    pub fn on_eviction(self, told: impl Fn(&K, &V, Cause) + Send + Sync + 'static) -> Self {
        self.eviction_listener(told)
    }

    /// The same for a listener that is not a closure.
    pub fn eviction_listener(mut self, listener: impl EvictionListener<K, V> + 'static) -> Self {
        self.listeners.add(Box::new(listener));
        self
    }

    /// Declares a namespace: the keys that begin with this name and a colon. Its entries are counted
    /// like those of a tag, so [`Cache::invalidate_namespace`] can say how many it ended, and the
    /// name may have colons of its own, but none at its end. Costs each of its entries what a tag
    /// costs. At most 64.
    pub fn namespace(mut self, name: impl Into<Box<str>>) -> Self
    where
        K: KeyText,
    {
        self.declared.namespaces.push(name.into());
        self.key_text()
    }

    /// Lets the cache know from the start how its keys become text. Otherwise it learns that by the
    /// first call that needs it, and does not know how entries depended on each other that have left
    /// before.
    pub fn key_text(mut self) -> Self
    where
        K: KeyText,
    {
        self.declared.text = Some(K::key_text);
        self
    }

    /// How many tags, names of dependencies included, there may be at a time; 65 536 if not set.
    /// Those that no entry has make room for others. A value with a tag for which there is no room
    /// is not taken in, and is counted as
    /// [`untaggable`](crate::InvalidationCounts::untaggable).
    pub fn max_tags(mut self, tags: usize) -> Self {
        self.declared.max_tags = tags;
        self
    }

    /// How keys are hashed. All 64 bits of a hash must be well mixed: entries of which many agree in
    /// the upper or lower half are slow to find.
    ///
    /// Not set: a fast hasher whose seeds differ from cache to cache and run to run. Each handle has
    /// a copy of it.
    pub fn hasher<H>(self, hasher: H) -> CacheBuilder<K, V, H> {
        let CacheBuilder {
            basics,
            weigher,
            expiry,
            insight,
            policy,
            cold_share,
            adaptive_min_capacity,
            loading,
            declared,
            listeners,
        } = self;
        CacheBuilder {
            basics: basics.hasher(hasher),
            weigher,
            expiry,
            insight,
            policy,
            cold_share,
            adaptive_min_capacity,
            loading,
            declared,
            listeners,
        }
    }

    /// Makes the cache.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] without a bound, with a bound of zero, with a bound on bytes but no weigher,
    /// with a number of shards that is no power of two up to 1024, with a namespace that ends in
    /// a colon, with more than 64 of them, with room for no tags, with an
    /// [`adaptive_min_capacity`](CacheBuilder::adaptive_min_capacity) out of its range, with settings for loaders that
    /// contradict each other, and with what
    /// [`AdaptiveTtlBuilder::build`](crate::learning::AdaptiveTtlBuilder::build) refuses.
    pub fn build(self) -> Result<Cache<K, V, S>, ConfigError> {
        let remedy = "set `max_entries`, or `max_bytes` with a `weigher`";
        self.basics.check_bounds(remedy)?;
        let bounds = self.basics.capacity;
        if let (Some(bytes), None) = (bounds.bytes, &self.weigher) {
            let remedy = "it needs a `weigher` that says how many bytes an entry takes";
            return Err(ConfigError::new("max_bytes", bytes, remedy));
        }
        if !ADAPTIVE_MIN_CAPACITIES.contains(&self.adaptive_min_capacity) {
            let remedy = "use 16 to 65536 entries, or leave it out for 1024";
            let (setting, entries) = ("adaptive_min_capacity", self.adaptive_min_capacity);
            return Err(ConfigError::new(setting, entries, remedy));
        }
        self.loading.check()?;
        self.declared.check()?;
        let shards = self.basics.shards(bounds)?;
        let max_bytes = bounds.bytes.map(ByteSize::as_u64);
        let Basics { name, ttl, jitter, clock, hasher, .. } = self.basics;
        let share = bounds.entries.map(|entries| entries.div_ceil(shards as u64));
        let share = share.map(|share| usize::try_from(share).unwrap_or(usize::MAX));
        let limbo = limbo::<K, V>(share, max_bytes, shards);
        let default_weight = entry_overhead::<K, V>() as u64;
        let of_each = if self.weigher.is_none() { Some(default_weight) } else { None };
        let places = first_places::<K, V>(share, &limbo);
        let indexed = indexed_at_first(share, shards);
        let shard =
            |seed| Shard::new(indexed, places, Weights::new(of_each), self.policy.make(seed));
        let since = clock.now().as_nanos();
        let cold_share = self.cold_share.map(|share| Choice::from_cold_share(share.as_f64()));
        let choosing = Choosing::full_up_to(self.adaptive_min_capacity as usize);
        choosing.settle_on(cold_share);
        let settings = Settings {
            cold_share,
            own_cold_share: cold_share,
            capacity: max_bytes.or(bounds.entries).unwrap_or(u64::MAX),
            ttl,
            first_policy: self.policy.kind().unwrap_or(PolicyKind::Adaptive),
            policy: self.policy.kind(),
        };
        let tracks_entries = self.expiry.tracks_entries;
        let times = (ttl, jitter.as_f64());
        let (lifetimes, learned) = self.expiry.lifetimes(times, &clock, bounds.entries)?;
        let is_plain = self.weigher.is_none()
            && !tracks_entries
            && !self.loading.shapes_terms()
            && self.listeners.is_empty()
            && !self.listeners.has_heir();
        let inner = Inner {
            shards: (0..shards as u64).map(shard).collect(),
            readers: Readers::new(),
            invalidations: Invalidations::new(shards, self.declared),
            sample_mask: AtomicU64::new(SAMPLE_NONE),
            observer: Inner::<K, V>::observer(self.insight, max_bytes.is_some()),
            choosing,
            limbo,
            listeners: self.listeners,
            last_reclaimed: AtomicU64::new(0),
            name,
            clock,
            weigher: self.weigher,
            default_weight,
            entries: Budget::new(bounds.entries),
            bytes: Budget::new(max_bytes),
            is_plain,
            tracks_entries,
            lifetimes: lifetimes.refreshed_after(self.loading.refresh_share()),
            learned,
            since: AtomicU64::new(since),
            counted_before: Mutex::new((0, 0)),
            lookups_before: AtomicU64::new(0),
            settings: Mutex::new(settings),
            loading: self.loading,
        };
        inner.expect_entries(self.policy.kind() == Some(PolicyKind::Adaptive));
        Ok(Cache::new(Arc::new(inner), hasher))
    }
}

/// So many entries are shadowed in full unless another number is asked for, and those that may be:
/// shadows of fewer tell nothing, and those of more take megabytes.
const ADAPTIVE_MIN_CAPACITY: u64 = 1_024;
const ADAPTIVE_MIN_CAPACITIES: RangeInclusive<u64> = 16..=65_536;

/// How much may wait in a shard. A barrier serves what waits in all of them, so these numbers
/// divide its 10 µs; what waits takes memory beyond the bounds.
fn limbo<K, V>(share: Option<usize>, max_bytes: Option<u64>, shards: usize) -> Limbo {
    let is_prompt = std::mem::needs_drop::<K>() || std::mem::needs_drop::<V>();
    let share = share.unwrap_or(4096);
    let entries = if is_prompt { (share / 64).clamp(8, 256) } else { (share / 16).clamp(16, 1024) };
    let weight = max_bytes.map_or(u64::MAX, |bytes| bytes / 64 / shards as u64);
    Limbo { entries, weight, is_prompt }
}

/// Places that a shard has in one piece: all that it is to need, up to a limit.
fn first_places<K, V>(share: Option<usize>, limbo: &Limbo) -> usize {
    let Some(share) = share else { return 64 };
    let wanted = share.saturating_add(share / 8).saturating_add(2 * limbo.entries + 8);
    wanted.min(FIRST_PIECE / place_size::<K, V>())
}

/// Entries that the index of a shard is made for at first: all, or so many that it has room for just
/// as many when it has doubled a few times, where those of all shards together would take too much.
fn indexed_at_first(share: Option<usize>, shards: usize) -> u64 {
    let at_once = MADE_AT_ONCE / shards as u64;
    let mut entries = share.map_or(64, |share| share as u64);
    while entries > at_once {
        entries = entries.div_ceil(2);
    }
    entries
}

/// Entries that the indexes of all shards together are made for at first: some 110 MiB, so that many
/// shards under a generous bound do not take gigabytes before they hold anything.
pub(crate) const MADE_AT_ONCE: u64 = 16 << 20;

/// 64 MiB, which are not touched before they are used.
const FIRST_PIECE: usize = 64 << 20;

fn default_shards(max_entries: Option<u64>, max_bytes: Option<u64>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let wanted = (4 * cores).next_power_of_two().min(MAX_SHARDS);
    let sensible =
        max_entries.map_or(u64::MAX, |n| if n < SMALL { 1 } else { n / MIN_SHARD_ENTRIES });
    let sensible = sensible.min(max_bytes.map_or(u64::MAX, |n| n / MIN_SHARD_BYTES));
    let sensible = usize::try_from(sensible).unwrap_or(usize::MAX).max(1);
    wanted.min(1 << sensible.ilog2())
}

const MAX_SHARDS: usize = 1024;
/// Fewer entries than this have one shard.
const SMALL: u64 = 2_048;
/// Fewer entries than this cost hit ratio, since each shard evicts by its own order: of a loop that
/// fills seven eighths of the cache, shards of 144 entries get more than they hold now and then.
const MIN_SHARD_ENTRIES: u64 = 512;
const MIN_SHARD_BYTES: u64 = 256 << 10;

impl<K, V, S> fmt::Debug for CacheBuilder<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("CacheBuilder");
        self.basics.show(&mut shown);
        shown
            .field("expiry", &self.expiry)
            .field("insight", &self.insight)
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
        assert_eq!(default_shards(Some(2_047), None), 1);
        assert!(default_shards(Some(4095), None) <= 4);
        assert_eq!(default_shards(Some(1 << 40), Some(1 << 18)), 1);
        assert!(default_shards(Some(1 << 40), None).is_power_of_two());
    }

    #[test]
    fn many_shards_under_a_generous_bound_take_little_before_they_hold_anything() {
        let builder = Cache::<u64, u64>::builder().max_entries(u64::MAX).shards(64);
        let cache = builder.build().unwrap();
        let indexes: u64 = cache.inner.shards.iter().map(|shard| shard.index.allocated()).sum();
        assert!(indexes <= 120 << 20, "{indexes} bytes");
        assert_eq!(indexed_at_first(Some(1 << 20), 16), 1 << 20);
        assert_eq!(indexed_at_first(Some(100_001), 1_024), 12_501);
        assert_eq!(indexed_at_first(None, 1_024), 64);
    }
}
