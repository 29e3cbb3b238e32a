//! A distribution in fixed relative precision.

use crate::bucket::{Bucket, OCTAVES, PER_OCTAVE, edges, index_of};
use std::fmt;
use std::time::Duration;

/// A distribution of non-negative whole numbers, such as nanoseconds or bytes.
///
/// Exponential buckets with base 2^(1/32): a quantile is at most 1.1 % off over the whole range of
/// `u64`, plus half a unit for rounding to a whole number, and exact up to 45; count, sum, minimum
/// and maximum are exact, and two histograms merge exactly. Memory is allocated by the octave, 256 bytes for each that has been touched: 1 ms to
/// 1 min is 16 octaves, 4 KiB.
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
#[derive(Clone)]
pub struct Histogram {
    pages: Vec<Option<Box<Page>>>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

type Page = [u64; PER_OCTAVE];

impl Histogram {
    /// An empty histogram. Allocates nothing.
    #[must_use]
    pub const fn new() -> Histogram {
        Histogram { pages: Vec::new(), count: 0, sum: 0, min: u64::MAX, max: 0 }
    }

    /// Records one value.
    ///
    /// A histogram holds at most `u64::MAX` values; further ones are dropped.
    #[inline]
    pub fn record(&mut self, value: u64) {
        if self.count == u64::MAX {
            return;
        }
        let index = index_of(value);
        match self.pages.get_mut(index / PER_OCTAVE) {
            Some(Some(page)) => page[index % PER_OCTAVE] += 1,
            _ => self.page(index / PER_OCTAVE)[index % PER_OCTAVE] = 1,
        }
        self.count += 1;
        self.sum += u128::from(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Records a duration in nanoseconds, at most `u64::MAX` of them (584 years).
    #[inline]
    pub fn record_duration(&mut self, elapsed: Duration) {
        self.record(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Records the same value `n` times, as far as there is room.
    pub fn record_n(&mut self, value: u64, n: u64) {
        let n = self.add(index_of(value), n);
        if n > 0 {
            self.add_totals(u128::from(value) * u128::from(n), value, value);
        }
    }

    /// Adds everything that `other` holds. Exact. O(buckets).
    pub fn merge(&mut self, other: &Histogram) {
        match self.count.checked_add(other.count) {
            Some(count) => {
                self.count = count;
                for (octave, theirs) in other.pages.iter().enumerate() {
                    let Some(theirs) = theirs else { continue };
                    for (ours, theirs) in self.page(octave).iter_mut().zip(theirs.iter()) {
                        *ours += theirs;
                    }
                }
            }
            None => other.counts().for_each(|(index, n)| _ = self.add(index, n)),
        }
        self.add_totals(other.sum, other.min, other.max);
    }

    /// What has been recorded since `earlier`, a former state of this same histogram. O(buckets).
    ///
    /// Counts and sum are exact; minimum and maximum are bucket edges, at most 2.2 % off. If
    /// `earlier` is not a former state (the histogram was reset in between), answers `self`.
    #[must_use]
    pub fn minus(&self, earlier: &Histogram) -> Histogram {
        let mut window = Histogram::new();
        for (index, n) in self.counts() {
            let Some(n) = n.checked_sub(earlier.at(index)) else { return self.clone() };
            if n > 0 {
                window.add(index, n);
                let (low, high) = edges(index);
                window.min = window.min.min(low.max(self.min));
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

    /// The value that a fraction `q` of the values do not exceed, at most 1.1 % and half a unit
    /// off; `None` when empty. `q` is clamped to 0..=1, and NaN counts as 0. O(buckets).
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let q = if q.is_nan() { 0.0 } else { q.clamp(0.0, 1.0) };
        let rank = ((q * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut before = 0;
        for (octave, page) in self.pages() {
            let inside: u64 = page.iter().sum();
            if before + inside < rank {
                before += inside;
                continue;
            }
            for (i, n) in page.iter().enumerate() {
                before += n;
                if before >= rank {
                    let (low, high) = edges(octave * PER_OCTAVE + i);
                    return Some((low + (high - low) / 2).clamp(self.min, self.max));
                }
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

    /// Adds `n` to one bucket and to the count, or as many as there is room for; answers how many.
    /// The caller owes `add_totals`. So the buckets always sum up to the count, and neither they
    /// nor the sum can overflow.
    pub(crate) fn add(&mut self, index: usize, n: u64) -> u64 {
        let n = n.min(u64::MAX - self.count);
        if n > 0 {
            self.page(index / PER_OCTAVE)[index % PER_OCTAVE] += n;
            self.count += n;
        }
        n
    }

    /// Adds what is known of values besides their buckets.
    pub(crate) fn add_totals(&mut self, sum: u128, min: u64, max: u64) {
        self.sum = self.sum.saturating_add(sum);
        self.min = self.min.min(min);
        self.max = self.max.max(max);
    }

    fn pages(&self) -> impl Iterator<Item = (usize, &Page)> + '_ {
        let pages = self.pages.iter().enumerate();
        pages.filter_map(|(octave, page)| Some((octave, page.as_deref()?)))
    }

    fn counts(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.pages()
            .flat_map(|(octave, page)| {
                page.iter().enumerate().map(move |(i, n)| (octave * PER_OCTAVE + i, *n))
            })
            .filter(|(_, n)| *n > 0)
    }

    fn at(&self, index: usize) -> u64 {
        match self.pages.get(index / PER_OCTAVE) {
            Some(Some(page)) => page[index % PER_OCTAVE],
            _ => 0,
        }
    }

    #[inline(never)]
    fn page(&mut self, octave: usize) -> &mut Page {
        debug_assert!(octave < OCTAVES, "{octave} is no octave of u64");
        if self.pages.len() <= octave {
            self.pages.resize(octave + 1, None);
        }
        self.pages[octave].get_or_insert_with(|| Box::new([0; PER_OCTAVE]))
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

/// Equal when count, sum, minimum, maximum and every bucket are.
impl PartialEq for Histogram {
    fn eq(&self, other: &Histogram) -> bool {
        (self.count, self.sum, self.min, self.max) == (other.count, other.sum, other.min, other.max)
            && self.counts().eq(other.counts())
    }
}

impl Eq for Histogram {}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new();
        values.into_iter().for_each(|v| histogram.record(v));
        histogram
    }

    #[test]
    fn an_empty_histogram_has_no_answers() {
        let h = Histogram::default();
        assert_eq!((h.min(), h.max(), h.mean(), h.quantile(0.5)), (None, None, None, None));
        assert_eq!(h, Histogram::new());
    }

    #[test]
    fn both_ends_of_the_range_are_exact() {
        let h = of([0, u64::MAX]);
        assert_eq!((h.min(), h.max()), (Some(0), Some(u64::MAX)));
        assert_eq!(h.sum(), u128::from(u64::MAX));
        assert_eq!((h.quantile(0.5), h.quantile(1.0)), (Some(0), h.quantile(2.0)));
    }

    #[test]
    fn a_quantile_never_leaves_minimum_and_maximum() {
        let h = of([1_000_003, 1_000_004]);
        assert_eq!((h.quantile(0.0), h.quantile(f64::NAN)), (h.quantile(0.1), h.quantile(0.2)));
        assert!((1_000_003..=1_000_004).contains(&h.quantile(0.99).unwrap()));
    }

    #[test]
    fn the_window_holds_what_came_after() {
        let mut h = of([10, 10, 5_000]);
        let earlier = h.clone();
        h.record(30);
        h.record(10);
        let window = h.minus(&earlier);
        assert_eq!(window, of([10, 30]));
        assert_eq!(h.minus(&h), Histogram::new());
    }

    #[test]
    fn a_reset_answers_everything_since() {
        let earlier = of([7, 8, 9]);
        let restarted = of([7, 7, 7, 7]);
        assert_eq!(restarted.minus(&earlier), restarted);
    }

    #[test]
    fn a_full_histogram_drops_what_comes() {
        let mut h = of([7]);
        h.record_n(1, u64::MAX);
        let full = h.clone();
        assert_eq!((h.count(), h.sum()), (u64::MAX, u128::from(u64::MAX) - 1 + 7));
        h.record(9);
        h.record_n(9, 9);
        h.merge(&Histogram::new());
        assert_eq!(h, full);
        h.merge(&full);
        assert_eq!((h.count(), h.quantile(0.5)), (u64::MAX, Some(1)));
    }
}
