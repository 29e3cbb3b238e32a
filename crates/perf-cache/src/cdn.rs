//! An HTTP store as a tier of a [`TieredCache`](crate::TieredCache), and the purging of content
//! delivery networks.
//!
//! An [`EdgeStore`] keeps sealed values as the files of nginx with its WebDAV module, of an object
//! store, or of whatever else answers PUT, GET, HEAD and DELETE:
//!
//! ```no_run
//! use perf_cache::cdn::EdgeStore;
//! use perf_cache::codec::RawBytes;
//! use perf_cache::{Cache, TieredCache};
//! use perf_core::ByteSize;
//! use std::sync::Arc;
//!
//! let store = EdgeStore::builder("http://10.0.0.7:8080/cache")
//!     .prefix("shop/")
//!     .header("Authorization", std::env::var("STORE_TOKEN")?)
//!     .build()?;
//! let cache: TieredCache<String, String> = TieredCache::builder()
//!     .memory(Cache::builder().max_bytes(ByteSize::mib(64)))
//!     .tier(Arc::new(store))
//!     .codec(RawBytes)
//!     .build()?;
//! assert_eq!(cache.get_with("tea".to_owned(), || "3.10".to_owned()), "3.10");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Purger`] tells a service what it is to forget of what it keeps of a site: [`Cloudflare`],
//! [`CloudFront`], or [Varnish and Fastly](SurrogateKeys).
//!
//! ```
//! use perf_cache::cdn::{Purge, Purger, SurrogateKeys};
//! use std::time::Duration;
//!
//! let varnish = SurrogateKeys::varnish("http://127.0.0.1:6081").build()?;
//! let purger = Purger::builder(varnish).close_within(Duration::ZERO).build()?;
//! purger.purge(Purge::Tag("product-7".into()))?;
//! purger.purge(Purge::Url("https://example.org/products/7".into()))?;
//! assert_eq!(purger.stats().waiting, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a store promises
//!
//! - **Trouble looks like a miss.** A call takes no longer than the
//!   [deadline](EdgeStoreBuilder::deadline), 250 ms; errors, statuses such as 429 and 500, and calls
//!   that are late count against the circuit breaker of the tier, and while that is open it is passed
//!   by. 404 is a miss.
//! - **No part of a value is a value.** Each file says whose it is and how long; what is cut off,
//!   somebody's log-in page, or another key's of the same hash is none.
//! - **What is late is nothing**: a write that was given up and is done by the store all the same,
//!   after what came then, is not answered by this process. It is by the next one, if the key was
//!   removed in between and nothing was put in its place.
//! - **Values end by the clocks of the processes that write and read them**; the store is told by
//!   `Cache-Control` and `Expires` when it may sweep them, and does not have to.
//! - **Each cache has a prefix of its own**, in one process at a time: two that use one would undo
//!   each other's invalidations. [Redis](https://docs.rs/perf-cache/latest/perf_cache/remote/index.html)
//!   is for many.
//! - The URL is that of the store itself. A cache in front of it would answer what was removed.
//!
//! What says what was invalidated lies in the folder `r` below the prefix, values in `v`. Opening a
//! cache reads some 260 records, one request each.
//!
//! # What a purger promises
//!
//! - **Nobody waits for it.** [`purge`](Purger::purge) puts something into a bounded queue;
//!   [`flush`](Purger::flush) waits, if one wants to.
//! - **What was asked for once is sent once**, unless it is asked for while it is on its way, and
//!   nothing that something wider covers.
//! - **Calls are as large and as many as the service allows**, by its documented limits, and what
//!   fails is tried again after a growing, random time up to a minute, or as long as the service asks,
//!   within a budget of retries, for [an hour](PurgerBuilder::give_up_after).
//! - **More than it holds is never forgotten in silence**: all is purged instead, or the caller is
//!   told, and it is counted as lost.
//! - What waits is in memory: a process that is killed takes it along.
//!
//! # Cost
//!
//! A purger has a thread, which sleeps while nothing waits; an item that waits takes some 200 bytes
//! and its text, twice. Calls to a store run on the
//! [threads](crate::tiered::TieredCacheBuilder::threads) of the cache. No runtime is needed.

mod api;
mod cloudflare;
mod cloudfront;
mod date;
mod edge;
mod error;
mod http;
mod purge;
mod purger;
mod secret;
mod sigv4;
mod surrogate;
#[cfg(feature = "cdn-tls")]
mod tls;

pub use cloudflare::{Cloudflare, CloudflareBuilder, CloudflarePlan};
pub use cloudfront::{CloudFront, CloudFrontBuilder};
pub use edge::{EdgeStats, EdgeStore, EdgeStoreBuilder};
pub use error::EdgeError;
pub use purge::{Purge, PurgeError, PurgeErrorKind, PurgeLimits, PurgeRefused, PurgeService};
pub use purger::{PurgeReport, Purger, PurgerBuilder, PurgerStats};
pub use secret::Secret;
pub use surrogate::{SurrogateKeys, SurrogateKeysBuilder};
