//! Histograms that one thread owns.

use hdrhistogram::Histogram as HdrHistogram;
use perf_core::Histogram;
use sketches_ddsketch::{Config, DDSketch};

/// What the suite asks of a histogram.
pub(super) trait Plain: Default + Send {
    /// How far off a quantile may be.
    const ERROR: f64;
    fn record(&mut self, value: u64);
    fn count(&self) -> u64;
    /// The sum, of those that keep one.
    fn sum(&self) -> Option<f64>;
    fn quantile(&self, q: f64) -> f64;
    fn merge(&mut self, other: &Self);
}

#[derive(Default)]
pub(super) struct Ours(Histogram);

impl Plain for Ours {
    const ERROR: f64 = 0.011;

    #[inline]
    fn record(&mut self, value: u64) {
        self.0.record(value);
    }

    fn count(&self) -> u64 {
        self.0.count()
    }

    fn sum(&self) -> Option<f64> {
        Some(self.0.sum() as f64)
    }

    fn quantile(&self, q: f64) -> f64 {
        self.0.quantile(q).unwrap_or(0) as f64
    }

    fn merge(&mut self, other: &Ours) {
        self.0.merge(&other.0);
    }
}

/// Three digits from 1 ns to an hour, as it is usually set up.
pub(super) struct Hdr(HdrHistogram<u64>);

/// An hour in nanoseconds.
pub(super) const LONGEST: u64 = 3_600_000_000_000;

impl Default for Hdr {
    fn default() -> Hdr {
        let histogram = HdrHistogram::new_with_bounds(1, LONGEST, 3);
        Hdr(histogram.expect("these bounds are valid"))
    }
}

impl Plain for Hdr {
    const ERROR: f64 = 0.001;

    #[inline]
    fn record(&mut self, value: u64) {
        self.0.saturating_record(value);
    }

    fn count(&self) -> u64 {
        self.0.len()
    }

    fn sum(&self) -> Option<f64> {
        None
    }

    fn quantile(&self, q: f64) -> f64 {
        self.0.value_at_quantile(q) as f64
    }

    fn merge(&mut self, other: &Hdr) {
        self.0.add(&other.0).expect("both have the same bounds");
    }
}

/// One per cent, its default.
pub(super) struct DdSketch(DDSketch);

impl Default for DdSketch {
    fn default() -> DdSketch {
        DdSketch(DDSketch::new(Config::defaults()))
    }
}

impl Plain for DdSketch {
    const ERROR: f64 = 0.0101;

    #[inline]
    fn record(&mut self, value: u64) {
        self.0.add(value as f64);
    }

    fn count(&self) -> u64 {
        self.0.count() as u64
    }

    fn sum(&self) -> Option<f64> {
        self.0.sum()
    }

    fn quantile(&self, q: f64) -> f64 {
        self.0.quantile(q).ok().flatten().unwrap_or(0.0)
    }

    fn merge(&mut self, other: &DdSketch) {
        self.0.merge(&other.0).expect("both have the same configuration");
    }
}
