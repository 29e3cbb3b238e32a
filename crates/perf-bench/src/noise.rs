//! How much a bench differs from itself: what is learnt from comparisons of a source with itself,
//! kept per machine, and whether the machine is quiet enough to compare at all.

mod document;
mod environment;
mod history;
mod store;

pub use environment::Environment;
pub use history::{BenchNoise, NoiseHistory, NoiseKind, NoiseRecord};
pub use store::{NoiseError, NoiseStore};
