//! Managers of operations: what waits and how urgent it is, what runs, how it ended.

use super::charts::chart;
use super::course::{self, CHART_POINTS, Course, series};
use super::shapes::{Chart, EventRow, KnobRow};
use super::traffic::ms;
use super::{Scene, Span};
use perf_analytics::{self as analytics, History, Select};
use perf_async::{Batch, BatchStats, Manager, OperationMetrics, OperationRecord, Throttle};
use perf_core::{Histogram, Instant};
use perf_guard::BreakerState;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Every manager that is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Managers {
    /// When this was true.
    pub(crate) at: f64,
    pub(crate) span_seconds: u64,
    pub(crate) managers: Vec<ManagerRow>,
    /// The knobs of all of them.
    pub(crate) knobs: Vec<KnobRow>,
    pub(crate) events: Vec<EventRow>,
}

/// One manager.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ManagerRow {
    /// The component.
    pub(crate) component: String,
    /// Whether it takes nothing on any more.
    pub(crate) closed: bool,
    pub(crate) pending: usize,
    pub(crate) queue_limit: usize,
    pub(crate) running: usize,
    pub(crate) max_concurrent: usize,
    /// Threads whose operation was given up and that still run.
    pub(crate) zombies: usize,
    pub(crate) counts: Counts,
    /// How long operations that started in the span had waited.
    pub(crate) wait: Times,
    /// How long operations that ended in the span ran.
    pub(crate) run: Times,
    pub(crate) kinds: Vec<KindRow>,
    /// The first that wait, in order of arrival.
    pub(crate) pending_rows: Vec<SingleRow>,
    /// The first that run, in order of arrival.
    pub(crate) running_rows: Vec<SingleRow>,
    /// The last that ended, newest first.
    pub(crate) ended_rows: Vec<SingleRow>,
    pub(crate) charts: Vec<Chart>,
}

/// What became of operations in the span.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Counts {
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) timed_out: u64,
    pub(crate) cancelled: u64,
    pub(crate) rejected: u64,
    pub(crate) joined: u64,
}

/// Quantiles of times, and how many stand behind them.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Times {
    pub(crate) count: u64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
}

/// The operations of one kind, since the statistics began.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct KindRow {
    pub(crate) kind: String,
    pub(crate) pending: usize,
    /// How many wait at priority 1, 2, ... 10.
    pub(crate) by_priority: Vec<usize>,
    pub(crate) running: usize,
    /// How many of the kind may run at once; null where only the manager's limit holds.
    pub(crate) max_concurrent: Option<usize>,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) timed_out: u64,
    pub(crate) cancelled: u64,
    pub(crate) retried: u64,
    pub(crate) wait_p95_ms: Option<f64>,
    pub(crate) run_p95_ms: Option<f64>,
    /// `closed`, `open` or `half_open`; null where there is no circuit breaker.
    pub(crate) breaker: Option<&'static str>,
    /// How often they may start, in words; null for as often as they like.
    pub(crate) throttle: Option<String>,
    pub(crate) batching: Option<BatchingRow>,
}

/// How a kind is gathered into batches.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct BatchingRow {
    /// Items of one batch at most.
    pub(crate) max: usize,
    /// How long the first of a batch waits for others; null where it does not.
    pub(crate) window_seconds: Option<f64>,
    pub(crate) batches: u64,
    pub(crate) items: u64,
    pub(crate) largest: u64,
}

/// One operation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SingleRow {
    /// Its number within its manager; a text, since scripts cannot hold numbers that large.
    pub(crate) id: String,
    pub(crate) kind: String,
    /// 1 to 10, where 10 is the most urgent.
    pub(crate) priority: u8,
    /// `queued`, `batching`, `in_progress`, `completed`, `cancelled`, `failed` or `timeout`.
    pub(crate) status: String,
    pub(crate) waited_seconds: f64,
    pub(crate) ran_seconds: Option<f64>,
    /// How long it may run; null for as long as it takes.
    pub(crate) timeout_seconds: Option<f64>,
    pub(crate) error: Option<String>,
}

/// What the page shows over a span.
pub(crate) fn managers(scene: &Scene<'_>, managers: &[(String, Manager)], shown: Span) -> Managers {
    let span = analytics::Span::last(shown.duration());
    let is_shown = |component: &str| managers.iter().any(|(name, _)| name == component);
    Managers {
        at: scene.at,
        span_seconds: shown.seconds(),
        managers: managers
            .iter()
            .map(|(component, manager)| row(scene.history, component, manager, span))
            .collect(),
        knobs: scene.knobs.iter().filter(|knob| is_shown(&knob.component)).cloned().collect(),
        events: scene.events_within(shown),
    }
}

fn row(history: &History, component: &str, manager: &Manager, span: analytics::Span) -> ManagerRow {
    let stats = manager.stats();
    let now = manager.now();
    let count = |signal: &str| history.counter(&Select::new(component, signal), span);
    let times =
        |signal: &str| Times::of(&history.distribution(&Select::new(component, signal), span));
    let rows = |records: Vec<OperationRecord>| {
        records.iter().map(|record| SingleRow::of(record, now)).collect()
    };
    let ended = manager.finished();
    ManagerRow {
        component: component.to_owned(),
        closed: manager.is_closed(),
        pending: stats.pending,
        queue_limit: stats.queue_limit,
        running: stats.running,
        max_concurrent: stats.max_concurrent,
        zombies: stats.zombies,
        counts: Counts {
            submitted: count("submitted"),
            completed: count("completed"),
            failed: count("failed"),
            timed_out: count("timed_out"),
            cancelled: count("cancelled"),
            rejected: count("rejected"),
            joined: count("joined"),
        },
        wait: times("wait_duration"),
        run: times("run_duration"),
        kinds: manager
            .metrics_by_kind()
            .iter()
            .map(|metrics| {
                KindRow::of(
                    metrics,
                    manager.batching(&metrics.kind).zip(manager.batch_stats(&metrics.kind)),
                )
            })
            .collect(),
        pending_rows: rows(manager.first_pending(ROWS)),
        running_rows: rows(manager.first_running(ROWS)),
        ended_rows: ended
            .iter()
            .rev()
            .take(ROWS)
            .map(|record| SingleRow::of(record, now))
            .collect(),
        charts: charts(history, component, span),
    }
}

impl Times {
    fn of(times: &Histogram) -> Times {
        let quantile = |q: f64| times.quantile(q).map(ms);
        Times {
            count: times.count(),
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
        }
    }
}

impl KindRow {
    fn of(metrics: &OperationMetrics, batches: Option<(Batch, BatchStats)>) -> KindRow {
        let totals = metrics.totals;
        KindRow {
            kind: metrics.kind.to_string(),
            pending: metrics.pending,
            by_priority: metrics.pending_by_priority.to_vec(),
            running: metrics.running,
            max_concurrent: metrics.settings.max_concurrent,
            completed: totals.completed,
            failed: totals.failed,
            timed_out: totals.timed_out,
            cancelled: totals.cancelled,
            retried: totals.retried,
            wait_p95_ms: metrics.wait_duration.quantile(0.95).map(ms),
            run_p95_ms: metrics.run_duration.quantile(0.95).map(ms),
            breaker: metrics.breaker.map(|state| match state {
                BreakerState::Closed => "closed",
                BreakerState::Open => "open",
                BreakerState::HalfOpen => "half_open",
            }),
            throttle: metrics.settings.throttle.as_ref().map(in_words),
            batching: batches.map(|(rule, stats)| BatchingRow {
                max: rule.max(),
                window_seconds: rule.waits().map(|window| window.as_secs_f64()),
                batches: stats.batches,
                items: stats.items,
                largest: stats.largest().unwrap_or(0),
            }),
        }
    }
}

/// How often operations may start, for people.
fn in_words(throttle: &Throttle) -> String {
    let interval = throttle.interval();
    let often = if interval < Duration::from_secs(1) {
        format!("{:.3} per second", 1.0 / interval.as_secs_f64())
    } else {
        format!("one every {interval:?}")
    };
    let often = often.replace(".000 ", " ");
    match throttle.burst_size() {
        1 => often,
        burst => format!("{often}, {burst} at once"),
    }
}

impl SingleRow {
    pub(crate) fn of(record: &OperationRecord, now: Instant) -> SingleRow {
        let started = record.started_at.or(record.ended_at).unwrap_or(now);
        let ran = record.started_at.map(|start| record.ended_at.unwrap_or(now) - start);
        SingleRow {
            id: record.id.to_string(),
            kind: record.kind.to_string(),
            priority: record.priority.level(),
            status: record.status.to_string().replace(' ', "_"),
            waited_seconds: (started - record.queued_at).as_secs_f64(),
            ran_seconds: ran.as_ref().map(Duration::as_secs_f64),
            timeout_seconds: (record.timeout < Duration::MAX)
                .then_some(record.timeout.as_secs_f64()),
            error: record.error.clone(),
        }
    }
}

fn charts(history: &History, component: &str, span: analytics::Span) -> Vec<Chart> {
    let of = |signal: &str| Select::new(component, signal);
    let gauge = |signal: &str| vec![history.gauges(&of(signal), span, CHART_POINTS)];
    let rate = |signal: &str| vec![history.rates(&of(signal), span, CHART_POINTS)];
    let queue = chart(
        "queue",
        "Waiting and running",
        "",
        "How many operations wait for their turn, how many run, and how many may run at once.",
        &[
            ("waiting", "Waiting", gauge("pending")),
            ("running", "Running", gauge("running")),
            ("capacity", "Limit", gauge("concurrency")),
        ],
    );
    let outcomes = chart(
        "outcomes",
        "Ended per second",
        "/s",
        "By how they ended. What was turned away never began.",
        &[
            ("completed", "Completed", rate("completed")),
            ("failed", "Failed", rate("failed")),
            ("timed_out", "Timed out", rate("timed_out")),
            ("cancelled", "Cancelled", rate("cancelled")),
            ("rejected", "Turned away", rate("rejected")),
        ],
    );
    let wait = times(history, &of("wait_duration"), span, ("wait", "Wait", WAIT_HELP));
    let run = times(history, &of("run_duration"), span, ("run", "Run time", RUN_HELP));
    vec![queue, outcomes, wait, run]
}

/// Quantiles of a time over the span.
fn times(
    history: &History,
    select: &Select,
    span: analytics::Span,
    (id, title, help): (&'static str, &'static str, &'static str),
) -> Chart {
    let quantiles = history.many_quantiles(select, &[0.5, 0.95, 0.99], span, CHART_POINTS);
    let course = quantiles.first().map(Course::of).unwrap_or_default();
    let names = ["p50", "p95", "p99"];
    let lines = names
        .iter()
        .zip(&quantiles)
        .map(|(name, points)| series(name, name, course::scale(&course.values(points), 1e-6)));
    Chart { id, title, unit: "ms", help, time: course.times(), series: lines.collect() }
}

const WAIT_HELP: &str = "From an operation's submission to its start.";
const RUN_HELP: &str = "From an operation's start to its end, without the waiting.";
/// Single operations of each sort that are shown.
const ROWS: usize = 50;
