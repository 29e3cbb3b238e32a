//! Operations: what the program recorded itself, and the requests that were measured.

use super::course::{self, CHART_POINTS, Course};
use super::traffic::latency;
use super::{Span, traffic};
use perf_analytics::{self as analytics, History, Metrics, Recorder, Select};
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// The numbers of every operation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Operations {
    pub(crate) span_seconds: u64,
    pub(crate) metrics: Vec<OperationRow>,
}

/// The numbers of one operation with one set of tags.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OperationRow {
    /// Its name; `http.request` are the requests that were measured.
    pub(crate) name: String,
    /// What tells it from others of the name.
    #[schema(value_type = Vec<Vec<String>>)]
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) window_seconds: f64,
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) total_ms: f64,
    pub(crate) mean_ms: Option<f64>,
    pub(crate) min_ms: Option<f64>,
    pub(crate) max_ms: Option<f64>,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    /// The fraction that did not fail.
    pub(crate) success_rate: Option<f64>,
    pub(crate) per_second: f64,
    /// The text of the last error that came with one.
    pub(crate) last_error: Option<String>,
}

/// One operation and its course.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OneOperation {
    #[serde(flatten)]
    pub(crate) metrics: OperationRow,
    pub(crate) points: OperationPoints,
}

/// The course of an operation; each line has as many values as there are times.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OperationPoints {
    pub(crate) time: Vec<f64>,
    pub(crate) p50_ms: Vec<Option<f64>>,
    pub(crate) p95_ms: Vec<Option<f64>>,
    pub(crate) p99_ms: Vec<Option<f64>>,
    pub(crate) errors_per_second: Vec<Option<f64>>,
}

/// Every operation: requests by route, then what the program recorded.
pub(crate) fn operations(history: &History, recorder: &Recorder, span: Span) -> Operations {
    let mut metrics: Vec<OperationRow> = routes(history)
        .into_iter()
        .map(|route| request_row(history, Some(&route), span))
        .filter(|row| row.count > 0)
        .collect();
    metrics.extend(recorder.all_metrics(span.duration()).into_iter().map(OperationRow::from));
    Operations { span_seconds: span.seconds(), metrics }
}

/// One operation, all its tags together; `None` if there is none of the name.
pub(crate) fn operation(
    history: &History,
    recorder: &Recorder,
    name: &str,
    span: Span,
) -> Option<OneOperation> {
    if name == REQUEST && !routes(history).is_empty() {
        let points = course(history, &latency(), &traffic::failed(), span);
        return Some(OneOperation { metrics: request_row(history, None, span), points });
    }
    let metrics = OperationRow::from(recorder.metrics(name, span.duration())?);
    let select = |signal: &str| Select::new(recorder.name(), signal).label("operation", name);
    let points = course(history, &select("operation_duration"), &select("operation_errors"), span);
    Some(OneOperation { metrics, points })
}

fn routes(history: &History) -> BTreeSet<String> {
    history
        .series()
        .into_iter()
        .filter(|series| series.component == traffic::GATEWAY && series.signal == "requests")
        .flat_map(|series| series.labels)
        .filter_map(|(key, value)| (key == "route").then_some(value))
        .collect()
}

/// The requests of one route, or of all.
fn request_row(history: &History, route: Option<&str>, span: Span) -> OperationRow {
    let within = analytics::Span::last(span.duration());
    let of = |select: Select| match route {
        Some(route) => select.label("route", route),
        None => select,
    };
    let durations = history.distribution(&of(latency()), within);
    let errors = history.counter(&of(traffic::failed()), within);
    let tags = route.map(|route| ("route".to_owned(), route.to_owned())).into_iter().collect();
    let window = span.duration();
    let metrics = Metrics::new(REQUEST, tags, window, window, &durations, errors, None);
    OperationRow {
        // The history knows how much of the span it really covers.
        per_second: history.rate(&of(traffic::requests()), within).unwrap_or(0.0),
        ..OperationRow::from(metrics)
    }
}

fn course(history: &History, durations: &Select, errors: &Select, span: Span) -> OperationPoints {
    let within = analytics::Span::last(span.duration());
    let quantiles = history.many_quantiles(durations, &[0.5, 0.95, 0.99], within, CHART_POINTS);
    let times = quantiles.first().map(Course::of).unwrap_or_default();
    let mut lines =
        quantiles.iter().map(|points| course::rounded(&course::scale(&times.values(points), 1e-6)));
    let mut next = || lines.next().unwrap_or_default();
    OperationPoints {
        p50_ms: next(),
        p95_ms: next(),
        p99_ms: next(),
        errors_per_second: course::rounded(&times.values(&history.rates(
            errors,
            within,
            CHART_POINTS,
        ))),
        time: times.times(),
    }
}

impl From<Metrics> for OperationRow {
    fn from(metrics: Metrics) -> OperationRow {
        OperationRow {
            name: metrics.name,
            tags: metrics.tags,
            window_seconds: metrics.window_seconds,
            count: metrics.count,
            errors: metrics.errors,
            total_ms: metrics.total_ms,
            mean_ms: metrics.mean_ms,
            min_ms: metrics.min_ms,
            max_ms: metrics.max_ms,
            p50_ms: metrics.p50_ms,
            p95_ms: metrics.p95_ms,
            p99_ms: metrics.p99_ms,
            success_rate: metrics.success_rate,
            per_second: metrics.per_second,
            last_error: metrics.last_error,
        }
    }
}

/// The name of the requests that a gateway measures.
const REQUEST: &str = "http.request";
