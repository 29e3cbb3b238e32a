//! The cache as something the engine can watch and steer, under the names that
//! [`Cache`](crate::Cache) uses.

use super::PlainCache;
use super::builder::MOST_ENTRIES;
use super::inner::Defaults;
use super::words::Plain;
use crate::component::{RANGE, capacity_knob, observe_counts, ttl_knob};
use perf_core::{Component, Knob, KnobError, KnobValue, Observe, Signal, Tune, Turn, Turned, Unit};
use std::hash::{BuildHasher, Hash};

impl<K, V, S> Observe for PlainCache<K, V, S>
where
    K: Plain + Hash + Eq,
    V: Plain,
    S: BuildHasher,
{
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let (counts, _) = self.counts();
        observe_counts(&counts, self.counting_since(), visit);
        let mut gauge = |name, unit, value: u64, help| {
            visit(Signal::gauge(name, unit, value as f64).help(help));
        };
        gauge("entries", Unit::Count, self.inner.len(), "Entries held.");
        gauge("bytes", Unit::Bytes, self.memory_usage().as_u64(), "What the entries take.");
        let max = self.inner.entries.max().unwrap_or(u64::MAX);
        gauge("capacity_entries", Unit::Count, max, "Entries that may be held.");
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
        self.knobs_of(&settings).into()
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        // Held over the change: nobody else turns between the check and it.
        let settings = self.inner.settings();
        let knobs = self.knobs_of(&settings);
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
    fn knobs_of(&self, settings: &Defaults) -> [Knob; 2] {
        let default = settings.capacity;
        let now = self.inner.entries.max().unwrap_or(default);
        let most = default.saturating_mul(RANGE).min(MOST_ENTRIES);
        let capacity = capacity_knob(now, default, most, false, self.inner.has_excess());
        [capacity, ttl_knob(self.time_to_live(), settings.ttl)]
    }
}
