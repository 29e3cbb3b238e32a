//! The caches of a program, by name.

use crate::inner::Inner;
use crate::policy::PolicyKind;
use crate::{Cache, CacheStats, Capacity, ConfigError, Evictions};
use perf_core::{ByteSize, Ratio};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// What a cache is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CacheKind {
    /// What a program computes.
    Application,
    /// Answers of a database.
    Database,
    /// Answers of another service.
    Api,
    /// Pages, images and the like.
    Content,
    /// Who is logged in.
    Session,
    /// Something else, by name.
    Custom(String),
}

impl CacheKind {
    /// Its name: lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            CacheKind::Application => "application",
            CacheKind::Database => "database",
            CacheKind::Api => "api",
            CacheKind::Content => "content",
            CacheKind::Session => "session",
            CacheKind::Custom(name) => name,
        }
    }
}

impl fmt::Display for CacheKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is being done with a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheStatus {
    /// It is in use.
    #[default]
    Active,
    /// Its settings are being tried out.
    Optimizing,
    /// It is being worked on, and its figures mean little.
    Maintenance,
}

impl CacheStatus {
    /// Its name: lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CacheStatus::Active => "active",
            CacheStatus::Optimizing => "optimizing",
            CacheStatus::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for CacheStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the entries of one tier are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// In the memory of this process.
    Memory,
    /// Beyond it, in a tier of that [name](crate::tiered::OuterTier::name).
    #[cfg(feature = "tiered")]
    Outer(&'static str),
}

impl Tier {
    /// Its name: lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Tier::Memory => "memory",
            #[cfg(feature = "tiered")]
            Tier::Outer(name) => name,
        }
    }
}

/// One tier of a cache as it was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TierSnapshot {
    /// Which one.
    pub tier: Tier,
    /// What it has counted, and what it holds.
    pub stats: CacheStats,
}

/// What a cache is set to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CacheSettings {
    /// How much it may hold.
    pub capacity: Capacity,
    /// How long entries live that ask for nothing; `None` is for ever.
    pub time_to_live: Option<Duration>,
    /// Which entries make room; `None` for a policy that is not ours.
    pub policy: Option<PolicyKind>,
}

/// A registered cache as it was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CacheSnapshot {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub kind: CacheKind,
    /// What is being done with it.
    pub status: CacheStatus,
    /// What it is set to.
    pub settings: CacheSettings,
    /// Lookups that found a value in some tier.
    pub hits: u64,
    /// Lookups that found none in any.
    pub misses: u64,
    /// Loaders that ended.
    pub loads: u64,
    /// Its tiers, the nearest first. What one of them misses another may have.
    pub tiers: Vec<TierSnapshot>,
}

/// What all caches of a registry come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistryTotals {
    /// Caches.
    pub caches: u64,
    /// Entries in all of them.
    pub entries: u64,
    /// What these weigh.
    pub bytes: ByteSize,
    /// Lookups that found a value.
    pub hits: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// Values taken in.
    pub insertions: u64,
    /// Loaders that ended.
    pub loads: u64,
    /// Entries that left, by cause.
    pub evictions: Evictions,
}

impl RegistryTotals {
    /// Hits among lookups, `None` before the first.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<Ratio> {
        Ratio::of(self.hits, self.hits.saturating_add(self.misses))
    }

    fn add(&mut self, cache: &CacheSnapshot) {
        self.caches += 1;
        self.hits = self.hits.saturating_add(cache.hits);
        self.misses = self.misses.saturating_add(cache.misses);
        self.loads = self.loads.saturating_add(cache.loads);
        cache.tiers.iter().for_each(|tier| self.add_tier(&tier.stats));
    }

    fn add_tier(&mut self, stats: &CacheStats) {
        self.entries = self.entries.saturating_add(stats.entries);
        let bytes = self.bytes.as_u64().saturating_add(stats.bytes.as_u64());
        self.bytes = ByteSize::from_bytes(bytes);
        self.insertions = self.insertions.saturating_add(stats.insertions);
        self.evictions.add(&stats.evictions);
    }
}

/// Named caches, for whoever shows or steers them all.
///
/// It keeps no cache alive: one whose last handle is dropped is not found any more, and its name is
/// free again. A `Registry` is a handle, clones share one registry.
///
/// ```
/// use perf_cache::{Cache, CacheKind, CacheStatus, Registry};
///
/// let registry = Registry::new();
/// let users: Cache<u64, String> = Cache::builder().name("users").max_entries(1_000).build()?;
/// registry.register(CacheKind::Database, &users)?;
/// users.insert(1, "Ada".to_owned());
/// users.get(&1);
///
/// let found = registry.get("users").unwrap();
/// assert_eq!((found.kind, found.status), (CacheKind::Database, CacheStatus::Active));
/// assert_eq!(found.tiers[0].stats.hits, 1);
/// assert_eq!(registry.totals().entries, 1);
///
/// drop(users);
/// assert!(registry.snapshots().is_empty());
/// # Ok::<(), perf_cache::ConfigError>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    caches: Arc<Mutex<BTreeMap<String, Registered>>>,
}

#[derive(Clone)]
struct Registered {
    kind: CacheKind,
    status: CacheStatus,
    cache: Arc<dyn Observed>,
}

/// A cache of any type that may be gone.
trait Observed: Send + Sync {
    fn is_gone(&self) -> bool;
    /// `None` if it is gone.
    fn observe(&self) -> Option<Seen>;
}

/// A cache as it is found.
struct Seen {
    settings: CacheSettings,
    hits: u64,
    misses: u64,
    loads: u64,
    tiers: Vec<TierSnapshot>,
}

struct Handle<K, V>(Weak<Inner<K, V>>);

impl<K: Send + Sync, V: Send + Sync> Observed for Handle<K, V> {
    fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    fn observe(&self) -> Option<Seen> {
        // Nothing is looked up, so it needs no hasher.
        let cache = Cache::new(self.0.upgrade()?, ());
        let (settings, stats) = (CacheSettings::of(&cache), cache.stats());
        let CacheStats { hits, misses, loads, .. } = stats;
        let tiers = vec![TierSnapshot { tier: Tier::Memory, stats }];
        Some(Seen { settings, hits, misses, loads, tiers })
    }
}

impl CacheSettings {
    fn of<K, V, S>(cache: &Cache<K, V, S>) -> CacheSettings {
        CacheSettings {
            capacity: cache.capacity(),
            time_to_live: cache.time_to_live(),
            policy: cache.policy(),
        }
    }
}

#[cfg(feature = "tiered")]
struct TieredHandle<K, V>(crate::tiered::WeakTiered<K, V>);

#[cfg(feature = "tiered")]
impl<K: Send + Sync, V: Send + Sync + 'static> Observed for TieredHandle<K, V> {
    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }

    fn observe(&self) -> Option<Seen> {
        let cache = self.0.upgrade()?;
        let stats = cache.stats();
        let near = stats.memory.into_iter();
        let near = near.map(|stats| TierSnapshot { tier: Tier::Memory, stats });
        let far = stats.tiers.iter().map(|tier| TierSnapshot {
            tier: Tier::Outer(tier.name),
            stats: tier.as_cache_stats(stats.since),
        });
        Some(Seen {
            settings: CacheSettings::of(cache.memory()),
            hits: stats.hits,
            misses: stats.misses,
            loads: stats.loads,
            tiers: near.chain(far).collect(),
        })
    }
}

impl Registry {
    /// So many caches can be registered at a time.
    pub const MAX_CACHES: usize = 4096;

    /// No caches yet.
    #[must_use]
    pub fn new() -> Registry {
        Registry::default()
    }

    /// The one that the whole program shares. Caches that are made by `#[cached]` are in it.
    #[must_use]
    pub fn global() -> &'static Registry {
        static GLOBAL: LazyLock<Registry> = LazyLock::new(Registry::new);
        &GLOBAL
    }

    /// Registers a cache under its [name](Cache::name).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if another cache has that name, this cache under another kind included, and
    /// beyond [`MAX_CACHES`](Registry::MAX_CACHES).
    pub fn register<K, V, S>(
        &self,
        kind: CacheKind,
        cache: &Cache<K, V, S>,
    ) -> Result<(), ConfigError>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.add(kind, cache.name(), Arc::new(Handle(Arc::downgrade(&cache.inner))))
    }

    /// The same for a cache with tiers beyond memory; each is a tier of its
    /// [snapshot](CacheSnapshot::tiers).
    ///
    /// # Errors
    ///
    /// As [`register`](Registry::register).
    #[cfg(feature = "tiered")]
    pub fn register_tiered<K, V>(
        &self,
        kind: CacheKind,
        cache: &crate::TieredCache<K, V>,
    ) -> Result<(), ConfigError>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.add(kind, cache.name(), Arc::new(TieredHandle(cache.downgrade())))
    }

    fn add(
        &self,
        kind: CacheKind,
        name: &str,
        cache: Arc<dyn Observed>,
    ) -> Result<(), ConfigError> {
        let mut caches = self.lock();
        if caches.len() >= Registry::MAX_CACHES {
            caches.retain(|_, registered| !registered.cache.is_gone());
        }
        if caches.get(name).is_some_and(|registered| !registered.cache.is_gone()) {
            let remedy = "another cache has that name, build it with a `name` of its own";
            return Err(ConfigError::new("name", name, remedy));
        }
        if caches.len() >= Registry::MAX_CACHES {
            let remedy = "4096 caches are registered, drop some or use another registry";
            return Err(ConfigError::new("name", name, remedy));
        }
        let registered = Registered { kind, status: CacheStatus::Active, cache };
        caches.insert(name.to_owned(), registered);
        Ok(())
    }

    /// Forgets a cache, which goes on as it is; whether it was there.
    pub fn unregister(&self, name: &str) -> bool {
        self.lock().remove(name).is_some_and(|registered| !registered.cache.is_gone())
    }

    /// Says what is being done with a cache; whether it is there.
    pub fn set_status(&self, name: &str, status: CacheStatus) -> bool {
        let mut caches = self.lock();
        match caches.get_mut(name) {
            Some(registered) if !registered.cache.is_gone() => {
                registered.status = status;
                true
            }
            _ => false,
        }
    }

    /// A cache by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<CacheSnapshot> {
        let registered = self.lock().get(name).cloned()?;
        registered.snapshot(name)
    }

    /// All caches that are there, by name. O(caches × shards).
    #[must_use]
    pub fn snapshots(&self) -> Vec<CacheSnapshot> {
        // Outside of the lock: a cache whose last handle goes meanwhile is dropped here.
        let caches = self.lock().clone();
        caches.iter().filter_map(|(name, registered)| registered.snapshot(name)).collect()
    }

    /// The sum of all caches.
    #[must_use]
    pub fn totals(&self) -> RegistryTotals {
        let mut totals = RegistryTotals::default();
        self.snapshots().iter().for_each(|cache| totals.add(cache));
        totals
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Registered>> {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    fn snapshot(&self, name: &str) -> Option<CacheSnapshot> {
        let Seen { settings, hits, misses, loads, tiers } = self.cache.observe()?;
        let (name, kind, status) = (name.to_owned(), self.kind.clone(), self.status);
        Some(CacheSnapshot { name, kind, status, settings, hits, misses, loads, tiers })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}
