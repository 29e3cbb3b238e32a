//! What a cache does, seen from outside.

#![expect(clippy::unwrap_used, reason = "tests; clippy exempts only functions marked so")]

mod basics;
mod bounds;
#[cfg(feature = "codec")]
mod cache_keys;
#[cfg(feature = "macros")]
mod cached;
mod cancellation;
#[cfg(all(feature = "cdn", unix))]
mod cdn;
#[cfg(feature = "codec")]
mod codec;
mod component;
#[cfg(feature = "conformance")]
mod disk;
mod drops;
mod expiry;
mod extremes;
mod fences;
mod fetch;
mod insight;
mod invalidation;
mod key_text;
mod learning;
mod lifetimes;
mod loading;
mod many;
mod model;
mod negatives;
mod plain;
mod policies;
mod prefetching;
mod reclaiming;
mod registry;
#[cfg(all(feature = "redis", unix))]
mod remote;
mod snapshots;
mod spawner;
mod staleness;
mod threads;
#[cfg(feature = "tiered")]
mod tiered;
mod warming;
