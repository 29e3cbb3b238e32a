//! A distribution in fixed relative precision.

use std::fmt;
use std::time::Duration;

/// A distribution of non-negative whole numbers, such as nanoseconds or bytes.
///
/// Exponential buckets with base 2^(1/32): a quantile is at most 1.1 % off over the whole range of
/// `u64`, count, sum, minimum and maximum are exact, and two histograms merge exactly. Memory is
/// allocated by the octave, 256 bytes for each that has been touched.
///
/// ```
/// use perf_core::Histogram;
/// let mut h = Histogram::new();
/// for v in 1..=1000 {
///     h.record(v);
/// }
/// let p99 = h.quantile(0.99).unwrap();
/// assert!((980..=1001).contains(&p99));
/// ```
///
/// Source: the buckets of the OpenTelemetry exponential histogram at scale 5; the guarantee is that
/// of Masson, Rim and Lee, "DDSketch", VLDB 2019.
#[derive(Clone, Default)]
pub struct Histogram {
    pages: Vec<Option<Box<[u64; PAGE]>>>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Histogram {
    /// An empty histogram. Allocates nothing.
    #[must_use]
    pub const fn new() -> Histogram {
        Histogram { pages: Vec::new(), count: 0, sum: 0, min: u64::MAX, max: 0 }
    }

    /// Records one value.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Records a duration in nanoseconds.
    #[inline]
    pub fn record_duration(&mut self, elapsed: Duration) {
        self.record(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Records the same value `n` times.
    pub fn record_n(&mut self, value: u64, n: u64) {
        if n == 0 {
            return;
        }
        let index = index_of(value);
        *self.slot(index) += n;
        self.count += n;
        self.sum += u128::from(value) * u128::from(n);
        self.min = if self.count == n { value } else { self.min.min(value) };
        self.max = self.max.max(value);
    }

    /// Adds everything that `other` holds. Exact.
    pub fn merge(&mut self, other: &Histogram) {
        if other.count == 0 {
            return;
        }
        for (page, counts) in other.pages.iter().enumerate() {
            if let Some(counts) = counts {
                for (i, n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
                    *self.slot(page * PAGE + i) += n;
                }
            }
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// What has been recorded since `earlier`, a former state of this same histogram.
    ///
    /// Counts and sum are exact; minimum and maximum are bucket edges, at most 1.1 % off. If
    /// `earlier` is not a former state (the histogram was reset in between), answers `self`.
    #[must_use]
    pub fn minus(&self, earlier: &Histogram) -> Histogram {
        let mut window = Histogram::new();
        for (index, n) in self.counts() {
            let Some(n) = n.checked_sub(earlier.at(index)) else { return self.clone() };
            if n > 0 {
                *window.slot(index) += n;
                window.count += n;
                let (low, high) = edges(index);
                if window.count == n {
                    window.min = low.max(self.min);
                }
                window.max = high.min(self.max);
            }
        }
        match (self.count.checked_sub(earlier.count), self.sum.checked_sub(earlier.sum)) {
            (Some(count), Some(sum)) if count == window.count => {
                window.sum = sum;
                window
            }
            _ => self.clone(),
        }
    }

    /// How many values have been recorded.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing has been recorded.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The sum of the values. Exact.
    #[must_use]
    pub const fn sum(&self) -> u128 {
        self.sum
    }

    /// The mean of the values, `None` when empty.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }

    /// The smallest value, `None` when empty.
    #[must_use]
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The largest value, `None` when empty.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }

    /// The value below which a fraction `q` of the values lie, at most 1.1 % off; `None` when
    /// empty. `q` is clamped to 0..=1, and NaN counts as 0. O(buckets).
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let q = if q.is_nan() { 0.0 } else { q.clamp(0.0, 1.0) };
        let rank = ((q * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (index, n) in self.counts() {
            seen += n;
            if seen >= rank {
                let (low, high) = edges(index);
                return Some(middle(low, high).clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// The buckets that hold anything, from the lowest up.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.counts().map(|(index, count)| {
            let (low, high) = edges(index);
            Bucket { low, high, count }
        })
    }

    fn counts(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.pages
            .iter()
            .enumerate()
            .flat_map(|(page, counts)| {
                counts.iter().flat_map(move |counts| {
                    counts.iter().enumerate().map(move |(i, n)| (page * PAGE + i, *n))
                })
            })
            .filter(|(_, n)| *n > 0)
    }

    fn at(&self, index: usize) -> u64 {
        match self.pages.get(index / PAGE) {
            Some(Some(counts)) => counts[index % PAGE],
            _ => 0,
        }
    }

    fn slot(&mut self, index: usize) -> &mut u64 {
        let page = index / PAGE;
        if self.pages.len() <= page {
            self.pages.resize(page + 1, None);
        }
        &mut self.pages[page].get_or_insert_with(|| Box::new([0; PAGE]))[index % PAGE]
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("min", &self.min())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

/// One bucket of a [`Histogram`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The smallest value that falls in.
    pub low: u64,
    /// The largest value that falls in.
    pub high: u64,
    /// How many values did.
    pub count: u64,
}

const PAGE: usize = 32;

fn index_of(value: u64) -> usize {
    if value < 2 {
        return value as usize;
    }
    let octave = value.ilog2() as usize;
    let within = ((value as f64).log2() - octave as f64) * PAGE as f64;
    octave * PAGE + (within.floor() as usize).min(PAGE - 1)
}

fn edges(index: usize) -> (u64, u64) {
    if index < 2 {
        return (index as u64, index as u64);
    }
    let at = |i: usize| ((i as f64) / PAGE as f64).exp2().ceil() as u64;
    (at(index), at(index + 1).saturating_sub(1).max(at(index)))
}

fn middle(low: u64, high: u64) -> u64 {
    low + (high - low) / 2
}
