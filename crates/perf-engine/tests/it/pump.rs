//! A component made for the tests: it counts, can be turned, and panics on request.

#![expect(clippy::unwrap_used, reason = "a test fails on whatever is wrong")]

use perf_core::{
    Bounds, Clock, Component, Counter, Direction, Instant, Knob, KnobError, KnobValue, ManualClock,
    Observe, Signal, StripedHistogram, Tune, Turn, Turned, Unit,
};
use perf_engine::PerformanceOptimizer;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub(crate) struct Pump {
    pub(crate) strokes: Counter,
    pub(crate) failed: Counter,
    pub(crate) durations: StripedHistogram,
    pub(crate) panics: AtomicBool,
    pub(crate) observed: AtomicU64,
    pub(crate) since: Instant,
    pub(crate) speed: Mutex<u64>,
}

impl Pump {
    pub(crate) fn new(clock: &Clock) -> Arc<Pump> {
        Arc::new(Pump { since: clock.now(), speed: Mutex::new(3), ..Pump::default() })
    }
}

impl Observe for Pump {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        self.observed.fetch_add(1, Ordering::SeqCst);
        visit(Signal::counter("completed", self.strokes.get(), self.since));
        assert!(!self.panics.load(Ordering::SeqCst), "out of water");
        visit(Signal::counter("failed", self.failed.get(), self.since));
        let durations = self.durations.snapshot();
        visit(Signal::histogram("stroke_duration", Unit::Nanoseconds, &durations, self.since));
        visit(Signal::gauge("speed", Unit::Count, *self.speed.lock().unwrap() as f64));
    }
}

impl Tune for Pump {
    fn knobs(&self) -> Vec<Knob> {
        vec![knob(*self.speed.lock().unwrap())]
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        assert!(!self.panics.load(Ordering::SeqCst), "out of water");
        let mut speed = self.speed.lock().unwrap();
        let knob = knob(*speed);
        if turn.knob != knob.id {
            return Err(KnobError::Unknown { knob: turn.knob, known: vec![knob.id] });
        }
        knob.check(&turn)?;
        if let KnobValue::Count(to) = turn.to {
            *speed = to;
        }
        Ok(Turned { from: knob.value, to: turn.to, settles: None })
    }
}

fn knob(speed: u64) -> Knob {
    let bounds = Bounds::Count { min: 1, max: 9, step: 1 };
    Knob::new("speed", "Speed", KnobValue::Count(speed), KnobValue::Count(3), bounds)
        .trades("More water for more wear.")
        .moves("completed", Direction::Up)
}

impl Component for Pump {}

pub(crate) fn speed(to: u64) -> Turn {
    Turn { knob: "speed".into(), to: KnobValue::Count(to), expect: None }
}

/// An optimizer that samples when told to, on a clock that is turned by hand.
pub(crate) fn manual() -> (PerformanceOptimizer, Clock, ManualClock) {
    let (clock, hand) = Clock::manual();
    let optimizer =
        PerformanceOptimizer::builder().clock(clock.clone()).manual_sampling().build().unwrap();
    (optimizer, clock, hand)
}

#[test]
fn the_pump_keeps_the_contract() {
    perf_core::assert_tune_contract(&*Pump::new(&Clock::system()));
}
