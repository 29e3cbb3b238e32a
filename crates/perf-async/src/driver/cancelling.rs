//! Stopping operations, and leaving them.

use super::batch::leave_locked;
use super::door::CoreGuard;
use super::group::{GivenUp, Group, Remaining};
use super::shared::{Payload, Shared};
use crate::sync::{Arc, lock};
use crate::{CancelOutcome, Ended, OperationError, OperationId};
use perf_core::Instant;

impl Shared {
    pub(crate) fn cancel(self: &Arc<Self>, id: OperationId) -> CancelOutcome {
        let (outcome, more) = self.cancel_only(id);
        if more {
            self.dispatch();
        }
        outcome
    }

    /// The same, and answers whether others can start now whom it was in the way of.
    pub(crate) fn cancel_only(self: &Arc<Self>, id: OperationId) -> (CancelOutcome, bool) {
        let now = self.clock.now();
        let core = lock(&self.core);
        self.cancel_locked(core, id, now)
    }

    /// Cancels for one of those who wait: the operation itself only if nobody else wants it.
    pub(crate) fn cancel_member<T: Send + 'static>(
        self: &Arc<Self>,
        id: OperationId,
        group: &Group<T>,
        number: usize,
    ) -> CancelOutcome {
        let now = self.clock.now();
        let core = lock(&self.core);
        match group.give_up(number) {
            GivenUp::ByAll => {
                let (outcome, more) = self.cancel_locked(core, id, now);
                if more {
                    self.dispatch();
                }
                outcome
            }
            GivenUp::TooLate => CancelOutcome::AlreadyFinished,
            GivenUp::ByOne(waker) => {
                drop(core);
                if let Some(waker) = waker {
                    waker.wake();
                }
                CancelOutcome::Left
            }
        }
    }

    /// One of those who wait goes away; the operation ends if nobody else wants it.
    pub(crate) fn leave<T: Send + 'static>(
        self: &Arc<Self>,
        id: OperationId,
        group: &Group<T>,
        number: usize,
    ) {
        let now = self.clock.now();
        let core = lock(&self.core);
        let (remaining, gone) = group.leave(number);
        if remaining == Remaining::Nobody {
            let (_, more) = self.cancel_locked(core, id, now);
            if more {
                self.dispatch();
            }
        } else {
            drop(core);
        }
        drop(gone);
    }

    /// Answers also whether others can start now.
    fn cancel_locked(
        self: &Arc<Self>,
        mut core: CoreGuard<'_>,
        id: OperationId,
        now: Instant,
    ) -> (CancelOutcome, bool) {
        let (outcome, payload) = core.cancel(id, now);
        if outcome != CancelOutcome::Signalled {
            let Some(Payload::Waiting(job)) = payload else { return (outcome, false) };
            core.runtimes.leave(job.runtime);
            core.leave();
            let (alarm, more) = (core.take_alarm(), core.has_next());
            drop(core);
            // Its destructor has run when the caller is told.
            job.abandon(OperationError::Cancelled, self);
            self.core.note_gone();
            self.watch(alarm);
            return (outcome, more);
        }
        if let Some(Payload::Aboard(aboard)) = core.payload(id) {
            let (operand, flight) = &**aboard;
            let (operand, flight) = (Arc::clone(operand), Arc::clone(flight));
            let payload = leave_locked(&mut core, id, &flight, Ended::Cancelled, now);
            drop(core);
            drop(payload);
            flight.leave();
            operand.give_up_on(OperationError::Cancelled);
            return (outcome, false);
        }
        // Seen by an attempt that fails at this moment, so that no other follows.
        let running = core.set_payload(id, Payload::Cancelled);
        drop(core);
        match running {
            Some(Payload::Running(operand)) => operand.request_stop(),
            Some(Payload::Inline(stop)) => stop.request(),
            Some(_) | None => {}
        }
        (outcome, false)
    }
}
