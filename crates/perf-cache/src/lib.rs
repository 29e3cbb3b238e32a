//! A concurrent cache in memory: reads without locks, a policy that finds out what the workload
//! rewards, bounds on entries and bytes, expiry, single flight for synchronous and asynchronous
//! callers, invalidation by tag, pattern and dependency, and statistics that say what more memory
//! would bring. What it is set to can be changed while it runs.
//!
//! ```
//! use perf_cache::Cache;
//! use perf_core::{ByteSize, Clock};
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! let (clock, hand) = Clock::manual();
//! let pages: Cache<String, Arc<str>> = Cache::builder()
//!     .name("pages")
//!     .max_bytes(ByteSize::mib(64))
//!     .weigher(|path: &String, page: &Arc<str>| {
//!         (path.len() + page.len()) as u64 + Cache::<String, Arc<str>>::ENTRY_OVERHEAD
//!     })
//!     .time_to_live(Duration::from_secs(300))
//!     .clock(clock)
//!     .build()?;
//!
//! // Made once, however many ask for it at the same time.
//! let page = pages.get_with("/".to_owned(), || Arc::from("welcome"));
//! assert_eq!(&*page, "welcome");
//! assert_eq!(pages.get("/"), Some(page));
//!
//! hand.advance(Duration::from_secs(300));
//! assert_eq!(pages.get("/"), None);
//!
//! let stats = pages.stats();
//! assert_eq!((stats.hits, stats.misses, stats.loads), (1, 2, 1));
//! assert_eq!(stats.evictions.expired, 1);
//! # Ok::<(), perf_cache::ConfigError>(())
//! ```
//!
//! # Which one, and when none
//!
//! - [`Cache`] holds any key and any value that can be cloned; put large values in an `Arc`, or look
//!   at them with [`Cache::with`].
//! - [`PlainCache`] holds numbers and small tuples of them ([`Plain`]) in two thirds of the room, and
//!   finds them faster; it has no tags, times to idle, weights, listeners or insight.
//!
//! Take something else for
//!
//! - one thread only: an `lru` map without locks is faster;
//! - a fixed set of values that never changes: a `HashMap` in an `Arc`;
//! - values that are made as fast as they are looked up;
//! - many caches of a few entries each: one takes [some KiB](#cost) whatever it holds;
//! - values that must not be lost: a cache drops what it likes;
//! - processes that must agree: nothing is told to others.
//!
//! # What it promises
//!
//! - Usage never passes a bound, not for an instant. Who inserts makes the room itself, before the
//!   entry goes in; there is no queue that could fall behind. Only when a bound is lowered may
//!   usage stand above it for a while, and it cannot grow then.
//! - Bounds are for the whole cache, not for each shard: whatever is no heavier than the cache fits.
//! - A read never answers an expired value, to the nanosecond of the clock, nor one that was
//!   invalidated before the read began.
//! - A value that was being loaded while it was invalidated, in whatever way, is not kept.
//! - Reads take no lock and write nothing that other threads read, except to count the first few
//!   hits of an entry. They never wait for a writer. That holds for 127 threads at a time, those
//!   beyond take the lock of a shard; and for all policies but `lru` and `lfu`, which are told of
//!   each hit under that lock.
//! - Keys and values are hashed, cloned and dropped outside of the locks, and keys asked for their
//!   [text](KeyText). Weighers, loaders, listeners, an [`Expiry`] and the closures of [`Cache::with`]
//!   and [`Cache::retain`] run outside of them. All these may use the cache. What runs under the lock
//!   of a shard, and must not, is the comparison of keys with `Eq`, a [policy](policy::Policy) of your
//!   own, and the function of a [`Clock`](perf_core::Clock) that was made of one.
//! - A value is dropped when it has left the cache and no thread can be reading it. Where only one
//!   thread uses a cache that is at once. Where several do, finding out takes a barrier on all
//!   processors, so it is done for many values together, and what is found free is dropped as its
//!   place is used again: one value with each insertion, two where more leave than come in. So a
//!   destructor may run as many insertions into the same shard later as values wait there, and
//!   without insertions not before one of the calls below: as a rule up to 1 in 32 of the entries or
//!   of the bytes wait, in small caches up to 16 values for each shard, and four times as many where
//!   writers are faster than barriers. They do not count as usage. What is found free and
//!   weighs more than 1 in 32 of the bytes of its shard is dropped at once. [`Cache::clear`],
//!   [`Cache::retain`], [`Cache::set_capacity`] and [`Cache::reclaim`] drop at once all that nobody
//!   reads; [`Cache::remove`] does so unless it has just been done, within a tenth of a millisecond.
//!
//! # Policies
//!
//! Which entry makes room is up to a [policy](policy::PolicyKind). The default,
//! [`Adaptive`](policy::Adaptive), finds out what the workload rewards by small shadows of four
//! alternatives, fed by a sample of the keys, or by all accesses up to 1 024 entries: a hit costs such
//! a small cache some 270 instructions more, save for keys that are hit all the time.
//! [`CacheBuilder::adaptive_min_capacity`] sets where that ends. With [`CacheBuilder::cold_share`] the
//! share of the cache in which new entries are tried out is fixed, and nothing is shadowed.
//! [`CacheBuilder::policy`] and [`CacheBuilder::custom_policy`] choose others, and
//! [`Cache::set_policy`] another one while the cache is in use, with all its entries. [`replay`]
//! tells for recorded requests what each policy would hit at each size, and how much could be hit.
//!
//! # Expiry
//!
//! A time to live and a time to idle can be set for the cache, for each entry by its [`Terms`], or
//! by an [`Expiry`] that computes them. What has ended is freed when it is met, a few with each
//! insertion, and by [`Cache::remove_expired`]; there is no thread for it.
//!
//! ```
//! use perf_cache::{Cache, Terms};
//! use perf_core::Clock;
//! use std::time::Duration;
//!
//! let (clock, hand) = Clock::manual();
//! let sessions: Cache<u64, &str> = Cache::builder()
//!     .max_entries(10_000)
//!     .time_to_idle(Duration::from_secs(600))
//!     .clock(clock)
//!     .build()?;
//! sessions.insert(1, "ann");
//! sessions.insert_with(2, "bob", Terms::new().time_to_live(Duration::from_secs(700)));
//! hand.advance(Duration::from_secs(599));
//! assert_eq!((sessions.get(&1), sessions.get(&2)), (Some("ann"), Some("bob")));
//! hand.advance(Duration::from_secs(599));
//! assert_eq!((sessions.get(&1), sessions.get(&2)), (Some("ann"), None));
//!
//! let left = sessions.entry_info(&1).unwrap();
//! assert_eq!(left.time_to_idle, Some(Duration::from_secs(600)));
//! # Ok::<(), perf_cache::ConfigError>(())
//! ```
//!
//! [`Cache::snapshot`] saves what is held with what is left of its life, coldest first, and
//! [`Cache::restore`] puts it back.
//!
//! # Loaders
//!
//! A value that is missing is made once, however many ask for it: the first runs its loader, the
//! others wait for it, threads and tasks alike. If the loader panics or its future is dropped, one
//! of those who wait runs its own. A loader that asks for the key it loads panics instead of waiting
//! for itself.
//!
//! | call | for |
//! |---|---|
//! | [`get_with`](Cache::get_with) | a loader that always has a value |
//! | [`try_get_with`](Cache::try_get_with) | one that may fail; who waits shares the error |
//! | [`optionally_get_with`](Cache::optionally_get_with) | one that may find that there is none |
//! | [`get_many_with`](Cache::get_many_with), [`try_get_many_with`](Cache::try_get_many_with) | many keys in one load |
//! | [`get_with_terms`](Cache::get_with_terms), [`try_get_with_terms`](Cache::try_get_with_terms), [`optionally_get_with_terms`](Cache::optionally_get_with_terms) | a loader that sets the entry's time to live and tags |
//! | [`fetch`](Cache::fetch) | loads in the background, with time-outs |
//!
//! Each has a form ending in `_async` for futures on any runtime, and with the feature `macros` the
//! attribute `#[cached]` makes a function of one of them.
//!
//! What to do about values that are old, late, or not to be had is set in the builder. This cache
//! renews a price that is asked for in the last fifth of its minute, answers an old one for another
//! ten minutes if the origin is down, and asks the origin no more than once a second then:
//!
//! ```
//! use perf_cache::Cache;
//! use perf_core::{Clock, Ratio};
//! use std::time::Duration;
//!
//! let (clock, hand) = Clock::manual();
//! let prices: Cache<&str, u64> = Cache::builder()
//!     .max_entries(1_000)
//!     .time_to_live(Duration::from_secs(60))
//!     .refresh_after(Ratio::new(0.8)?)
//!     .stale_if_error(Duration::from_secs(600))
//!     .negative_ttl(Duration::from_secs(1))
//!     .clock(clock)
//!     .build()?;
//! assert_eq!(prices.try_get_with("tea", || Ok::<_, &str>(3)), Ok(3));
//! hand.advance(Duration::from_secs(50));
//! assert_eq!(prices.try_get_with("tea", || Ok::<_, &str>(4)), Ok(4));
//! hand.advance(Duration::from_secs(100));
//! assert_eq!(prices.try_get_with("tea", || Err("the origin is down")), Ok(4));
//! assert_eq!(prices.try_get_with("tea", || -> Result<u64, &str> { unreachable!() }), Ok(4));
//!
//! let stats = prices.stats();
//! assert_eq!((stats.loads, stats.refreshes, stats.load_failures), (3, 1, 1));
//! assert_eq!((stats.stale_served, stats.negative_hits), (2, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`fetch`](Cache::fetch) gives its loader to a [`Spawn`]: threads, a tokio runtime, or any
//! function. Then a refresh keeps nobody waiting, and a caller whose
//! [`soft_timeout`](CacheBuilder::soft_timeout) or [`hard_timeout`](CacheBuilder::hard_timeout) is up
//! goes on with an old value or an error, while the load goes on as well. A loader that runs on the
//! caller's own thread is ended by no time-out.
//!
//! # Invalidation
//!
//! | call | ends |
//! |---|---|
//! | [`remove`](Cache::remove) | the entry of one key |
//! | [`invalidate_tag`](Cache::invalidate_tag) | those with a [tag](Terms::tags) |
//! | [`invalidate_namespace`](Cache::invalidate_namespace) | those whose key begins with `name:` |
//! | [`invalidate_by_pattern`](Cache::invalidate_by_pattern) | those whose key matches, as `users:*:mail` |
//! | [`invalidate_dependencies`](Cache::invalidate_dependencies) | those that [depend](Terms::depends_on) on something |
//! | [`cascade_invalidate`](Cache::cascade_invalidate) | an entry and all that was made from it, in as many steps as it takes |
//! | [`clear`](Cache::clear) | all |
//!
//! None but `clear` looks for entries, so a million are ended as fast as one. What was ended is seen
//! by nobody from then on; it is freed when it is met, a few with each insertion, and by
//! [`Cache::remove_dead`], and counts in [`Cache::len`] until then. [`Cache::dead`] counts those
//! that wait for it, one by one; [`Cache::dead_estimate`] says about how many they are and looks at
//! some thousand at most, as the signal `dead` does. Keys have to be [text](KeyText) for what goes by
//! their names.
//!
//! **What was read before an invalidation is not kept after it**, from a loader or from a caller who
//! [reserves](Cache::reserve) the key before reading. A plain [`insert`](Cache::insert) cannot
//! know when its value was read, and is taken as new.
//!
//! ```
//! use perf_cache::{Cache, Refusal, Terms};
//!
//! let pages: Cache<String, String> = Cache::builder().max_entries(1_000).build()?;
//! let terms = || Terms::new().tags(["products"]);
//! pages.get_with_terms("shop:tea".to_owned(), || ("3.10".to_owned(), terms()));
//!
//! // Read, overtaken by a change of the price, and refused.
//! let token = pages.reserve("shop:coffee".to_owned());
//! let read = "4.20".to_owned();
//! assert_eq!(pages.invalidate_tag("products").at_most, 1);
//! assert_eq!(token.fill_with(read, terms()), Err(Refusal::Tag));
//! assert_eq!(pages.get("shop:tea"), None);
//! # Ok::<(), perf_cache::ConfigError>(())
//! ```
//!
//! [`CacheBuilder::on_eviction`] is told of each entry that leaves, and [why](Cause).
//!
//! # Insight
//!
//! The cache watches a sample of its keys. [`Cache::insight`] tells from it what more memory or
//! another policy would bring, [`Cache::hottest`] which keys are hit most, and
//! [`Cache::efficiency`] what the cache is worth in time and money. See [`insight`].
//!
//! A cache is a [`Component`](perf_core::Component): its counts, `hit_ratio_at_twice`, `scan_share`
//! and `skew` are signals, and `capacity`, `time_to_live`, `policy` and `cold_share` knobs that can be
//! turned by their names.
//!
//! [`Registry`] finds the caches of a program by their names.
//!
//! [`learning`] has what goes beyond that: [`Prefetching`](learning::Prefetching) is a cache with a
//! loader that loads what is asked for next before it is, and
//! [`adaptive_ttl`](CacheBuilder::adaptive_ttl) finds times to live from how often values change.
//! [`warming`] fills a cache before it is asked, such as with what was hit most in the last run.
//!
//! # Cost
//!
//! | call | what it does |
//! |---|---|
//! | [`get`](Cache::get), [`peek`](Cache::peek), [`with`](Cache::with), [`get_ref`](Cache::get_ref) | one hash, two or three cache lines, no lock; the first two clone the value |
//! | the same where entries can expire | reads the coarse clock as well, and within two ticks of the end the precise one |
//! | the same where an entry has tags | compares a word more for each |
//! | [`PlainCache::get`] | one hash, two or three cache lines, no lock; copies the value |
//! | [`insert`](Cache::insert) | takes one lock out of four for each core; frees up to 32 expired and 4 invalidated entries on its way, if there are any |
//! | [`get_with`](Cache::get_with) and its kind | a hit is a `get`; a miss takes the lock twice and allocates once, beside the loader |
//! | [`remove`](Cache::remove) | takes the lock, clones, and at times makes a barrier on all processors, some ten microseconds |
//! | [`invalidate_tag`](Cache::invalidate_tag) and its kind | O(1), see [above](#invalidation) |
//! | [`stats`](Cache::stats), [`len`](Cache::len) | O(shards) |
//! | [`clear`](Cache::clear), [`retain`](Cache::retain), [`snapshot`](Cache::snapshot), [`set_policy`](Cache::set_policy), [`dead`](Cache::dead), `count_*` | O(entries), a few microseconds in each holding of a lock; `set_policy` holds that of one shard after the other |
//!
//! | what | bytes |
//! |---|---|
//! | an entry of [`Cache`] | [`ENTRY_OVERHEAD`](Cache::ENTRY_OVERHEAD), 60 for a pair of `u64`, and what key and value own on the heap |
//! | an entry of [`PlainCache`] | [`ENTRY_BYTES`](PlainCache::ENTRY_BYTES), 40 for a pair of `u64`, and 8 for a deadline |
//! | what `Adaptive` takes beyond the 8 in these | some 10 an entry, some 30 up to 4 096 entries |
//! | an entry with tags, dependencies or a time to idle, or one that is tracked or refreshed | 104 more, and 16 for each tag or dependency; each name some 200, once |
//! | a cache, whatever it holds | some 8 KiB, and up to 200 KB for the shadows of `Adaptive` |
//! | insight | 14 to 24 KB for a few entries, a megabyte at most; off by [`CacheBuilder::insight`] |
//!
//! Tables grow by doubling where there is no bound on entries, so a shard may have twice as many
//! places as entries meanwhile. How fast all this is beside other caches, and what it hits beside
//! other policies, stands in `docs/benchmarks.md` and `docs/caching.md` of the repository, with the
//! commands that measure it again.
//!
//! # Examples
//!
//! Small programs in the folder `examples` of the crate:
//!
//! | tier | `cargo run -p perf-cache` … |
//! |---|---|
//! | memory | `--example read_through` |
//! | memory that loads ahead | `--example prefetch` |
//! | `#[cached]` | `--features macros --example cached_function` |
//! | memory over a disk | `--features tiered,serde,lz4 --example tiered` |
//! | the log store alone | `--features disk --example disk_log` |
//! | a store over SQLite | `--features bundled-sqlite --example disk_sqlite` |
//! | a store over RocksDB | `--features rocksdb --example disk_rocksdb` |
//! | telling a content delivery network | `--features cdn --example purge` |
//! | a strategy, made and applied | `--features json --example strategy` |
//!
//! # Features
//!
//! | feature | brings | default |
//! |---|---|---|
//! | `codec` | values and keys as bytes: `codec`, `CacheKey`; and crc32c | no |
//! | `gzip`, `brotli`, `zstd`, `lz4` | compression for these; and flate2, brotli, zstd (C code), lz4_flex | no |
//! | `crypto` | ciphers for these; and aes-gcm, chacha20poly1305, getrandom, zeroize | no |
//! | `json` | a `CacheStrategy` as a file; and serde_json | no |
//! | `serde`, `bytes` | values that serde serializes, `Bytes`; and postcard, bytes | no |
//! | `derive` | `#[derive(Plain)]`, and syn and a reader of manifests | no |
//! | `disk` | stores on disk: the trait, the log store; and xxhash-rust | no |
//! | `sqlite`, `bundled-sqlite` | a store over SQLite, of the system or built from source; and crc32c, rusqlite | no |
//! | `rocksdb` | a store over RocksDB, built from source; and crc32c, rocksdb | no |
//! | `conformance` | the tests that a store has to pass | no |
//! | `macros` | `#[cached]`, and syn with all of the language, and a reader of manifests | no |
//! | `redis`, `redis-tls` | a Redis or Valkey server as a tier of these, over TLS as well; and redis, with rustls and ring (C code) | no |
//! | `cdn`, `cdn-tls` | an HTTP store as a tier of these, and the purging of content delivery networks, over TLS as well; and ureq, hmac, sha2, zeroize, with rustls and ring (C code) | no |
//! | `tiered` | `TieredCache`: memory and a disk as one cache, and perf-guard | no |
//! | `tokio` | loads in the background as tasks of a tokio runtime, with its timers, and tokio | no |
//!
//! Without them it depends on equivalent, hashbrown, lru and perf-core, and rustix on Linux.

mod barrier;
mod budget;
mod builder;
mod by_key;
mod cache;
#[cfg(feature = "codec")]
mod cache_key;
#[cfg(feature = "macros")]
mod cached;
mod capacity;
#[cfg(feature = "cdn")]
pub mod cdn;
mod choosing;
#[cfg(feature = "codec")]
pub mod codec;
mod component;
#[cfg(feature = "disk")]
pub mod disk;
mod efficiency;
mod entry;
mod eviction;
mod expiry;
mod get_ref;
mod hazard;
mod index;
mod inner;
mod insertion;
pub mod insight;
mod invalidation;
mod iter;
mod key_text;
pub mod learning;
mod listener;
mod load;
mod loading;
mod lookup;
mod metadata;
mod plain;
pub mod policy;
mod registry;
#[cfg(feature = "redis")]
pub mod remote;
mod removal;
mod repeats;
pub mod replay;
mod ruling;
mod shard;
mod slots;
mod snapshot;
mod stats;
pub mod strategy;
mod sync;
mod terms;
#[cfg(feature = "tiered")]
pub mod tiered;
pub mod warming;
mod watching;
mod weights;

pub use builder::CacheBuilder;
pub use by_key::Entry;
pub use cache::Cache;
#[cfg(feature = "codec")]
pub use cache_key::CacheKey;
#[cfg(feature = "macros")]
#[doc(hidden)]
pub use cached::private as __private;
#[cfg(feature = "macros")]
pub use cached::{cached, cached_api_response, cached_database_query};
pub use capacity::Capacity;
pub use efficiency::{Efficiency, Prices};
pub use expiry::Expiry;
pub use get_ref::Ref;
pub use invalidation::{FillToken, Invalidated, Refusal};
pub use iter::Iter;
pub use key_text::KeyText;
pub use listener::{Cause, EvictionListener};
pub use loading::{LoadError, LoadFailure, RefreshAfter, Spawn, Threads, Work};
pub use metadata::CacheEntry;
pub use perf_core::{ConfigError, Glob, ParseGlobError};
pub use plain::{Plain, PlainCache, PlainCacheBuilder};
pub use registry::{
    CacheKind, CacheSettings, CacheSnapshot, CacheStatus, Registry, RegistryTotals, Tier,
    TierSnapshot,
};
pub use stats::{CacheStats, Evictions, InvalidationCounts};
pub use terms::Terms;
#[cfg(feature = "tiered")]
pub use tiered::TieredCache;
