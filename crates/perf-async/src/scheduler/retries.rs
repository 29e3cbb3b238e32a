//! Whether a failed attempt may be followed by another.

use super::Scheduler;
#[cfg(feature = "tokio")]
use crate::{KindId, Source};
use crate::{KindSettings, OperationId};
use perf_core::Instant;
use perf_guard::{BreakerState, Deadline, RetryBudget};
use std::fmt;

/// Why an operation that could have been tried again was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GaveUp {
    /// Its kind had used up its budget for retries.
    Budget,
    /// Its total time would have passed first.
    Deadline,
    /// The circuit breaker of its kind would not have let it through.
    CircuitOpen,
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GaveUp::Budget => "the retry budget is used up",
            GaveUp::Deadline => "the total time-out would pass first",
            GaveUp::CircuitOpen => "the circuit is open",
        })
    }
}

/// The budget of one kind.
#[derive(Debug, Default)]
pub(super) struct Retries {
    /// Made when it is first asked for.
    budget: Option<RetryBudget>,
    /// How many operations of the kind have been paid in.
    deposited: u64,
}

impl Retries {
    /// Takes out one retry, if there is one. `submitted` counts the operations of the kind, and
    /// starts anew now and then.
    pub(super) fn withdraw(
        &mut self,
        settings: &KindSettings,
        submitted: u64,
        now: Instant,
    ) -> bool {
        let Some(builder) = settings.retry_budget else { return true };
        let budget = match &mut self.budget {
            Some(budget) => budget,
            // The settings were checked; a budget that cannot be is as good as none.
            None => match builder.build() {
                Ok(budget) => self.budget.insert(budget),
                Err(_) => return true,
            },
        };
        // All at once, so that no operation pays for what few ask for.
        let news = submitted.checked_sub(self.deposited).unwrap_or(submitted);
        self.deposited = submitted;
        budget.deposit_many(news, now);
        budget.withdraw(now).is_ok()
    }
}

impl<P> Scheduler<P> {
    /// How operations of the same kind are run as this one, if it waits or runs.
    #[must_use]
    pub fn settings_of(&self, id: OperationId) -> Option<&KindSettings> {
        self.slab.get(id).map(|slot| &self.kinds[slot.kind].settings)
    }

    /// Counts an operation without a value for which something else has answered.
    #[cfg(feature = "tokio")]
    pub(crate) fn count_source(&mut self, kind: KindId, source: Source) {
        let totals = &mut self.kinds[kind].totals;
        match source {
            Source::Fresh | Source::Kept => {}
            Source::Fallback => totals.fallbacks += 1,
            Source::Stale => totals.stale += 1,
        }
    }

    /// Whether a running operation whose attempt has failed may be tried again at that moment. If
    /// so, one retry has been taken out of its kind's budget, and the driver is to
    /// [`suspend`](Scheduler::suspend) it.
    ///
    /// An open circuit is asked before the budget, so that it uses up none of it; to know of this
    /// failure it has to have been [told](Scheduler::report).
    ///
    /// # Errors
    ///
    /// [`GaveUp`] says why it may not; it is then to be [finished](Scheduler::finish).
    pub fn allow_retry(
        &mut self,
        id: OperationId,
        at: Instant,
        deadline: Deadline,
        now: Instant,
    ) -> Result<(), GaveUp> {
        let Some(slot) = self.slab.get(id) else { return Ok(()) };
        let kind = &mut self.kinds[slot.kind];
        if deadline.expired(at) {
            kind.totals.retries_too_late += 1;
            return Err(GaveUp::Deadline);
        }
        if kind.breaker.as_ref().is_some_and(|breaker| breaker.state(at) == BreakerState::Open) {
            return Err(GaveUp::CircuitOpen);
        }
        if !kind.retries.withdraw(&kind.settings, kind.totals.submitted, now) {
            kind.totals.retries_refused += 1;
            return Err(GaveUp::Budget);
        }
        Ok(())
    }
}
