//! Statistics for performance figures: comparisons with intervals, correction for many tests,
//! change points. Pure functions over slices; randomness comes in as a seed.
//!
//! # Features
//!
//! - `serde`: results serialize and deserialize (off by default).

mod bootstrap;
mod distribution;
mod error;
mod estimate;
mod hodges_lehmann;
mod holm;
mod input;
mod quantile;
mod rank_sum;
mod ranks;
mod selection;
mod signed_rank;
mod welch;

pub use bootstrap::bootstrap_quantile_ratio;
pub use error::StatsError;
pub use estimate::{Confidence, Estimate, Test};
pub use hodges_lehmann::{
    hodges_lehmann, hodges_lehmann_ratio, hodges_lehmann_ratio_unpaired, hodges_lehmann_shift,
};
pub use holm::holm;
pub use quantile::{median, quantile};
pub use rank_sum::mann_whitney;
pub use signed_rank::wilcoxon_signed_rank;
pub use welch::{welch, welch_log_ratio};
