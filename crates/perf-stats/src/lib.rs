//! Statistics for performance figures: comparisons with intervals, correction for many tests,
//! change points. Pure functions over slices; randomness comes in as a seed.
//!
//! ```
//! use perf_stats::{Confidence, EDivisive, hodges_lehmann_ratio, holm};
//!
//! // Eight interleaved pairs: the head takes 9 to 10 % longer.
//! let base = [10.0, 10.2, 9.9, 10.1, 10.0, 10.3, 9.8, 10.1];
//! let head = [11.1, 11.2, 10.8, 11.2, 11.0, 11.3, 10.9, 11.0];
//! let ratio = hodges_lehmann_ratio(&base, &head, Confidence::P95)?;
//! assert!(ratio.low > 1.08 && ratio.high < 1.12);
//!
//! // Three tests at once.
//! let adjusted = holm(&[0.01, 0.04, 0.03])?;
//! assert!(adjusted[0] < 0.05 && adjusted[1] > 0.05);
//!
//! // A bench over ten commits; the sixth made it slower.
//! let history = [10.0, 10.1, 9.9, 10.0, 10.1, 11.0, 11.1, 10.9, 11.0, 11.1];
//! let points = EDivisive::default().change_points(&history)?;
//! assert_eq!(points[0].index, 5);
//! # Ok::<(), perf_stats::StatsError>(())
//! ```
//!
//! | Question | Function | Cost |
//! |---|---|---|
//! | By which factor did it change, measured in pairs? | [`hodges_lehmann_ratio`] | O(n log n); 8 µs at 30 pairs |
//! | By which factor, measured apart? | [`hodges_lehmann_ratio_unpaired`] | O(n log n); 30 µs at 30 a side |
//! | The same, for normal logarithms and narrower | [`welch_log_ratio`] | O(n); 3 µs at 100 a side |
//! | By which factor did a percentile change? | [`bootstrap_quantile_ratio`] | O(resamples × n); 9 ms at 10 000 and 100 a side |
//! | Is there any difference? p alone | [`wilcoxon_signed_rank`], [`mann_whitney`], [`welch`] | O(n log n) |
//! | The middle of values, or by how much they shift? | [`hodges_lehmann`], [`hodges_lehmann_shift`] | as the ratios |
//! | The quantile at hand? | [`median`], [`quantile`]; with an interval [`median_interval`] | O(n), O(n log n) |
//! | Which of many tests count? | [`holm`] | O(n log n) |
//! | At which commit did the level change? | [`EDivisive`] | O(n × window); 1 ms at 4 800 commits |
//!
//! The exact distributions behind the rank methods add up to 0.1 ms for small samples. An effect
//! with its interval says more than a p value: with enough samples every difference is
//! significant.
//!
//! Not for streams: everything is computed from a slice. Not for samples that depend on each
//! other, such as the latencies within a second: take a figure per window first.
//!
//! # Bad input
//!
//! Nothing panics. Too few values, NaN, zero where a ratio is asked for, rows that make no pairs,
//! values whose squares do not fit a floating-point number: [`StatsError`] names the value and
//! what to do. What is answered is always finite.
//!
//! # Features
//!
//! - `serde`: results serialize and deserialize (off by default).

mod bootstrap;
mod distribution;
mod e_divisive;
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
pub use e_divisive::{ChangePoint, EDivisive};
pub use error::StatsError;
pub use estimate::{Confidence, Estimate, Test};
pub use hodges_lehmann::{
    hodges_lehmann, hodges_lehmann_ratio, hodges_lehmann_ratio_unpaired, hodges_lehmann_shift,
};
pub use holm::holm;
pub use quantile::{median, median_interval, quantile};
pub use rank_sum::mann_whitney;
pub use signed_rank::wilcoxon_signed_rank;
pub use welch::{welch, welch_log_ratio};
