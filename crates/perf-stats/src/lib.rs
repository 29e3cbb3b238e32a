//! Statistics for performance figures: comparisons with intervals, correction for many tests,
//! change points. Pure functions over slices; randomness comes in as a seed.
//!
//! # Features
//!
//! - `serde`: results serialize and deserialize (off by default).

mod error;
mod estimate;

pub use error::StatsError;
pub use estimate::{Confidence, Estimate, Test};
