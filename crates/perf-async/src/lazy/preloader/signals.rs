//! What a preloader reports, and what can be changed while it works.

use super::{MAX_CONCURRENT, Preloader};
use crate::lazy::LazyState;
use crate::sync::lock;
use perf_core::{
    Bounds, Component, Direction, Knob, KnobError, KnobValue, Observe, Signal, Tune, Turn, Turned,
    Unit,
};

/// The sums over all that is registered.
impl Observe for Preloader {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let (mut gets, mut hits, mut loads, mut failures) = (0, 0, 0, 0);
        let (mut ready, mut unused) = (0, 0);
        for (_, lazy) in self.inner.registered() {
            let stats = lazy.stats();
            gets += stats.gets;
            hits += stats.hits;
            loads += stats.loads;
            failures += stats.failures;
            ready += usize::from(stats.state == LazyState::Ready);
            unused += usize::from(stats.state == LazyState::Ready && stats.gets == 0);
        }
        let state = lock(&self.inner.state);
        let (registered, pending) = (state.lazies.len(), state.queue.len());
        let (turned_away, refused) = (state.turned_away, state.refused);
        let (loading, failed) = (state.loading, state.failed);
        drop(state);
        let counters = [
            ("gets", gets, "How often somebody asked for a value."),
            ("hits", hits, "How often the value was there at once."),
            (
                "loads",
                loads,
                "How often a value began to be loaded, ahead or because it was asked.",
            ),
            ("failures", failures, "Loads that brought no value."),
            ("preload_failures", failed, "Values that could not be loaded ahead."),
            ("turned_away", turned_away, "Loads put off because too many operations waited."),
            ("refused", refused, "Registrations refused: a name twice, or too many."),
        ];
        for (name, value, help) in counters {
            visit(Signal::counter(name, value, self.inner.since).help(help));
        }
        let gauges = [
            ("registered", registered, "Values that are registered."),
            ("ready", ready, "Values that are there."),
            ("unused", unused, "Values that are there and that nobody has asked for."),
            ("pending", pending, "Values that wait to be loaded ahead."),
            ("loading", loading, "Values that are being loaded ahead."),
        ];
        for (name, value, help) in gauges {
            visit(Signal::gauge(name, Unit::Count, value as f64).help(help));
        }
    }
}

impl Tune for Preloader {
    fn knobs(&self) -> Vec<Knob> {
        vec![self.knob_at(lock(&self.inner.state).max_concurrent)]
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        // One lock from the check to the change, so that of two who expect the same value one loses.
        let mut state = lock(&self.inner.state);
        let knob = self.knob_at(state.max_concurrent);
        if knob.id != turn.knob {
            return Err(KnobError::Unknown { knob: turn.knob, known: vec![knob.id] });
        }
        knob.check(&turn)?;
        let KnobValue::Count(loads) = turn.to else {
            unreachable!("the check knows the knob's kind")
        };
        state.max_concurrent = loads as usize;
        drop(state);
        self.inner.work.notify_one();
        Ok(Turned { from: knob.value, to: turn.to, settles: None })
    }
}

impl Component for Preloader {}

impl Preloader {
    fn knob_at(&self, loads: usize) -> Knob {
        Knob::new(
            "max_concurrent",
            "Loads at once",
            KnobValue::Count(loads as u64),
            KnobValue::Count(self.inner.settings.max_concurrent as u64),
            Bounds::Count { min: 1, max: MAX_CONCURRENT as u64, step: 1 },
        )
        .trades("Values are there sooner, for more background work at a time.")
        .moves("pending", Direction::Down)
        .moves("loading", Direction::Up)
    }
}
