//! What a cache can tell about its workload, from a sample of the keys.
//!
//! [`Cache::insight`](crate::Cache::insight) answers an [`Insight`]: what a larger or a smaller
//! cache would miss, what other policies would hit, and what the workload is like. All of it comes
//! from the accesses to a small share of the keys, chosen by their hashes, so that lookups of other
//! keys pay for a comparison only. Figures are estimates; how far they are off is said with each.

mod buckets;
mod changes;
mod curve;
mod hottest;
mod observer;
mod recent;
mod shadow;
mod shards;
mod skew;
mod stack;
#[cfg(test)]
mod tests;

pub use curve::MissRatioCurve;
pub(crate) use observer::{Bounds, Observer, wanted};
pub use shards::Shards;
pub(crate) use skew::zipf_exponent;

use crate::policy::PolicyKind;
use perf_core::{Histogram, Unit};
use std::fmt;

/// What a cache knows of its workload, and what other settings would make of it.
///
/// What is older than some hundred thousand accesses to sampled keys hardly counts. Where nothing
/// was sampled yet, nothing is known, and the answers are `None` or empty.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Insight {
    /// What sizes are measured in: bytes if the cache is bounded by them, else entries.
    pub unit: Unit,
    /// How large the cache may be, in that unit.
    pub capacity: u64,
    /// What the cache hits, as measured, since its statistics were reset.
    pub hit_ratio: Option<f64>,
    /// What a least recently used cache of any size up to sixteen times this one would miss: within
    /// 0.02 in the mean, for sizes from ten over the [sampling rate](Insight::sampling_rate) on.
    pub curve: MissRatioCurve,
    /// What other policies would hit at this capacity, from small caches of a share of the keys,
    /// where every key weighs the same. Within some points; meant for telling policies apart.
    pub policies: Vec<(PolicyKind, f64)>,
    /// What the workload is like.
    pub workload: Workload,
    /// Keys that are watched.
    pub sampled_keys: u64,
    /// The share of all keys that they are.
    pub sampling_rate: f64,
    /// Events that were not looked at, because another thread was at it.
    pub dropped: u64,
}

impl Insight {
    /// What the cache would hit with `factor` times its capacity: "twice the memory would give
    /// 91 %".
    ///
    /// The misses that were measured, scaled as the curve says: `1 - misses × curve(factor ×
    /// capacity) / curve(capacity)`. So it is right for the size that is, and for other sizes as
    /// far as the policy follows the curve of least recently used. `None` before the first lookups.
    #[must_use]
    pub fn hit_ratio_with(&self, factor: f64) -> Option<f64> {
        predict(&self.curve, self.capacity, self.hit_ratio, factor)
    }
}

/// What a cache of `factor` times this capacity would hit, given what this one does.
fn predict(
    curve: &MissRatioCurve,
    capacity: u64,
    hit_ratio: Option<f64>,
    factor: f64,
) -> Option<f64> {
    let size = (capacity as f64 * factor.max(0.0)) as u64;
    let (now, then) = (curve.miss_ratio_at(capacity)?, curve.miss_ratio_at(size)?);
    let Some(hit_ratio) = hit_ratio else { return Some(1.0 - then) };
    if now <= 0.0 {
        return Some(hit_ratio);
    }
    Some((1.0 - (1.0 - hit_ratio) * then / now).clamp(0.0, 1.0))
}

/// The few numbers of an [`Insight`] that are read again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Outlook {
    pub(crate) hit_ratio_at_twice: Option<f64>,
    pub(crate) scan_share: Option<f64>,
    pub(crate) skew: Option<f64>,
}

/// What the accesses to a cache are like.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Workload {
    /// The exponent of the Zipf law that fits the use of keys best: 0 is all alike, web traffic is
    /// about 0.6 to 1. For keys that follow such a law it is within 0.1 up to 1 and within 0.2 above;
    /// for others it means little.
    pub skew: Option<f64>,
    /// Quantiles (0.5, 0.75, 0.9, 0.99) of what is used between two uses of a key, in the unit of
    /// the [`Insight`]; `None` where that is farther than is watched, or the key was new.
    pub reuse_distance: [(f64, Option<u64>); 4],
    /// The share of accesses that were the only one to their key, as far as keys are watched.
    pub scan_share: Option<f64>,
    /// What entries weigh that come in: 1 each without a weigher.
    pub weights: Histogram,
    /// The share of insertions that gave a key a new value.
    pub change_share: Option<f64>,
    /// How long values stayed until they were replaced, in milliseconds.
    pub change_interval_ms: Histogram,
}

impl fmt::Display for Insight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |ratio: f64| format!("{:.1} %", ratio * 100.0);
        for factor in [0.5, 1.0, 2.0, 4.0] {
            if let Some(ratio) = self.hit_ratio_with(factor) {
                writeln!(f, "{factor} x capacity: {} hits", percent(ratio))?;
            }
        }
        for (policy, ratio) in &self.policies {
            writeln!(f, "{policy}: about {} hits", percent(*ratio))?;
        }
        if let Some(skew) = self.workload.skew {
            writeln!(f, "skew: {skew:.2}")?;
        }
        if let Some(share) = self.workload.scan_share {
            writeln!(f, "used once: {}", percent(share))?;
        }
        write!(f, "{} keys watched of {}", self.sampled_keys, percent(self.sampling_rate))
    }
}

/// One hit in so many of each thread is told to [`Observer::on_hit`].
pub(crate) const ONE_HIT_IN: u64 = 128;
