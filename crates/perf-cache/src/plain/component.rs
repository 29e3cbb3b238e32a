//! The cache as something the engine can watch and steer, under the names that
//! [`Cache`](crate::Cache) uses.

use super::PlainCache;
use super::words::Plain;
use perf_core::{
    Bounds, Component, Direction, Instant, Knob, KnobError, KnobValue, Observe, Signal, Tune, Turn,
    Turned, Unit,
};
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::Ordering;
use std::time::Duration;

impl<K, V, S> Observe for PlainCache<K, V, S>
where
    K: Plain + Hash + Eq,
    V: Plain,
    S: BuildHasher,
{
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let ((hits, misses), (counts, _)) = (self.lookups(), self.inner.counts());
        let since = Instant::from_nanos(self.inner.since.load(Ordering::Relaxed));
        let mut counter = |name, value, help| {
            visit(Signal::counter(name, value, since).help(help));
        };
        counter("hits", hits, "Lookups that found a value.");
        counter("misses", misses, "Lookups that found none, or an expired one.");
        counter("insertions", counts.insertions, "Values taken in.");
        counter("loads", counts.loads, "Loaders that ended, in whatever way.");
        counter("load_failures", counts.load_failures, "Loaders that gave no value.");
        counter("joins", counts.joins, "Lookups that waited for the load of another caller.");
        for (cause, n) in counts.evictions().by_cause() {
            let signal = Signal::counter("evictions", n, since).help("Entries that left.");
            visit(signal.labels(&[("cause", cause)]));
        }
        let mut gauge = |name, unit, value: u64, help| {
            visit(Signal::gauge(name, unit, value as f64).help(help));
        };
        gauge("entries", Unit::Count, self.inner.len(), "Entries held.");
        gauge("bytes", Unit::Bytes, self.memory_usage().as_u64(), "What the entries take.");
        let max = self.inner.entries.max().unwrap_or(u64::MAX);
        gauge("capacity_entries", Unit::Count, max, "Entries that may be held.");
        let help = "How long loaders ran that gave a value or an error.";
        let durations = &counts.load_duration;
        visit(Signal::histogram("load_duration", Unit::Nanoseconds, durations, since).help(help));
    }
}

/// Knobs: `capacity`, in entries, from a sixteenth to sixteen times of what was built; and
/// `time_to_live`, where zero is for ever.
impl<K, V, S> Tune for PlainCache<K, V, S>
where
    K: Plain + Hash + Eq,
    V: Plain,
    S: BuildHasher,
{
    fn knobs(&self) -> Vec<Knob> {
        let settings = self.inner.settings();
        vec![self.capacity_knob(settings.capacity), self.ttl_knob(settings.ttl)]
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        // Held over the change: nobody else turns between the check and it.
        let settings = self.inner.settings();
        let knobs = [self.capacity_knob(settings.capacity), self.ttl_knob(settings.ttl)];
        let Some(knob) = knobs.iter().find(|knob| knob.id == turn.knob) else {
            let known = knobs.map(|knob| knob.id).to_vec();
            return Err(KnobError::Unknown { knob: turn.knob, known });
        };
        knob.check(&turn)?;
        match &turn.to {
            KnobValue::Count(entries) => self.move_capacity(*entries, settings.policy),
            KnobValue::Duration(ttl) => self.move_time_to_live(*ttl),
            _ => {}
        }
        drop(settings);
        self.evict_first_excess();
        Ok(Turned { from: knob.value.clone(), to: turn.to, settles: None })
    }
}

impl<K, V, S> Component for PlainCache<K, V, S>
where
    K: Plain + Hash + Eq,
    V: Plain,
    S: BuildHasher + Send + Sync,
{
}

impl<K: Plain + Hash + Eq, V: Plain, S: BuildHasher> PlainCache<K, V, S> {
    fn capacity_knob(&self, default: u64) -> Knob {
        let now = self.inner.entries.max().unwrap_or(default);
        // Whoever sets it by `set_capacity` may go beyond; the bounds follow.
        let min = (default / RANGE).max(1).min(now);
        let max = default.saturating_mul(RANGE).max(now);
        let bounds = Bounds::Count { min, max, step: min };
        let value = KnobValue::Count(now);
        let pending = self.inner.has_excess().then(|| value.clone());
        Knob::new("capacity", "Capacity", value, KnobValue::Count(default), bounds)
            .trades("More memory for a higher hit ratio.")
            .moves("hits", Direction::Up)
            .moves("misses", Direction::Down)
            .moves("bytes", Direction::Up)
            .pending(pending)
    }

    fn ttl_knob(&self, default: Duration) -> Knob {
        let now = self.time_to_live().unwrap_or_default();
        let max = LONGEST_TTL.max(now).max(default);
        let bounds = Bounds::Duration { min: Duration::ZERO, max, step: Duration::from_secs(1) };
        let (now, default) = (KnobValue::Duration(now), KnobValue::Duration(default));
        Knob::new("time_to_live", "Time to live", now, default, bounds)
            .trades("Older answers for fewer loads. Zero: for ever. Holds for what comes in next.")
            .moves("hits", Direction::Up)
            .moves("misses", Direction::Down)
    }
}

/// How far from its default the capacity can be turned, as a factor.
const RANGE: u64 = 16;
const LONGEST_TTL: Duration = Duration::from_secs(30 * 24 * 3_600);
