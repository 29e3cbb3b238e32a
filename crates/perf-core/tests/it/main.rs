//! perf-core as its users see it.

mod histogram;
#[cfg(feature = "serde")]
mod serde;
mod threads;
