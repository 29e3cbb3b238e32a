//! Signals that outlive their reading.

use perf_core::{Histogram, Reading, Signal, Unit};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// A signal of a component, as it stood when it was read.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct OwnedSignal {
    /// The component that reported it.
    pub component: String,
    /// What is measured.
    pub name: String,
    /// The unit of the reading.
    pub unit: Unit,
    /// One sentence for people.
    pub help: String,
    /// What tells it from other series of the same name.
    pub labels: Vec<(String, String)>,
    /// The reading.
    pub reading: OwnedReading,
}

impl OwnedSignal {
    /// Copies a signal; `None` for a kind of reading that this version does not know.
    #[must_use]
    pub fn new(component: &str, signal: &Signal<'_>) -> Option<OwnedSignal> {
        let reading = match signal.reading {
            Reading::Counter(total) => OwnedReading::Counter(total),
            Reading::Gauge(level) => OwnedReading::Gauge(level),
            Reading::Histogram(histogram) => OwnedReading::Histogram(histogram.clone()),
            _ => return None,
        };
        Some(OwnedSignal {
            component: component.to_owned(),
            name: signal.name.to_owned(),
            unit: signal.unit,
            help: signal.help.to_owned(),
            labels: signal.labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            reading,
        })
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

/// The value of an [`OwnedSignal`].
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum OwnedReading {
    /// Only grows until it is reset.
    Counter(u64),
    /// Goes up and down.
    Gauge(f64),
    /// A distribution of values.
    #[serde(serialize_with = "summary")]
    Histogram(Histogram),
}

/// Count, sum and quantiles in the signal's own unit.
fn summary<S: Serializer>(histogram: &Histogram, serializer: S) -> Result<S::Ok, S::Error> {
    let mut out = serializer.serialize_struct("Histogram", 8)?;
    out.serialize_field("count", &histogram.count())?;
    out.serialize_field("sum", &(histogram.sum() as f64))?;
    out.serialize_field("mean", &histogram.mean())?;
    out.serialize_field("min", &histogram.min())?;
    out.serialize_field("max", &histogram.max())?;
    out.serialize_field("p50", &histogram.quantile(0.5))?;
    out.serialize_field("p95", &histogram.quantile(0.95))?;
    out.serialize_field("p99", &histogram.quantile(0.99))?;
    out.end()
}
