//! A cache that loads ahead as something the engine can watch and steer.

use super::Prefetching;
use super::builder::MOST_BUDGET;
use perf_core::{
    Bounds, Component, Direction, Knob, KnobError, KnobValue, Observe, Ratio, Signal, Tune, Turn,
    Turned, Unit,
};
use std::hash::{BuildHasher, Hash};
use std::sync::PoisonError;

/// Those of the cache, and what became of loads ahead, all of whose names begin with `prefetch`.
impl<K, V, L, S> Observe for Prefetching<K, V, L, S> {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        self.cache.observe(visit);
        let (stats, held) = self.with(|prefetch| (prefetch.stats(), prefetch.held()));
        let since = self.shared.since;
        let counters = [
            ("prefetch_named", stats.named, "Keys that were advised to be loaded ahead."),
            ("prefetch_used", stats.used, "Values loaded ahead that were asked for in time."),
            ("prefetch_unused", stats.unused, "Values loaded ahead in vain."),
            ("prefetch_late", stats.late, "Keys asked for before they were loaded ahead."),
            ("prefetch_failed", stats.failed, "Keys that could not be loaded ahead."),
        ];
        for (name, value, help) in counters {
            visit(Signal::counter(name, value, since).help(help));
        }
        for (reason, n) in [("busy", self.unnoted()), ("crowded", self.crowded_out())] {
            let help =
                "Requests that were not noted, and loads ahead for which there was no place.";
            let signal = Signal::counter("prefetch_skipped", n, since).help(help);
            visit(signal.labels(&[("reason", reason)]));
        }
        let help = "What was loaded ahead and not asked for yet.";
        let (name, unit) = match self.cache.inner.bytes.max() {
            Some(_) => ("prefetch_held_bytes", Unit::Bytes),
            None => ("prefetch_held_entries", Unit::Count),
        };
        visit(Signal::gauge(name, unit, held as f64).help(help));
        if let Some(precision) = stats.precision() {
            let help = "The share of what was loaded ahead that was used.";
            visit(Signal::gauge("prefetch_precision", Unit::Ratio, precision).help(help));
        }
    }
}

/// Knobs: those of the cache; `prefetch`, which turns loading ahead off and on;
/// `prefetch_least_precision`; and `prefetch_budget`, a share of the capacity.
impl<K, V, L, S> Tune for Prefetching<K, V, L, S> {
    fn knobs(&self) -> Vec<Knob> {
        let mut knobs = self.cache.knobs();
        knobs.extend(self.own_knobs());
        knobs
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        // Held over the change: nobody else turns between the check and it.
        let _turning = self.shared.turning.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.own_knobs();
        let Some(knob) = own.iter().find(|knob| knob.id == turn.knob) else {
            return self.cache.turn(turn).map_err(|error| match error {
                KnobError::Unknown { knob, mut known } => {
                    known.extend(own.into_iter().map(|knob| knob.id));
                    KnobError::Unknown { knob, known }
                }
                error => error,
            });
        };
        knob.check(&turn)?;
        match (knob.id.as_str(), &turn.to) {
            (SWITCH, KnobValue::Switch(on)) => self.shared.set_enabled(*on),
            (BUDGET, KnobValue::Number(share)) => self.shared.set_budget(*share),
            (LEAST, KnobValue::Number(share)) => {
                // It is within bounds that are a ratio's.
                let share = Ratio::new(*share).unwrap_or(Ratio::ONE);
                self.shared.prefetch().set_least_precision(share);
            }
            _ => {}
        }
        Ok(Turned { from: knob.value.clone(), to: turn.to, settles: None })
    }
}

impl<K, V, L, S> Component for Prefetching<K, V, L, S>
where
    K: Hash + Eq + Send + Sync,
    V: Send + Sync,
    L: Send + Sync,
    S: BuildHasher + Send + Sync,
{
}

impl<K, V, L, S> Prefetching<K, V, L, S> {
    fn own_knobs(&self) -> [Knob; 3] {
        let defaults = self.shared.defaults;
        let on = KnobValue::Switch(self.is_enabled());
        let share = |id, title, now: f64, default: f64, (min, max): (f64, f64)| {
            // The builder takes what is finer than a step.
            let bounds = Bounds::Number { min: min.min(default), max, step: 0.05 };
            let [now, default] = [now, default].map(KnobValue::Number);
            Knob::new(id, title, now, default, bounds).unit(Unit::Ratio)
        };
        let least = self.with(|prefetch| prefetch.least_precision().as_f64());
        [
            Knob::new(SWITCH, "Loading ahead", on, KnobValue::Switch(true), Bounds::Switch)
                .trades("Fewer misses where requests come in sequences, for loads in vain.")
                .moves("misses", Direction::Down)
                .moves("loads", Direction::Up),
            share(
                LEAST,
                "Least precision of loading ahead",
                least,
                defaults.least_precision,
                (0.0, 1.0),
            )
            .trades("Higher loads less in vain, and less ahead.")
            .moves("prefetch_precision", Direction::Up)
            .moves("prefetch_named", Direction::Down),
            share(
                BUDGET,
                "Share of the cache for what is loaded ahead",
                self.shared.budget(),
                defaults.budget,
                (0.01, MOST_BUDGET),
            )
            .trades("Higher holds what was loaded ahead for longer, in place of what was used.")
            .moves("prefetch_used", Direction::Up),
        ]
    }
}

const SWITCH: &str = "prefetch";
const LEAST: &str = "prefetch_least_precision";
const BUDGET: &str = "prefetch_budget";
