//! Tower layers that measure, cache, encode and keep clean what a service answers.
//!
//! - [`Measure`]: requests by route template and class, durations, bytes, aborted answers.
//! - [`ResponseCache`]: a shared cache after RFC 9111 with single flight, conditional and range
//!   requests, and content codings that are made once and kept.
//! - [`Hygiene`]: what every intermediary owes both sides: hop-by-hop headers, `Via`, framing, paths.
//!
//! Generic over bodies, on `http` 1.x and `tower`; no server and no client inside.

mod body;
mod cache;
mod coding;
mod error;
mod hygiene;
mod measure;

pub use body::{BodyError, BoxError, RequestBody, ResponseBody};
pub use cache::{
    ResponseCache, ResponseCacheBuilder, ResponseCacheLayer, ResponseCacheService, ResponseFuture,
    ResponseKey, StoredResponse,
};
pub use coding::Coding;
pub use error::ConfigError;
pub use hygiene::{
    Hygiene, HygieneFuture, HygieneLayer, HygieneService, Rejection, check_framing, check_path,
    strip_hop_by_hop,
};
pub use measure::{
    Measure, MeasureBuilder, MeasureFuture, MeasureLayer, MeasureService, MeasuredBody,
};
