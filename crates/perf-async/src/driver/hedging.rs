//! Second attempts beside slow ones.

use super::attempt::Place;
use super::shared::{Payload, Shared};
use crate::sync::{Arc, lock};
use crate::work::Host;
use crate::{Attempt, Ended, OperationId};
use perf_guard::Deadline;
use std::fmt;
use std::time::Duration;

/// The place of a hedge. Dropping it ends the hedge as cancelled.
pub struct HedgeSeat {
    shared: Arc<Shared>,
    id: OperationId,
    held: bool,
}

impl HedgeSeat {
    /// The hedge has been the first to succeed. The circuit breaker hears of that from the
    /// operation that it was for.
    pub(crate) fn won(self) {
        let now = self.shared.clock.now();
        let mut core = lock(&self.shared.core);
        core.count_hedge_won(self.id);
        core.report(self.id, None, now);
        drop(core);
        self.end(Ended::Completed);
    }

    /// The hedge has failed.
    pub(crate) fn failed(self) {
        self.end(Ended::Failed("a hedge failed".into()));
    }

    fn end(mut self, ended: Ended) {
        self.held = false;
        self.give_back(ended);
    }

    fn give_back(&self, ended: Ended) {
        let (payload, more) = self.shared.finish(self.id, ended);
        drop(payload);
        if more {
            self.shared.dispatch();
        }
    }
}

impl Drop for HedgeSeat {
    fn drop(&mut self) {
        if self.held {
            self.give_back(Ended::Cancelled);
        }
    }
}

impl fmt::Debug for HedgeSeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeSeat").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What an attempt asks of the place it runs in.
pub(super) struct InPlace<'a, P> {
    pub(super) place: &'a P,
    pub(super) deadline: Deadline,
}

impl<P: Place> Host for InPlace<'_, P> {
    fn told(&self) -> Attempt {
        Attempt::new(self.place.shared().clock.clone(), self.deadline, self.place.operand())
    }

    fn hedge_after(&self) -> Option<Duration> {
        lock(&self.place.shared().core).hedge_after(self.place.id(), self.place.hedge())
    }

    fn hedge_seat(&self) -> Option<HedgeSeat> {
        let shared = self.place.shared();
        // Whoever cancels the hedge cancels the operation.
        let payload = self.place.operand().map(Payload::Running);
        let now = shared.clock.now();
        let id = lock(&shared.core).start_hedge(self.place.id(), payload, now)?;
        Some(HedgeSeat { shared: Arc::clone(shared), id, held: true })
    }
}
