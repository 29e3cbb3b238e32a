//! The engine's own signals.

use perf_analytics::History;
use perf_core::{
    Component, Counter, Instant, Knob, KnobError, Observe, Signal, StripedHistogram, Tune, Turn,
    Turned, Unit,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The component `engine`.
#[derive(Debug)]
pub(crate) struct Vitals {
    since: Instant,
    history: Arc<History>,
    rounds: StripedHistogram,
    panics: Counter,
    components: AtomicU64,
    listener_panics: AtomicU64,
    events_dropped: AtomicU64,
}

impl Vitals {
    pub(crate) fn new(since: Instant, history: Arc<History>) -> Vitals {
        Vitals {
            since,
            history,
            rounds: StripedHistogram::new(),
            panics: Counter::new(),
            components: AtomicU64::new(0),
            listener_panics: AtomicU64::new(0),
            events_dropped: AtomicU64::new(0),
        }
    }

    pub(crate) fn note_round(&self, took: Duration, listener_panics: u64) {
        self.rounds.record_duration(took);
        self.listener_panics.store(listener_panics, Ordering::Relaxed);
    }

    pub(crate) fn note_panic(&self) {
        self.panics.increment();
    }

    pub(crate) fn note_components(&self, components: usize) {
        self.components.store(components as u64, Ordering::Relaxed);
    }

    pub(crate) fn note_events_dropped(&self, dropped: u64) {
        self.events_dropped.store(dropped, Ordering::Relaxed);
    }
}

impl Observe for Vitals {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let rounds = self.rounds.snapshot();
        let history = self.history.stats();
        let counter = |name, value| Signal::counter(name, value, self.since);
        let gauge = |name, unit, value: u64| Signal::gauge(name, unit, value as f64);
        visit(
            Signal::histogram("sampling_duration", Unit::Nanoseconds, &rounds, self.since)
                .help("How long it took to observe every component once."),
        );
        visit(
            counter("observe_panics", self.panics.get())
                .help("Components that panicked while they were observed."),
        );
        visit(
            counter("listener_panics", self.listener_panics.load(Ordering::Relaxed))
                .help("Subscribers that panicked."),
        );
        visit(
            counter("dropped_events", self.events_dropped.load(Ordering::Relaxed))
                .help("Events that made room for newer ones."),
        );
        visit(
            counter("refused_readings", history.refused_readings)
                .help("Readings refused because the history held too many series."),
        );
        visit(
            counter("trimmed_windows", history.trimmed_windows)
                .help("Windows dropped before their time to stay within the history's bytes."),
        );
        visit(
            gauge("components", Unit::Count, self.components.load(Ordering::Relaxed))
                .help("Components registered and alive."),
        );
        visit(
            gauge("history_series", Unit::Count, history.series as u64)
                .help("Series that the history holds."),
        );
        visit(
            gauge("history_bytes", Unit::Bytes, history.bytes.as_u64())
                .help("Bytes that the history holds."),
        );
    }
}

impl Tune for Vitals {
    fn knobs(&self) -> Vec<Knob> {
        Vec::new()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        Err(KnobError::Unknown { knob: turn.knob, known: Vec::new() })
    }
}

impl Component for Vitals {}
