//! Budgets at run time: what was seen, for whoever judges it, and the rows that come of it.

use crate::view::{GATEWAY, PROCESS};
use perf_analytics::{History, Select, Span};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// What was seen over the last five minutes.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Seen {
    /// The routes of the gateway with at least 50 requests: fewer say nothing of a quantile.
    pub routes: Vec<SeenRoute>,
    /// Bytes of memory that the process really occupies.
    pub resident: Option<f64>,
}

/// A route and its figures. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SeenRoute {
    /// Its template, such as `/docs/*.html`.
    pub name: String,
    /// How many requests stand behind the figures.
    pub requests: u64,
    /// Answers of class 5xx out of all.
    pub errors: f64,
    /// Median of the whole request.
    pub p50: f64,
    /// Its 95 % quantile.
    pub p95: f64,
    /// Its 99 % quantile.
    pub p99: f64,
    /// 95 % quantile of the time to the first byte, if it was measured.
    pub first_byte: Option<f64>,
    /// Mean bytes of a body as it was sent.
    pub response: f64,
}

/// A limit and how it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BudgetRow {
    /// What is limited, such as `route /docs/*.html p95`.
    pub what: String,
    /// `ns`, `bytes` or `fraction`.
    pub unit: String,
    /// The most it may be.
    pub limit: f64,
    /// The limit in words.
    pub limit_display: String,
    /// What it is; null while too little was seen.
    pub measured: Option<f64>,
    /// The same in words.
    pub measured_display: String,
    /// The share of the limit that is left, below 0 when it is broken.
    pub room: Option<f64>,
    /// `broken`, `not_measured`, `tight` or `within`.
    pub verdict: String,
}

/// Holds what was seen against limits.
#[derive(Clone)]
pub(crate) struct Judge(Arc<Rows>);

type Rows = dyn Fn(&Seen) -> Vec<BudgetRow> + Send + Sync;

impl Judge {
    pub(crate) fn new(judge: impl Fn(&Seen) -> Vec<BudgetRow> + Send + Sync + 'static) -> Judge {
        Judge(Arc::new(judge))
    }

    /// The rows as they stand now, worst first as the judge has them.
    pub(crate) fn rows(&self, history: &History) -> Vec<BudgetRow> {
        (self.0)(&Seen::of(history))
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judge(..)")
    }
}

impl Seen {
    fn of(history: &History) -> Seen {
        let span = Span::last(SPAN);
        let mut names = BTreeSet::new();
        for series in history.series() {
            if series.component == GATEWAY && series.signal == "requests" {
                names.extend(series.labels.into_iter().find(|(k, _)| k == "route").map(|l| l.1));
            }
        }
        Seen {
            routes: names
                .into_iter()
                .filter_map(|name| SeenRoute::of(history, name, span))
                .collect(),
            resident: history.gauge(&Select::new(PROCESS, "resident_bytes"), span),
        }
    }
}

impl SeenRoute {
    fn of(history: &History, name: String, span: Span) -> Option<SeenRoute> {
        let select = |signal: &str| Select::new(GATEWAY, signal).label("route", &name);
        let requests = history.counter(&select("requests"), span);
        if requests < ENOUGH {
            return None;
        }
        let latency = history.distribution(&select("request_duration"), span);
        let first = history.distribution(&select("time_to_first_byte"), span);
        let at = |q| latency.quantile(q).map(|ns| ns as f64);
        let failed = history.counter(&select("requests").label("class", "5xx"), span);
        let bytes = history.counter(&select("response_bytes"), span);
        Some(SeenRoute {
            requests,
            errors: failed as f64 / requests as f64,
            p50: at(0.5)?,
            p95: at(0.95)?,
            p99: at(0.99)?,
            first_byte: first.quantile(0.95).map(|ns| ns as f64),
            response: bytes as f64 / requests as f64,
            name,
        })
    }
}

/// The span that rows are about, in seconds.
pub(crate) const SPAN_SECONDS: u64 = 300;
const SPAN: Duration = Duration::from_secs(SPAN_SECONDS);
/// Requests below which a quantile says nothing.
const ENOUGH: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use perf_analytics::HistoryConfig;
    use perf_core::{Histogram, Instant, Signal, Unit};

    #[test]
    fn routes_with_enough_requests_are_seen() {
        let history = History::new(HistoryConfig::default());
        let at = Instant::from_nanos(1_000_000_000);
        for (route, count) in [("/busy", 90), ("/quiet", 9)] {
            let labels = [("route", route), ("class", "2xx")];
            let mut latency = Histogram::new();
            latency.record_n(4_000_000, count);
            let requests = Signal::counter("requests", count, at).labels(&labels);
            history.sample(at, GATEWAY, &requests);
            let signal = Signal::histogram("request_duration", Unit::Nanoseconds, &latency, at);
            history.sample(at, GATEWAY, &signal.labels(&labels));
            let failed = [("route", route), ("class", "5xx")];
            history.sample(at, GATEWAY, &Signal::counter("requests", 10, at).labels(&failed));
        }
        let seen = Seen::of(&history);
        assert_eq!(seen.routes.len(), 1);
        let route = &seen.routes[0];
        assert_eq!((route.name.as_str(), route.requests, route.errors), ("/busy", 100, 0.1));
        assert!((route.p95 / 4e6 - 1.0).abs() < 0.02, "{route:?}");
        assert_eq!(route.first_byte, None);
    }
}
