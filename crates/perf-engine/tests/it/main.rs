//! What the engine does, seen from outside.

#[cfg(all(feature = "cache", feature = "operations"))]
mod bundled;
#[cfg(all(feature = "cache", feature = "operations"))]
mod cache_loads;
mod health;
mod listening;
mod pump;
mod registry;
mod sampling;
#[cfg(feature = "cache")]
mod strategies;
mod turning;
