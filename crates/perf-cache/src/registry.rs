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
}

impl Tier {
    /// Its name: lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Tier::Memory => "memory",
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
    /// Its tiers, the nearest first.
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

    fn add(&mut self, stats: &CacheStats) {
        self.entries = self.entries.saturating_add(stats.entries);
        let bytes = self.bytes.as_u64().saturating_add(stats.bytes.as_u64());
        self.bytes = ByteSize::from_bytes(bytes);
        self.hits = self.hits.saturating_add(stats.hits);
        self.misses = self.misses.saturating_add(stats.misses);
        self.insertions = self.insertions.saturating_add(stats.insertions);
        self.loads = self.loads.saturating_add(stats.loads);
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
    /// Settings and tiers; `None` if it is gone.
    fn observe(&self) -> Option<(CacheSettings, Vec<TierSnapshot>)>;
}

struct Handle<K, V>(Weak<Inner<K, V>>);

impl<K: Send + Sync, V: Send + Sync> Observed for Handle<K, V> {
    fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    fn observe(&self) -> Option<(CacheSettings, Vec<TierSnapshot>)> {
        // Nothing is looked up, so it needs no hasher.
        let cache = Cache::new(self.0.upgrade()?, ());
        let settings = CacheSettings {
            capacity: cache.capacity(),
            time_to_live: cache.time_to_live(),
            policy: cache.policy(),
        };
        Some((settings, vec![TierSnapshot { tier: Tier::Memory, stats: cache.stats() }]))
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
        let mut caches = self.lock();
        if caches.len() >= Registry::MAX_CACHES {
            caches.retain(|_, registered| !registered.cache.is_gone());
        }
        if caches.get(cache.name()).is_some_and(|registered| !registered.cache.is_gone()) {
            let remedy = "another cache has that name, build it with a `name` of its own";
            return Err(ConfigError::new("name", cache.name(), remedy));
        }
        if caches.len() >= Registry::MAX_CACHES {
            let remedy = "4096 caches are registered, drop some or use another registry";
            return Err(ConfigError::new("name", cache.name(), remedy));
        }
        let handle = Arc::new(Handle(Arc::downgrade(&cache.inner)));
        let registered = Registered { kind, status: CacheStatus::Active, cache: handle };
        caches.insert(cache.name().to_owned(), registered);
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
        for cache in self.snapshots() {
            totals.caches += 1;
            cache.tiers.iter().for_each(|tier| totals.add(&tier.stats));
        }
        totals
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Registered>> {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    fn snapshot(&self, name: &str) -> Option<CacheSnapshot> {
        let (settings, tiers) = self.cache.observe()?;
        let (kind, status) = (self.kind.clone(), self.status);
        Some(CacheSnapshot { name: name.to_owned(), kind, status, settings, tiers })
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.lock().keys()).finish()
    }
}
