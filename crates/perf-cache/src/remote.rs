//! Redis, or Valkey, as a tier of a [`TieredCache`](crate::TieredCache).
//!
//! A [`RedisTier`] keeps sealed values on a server, for as long as they are to live and never longer
//! than [`max_time_to_live`](RedisTierBuilder::max_time_to_live).
//!
//! ```no_run
//! use perf_cache::codec::RawBytes;
//! use perf_cache::remote::RedisTier;
//! use perf_cache::{Cache, TieredCache};
//! use perf_core::ByteSize;
//! use std::sync::Arc;
//!
//! let redis = RedisTier::builder("redis://:secret@127.0.0.1:6379").prefix("shop:").build()?;
//! let cache: TieredCache<String, String> = TieredCache::builder()
//!     .memory(Cache::builder().max_bytes(ByteSize::mib(64)))
//!     .tier(Arc::new(redis))
//!     .codec(RawBytes)
//!     .build()?;
//! assert_eq!(cache.get_with("tea".to_owned(), || "3.10".to_owned()), "3.10");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! - **Trouble looks like a miss.** A call waits for the server no longer than the tier's
//!   [deadline](RedisTierBuilder::deadline), 50 ms; the first one that has to opens the circuit
//!   breaker of the tier, and those that follow pass by. Where there is no connection, calls fail at
//!   once, and one in a while tries to connect, after 50 ms at first and two seconds at last.
//! - **What is known to be invalid is not answered**, also not after the server was away, or came
//!   back empty. Each value carries the epoch of the records that say what was invalidated; where
//!   the server has lost the records, by a restart or by eviction, the epoch is gone with them, and
//!   so is every value that it still has.
//! - **What is late is nothing**: a write that the server gets after its caller has given up, by a
//!   network that was slow, is not taken. The next call claims a new token first, which every write
//!   has to name.
//! - **The server's clock ends values**, by `PEXPIRE`'s own measure: they come back with what is left
//!   of their life, so the clocks of the server and of this process may differ. Lives are shortened
//!   by a random share, so that what was put at the same time does not end at the same time.
//! - Values above [a bound](RedisTierBuilder::max_value) are refused and counted, and so is what a
//!   server that is out of memory does not take; what it had for the key before is removed.
//! - **One tier at a time has a prefix**: the one that was made last, in whatever process, from its
//!   first call on. The one before it, as of a release that is being replaced, finds that out with
//!   its next call: its reads are misses, its values are not taken, what it removes is removed, and
//!   whatever it invalidates ends every value of the prefix.
//!
//! That keeps two processes from undoing each other's invalidations. It is no way to share a cache:
//! what the memory of another process holds, and what it loads just then, it is not told about.
//!
//! # What is lost
//!
//! Whatever the server loses: a Redis without persistence comes back empty. An invalidation that was
//! answered with `Ok` is on the server, in its memory; it is on its disk, or on a replica, when the
//! server says so (`appendfsync`, `WAIT`), and if it comes back without it, the values that are older
//! come back as well. Use no persistence, or `appendonly yes`; do not restore snapshots.
//!
//! # Cost
//!
//! A read is one round trip of three short commands, a write of one script, a batch of
//! [`get_many`](RedisTier::get_many) one for each 128 keys. On one machine a read takes 1.04 to 1.12
//! times as long as with a bare client; through a cache without memory, which hands it to another
//! thread, 1.2 to 1.4 times where a round trip takes 70 us, and 2.3 to 2.4 times where it takes 20. A
//! batch of 100 takes as long as 1.7 to 5.4 reads of a bare client, whose own takes as long as 1.5 to
//! 4.7: about a microsecond for each value, whatever the round trip
//! (`cargo run --release -p perf-cache --example redis_cost --features redis`). Each thread that waits
//! has a connection of its own: [`threads`](crate::tiered::TieredCacheBuilder::threads) of a cache is
//! how many there are. No runtime is needed.

mod builder;
mod claim;
mod cluster;
mod error;
mod link;
mod own;
mod request;
mod servers;
mod slots;
mod stats;
mod tier;

pub use builder::RedisTierBuilder;
pub use error::RemoteError;
pub use stats::RedisStats;
pub use tier::RedisTier;
