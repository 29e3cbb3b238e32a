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
//!   back empty. Each value carries the epoch of the state that says what was invalidated; where the
//!   server has lost the state, by a restart or by eviction, the epoch is gone with it, and so is
//!   every value that it still has.
//! - **What is late is nothing**: a write that the server gets after its caller has given up, by a
//!   network that was slow, is not taken, nor is what was read at its source before the key changed,
//!   in whatever process. Where the server has forgotten whether it has, it is not taken either.
//! - **The server's clock ends values**, by `PEXPIRE`'s own measure: they come back with what is left
//!   of their life, so the clocks of the server and of this process may differ. Lives are shortened
//!   by a random share, so that what was put at the same time does not end at the same time.
//! - Values above [a bound](RedisTierBuilder::max_value) are refused and counted, and so is what a
//!   server that is out of memory does not take; what it had for the key before is removed.
//!
//! # Several processes
//!
//! Tiers with one prefix share what is behind it. The server gives each change a number: a removal, a
//! value that a caller puts in, the invalidation of a tag, a dependency, a namespace, a pattern or of
//! everything. It keeps the last 10 000 as a journal, and with each value the number that was last
//! before the value was read at its source. [`SharedTier`](crate::tiered::SharedTier) is how others
//! are told.
//!
//! - A thread of each tier reads the journal, and waits there for what comes next. Changes are taken in
//!   in order and without gaps, and each names a nonce of the one before, so it is noticed when one is
//!   missing or the server goes on from another past. Then all that is near has to go, and what was
//!   invalidated is read anew.
//! - Who was away reads what it has missed, if the journal still has it.
//! - A call that finds that there are later changes takes them in before it answers. So whatever was
//!   answered before a removal in one process returned, it is not answered afterwards by the tier of
//!   another; what the memory of another holds is told of it as fast as the network is.
//! - Where the server is not heard of for the [stale
//!   window](RedisTierBuilder::stale_window), 30 s, what is near has to go as well, and again after each
//!   such time.
//! - By a [lease](crate::tiered::TieredCacheBuilder::single_flight_lease), which is a name on the server
//!   that is there for its time at most, one process at a time loads a key that is missing.
//! - The server keeps 4 096 tags and dependencies and 256 namespaces and patterns for those who come
//!   later. Of more, a quarter goes, and all values that are older than that. A name has at most a
//!   kilobyte, a key 16.
//!
//! # Clusters
//!
//! [`RedisTier::cluster`] is a tier over a Redis or Valkey cluster. Values are on the node that has
//! their slot, the state and the journal on one of them. What is asked of several is sent to all of
//! them before any answer is waited for. A call that a node sends on goes there, once, also to a slot
//! that is being moved, and within the same deadline; the map of slots is read anew after that, or
//! after a node has failed, at most every 100 ms. A node that is away costs the slots that it has; the
//! one with the state costs all of them. Up to 256 masters are used.
//!
//! A value goes before its change has a number and others are told, and nothing takes its place until
//! the number is known. So whoever hears of a change does not find the old value. While the slot of a
//! key is moved, changes hold, and values may have to wait for the next fill.
//!
//! A replica that takes the place of a node it was behind of brings back what it had not heard was
//! removed: here nobody notices, other than with the state. A cache needs no replicas.
//!
//! # What is lost
//!
//! Whatever the server loses: a Redis without persistence comes back empty. An invalidation that was
//! answered with `Ok` is on the server, in its memory; it is on its disk, or on a replica, when the
//! server says so (`appendfsync`, `WAIT`). If the server comes back without it, whoever has heard of it
//! ends the epoch, and all values with it; if nobody has that is still there, the values that are older
//! come back. Use no persistence, or `appendonly yes`; do not restore snapshots.
//!
//! # Cost
//!
//! A read is one round trip of three short commands; a removal, an invalidation and a value that was
//! read at its source are one of one script; a value that a caller puts in is two. A batch of
//! [`get_many`](RedisTier::get_many) is one for each 128 keys. In a cluster a read asks the server of
//! the key and the one of the state at once, a removal is three round trips, and so is a caller's
//! value; what was read at its source is one, or three if nobody has changed or filled anything of its
//! bucket for an hour, of which there are 65 536.
//!
//! On one machine a read takes 1.04 to 1.13 times as long as with a bare client; through a cache
//! without memory, which hands it to another thread, 1.2 to 1.4 times where a round trip takes 70 us,
//! and 2.3 to 2.4 times where it takes 20. A batch of 100 takes as long as 1.7 to 5.8 reads of a bare
//! client, whose own takes as long as 1.5 to 4.7: about a microsecond for each value, whatever the
//! round trip. Of a cluster of three, beside a bare client that knows which node has the key, a read
//! takes 1.2 times as long where a round trip takes 70 us, and 1.6 to 1.7 times where it takes 20 to
//! 30; through a cache without memory 1.6 to 1.7 and 2.7 to 3.0; a batch of 100 takes as long as 3.5
//! to 9.3 reads, and as 2.3 to 6.5 with bare clients that ask all nodes at once
//! (`cargo run --release -p perf-cache --example redis_cost --features redis`). Each thread that waits
//! has a connection of its own, of a cluster one to each node that it asks:
//! [`threads`](crate::tiered::TieredCacheBuilder::threads) of a cache is how many there are. No runtime
//! is needed.
//!
//! Where a `SET` of a bare client takes 18 us, what was read at its source takes 1.3 to 1.5 times as
//! long, a removal 2 to 3 times, a value that a caller puts in 3.2 to 4.7 times. Another tier is told
//! of a removal 43 to 45 us after it began (medians; 99 of 100 within 90 to 160 us). The server's own tracking of keys (`CLIENT
//! TRACKING ON BCAST`, Redis 7.0) tells of a `DEL` after 26 us, but not of what happened while nobody
//! was connected, nor of tags; so the journal is what is used
//! (`cargo run --release -p perf-cache --example redis_news --features redis`).

mod builder;
mod changing;
mod cluster;
mod error;
mod inner;
mod journal;
mod keys;
mod leasing;
mod link;
mod listening;
mod many;
mod moving;
mod news;
mod own;
mod request;
mod scripts;
mod servers;
mod slots;
mod stats;
mod tier;

pub use builder::RedisTierBuilder;
pub use error::RemoteError;
pub use many::Found;
pub use stats::RedisStats;
pub use tier::RedisTier;
