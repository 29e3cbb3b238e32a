//! A purger as something the engine can watch and steer.

use super::Purger;
use super::builder::MOST_GATHERED;
use perf_core::{
    Bounds, Component, Direction, Knob, KnobError, KnobValue, Observe, Signal, Tune, Turn, Turned,
    Unit,
};
use std::time::Duration;

impl Observe for Purger {
    /// All with the label `service`.
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let stats = self.stats();
        let since = self.inner.built;
        let labels = [("service", self.service())];
        let counters = [
            ("queued", stats.queued, "Items that were to be purged."),
            ("sent", stats.sent, "Items that the service has taken."),
            ("calls", stats.calls, "Calls that it has taken."),
            ("coalesced", stats.coalesced, "Items that something else did which waited."),
            ("widened", stats.widened, "Items for which something wider was purged."),
            ("collapsed", stats.collapsed, "Items for which all was purged, for want of room."),
            ("retries", stats.retried, "Calls that failed and were made again."),
            ("refused", stats.refused, "Items that could not be queued."),
            ("rejected", stats.rejected, "Items that the service will never take."),
            ("lost", stats.lost, "Items given up: the service may keep what they would end."),
        ];
        for (name, value, help) in counters {
            visit(Signal::counter(name, value, since).help(help).labels(&labels));
        }
        let is_failing = u64::from(stats.last_error.is_some());
        let gauges = [
            ("waiting", Unit::Count, stats.waiting as f64, "Items that wait or are on their way."),
            ("lag", Unit::Seconds, stats.lag.as_secs_f64(), "How long the oldest of these has."),
            ("failing", Unit::None, is_failing as f64, "1 if the last call has failed."),
        ];
        for (name, unit, value, help) in gauges {
            visit(Signal::gauge(name, unit, value).help(help).labels(&labels));
        }
        let delay = self.inner.counts.delay.snapshot();
        let help = "From when an item was asked for until the service had taken it.";
        let signal = Signal::histogram("delay", Unit::Nanoseconds, &delay, since);
        visit(signal.help(help).labels(&labels));
    }
}

impl Tune for Purger {
    fn knobs(&self) -> Vec<Knob> {
        let now = self.inner.lock().limits;
        let built = self.inner.defaults;
        let gather = Bounds::Duration {
            min: Duration::ZERO,
            max: MOST_GATHERED,
            step: Duration::from_millis(50),
        };
        let count = |n: usize| KnobValue::Count(n as u64);
        let max = (built.max_waiting as u64).saturating_mul(16);
        let waiting = Bounds::Count { min: 1, max, step: max.div_ceil(16) };
        vec![
            Knob::new(
                GATHER,
                "Gathering time",
                KnobValue::Duration(now.gather),
                KnobValue::Duration(built.gather),
                gather,
            )
            .trades("Fewer calls to the service, for old answers that stay there longer.")
            .moves("calls", Direction::Down)
            .moves("delay", Direction::Up),
            Knob::new(
                MAX_WAITING,
                "Items that may wait",
                count(now.max_waiting),
                count(built.max_waiting),
                waiting,
            )
            .trades("More memory, for single items instead of all when the service is away.")
            .moves("collapsed", Direction::Down)
            .moves("waiting", Direction::Up),
        ]
    }

    fn turn(&self, turn: Turn) -> Result<Turned, KnobError> {
        let knobs = self.knobs();
        let Some(knob) = knobs.iter().find(|knob| knob.id == turn.knob) else {
            let known = knobs.into_iter().map(|knob| knob.id).collect();
            return Err(KnobError::Unknown { knob: turn.knob, known });
        };
        knob.check(&turn)?;
        let mut state = self.inner.lock();
        match turn.to {
            KnobValue::Duration(gather) => state.limits.gather = gather,
            KnobValue::Count(max) => {
                state.limits.max_waiting = usize::try_from(max).unwrap_or(usize::MAX);
            }
            _ => {}
        }
        drop(state);
        self.inner.work.notify_all();
        Ok(Turned { from: knob.value.clone(), to: turn.to, settles: None })
    }
}

impl Component for Purger {}

const GATHER: &str = "gather";
const MAX_WAITING: &str = "max_waiting";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdn::purge::{Purge, PurgeError, PurgeLimits, PurgeService};
    use perf_core::assert_tune_contract;

    #[derive(Debug)]
    struct Silent;

    impl PurgeService for Silent {
        fn name(&self) -> &'static str {
            "silent"
        }

        fn limits(&self) -> PurgeLimits {
            PurgeLimits::new(10)
        }

        fn fit(&self, item: &Purge) -> Option<Purge> {
            Some(item.clone())
        }

        fn send(&self, _: &[Purge], _: Duration) -> Result<(), PurgeError> {
            Ok(())
        }
    }

    #[test]
    fn its_knobs_keep_the_contract_and_its_signals_name_the_service() {
        let purger = Purger::builder(Silent).build().unwrap();
        assert_tune_contract(&purger);
        let mut names = Vec::new();
        purger.observe(&mut |signal| {
            assert_eq!(signal.labels, [("service", "silent")]);
            names.push(signal.name.to_owned());
        });
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 14, "{names:?}");
    }
}
