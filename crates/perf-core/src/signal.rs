//! What a component reports.

use crate::{Histogram, Instant, Tune};
use std::fmt;

/// What the engine can watch and steer: a component reports signals and exposes knobs.
///
/// Implement [`Observe`] and [`Tune`], then `impl Component for Mine {}`.
pub trait Component: Observe + Tune + Send + Sync {}

/// Reports signals.
pub trait Observe {
    /// Visits every signal as it stands now. Cheap enough to call once a second.
    ///
    /// Ratios are never signals: report the two counters and let the reader divide, so that any
    /// span of time is exact.
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>));
}

/// One reading of one measured quantity.
///
/// The name is a noun of the field in snake case without the unit (`hits`, `request_duration`);
/// name and labels together identify a series within a component.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Signal<'a> {
    /// What is measured.
    pub name: &'a str,
    /// The unit of the reading.
    pub unit: Unit,
    /// One sentence for people.
    pub help: &'a str,
    /// Pairs that tell series of the same name apart, such as a route. Few and bounded.
    pub labels: &'a [(&'a str, &'a str)],
    /// Since when a counter or histogram has been adding up. A reset moves it.
    pub since: Instant,
    /// The reading.
    pub reading: Reading<'a>,
}

impl<'a> Signal<'a> {
    /// A signal that only grows, cumulative since `since`.
    #[must_use]
    pub fn counter(name: &'a str, value: u64, since: Instant) -> Signal<'a> {
        Signal::new(name, Unit::Count, since, Reading::Counter(value))
    }

    /// A level that goes up and down.
    #[must_use]
    pub fn gauge(name: &'a str, unit: Unit, value: f64) -> Signal<'a> {
        Signal::new(name, unit, Instant::default(), Reading::Gauge(value))
    }

    /// A distribution, cumulative since `since`.
    #[must_use]
    pub fn histogram(
        name: &'a str,
        unit: Unit,
        histogram: &'a Histogram,
        since: Instant,
    ) -> Signal<'a> {
        Signal::new(name, unit, since, Reading::Histogram(histogram))
    }

    fn new(name: &'a str, unit: Unit, since: Instant, reading: Reading<'a>) -> Signal<'a> {
        Signal { name, unit, help: "", labels: &[], since, reading }
    }

    /// The same signal in another unit.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Signal<'a> {
        self.unit = unit;
        self
    }

    /// The same signal with a sentence for people.
    #[must_use]
    pub fn help(mut self, help: &'a str) -> Signal<'a> {
        self.help = help;
        self
    }

    /// The same signal with labels.
    #[must_use]
    pub fn labels(mut self, labels: &'a [(&'a str, &'a str)]) -> Signal<'a> {
        self.labels = labels;
        self
    }
}

/// The value of a signal.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Reading<'a> {
    /// Only grows until it is reset.
    Counter(u64),
    /// Goes up and down.
    Gauge(f64),
    /// A distribution of values.
    Histogram(&'a Histogram),
}

/// The unit of a signal or a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Unit {
    /// Things counted: requests, entries, threads.
    Count,
    /// Bytes.
    Bytes,
    /// Nanoseconds, in counters and histograms of durations.
    Nanoseconds,
    /// Seconds, in gauges.
    Seconds,
    /// A fraction from 0 to 1.
    Ratio,
    /// A level or a choice without a dimension.
    None,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Count => "count",
            Unit::Bytes => "bytes",
            Unit::Nanoseconds => "nanoseconds",
            Unit::Seconds => "seconds",
            Unit::Ratio => "ratio",
            Unit::None => "none",
        })
    }
}
