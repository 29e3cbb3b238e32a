//! Signals and metrics as JSON.

use crate::{Metrics, OwnedSignal};
use serde::Serialize;

/// Signals as one object: `{"signals": [{component, name, unit, help, labels, reading}, ...]}`.
///
/// A reading is `{kind, value}`; the value of a histogram has count, sum, mean, min, max and
/// quantiles, in the signal's unit. A gauge that is not finite is `null`.
#[must_use]
pub fn signals(signals: &[OwnedSignal]) -> String {
    #[derive(Serialize)]
    struct Signals<'a> {
        signals: &'a [OwnedSignal],
    }
    // Nothing in there can fail to be written: no maps, no foreign writers.
    serde_json::to_string(&Signals { signals }).unwrap_or_default()
}

/// Metrics as one object: `{"metrics": [...]}`.
#[must_use]
pub fn metrics(metrics: &[Metrics]) -> String {
    #[derive(Serialize)]
    struct All<'a> {
        metrics: &'a [Metrics],
    }
    serde_json::to_string(&All { metrics }).unwrap_or_default()
}
