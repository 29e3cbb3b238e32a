//! Second attempts beside slow ones.

use super::{Scheduler, Submission};
use crate::{Hedge, OperationId};
use perf_core::{Histogram, Instant};
use std::time::Duration;

/// The time that 95 of 100 operations of one kind stay below, looked up now and then.
#[derive(Debug, Default)]
pub(super) struct Usual {
    time: Option<Duration>,
    /// Not again before that many have run.
    again_at: u64,
}

impl Usual {
    fn time(&mut self, runs: &Histogram) -> Option<Duration> {
        let count = runs.count();
        // Fewer than before: the statistics were reset.
        if count >= self.again_at || self.again_at > 2 * count.max(FEW) {
            self.again_at = count + (count / 8).max(FEW);
            let enough = count >= FEW;
            let p95 = if enough { runs.quantile(0.95) } else { None };
            self.time = p95.map(Duration::from_nanos);
        }
        self.time
    }
}

impl<P> Scheduler<P> {
    /// How long after its start an attempt of a running operation is to have a hedge. `own` is what
    /// the operation itself says.
    ///
    /// O(1), but O(buckets of a histogram) now and then where it is the kind's figure.
    pub fn hedge_after(&mut self, id: OperationId, own: Option<Hedge>) -> Option<Duration> {
        let kind = &mut self.kinds[self.slab.get(id)?.kind];
        let hedge = own.or(kind.settings.hedge)?;
        hedge.fixed().or_else(|| kind.usual.time(&kind.runs))
    }

    /// Starts a hedge of a running operation, in a place of its own: an operation of the same kind
    /// and priority, with the same needs. `None` if there is no place for it, or no budget.
    ///
    /// It is to be [finished](Scheduler::finish) like any other.
    pub fn start_hedge(
        &mut self,
        of: OperationId,
        payload: Option<P>,
        now: Instant,
    ) -> Option<OperationId> {
        let slot = self.slab.get(of)?;
        let kind_id = slot.kind;
        let mut submission =
            Submission::new(kind_id).priority(slot.priority).timeout(slot.timeout.duration());
        submission.asks = self.asks.get(&of).cloned();
        let has_place = self.can_start_now(kind_id, now) && self.has_units_for(&submission);
        let kind = &mut self.kinds[kind_id];
        if !has_place || !kind.retries.withdraw(&kind.settings, kind.totals.submitted, now) {
            kind.totals.hedges_refused += 1;
            return None;
        }
        kind.totals.hedges += 1;
        Some(self.start_now(submission, payload, now))
    }

    /// Notes that a hedge has been the first to succeed.
    pub fn count_hedge_won(&mut self, hedge: OperationId) {
        if let Some(slot) = self.slab.get(hedge) {
            self.kinds[slot.kind].totals.hedges_won += 1;
        }
    }
}

const FEW: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_time_is_unknown_at_first_and_follows_in_steps() {
        let (mut usual, mut runs) = (Usual::default(), Histogram::new());
        for _ in 0..19 {
            runs.record_duration(Duration::from_millis(10));
        }
        assert_eq!(usual.time(&runs), None);
        runs.record_n(10_000_000, 20);
        let known = usual.time(&runs).unwrap();
        assert!(known.abs_diff(Duration::from_millis(10)) < Duration::from_micros(200));
        runs.record_n(90_000_000, 10);
        assert_eq!(usual.time(&runs), Some(known));
        runs.record_n(90_000_000, 100);
        assert!(usual.time(&runs).unwrap() > Duration::from_millis(80));
        assert_eq!(usual.time(&Histogram::new()), None);
    }
}
