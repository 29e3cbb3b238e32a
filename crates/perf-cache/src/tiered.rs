//! Memory, and tiers beyond it that survive a restart, as one cache.
//!
//! A [`TieredCache`] asks memory, then the tiers beyond it, then the loader, once for all who ask for
//! a key at the same time. What is found or made goes up into memory; what memory lets go of goes
//! down. Any tier may be absent:
//!
//! | arrangement | for |
//! |---|---|
//! | memory and a [disk](TieredCacheBuilder::disk_at) | what is dear to make, and more of it than memory holds |
//! | memory alone | the same calls, where a disk may be added one day |
//! | a disk alone: [`without_memory`](TieredCacheBuilder::without_memory) | what is large and seldom asked for |
//! | [any other tier](OuterTier) beside or instead of the disk | whatever maps bytes to bytes |
//!
//! Take a [`Cache`] where memory is enough: it is faster to write to, and loads many
//! keys at once. Nothing here is a database: a cache drops what it likes.
//!
//! Memory and a disk:
//!
//! ```
//! use perf_cache::codec::RawBytes;
//! use perf_cache::{Cache, Terms, TieredCache};
//! use perf_core::ByteSize;
//!
//! # let directory = std::env::temp_dir().join(format!("perf-cache-tiered-{}", std::process::id()));
//! let open = || {
//!     TieredCache::<String, String>::builder()
//!         .memory(Cache::builder().max_bytes(ByteSize::mib(64)))
//!         .disk_at(&directory)
//!         .disk_max_bytes(ByteSize::gib(4))
//!         .codec(RawBytes)
//!         .build()
//! };
//! let cache = open()?;
//! let tagged = Terms::new().tags(["prices"]);
//! assert_eq!(cache.get_with_terms("tea".to_owned(), || ("3.10".to_owned(), tagged)), "3.10");
//! cache.insert("milk".to_owned(), "1.20".to_owned());
//! assert!(cache.close().is_clean());
//! # drop(cache);
//!
//! let next = open()?;
//! assert_eq!(next.get_entry("tea").unwrap().tier, Some("disk"));
//! assert_eq!(next.get_entry("tea").unwrap().tier, Some("memory"));
//! next.invalidate_tag("prices")?;
//! next.remove("milk")?;
//! # drop(next);
//! // Also if that process had been killed here:
//! let last = open()?;
//! assert_eq!((last.get("tea"), last.get("milk")), (None, None));
//! # drop(last);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A disk alone, written behind, and encrypted or compressed as the features allow:
//!
//! ```
//! use perf_cache::codec::RawBytes;
//! use perf_cache::tiered::WritePolicy;
//! use perf_cache::TieredCache;
//! use perf_core::ByteSize;
//! use std::time::Duration;
//!
//! # let directory = std::env::temp_dir().join(format!("perf-cache-behind-{}", std::process::id()));
//! let films: TieredCache<u64, Vec<u8>> = TieredCache::builder()
//!     .without_memory()
//!     .disk_at(&directory)
//!     .codec(RawBytes)
//!     .write(WritePolicy::Behind {
//!         max_bytes: ByteSize::mib(32),
//!         max_age: Duration::from_millis(200),
//!     })
//!     .on_close(|report| println!("{report}"))
//!     .build()?;
//! films.insert(7, vec![0; 100_000]);
//! assert_eq!(films.get(&7).map(|film| film.len()), Some(100_000));
//! # drop(films);
//! # std::fs::remove_dir_all(&directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A tier of one's own:
//!
//! ```
//! use perf_cache::{Cache, TieredCache, codec::RawBytes, tiered::OuterTier};
//! use perf_core::ByteSize;
//! use std::sync::Arc;
//! # use perf_cache::{disk::{Put, PutTerms}, tiered::{TierError, TierGet, TierUsage}};
//! # use std::{collections::HashMap, sync::Mutex};
//!
//! /// Bytes by bytes, in a place that outlives the cache.
//! #[derive(Debug, Default)]
//! struct Shelf(Mutex<HashMap<Vec<u8>, Vec<u8>>>);
//!
//! impl OuterTier for Shelf {
//!     fn name(&self) -> &'static str {
//!         "shelf"
//!     }
//!
//!     fn put(&self, key: &[u8], bytes: &[u8], _: PutTerms) -> Result<Put, TierError> {
//!         self.0.lock().unwrap().insert(key.to_vec(), bytes.to_vec());
//!         Ok(Put::Stored)
//!     }
//!     // and so on
//! #   fn is_prompt(&self) -> bool { true }
//! #   fn try_get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<TierGet, TierError> {
//! #       Ok(if self.get(key, into)? { TierGet::Found } else { TierGet::Missing })
//! #   }
//! #   fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, TierError> {
//! #       let map = self.0.lock().unwrap();
//! #       Ok(map.get(key).map(|bytes| into.extend_from_slice(bytes)).is_some())
//! #   }
//! #   fn contains(&self, key: &[u8]) -> Result<bool, TierError> {
//! #       Ok(self.0.lock().unwrap().contains_key(key))
//! #   }
//! #   fn remove(&self, key: &[u8]) -> Result<bool, TierError> {
//! #       Ok(self.0.lock().unwrap().remove(key).is_some())
//! #   }
//! #   fn clear(&self) -> Result<u64, TierError> { Ok(0) }
//! #   fn usage(&self) -> TierUsage { TierUsage::default() }
//! #   fn set_max_bytes(&self, _: u64) {}
//! #   fn close(&self) -> Result<u64, TierError> { Ok(0) }
//! }
//!
//! let shelf = Arc::new(Shelf::default());
//! let open = || {
//!     TieredCache::<String, String>::builder()
//!         .memory(Cache::builder().max_bytes(ByteSize::mib(64)))
//!         .tier(shelf.clone())
//!         .codec(RawBytes)
//!         .build()
//! };
//! let cache = open()?;
//! assert_eq!(cache.get_with("a".to_owned(), || "dear".to_owned()), "dear");
//! assert!(cache.close().is_clean());
//!
//! let next = open()?;
//! let entry = next.get_entry("a").unwrap();
//! assert_eq!((entry.value.as_str(), entry.tier), ("dear", Some("shelf")));
//! assert_eq!(next.get_entry("a").unwrap().tier, Some("memory"));
//! next.remove("a")?;
//! assert_eq!(open()?.get("a"), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Memory alone; without a codec it counts entries, or what a weigher says:
//!
//! ```
//! use perf_cache::{Cache, TieredCache};
//!
//! let cache: TieredCache<u64, f64> =
//!     TieredCache::builder().memory(Cache::builder().max_entries(1_000)).build()?;
//! assert_eq!(cache.get_with(4, || 2.0), 2.0);
//! assert_eq!(cache.get_entry(&4).unwrap().tier, Some("memory"));
//! # Ok::<(), perf_cache::tiered::BuildError>(())
//! ```
//!
//! # What it promises
//!
//! - When [`remove`](TieredCache::remove) or an `invalidate_…` has returned `Ok`, what it ended is
//!   not answered any more, also not by a process that is started after this one was killed. Whether
//!   a power cut can undo that is up to the store: [how often it syncs](crate::disk).
//! - A value that was read before a removal or an invalidation, from a loader or from a tier, is never
//!   kept after it, in memory or beyond.
//! - Of two values of a key the one that was put in later stays, in all tiers. Readers see it as soon
//!   as memory has it, however long a tier takes.
//! - What a crash loses is a value: with [`WritePolicy::Through`] what the store has queued, with
//!   [`WritePolicy::Behind`] what waits as well, both bounded. Then what was there before may be
//!   answered, if it was overwritten and not removed.
//! - A value is answered for as long as it was to live, in whatever tier it is found.
//! - A tier that fails never fails a read. One that does not answer costs its
//!   [deadline](TieredCacheBuilder::deadline) once, then its circuit breaker opens and it is passed
//!   by; many errors in a row open it, too. What it holds for keys that were changed meanwhile is not
//!   answered when it is back, and removed as soon as its breaker lets a call through.
//! - Everything is bounded, and what falls off is counted: see [`TieredStats`].
//!
//! # Where an entry is kept
//!
//! By its [`Strategy`]. With [`Strategy::Auto`], the default, in memory and in each tier beyond it, save
//! for what is not worth it:
//!
//! | | not kept | because |
//! |---|---|---|
//! | life | in a tier where it would live for less than 1 000 round trips: 0.1 s on a disk, 0.5 s on a server, 20 s at the edge, until they are timed | it would end before it is read there often enough to pay for the write |
//! | cost | in a tier that takes more than twice as long to answer as the loader did, if it was not asked for before, lately | making it again is faster; judged once 64 round trips were timed |
//! | size | in memory, if it was loaded, takes more than an eighth of it and goes to a disk, until it is asked for again | it would push out much that is asked for |
//!
//! [`explain`](TieredCache::explain) says so with the figures;
//! [`choose_tiers`](TieredCacheBuilder::choose_tiers) turns it off. A hit in memory knows nothing of it.
//!
//! # Looking inside
//!
//! [`explain`](TieredCache::explain) tells where a key is kept and why, tier by tier;
//! [`get_entry`](TieredCache::get_entry) a value with its tier, its age and what is left of its life;
//! [`stats`](TieredCache::stats) what was counted, with what compression spared and what codecs took.
//! A [`Registry`](crate::Registry) shows it among other caches.
//!
//! # Invalidation beyond memory
//!
//! Each value is stored with the number of the last invalidation before it was read and the ids of
//! its tags; each tag, namespace and pattern that is invalidated with a number of its own, in records
//! that are never evicted. So an invalidation costs one small record, whatever it ends, and the next
//! process knows of it before its first answer. Dependencies go the same way; they reach what depends
//! on something directly.
//!
//! # Several processes
//!
//! A tier may say that other processes use it as well, by [`OuterTier::shared`]. Then each of them has
//! a memory of its own over it, and this holds:
//!
//! - **What one changes the others learn.** [`insert`](TieredCache::insert),
//!   [`remove`](TieredCache::remove) and every invalidation are changes, with numbers that the tier
//!   gives. A process that has taken a change in answers nothing that it ended. How soon that is, and
//!   what becomes of a process that hears nothing, is the tier's.
//! - **What is loaded is no change**, and is not stored over one: a load that another process has
//!   overtaken is counted in [`TierStats::overtaken`] and kept by nobody.
//!   [`reserve`](TieredCache::reserve) is the same for values that are read by hand.
//! - **An invalidation that could not be told** holds here at once: nothing that it covers is answered
//!   from the tier. It is told again when the tier is well, and once more by
//!   [`close`](TieredCache::close). A process that is killed before tells nobody: the others answer
//!   what it was to end for as long as that lives. The same goes for removals that wait for the tier.
//!   64 invalidations wait; more of them become one that ends everything.
//! - **A tier is for one cache**: another one over the same server has a tier of its own, or is refused.
//! - **Clocks are not compared.** How old a value is follows from the life that it was to have and
//!   what the tier says is left; one without an end counts as new when it is found.
//! - **Keys come back from their bytes** where their type can do that: [`CacheKey::decode`]. For others
//!   memory is looked through, once for all that are told together, and what this process has on disk
//!   is not answered any more.
//! - **A disk beside it** is for this process alone: it is told as memory is, and begins anew with each
//!   process, since nobody told that one what changed while it was not there.
//! - **Written behind**, a value makes way for what others have changed meanwhile; the later of two
//!   that are written at the same moment stays. With [`WritePolicy::Aside`] it goes to a shared tier at
//!   once: what memory lets go of could not say how old it is.
//! - **One load for all**: by [`single_flight_lease`](TieredCacheBuilder::single_flight_lease), as a
//!   hint. A load that ends without a value, or with one that is stored nowhere, lets the next one
//!   begin.
//! - Whoever keeps something nearer than this cache is told by
//!   [`on_change`](TieredCacheBuilder::on_change).
//!
//! # Cost
//!
//! | call | what it does |
//! |---|---|
//! | a hit in memory | as in [`Cache`] |
//! | a hit in a tier that need not wait | encodes the key, takes a lock of its own for a moment, reads, opens, and puts the value in memory |
//! | one that has to wait | hands the read to one of a few [threads](TieredCacheBuilder::threads) |
//! | [`insert`](TieredCache::insert) | encodes, compresses and seals the value on the calling thread, then as the [`WritePolicy`] says |
//! | a value that memory lets go of | nothing while the tiers are known to hold it: since it was read or written there, less has been written than a quarter of the bound, and nothing was lost. Otherwise a look there, and a write where it is missing |
//! | an entry in memory | some 120 bytes beyond those of [`Cache`] |

mod announcing;
mod behind;
mod builder;
mod choosing;
mod close;
mod component;
mod entry;
mod explain;
mod fetching;
mod gathering;
mod generations;
mod held;
mod inner;
mod invalidating;
mod keeping;
mod keys;
mod leasing;
mod making;
mod many;
mod news;
mod options;
mod outer;
mod outside;
mod overflow;
mod planning;
mod pool;
mod promise;
#[cfg(feature = "cdn")]
mod purging;
mod reading;
mod reserving;
mod sampling;
mod scratch;
mod seeking;
mod shared;
mod stats;
mod tier;
mod volume;
mod worth;
mod writing;

#[cfg(feature = "cdn")]
pub(crate) use held::RECORDS;

pub use builder::{BuildError, Preset, TieredCacheBuilder, WhenBusy};
pub use close::{CloseReport, Lost};
pub use entry::TieredEntry;
pub use explain::{Explanation, KeyState, TierExplanation};
pub use news::Notice;
pub use options::{Strategy, TierKind, TieredTerms, WritePolicy};
pub use perf_guard::BreakerState;
pub use reserving::Reservation;
pub use shared::{Change, Changed, Doubt, Lease, Receiver, Scope, SharedTier, Since, Standing};
pub use stats::{SharedStats, TierStats, TieredStats};
pub use tier::{DiskTier, Fetched, OuterTier, TierError, TierGet, TierUsage};
pub use worth::{TieredEfficiency, TieredPrices};

use self::inner::Core;
use crate::Cache;
#[cfg(doc)]
use crate::CacheKey;
use std::fmt;
use std::sync::{Arc, Weak};

/// Memory, and tiers beyond it that survive a restart, as one cache.
///
/// A `TieredCache` is a handle: clones share one cache. See the [module page](self).
pub struct TieredCache<K, V> {
    core: Arc<Core<K, V>>,
}

impl<K, V> TieredCache<K, V> {
    /// Starts making a cache.
    pub fn builder() -> TieredCacheBuilder<K, V> {
        TieredCacheBuilder::new()
    }

    /// What the cache is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.memory.name()
    }
}

/// A handle that keeps no cache alive.
pub(crate) struct WeakTiered<K, V>(Weak<Core<K, V>>);

impl<K, V> WeakTiered<K, V> {
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    pub(crate) fn upgrade(&self) -> Option<TieredCache<K, V>> {
        Some(TieredCache { core: self.0.upgrade()? })
    }
}

impl<K, V> TieredCache<K, V> {
    pub(crate) fn downgrade(&self) -> WeakTiered<K, V> {
        WeakTiered(Arc::downgrade(&self.core))
    }

    /// The memory tier, or where callers meet without one.
    pub(crate) fn memory(&self) -> &Cache<K, impl Sized + use<K, V>> {
        &self.core.memory
    }
}

impl<K, V> Clone for TieredCache<K, V> {
    fn clone(&self) -> TieredCache<K, V> {
        TieredCache { core: Arc::clone(&self.core) }
    }
}

impl<K, V> fmt::Debug for TieredCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredCache")
            .field("name", &self.name())
            .field("memory", &self.core.memory)
            .field("tiers", &self.core.outside.outers)
            .finish_non_exhaustive()
    }
}
