//! Numbers of one operation over a window.

use perf_core::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Numbers of one operation over a window. Times are in milliseconds, and `None` where nothing was
/// recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// The operation.
    pub name: String,
    /// Its tags; empty where all were merged.
    pub tags: Vec<(String, String)>,
    /// The window asked for, in seconds.
    pub window_seconds: f64,
    /// How many ended in the window.
    pub count: u64,
    /// How many of them failed.
    pub errors: u64,
    /// The sum of their durations. Exact.
    pub total_ms: f64,
    /// Their mean. Exact.
    pub mean_ms: Option<f64>,
    /// The shortest, at most 2.2 % off.
    pub min_ms: Option<f64>,
    /// The longest, at most 2.2 % off.
    pub max_ms: Option<f64>,
    /// Half took no longer; this and the other quantiles are at most 1.1 % off.
    pub p50_ms: Option<f64>,
    /// 95 of 100 took no longer.
    pub p95_ms: Option<f64>,
    /// 99 of 100 took no longer.
    pub p99_ms: Option<f64>,
    /// The fraction that did not fail.
    pub success_rate: Option<f64>,
    /// How many a second, over the window or the time since the recorder began, if that is less.
    pub per_second: f64,
    /// The text of the last error that came with one, whenever that was.
    pub last_error: Option<String>,
}

impl Metrics {
    /// The figures of one operation from its durations in nanoseconds, of which `errors` failed.
    ///
    /// `covered` is how much of the window there are readings for: `per_second` is over that.
    /// Errors beyond the number of durations do not count.
    #[must_use]
    pub fn new(
        name: &str,
        tags: Vec<(String, String)>,
        window: Duration,
        covered: Duration,
        durations: &Histogram,
        errors: u64,
        last_error: Option<String>,
    ) -> Metrics {
        let count = durations.count();
        let errors = errors.min(count);
        let millis = |nanos: u64| nanos as f64 / 1e6;
        let quantile = |q| durations.quantile(q).map(millis);
        // A recorder that has just begun would else answer with a rate of millions.
        let covered = covered.max(Duration::from_secs(1).min(window)).as_secs_f64();
        Metrics {
            name: name.to_owned(),
            tags,
            window_seconds: window.as_secs_f64(),
            count,
            errors,
            total_ms: durations.sum() as f64 / 1e6,
            mean_ms: durations.mean().map(|nanos| nanos / 1e6),
            min_ms: durations.min().map(millis),
            max_ms: durations.max().map(millis),
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            success_rate: (count > 0).then(|| (count - errors) as f64 / count as f64),
            per_second: if covered > 0.0 { count as f64 / covered } else { 0.0 },
            last_error,
        }
    }
}
