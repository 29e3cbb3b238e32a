//! Tower layers that measure, cache, encode and keep clean what a service answers.
//!
//! - [`Measure`]: requests by route template and class, durations, bytes, aborted answers.
//! - [`ResponseCache`]: a shared cache after RFC 9111 with single flight, conditional and range
//!   requests, stale answers while revalidating or failing, and content codings that are made once
//!   and kept.
//! - [`Hygiene`]: what every intermediary owes both sides: hop-by-hop fields, `Via`, framing, paths.
//!
//! Generic over bodies, on `http` 1.x and `tower`; no server and no client inside.
//!
//! Not for answers that are made for one user: those pass through, and a private cache belongs into
//! the browser. Not a CDN: one process and one memory, forgotten when it ends unless a disk or a shared
//! server is behind it.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use perf_http::{Measure, ResponseCache};
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let measure = Measure::builder().build()?;
//! let cache = ResponseCache::builder().build()?;
//! let service = ServiceBuilder::new()
//!     .layer(measure.layer())
//!     .layer(cache.layer())
//!     .service(service_fn(|_: Request<_>| async {
//!         let page = Response::builder()
//!             .header("cache-control", "max-age=60")
//!             .header("content-type", "text/plain")
//!             .body(Full::new(Bytes::from("hello ".repeat(500))))
//!             .unwrap();
//!         Ok::<_, Infallible>(page)
//!     }));
//!
//! let ask = || {
//!     let request = Request::get("/").header("accept-encoding", "br");
//!     service.clone().oneshot(request.body(Full::<Bytes>::default()).unwrap())
//! };
//! let miss = ask().await?;
//! assert_eq!(miss.headers()["cache-status"], "perfkit; fwd=miss; stored; ttl=60");
//!
//! let hit = ask().await?;
//! assert_eq!(hit.headers()["cache-status"], "perfkit; hit; ttl=60");
//! assert_eq!(hit.headers()["etag"], miss.headers()["etag"]);
//! # #[cfg(feature = "br")]
//! assert_eq!(hit.headers()["content-encoding"], "br");
//! # Ok(())
//! # }
//! ```
//!
//! # Order of layers
//!
//! Outside in: [`Hygiene::check`], [`Measure`], [`ResponseCache`], [`HygieneLayer`], the origin.
//! So an answer from memory pays for no header surgery, and what goes on is clean.
//!
//! # Cost
//!
//! A hit costs one lookup and one copy of a header map, without a lock of this crate's own and
//! without encoding anything. An entry costs its body, each coding that somebody asked for, three
//! times its header fields, and about 800 bytes; the memory tier counts all of it against its
//! capacity. A miss is held in memory, up to `max_object`, until it is whole.
//!
//! # Features
//!
//! - `br`, `gzip`: the codings in pure Rust.
//! - `redis`, `redis-tls`: a Redis or Valkey server as such a tier, which several processes share.
//! - `tiers`: a disk, or any other tier, behind the memory of the response cache.
//! - `zstd`: the coding, with a C build.

mod body;
mod cache;
mod coding;
mod hygiene;
mod measure;

pub use body::{BodyError, BoxError, RequestBody, ResponseBody};
pub use cache::{
    Background, InvalidateError, Invalidation, ResponseCache, ResponseCacheBuilder,
    ResponseCacheLayer, ResponseCacheService, ResponseFuture, ResponseKey, StoredResponse,
};
#[cfg(feature = "tiers")]
pub use cache::{OuterReport, OuterTiers};
pub use coding::Coding;
pub use hygiene::{
    Hygiene, HygieneFuture, HygieneLayer, HygieneService, Rejection, check_framing, check_path,
    strip_hop_by_hop,
};
pub use measure::{
    Measure, MeasureBuilder, MeasureFuture, MeasureLayer, MeasureService, MeasuredBody,
};
pub use perf_core::ConfigError;
