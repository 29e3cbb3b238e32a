//! Recording operations, values and events.

mod event;
mod metrics;
mod operation;
mod registry;
mod traces;

use self::operation::OperationSeries;
use self::registry::{Registry, Tags};
use self::traces::Traces;
use crate::{History, HistoryConfig, Select, Span};
use perf_core::{
    Clock, Component, Counter, Instant, Knob, KnobError, Observe, Signal, Tune, Turn, Turned, Unit,
};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::event::{RecordedEvent, Severity};
pub use self::metrics::Metrics;
pub use self::operation::{Guard, OperationHandle, Outcome};
pub use self::registry::Overflow;
pub use self::traces::TraceId;

/// Records how long operations take and whether they succeed, values, and events.
///
/// Resolve name and tags once to a handle; recording through it is two clock readings and an entry
/// in a histogram. [`metrics`](Recorder::metrics) answers for any window, exactly, to the second,
/// and needs no thread: the first record of a second closes the window of the second before.
///
/// Everything is bounded: series (see [`RecorderBuilder::max_series`]), open traces, events. What
/// does not fit is counted and shows as a signal. Cloning gives another handle to the same
/// recorder.
///
/// ```
/// use perf_analytics::Recorder;
/// use perf_core::Clock;
/// use std::time::Duration;
///
/// let (clock, hand) = Clock::manual();
/// let recorder = Recorder::builder().clock(clock).build();
/// let query = recorder.operation("db.query", &[("table", "users")]);
/// {
///     let _timing = query.start();
///     hand.advance(Duration::from_millis(3));
/// }
/// let metrics = recorder.metrics("db.query", Duration::from_secs(60)).unwrap();
/// assert_eq!(metrics.count, 1);
/// assert_eq!(metrics.mean_ms, Some(3.0));
/// assert_eq!(metrics.success_rate, Some(1.0));
/// ```
#[doc(alias = "PerformanceAnalytics")]
#[doc(alias = "PerformanceMonitor")]
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

/// Builds a [`Recorder`].
#[derive(Clone, Debug)]
pub struct RecorderBuilder {
    name: String,
    clock: Clock,
    max_series: usize,
    max_open_traces: usize,
    max_events: usize,
}

impl RecorderBuilder {
    /// How many pairs of name and tags are told apart unless set otherwise.
    pub const DEFAULT_MAX_SERIES: usize = 2_000;
    /// How many traces may be open at once unless set otherwise.
    pub const DEFAULT_MAX_OPEN_TRACES: usize = 10_000;
    /// How many events are kept unless set otherwise.
    pub const DEFAULT_MAX_EVENTS: usize = 256;

    /// What its series are called in the history: the component. `recorder` by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> RecorderBuilder {
        self.name = name.into();
        self
    }

    /// Where time comes from. The system by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> RecorderBuilder {
        self.clock = clock;
        self
    }

    /// How many pairs of name and tags are told apart, at least 4. 2 000 by default, of which one
    /// name may take three quarters. Beyond that the ones that nobody holds a handle to and that
    /// have been idle for a minute make room; if there are none, what is new is recorded in one
    /// overflow series of its name, and [`Recorder::overflows`] says which tag did it.
    #[must_use]
    pub fn max_series(mut self, max_series: usize) -> RecorderBuilder {
        self.max_series = max_series;
        self
    }

    /// How many traces may be open at once. 10 000 by default; the oldest is given up and counted.
    #[must_use]
    pub fn max_open_traces(mut self, max_open_traces: usize) -> RecorderBuilder {
        self.max_open_traces = max_open_traces;
        self
    }

    /// How many events are kept. 256 by default; the oldest goes and is counted.
    #[must_use]
    pub fn max_events(mut self, max_events: usize) -> RecorderBuilder {
        self.max_events = max_events;
        self
    }

    /// Builds the recorder.
    #[must_use]
    pub fn build(self) -> Recorder {
        let max_series = self.max_series.max(4);
        // Two signals for each operation and for each overflow series, of which there are no more.
        let history = History::new(HistoryConfig::default().max_series(max_series * 4));
        let since = self.clock.now();
        Recorder {
            inner: Arc::new(Inner {
                name: self.name.into(),
                since,
                history,
                operations: Mutex::new(Registry::new(max_series)),
                values: Mutex::new(Registry::new(max_series)),
                traces: Mutex::new(Traces::new(self.max_open_traces.max(1))),
                events: Mutex::new(event::Events::new(self.max_events.max(1))),
                unknown_traces: Counter::new(),
                clock: self.clock,
            }),
        }
    }
}

impl Recorder {
    /// The window of [`metrics`](Recorder::metrics) where there is no reason for another.
    pub const DEFAULT_WINDOW: Duration = Duration::from_secs(3600);

    /// A recorder with the defaults.
    #[must_use]
    pub fn new() -> Recorder {
        Recorder::builder().build()
    }

    /// Builds a recorder.
    #[must_use]
    pub fn builder() -> RecorderBuilder {
        RecorderBuilder {
            name: "recorder".to_owned(),
            clock: Clock::system(),
            max_series: RecorderBuilder::DEFAULT_MAX_SERIES,
            max_open_traces: RecorderBuilder::DEFAULT_MAX_OPEN_TRACES,
            max_events: RecorderBuilder::DEFAULT_MAX_EVENTS,
        }
    }

    /// The handle for an operation with these tags. Keep it: looking it up takes a lock and an
    /// allocation, recording through it neither.
    #[must_use]
    pub fn operation(&self, name: &str, tags: &[(&str, &str)]) -> OperationHandle {
        let now = self.inner.clock.coarse();
        let series = lock(&self.inner.operations).get(
            name,
            Tags::new(tags),
            |series: &OperationSeries| series.idle(now) >= IDLE,
            |name, tags| OperationSeries::new(name, tags, now),
        );
        OperationHandle::new(series, Arc::clone(&self.inner))
    }

    /// Begins an operation that ends elsewhere, perhaps on another thread.
    #[must_use]
    pub fn start_operation(&self, name: &str) -> TraceId {
        let series = self.operation(name, &[]).into_series();
        lock(&self.inner.traces).open(series, self.inner.clock.now())
    }

    /// Ends an operation and records it; answers how long it took, `None` if the trace is not open
    /// (ended before, or given up because too many were open).
    pub fn end_operation(
        &self,
        id: TraceId,
        success: bool,
        error: Option<&str>,
    ) -> Option<Duration> {
        let now = self.inner.clock.now();
        let Some((series, start)) = lock(&self.inner.traces).close(id) else {
            self.inner.unknown_traces.increment();
            return None;
        };
        let elapsed = now - start;
        let outcome = if success { Outcome::Success } else { Outcome::Failure };
        series.record(&self.inner, now, elapsed, outcome);
        if let Some(error) = error {
            series.note_error(error);
        }
        Some(elapsed)
    }

    /// Records the present value of something that goes up and down. It shows as gauge `value`
    /// with the label `metric`; the last one counts. Not finite values are ignored.
    pub fn record_metric(&self, name: &str, value: f64, tags: &[(&str, &str)]) {
        if !value.is_finite() {
            return;
        }
        let now = self.inner.clock.coarse();
        let gauge = lock(&self.inner.values).get(
            name,
            Tags::new(tags),
            |gauge: &Value| now - Instant::from_nanos(gauge.at.load(Ordering::Relaxed)) >= IDLE,
            |name, tags| Value { labels: tags.labelled("metric", name), ..Value::default() },
        );
        gauge.bits.store(value.to_bits(), Ordering::Relaxed);
        gauge.at.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Records that something happened. Texts are cut at a kilobyte, data at sixteen pairs.
    pub fn record_event(&self, name: &str, data: &[(&str, &str)], severity: Severity) {
        lock(&self.inner.events).push(self.inner.clock.wall(), name, data, severity);
    }

    /// The events that are kept, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<RecordedEvent> {
        lock(&self.inner.events).kept()
    }

    /// What fell into overflow series, by name.
    #[must_use]
    pub fn overflows(&self) -> Vec<Overflow> {
        let mut overflows = lock(&self.inner.operations).overflows();
        overflows.extend(lock(&self.inner.values).overflows());
        overflows
    }

    /// Numbers of one operation over the last `window`, its tags merged; `None` if there is no
    /// operation of that name.
    #[must_use]
    pub fn metrics(&self, name: &str, window: Duration) -> Option<Metrics> {
        let series = lock(&self.inner.operations).of_name(name);
        if series.is_empty() {
            return None;
        }
        self.inner.catch_up(&series);
        let select = |signal: &str| self.inner.select(signal).label(OPERATION, name);
        let errors = series.iter().filter_map(|s| s.last_error()).next_back();
        Some(self.inner.metrics(name, Vec::new(), &select, window, errors))
    }

    /// Numbers of every operation and set of tags over the last `window`, by name.
    #[must_use]
    pub fn all_metrics(&self, window: Duration) -> Vec<Metrics> {
        let mut all = lock(&self.inner.operations).all();
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        self.inner.catch_up(&all);
        all.iter()
            .map(|series| {
                let select = |signal: &str| {
                    series.labels.iter().fold(self.inner.select(signal), |select, (k, v)| {
                        select.label(k.clone(), v.clone())
                    })
                };
                let tags = series.labels[1..].to_vec();
                let error = series.last_error();
                self.inner.metrics(&series.labels[0].1, tags, &select, window, error)
            })
            .collect()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::new()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl Observe for Recorder {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let inner = &self.inner;
        for series in lock(&inner.operations).all() {
            series.visit(visit);
        }
        for value in lock(&inner.values).all() {
            let level = f64::from_bits(value.bits.load(Ordering::Relaxed));
            let labels = borrowed(&value.labels);
            visit(
                Signal::gauge("value", Unit::None, level)
                    .labels(&labels)
                    .help("The last value recorded."),
            );
        }
        let overflowed = lock(&inner.operations).overflowed() + lock(&inner.values).overflowed();
        let (open, abandoned) = lock(&inner.traces).counts();
        let dropped = lock(&inner.events).dropped();
        let counter = |name, value| Signal::counter(name, value, inner.since);
        visit(
            counter("overflowed", overflowed)
                .help("Handles that fell into an overflow series because there were too many."),
        );
        visit(
            Signal::gauge("open_traces", Unit::Count, open as f64)
                .help("Operations started and not ended."),
        );
        visit(
            counter("abandoned_traces", abandoned)
                .help("Operations given up because too many were open."),
        );
        visit(
            counter("unknown_traces", inner.unknown_traces.get())
                .help("Ends of operations that were not open."),
        );
        visit(counter("dropped_events", dropped).help("Events that made room for newer ones."));
    }
}

impl Tune for Recorder {
    fn knobs(&self) -> Vec<Knob> {
        Vec::new()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        Err(KnobError::Unknown { knob: turn.knob, known: Vec::new() })
    }
}

impl Component for Recorder {}

struct Inner {
    name: Box<str>,
    clock: Clock,
    since: Instant,
    history: History,
    operations: Mutex<Registry<OperationSeries>>,
    values: Mutex<Registry<Value>>,
    traces: Mutex<Traces>,
    events: Mutex<event::Events>,
    unknown_traces: Counter,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Inner {
    fn select(&self, signal: &str) -> Select {
        Select::new(&*self.name, signal)
    }

    /// Brings the history up to this moment for these series.
    fn catch_up(&self, series: &[Arc<OperationSeries>]) {
        let now = self.clock.now();
        for series in series {
            series.roll(self, now);
            series.sample(self, now);
        }
        // Whole steps, as for the readings: the recorder's slots are those of its clock.
        let at = operation::begin_of_step(now, self.history.step());
        self.history.advance(at, self.clock.wall() - (now - at));
    }

    fn metrics(
        &self,
        name: &str,
        tags: Vec<(String, String)>,
        select: &dyn Fn(&str) -> Select,
        window: Duration,
        last_error: Option<String>,
    ) -> Metrics {
        let span = Span::last(window);
        let durations = self.history.distribution(&select(DURATION), span);
        let errors = self.history.counter(&select(ERRORS), span);
        let covered = window.min(self.clock.now() - self.since);
        Metrics::new(name, tags, window, covered, &durations, errors, last_error)
    }
}

/// The last value of one metric.
#[derive(Debug, Default)]
struct Value {
    labels: Vec<(String, String)>,
    bits: AtomicU64,
    at: AtomicU64,
}

/// A series may make room after this long without a record.
const IDLE: Duration = Duration::from_secs(60);
const OPERATION: &str = "operation";
const DURATION: &str = "operation_duration";
const ERRORS: &str = "operation_errors";

fn borrowed(labels: &[(String, String)]) -> Vec<(&str, &str)> {
    labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
