//! The times to live of a cache, learned from its own loads.

use super::{AdaptiveTtl, Reload};
use crate::{Expiry, Terms};
use perf_core::{Clock, Histogram, Instant};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An [`Expiry`] that gives entries the times of an [`AdaptiveTtl`], and tells it what each load
/// found.
///
/// It remembers a hash of the value of each key, so values have to be [`Hash`]. A clone is a handle
/// to the same: keep one to see what was learned.
///
/// [`CacheBuilder::adaptive_ttl`](crate::CacheBuilder::adaptive_ttl) makes one for a cache, with
/// signals and a knob. A cache of tiers takes no rule, since what it finds beyond memory is no load:
/// there a loader can ask for [`terms`](ByChange::terms).
///
/// ```
/// use perf_cache::Cache;
/// use perf_cache::learning::{AdaptiveTtl, ByChange};
/// use perf_core::{Clock, Ratio};
/// use std::time::Duration;
///
/// let (clock, hand) = Clock::manual();
/// let learned = AdaptiveTtl::builder(Ratio::new(0.05)?).build()?;
/// // One class for users, one for all the rest.
/// let by_change = ByChange::new(learned, clock.clone(), 10_000, |key: &String| {
///     u64::from(key.starts_with("users:"))
/// });
/// let cache: Cache<String, String> = Cache::builder()
///     .max_entries(10_000)
///     .expiry(by_change.clone())
///     .clock(clock)
///     .build()?;
///
/// for _ in 0..500 {
///     cache.get_with("users:7".to_owned(), || "ann".to_owned());
///     hand.advance(Duration::from_secs(2));
/// }
/// // It never changed, so it lives for longer and longer.
/// assert!(by_change.time_to_live(&"users:8".to_owned()) > Duration::from_secs(10));
/// assert!(cache.stats().loads < 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each load hashes key and value, and takes a lock that all loads of the cache share; after sixteen
/// loads for each class a plan is made under it. Entries with a time to live of their own
/// [terms](crate::Terms) are none of its business.
pub struct ByChange<F> {
    shared: Arc<Shared<F>>,
}

pub(super) struct Shared<F> {
    class_of: F,
    clock: Clock,
    learning: Mutex<Learning>,
}

pub(super) struct Learning {
    pub(super) learned: AdaptiveTtl,
    /// What loads were given to live, in nanoseconds.
    pub(super) given: Histogram,
    /// By the hash of the key: who comes later takes the place.
    places: Vec<Option<Seen>>,
    pub(super) forgotten: u64,
}

#[derive(Clone, Copy)]
struct Seen {
    key: u64,
    value: u64,
    loaded: Instant,
    time_to_live: Duration,
}

impl<F> ByChange<F> {
    /// With the clock of the cache, memory for the values of so many keys, one at least and 16 777 216
    /// at most, 40 bytes each, and a function that answers the class of a key.
    pub fn new(learned: AdaptiveTtl, clock: Clock, keys: usize, class_of: F) -> ByChange<F> {
        let places = vec![None; keys.clamp(1, MOST_KEYS)];
        let given = Histogram::new();
        let learning = Learning { learned, given, places, forgotten: 0 };
        ByChange { shared: Arc::new(Shared { class_of, clock, learning: Mutex::new(learning) }) }
    }

    /// How long the value of a key is to live that is loaded now.
    pub fn time_to_live<K>(&self, key: &K) -> Duration
    where
        F: Fn(&K) -> u64,
    {
        let class = (self.shared.class_of)(key);
        self.learning().learned.time_to_live(class)
    }

    /// Notes that a value was loaded, and answers [`Terms`] with the time that it is to live; for
    /// loaders of caches that do not have this as their rule.
    pub fn terms<K: Hash, V: Hash>(&self, key: &K, value: &V) -> Terms
    where
        F: Fn(&K) -> u64,
    {
        Terms::new().time_to_live(self.note(key, value))
    }

    /// Shows what was learned to a closure, under the lock.
    pub fn with<R>(&self, look: impl FnOnce(&AdaptiveTtl) -> R) -> R {
        look(&self.learning().learned)
    }

    /// Keys whose last value was forgotten because another one took its place, so that the next load
    /// taught nothing.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.learning().forgotten
    }

    pub(super) fn shared(&self) -> &Arc<Shared<F>> {
        &self.shared
    }

    fn learning(&self) -> MutexGuard<'_, Learning> {
        self.shared.learning()
    }

    fn note<K: Hash, V: Hash>(&self, key: &K, value: &V) -> Duration
    where
        F: Fn(&K) -> u64,
    {
        // All of it the caller's code, so before the lock.
        let class = (self.shared.class_of)(key);
        let (key, value) = (hash(key), hash(value));
        self.loaded(class, key, value)
    }

    fn loaded(&self, class: u64, key: u64, value: u64) -> Duration {
        let now = self.shared.clock.now();
        let mut learning = self.learning();
        let Learning { learned, given, places, forgotten } = &mut *learning;
        let place = (key % places.len() as u64) as usize;
        match places[place].filter(|seen| seen.key == key) {
            Some(seen) => {
                let age = now.saturating_since(seen.loaded);
                let changed = seen.value != value;
                learned.reloaded(class, Reload { age, time_to_live: seen.time_to_live, changed });
            }
            None => *forgotten += u64::from(places[place].is_some()),
        }
        let time_to_live = learned.time_to_live(class);
        given.record_duration(time_to_live);
        places[place] = Some(Seen { key, value, loaded: now, time_to_live });
        time_to_live
    }
}

impl<K, V, F> Expiry<K, V> for ByChange<F>
where
    K: Hash,
    V: Hash,
    F: Fn(&K) -> u64 + Send + Sync,
{
    fn on_create(&self, key: &K, value: &V) -> Option<Duration> {
        Some(self.note(key, value))
    }
}

impl<F> Shared<F> {
    pub(super) fn learning(&self) -> MutexGuard<'_, Learning> {
        // What a panic of the closure of `with` interrupted is whole: it only looks.
        self.learning.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As many as [`Prefetch`](crate::learning::Prefetch) may know.
const MOST_KEYS: usize = 1 << 24;
const _: () = assert!(size_of::<Option<Seen>>() == 40);

/// The same in each run, so that what is learned can be repeated.
fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

impl<F> Clone for ByChange<F> {
    fn clone(&self) -> ByChange<F> {
        ByChange { shared: Arc::clone(&self.shared) }
    }
}

impl<F> fmt::Debug for ByChange<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let learning = self.learning();
        f.debug_struct("ByChange")
            .field("learned", &learning.learned)
            .field("forgotten", &learning.forgotten)
            .finish_non_exhaustive()
    }
}
