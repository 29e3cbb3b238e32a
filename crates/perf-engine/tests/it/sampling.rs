//! Readings become windows, by hand or by the thread.

use crate::pump::{Pump, manual};
use perf_analytics::{Select, Span};
use perf_core::{Clock, Component, Knob, KnobError, Observe, Reading, Signal, Tune, Turn, Turned};
use perf_engine::{BuildError, PerformanceOptimizer};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
/// Only a hung thread waits this long.
const GENEROUS: Duration = Duration::from_secs(60);

#[test]
fn rounds_become_windows() {
    let (optimizer, clock, hand) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("pump", &pump).unwrap();
    optimizer.sample_now();
    for second in 1..=10 {
        hand.advance(SECOND);
        pump.strokes.add(second);
        pump.durations.record_duration(Duration::from_millis(second));
        optimizer.sample_now();
    }
    let history = optimizer.history();
    let strokes = Select::new("pump", "completed");
    assert_eq!(history.counter(&strokes, Span::last(SECOND * 3)), 8 + 9 + 10);
    assert_eq!(history.rate(&strokes, Span::last(SECOND * 10)), Some(5.5));
    let points = history.rates(&strokes, Span::last(SECOND * 10), 10);
    assert_eq!(points.values, (1..=10).map(|n| Some(f64::from(n))).collect::<Vec<_>>());
    let now = clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert_eq!(points.time.last(), Some(&now));
    let durations = Select::new("pump", "stroke_duration");
    assert_eq!(history.distribution(&durations, Span::last(SECOND * 3)).count(), 3);
    assert_eq!(history.gauge(&Select::new("pump", "speed"), Span::last(SECOND)), Some(3.0));
}

#[test]
fn a_panicking_component_is_stepped_over_and_reported() {
    let (optimizer, clock, hand) = manual();
    let (ill, well) = (Pump::new(&clock), Pump::new(&clock));
    optimizer.register("ill", &ill).unwrap();
    optimizer.register("well", &well).unwrap();
    ill.panics.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        hand.advance(SECOND);
        well.strokes.increment();
        optimizer.sample_now();
    }
    let strokes = Select::new("well", "completed");
    assert_eq!(optimizer.history().counter(&strokes, Span::last(SECOND)), 1);
    let health = optimizer.health_status();
    let found = health.components.iter().find(|c| c.component == "ill").unwrap();
    assert!(found.reason.contains("2 times") && found.reason.contains("out of water"), "{found:?}");
    let panics = optimizer.signals().into_iter().find(|s| s.name == "observe_panics").unwrap();
    assert!(matches!(panics.reading, perf_analytics::OwnedReading::Counter(2)), "{panics:?}");
    assert!(optimizer.signals().iter().any(|s| s.component == "well"));

    ill.panics.store(false, Ordering::SeqCst);
    optimizer.sample_now();
    assert_eq!(optimizer.health_status().status, perf_engine::Status::Healthy);
}

#[test]
fn the_thread_samples_by_itself_and_ends_with_the_last_handle() {
    let optimizer =
        PerformanceOptimizer::builder().sample_every(Duration::from_millis(10)).build().unwrap();
    let pump = Pump::new(&Clock::system());
    optimizer.register("pump", &pump).unwrap();
    let (told, rounds) = mpsc::channel();
    let tell = move |_: &_| {
        let name = std::thread::current().name().map(str::to_owned);
        told.send(name).unwrap_or_default();
    };
    let subscription = optimizer.on_sample(Arc::new(tell)).unwrap();
    for _ in 0..3 {
        let thread = rounds.recv_timeout(GENEROUS).unwrap();
        assert_eq!(thread.as_deref(), Some("perfkit-sampler"));
    }
    assert!(pump.observed.load(Ordering::SeqCst) >= 2);
    subscription.forever();
    let (other, history) = (optimizer.clone(), Arc::downgrade(optimizer.history()));
    drop(optimizer);
    rounds.recv_timeout(GENEROUS).unwrap();
    drop(other);
    // The sender lives in the engine, and the engine until its thread has ended.
    let deadline = Instant::now() + GENEROUS;
    while rounds.recv_timeout(GENEROUS).is_ok() {
        assert!(Instant::now() < deadline, "the thread goes on");
    }
    assert!(history.upgrade().is_none());
}

#[test]
fn an_idle_thread_ends_at_once() {
    let optimizer =
        PerformanceOptimizer::builder().sample_every(Duration::from_secs(3600)).build().unwrap();
    let (told, ended) = mpsc::channel::<()>();
    optimizer.on_sample(Arc::new(move |_| told.send(()).unwrap_or_default())).unwrap().forever();
    drop(optimizer);
    // Disconnected, not timed out: the hour was not waited for.
    let deadline = Instant::now() + GENEROUS;
    while ended.recv_timeout(GENEROUS).is_ok() {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(ended.recv_timeout(GENEROUS), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn an_interval_out_of_bounds_is_refused() {
    for bad in [Duration::ZERO, Duration::from_millis(1), Duration::from_secs(7200)] {
        let refused = PerformanceOptimizer::builder().sample_every(bad).build().unwrap_err();
        assert_eq!(refused, BuildError::Interval { every: bad });
        assert!(refused.to_string().contains("use 10ms to 3600s"), "{refused}");
    }
}

#[test]
fn the_recorder_is_a_component_among_others() {
    let (optimizer, _clock, hand) = manual();
    let load = optimizer.recorder().operation("load", &[]);
    for _ in 0..5 {
        let _timing = load.start();
        hand.advance(Duration::from_millis(400));
        optimizer.sample_now();
    }
    let metrics = optimizer.recorder().metrics("load", Duration::from_secs(60)).unwrap();
    assert_eq!((metrics.count, metrics.total_ms), (5, 2000.0));
    let mut seen = 0;
    perf_core::Observe::observe(optimizer.recorder(), &mut |s| {
        if let (true, Reading::Histogram(h)) = (s.name == "operation_duration", s.reading) {
            seen += h.count();
        }
    });
    assert_eq!(seen, 5);
}

/// What a component panics with: it asks the engine when it is dropped.
struct Nosy(PerformanceOptimizer);

impl Drop for Nosy {
    fn drop(&mut self) {
        assert!(!self.0.health_status().components.is_empty());
    }
}

struct Ill(PerformanceOptimizer);

impl Observe for Ill {
    fn observe(&self, _: &mut dyn FnMut(Signal<'_>)) {
        std::panic::panic_any(Nosy(self.0.clone()));
    }
}

impl Tune for Ill {
    fn knobs(&self) -> Vec<Knob> {
        Vec::new()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        Err(KnobError::Unknown { knob: turn.knob, known: Vec::new() })
    }
}

impl Component for Ill {}

#[test]
fn what_a_component_panics_with_may_use_the_optimizer() {
    let (optimizer, _clock, _hand) = manual();
    let ill = Arc::new(Ill(optimizer.clone()));
    optimizer.register("ill", &ill).unwrap();
    optimizer.sample_now();
    let health = optimizer.health_status();
    let found = health.components.iter().find(|c| c.component == "ill").unwrap();
    assert!(found.reason.contains("1 times"), "{found:?}");
}
