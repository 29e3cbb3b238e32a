//! A figure: one number with its unit, and what is known about its certainty.

use perf_core::Histogram;
use serde::{Deserialize, Serialize};

/// A number that a section has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figure {
    /// Section and name, such as `cache/lookup`. It stays the same from version to version.
    pub id: String,
    /// A few words for the reader.
    pub label: String,
    /// The number: a median where it was timed.
    pub value: f64,
    /// Its unit, as for [`figure`](crate::report::figure).
    pub unit: String,
    /// Which way is better.
    pub better: Better,
    /// How it spreads, where it was taken many times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
    /// What the reader must know of how it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Lower, as times.
    Lower,
    /// Higher, as rates and hit ratios.
    Higher,
    /// Neither: it describes.
    Neither,
}

/// How a figure spreads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Spread {
    /// How many values there are.
    pub values: u64,
    /// Calls behind each value: 1 for single calls, more for means over batches.
    pub calls: u64,
    /// Median.
    pub p50: f64,
    /// 95 % are not larger.
    pub p95: f64,
    /// 99 % are not larger.
    pub p99: f64,
    /// The largest.
    pub max: f64,
    /// How many values lie from where to where, both in the figure's unit.
    #[serde(default)]
    pub buckets: Vec<(f64, f64, u64)>,
}

impl Figure {
    /// A figure without a spread.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        label: impl Into<String>,
        value: f64,
        unit: impl Into<String>,
        better: Better,
    ) -> Figure {
        Figure {
            id: name.into(),
            label: label.into(),
            value,
            unit: unit.into(),
            better,
            spread: None,
            note: None,
        }
    }

    /// The median of values, each the mean over so many calls.
    ///
    /// Without values the figure is not a number.
    #[must_use]
    pub fn of(
        name: impl Into<String>,
        label: impl Into<String>,
        values: &[f64],
        calls: u64,
        unit: impl Into<String>,
        better: Better,
    ) -> Figure {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |q: f64| perf_stats::quantile(&sorted, q).unwrap_or(f64::NAN);
        let mut figure = Figure::new(name, label, at(0.5), unit, better);
        figure.spread = (!sorted.is_empty()).then(|| Spread {
            values: sorted.len() as u64,
            calls,
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            max: sorted[sorted.len() - 1],
            buckets: buckets(&sorted, at(0.5)),
        });
        figure
    }

    /// The same with a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Figure {
        self.note = Some(note.into());
        self
    }

    /// The value in milliseconds, if it is a time.
    #[must_use]
    pub fn millis(&self) -> Option<f64> {
        match self.unit.as_str() {
            "ns" => Some(self.value / 1e6),
            "us" => Some(self.value / 1e3),
            "ms" => Some(self.value),
            "s" => Some(self.value * 1e3),
            _ => None,
        }
    }
}

/// Counts values in the buckets of a histogram, which holds whole numbers: so scaled that the median
/// is a large one.
fn buckets(values: &[f64], median: f64) -> Vec<(f64, f64, u64)> {
    if !(median.is_finite() && median > 0.0) {
        return Vec::new();
    }
    let scale = 1e6 / median;
    let mut histogram = Histogram::new();
    for value in values {
        histogram.record((value * scale) as u64);
    }
    let edge = |value: u64| value as f64 / scale;
    histogram.buckets().map(|b| (edge(b.low), edge(b.high), b.count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_of_many_values_is_their_median() {
        let values: Vec<f64> = (1..=101).rev().map(f64::from).collect();
        let figure = Figure::of("a/b", "", &values, 10, "us", Better::Lower);
        assert_eq!((figure.value, figure.millis()), (51.0, Some(0.051)));
        let spread = figure.spread.unwrap();
        assert_eq!((spread.values, spread.calls, spread.p95, spread.max), (101, 10, 96.0, 101.0));
        assert_eq!(spread.buckets.iter().map(|bucket| bucket.2).sum::<u64>(), 101);
        assert!(spread.buckets.iter().all(|&(low, high, _)| low <= high && high < 103.0));
        assert!(Figure::of("a/b", "", &[], 1, "", Better::Lower).value.is_nan());
    }
}
