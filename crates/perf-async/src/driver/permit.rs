//! A place among the running.

use super::attempt::{Place, Stop};
use super::group::{Group, Operand};
use super::runner::Work;
use super::shared::{Payload, Shared};
use crate::sync::{Arc, lock};
use crate::{Ended, OperationError, OperationId};
use perf_core::{Clock, Instant};
use std::task::Context;

/// A place held by an operation that was submitted. Dropping it ends the operation as cancelled.
pub(super) struct Permit {
    pub(super) shared: Arc<Shared>,
    pub(super) id: OperationId,
    operand: Arc<dyn Operand>,
    held: bool,
}

impl Permit {
    pub(super) fn new(shared: Arc<Shared>, id: OperationId, operand: Arc<dyn Operand>) -> Permit {
        Permit { shared, id, operand, held: true }
    }

    /// Ends the operation and gives those who wait their result, or this error if there is none.
    /// Answers the next operation, for the same task to run.
    pub(super) fn finish(
        mut self,
        ended: Ended,
        otherwise: OperationError,
    ) -> Option<(Work, Permit)> {
        self.held = false;
        let (now, more) = self.shared.finish(self.id, ended);
        self.operand.settle(otherwise);
        if more { self.shared.take_next(now) } else { None }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.held {
            let (_, more) = self.shared.finish(self.id, Ended::Cancelled);
            self.operand.settle(OperationError::Cancelled);
            if more {
                self.shared.dispatch();
            }
        }
    }
}

/// A place held by the future of `run`. Dropping it ends the operation as cancelled.
pub(crate) struct InlinePermit<'a> {
    shared: &'a Arc<Shared>,
    id: OperationId,
    held: bool,
}

impl<'a> InlinePermit<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, id: OperationId) -> InlinePermit<'a> {
        InlinePermit { shared, id, held: true }
    }

    pub(crate) fn finish(mut self, ended: Ended) {
        self.held = false;
        self.end(ended);
    }

    pub(crate) fn place(&self, started: Instant) -> InlinePlace<'a> {
        InlinePlace { shared: self.shared, id: self.id, started, stop: None }
    }

    fn end(&self, ended: Ended) {
        let (_, more) = self.shared.finish(self.id, ended);
        if more {
            self.shared.dispatch();
        }
    }
}

impl Drop for InlinePermit<'_> {
    fn drop(&mut self) {
        if self.held {
            self.end(Ended::Cancelled);
        }
    }
}

/// The place of an inline operation. Its stop is made when it first has to wait.
pub(crate) struct InlinePlace<'a> {
    shared: &'a Arc<Shared>,
    id: OperationId,
    started: Instant,
    stop: Option<Arc<Stop>>,
}

impl Place for InlinePlace<'_> {
    fn started(&self) -> Instant {
        self.started
    }

    fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    fn is_stopped(&self) -> bool {
        false
    }

    fn listen(&mut self, cx: &Context<'_>) -> bool {
        let stop = self.stop.get_or_insert_with(|| {
            let stop = Arc::new(Stop::default());
            let payload = Payload::Inline(Arc::clone(&stop));
            let before = lock(&self.shared.core).set_payload(self.id, payload);
            if matches!(before, Some(Payload::Cancelled)) {
                // Cancelled during its first poll, when there was nobody to tell.
                stop.request();
            }
            stop
        });
        stop.listen(cx)
    }
}

/// The place of a submitted operation.
pub(super) struct GroupPlace<T> {
    pub(super) group: Arc<Group<T>>,
    pub(super) clock: Clock,
}

impl<T: Send + 'static> Place for GroupPlace<T> {
    fn started(&self) -> Instant {
        self.group.started_at()
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn is_stopped(&self) -> bool {
        self.group.stop().is_requested()
    }

    fn listen(&mut self, cx: &Context<'_>) -> bool {
        self.group.stop().listen(cx)
    }
}
