//! A distribution as it is reported.

use perf_core::Histogram;
use serde::{Deserialize, Serialize};

/// A distribution as it is reported. Times are nanoseconds; quantiles are at most 1.1 % off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Distribution {
    /// How many values.
    pub count: u64,
    /// The smallest, 0 when there is none; so with the others.
    pub min: f64,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The 99.9th percentile.
    pub p999: f64,
    /// The largest.
    pub max: f64,
    /// The buckets that hold anything: low and high edge, both included, and count.
    pub buckets: Vec<(u64, u64, u64)>,
}

impl Distribution {
    /// What a histogram holds.
    #[must_use]
    pub fn of(histogram: &Histogram) -> Distribution {
        let at = |q| histogram.quantile(q).unwrap_or(0) as f64;
        Distribution {
            count: histogram.count(),
            min: histogram.min().unwrap_or(0) as f64,
            mean: histogram.mean().unwrap_or(0.0).round(),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: histogram.max().unwrap_or(0) as f64,
            buckets: histogram.buckets().map(|b| (b.low, b.high, b.count)).collect(),
        }
    }

    /// The figure of this name (`p99`, `p99.9`, `max`), `None` for others and when empty.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<f64> {
        let value = match name {
            "min" => self.min,
            "mean" => self.mean,
            "p50" => self.p50,
            "p90" => self.p90,
            "p95" => self.p95,
            "p99" => self.p99,
            "p99.9" => self.p999,
            "max" => self.max,
            _ => return None,
        };
        (self.count > 0).then_some(value)
    }

    /// How many values lie wholly above this one, to the precision of the buckets.
    #[must_use]
    pub fn above(&self, value: f64) -> u64 {
        self.buckets.iter().filter(|(low, ..)| *low as f64 > value).map(|(.., n)| n).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_distribution_has_no_figures() {
        let empty = Distribution::of(&Histogram::new());
        assert_eq!((empty.count, empty.named("p99")), (0, None));
        let mut one = Histogram::new();
        one.record(7);
        assert_eq!(Distribution::of(&one).named("p99.9"), Some(7.0));
    }

    #[test]
    fn values_above_are_counted() {
        let mut histogram = Histogram::new();
        histogram.record_n(100, 90);
        histogram.record_n(5_000, 10);
        let distribution = Distribution::of(&histogram);
        assert_eq!((distribution.above(1_000.0), distribution.above(6_000.0)), (10, 0));
    }
}
