//! A place among the running.

use super::attempt::{Stop, StopSource};
use super::group::{Group, Operand};
use super::shared::{Payload, Shared};
use crate::sync::{Arc, lock};
use crate::{Ended, OperationError, OperationId};
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
    /// Answers the manager, whose next operation the caller may run.
    pub(super) fn finish(mut self, ended: Ended, otherwise: OperationError) -> Arc<Shared> {
        self.held = false;
        self.shared.finish(self.id, ended);
        self.operand.settle(otherwise);
        Arc::clone(&self.shared)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.held {
            self.shared.finish(self.id, Ended::Cancelled);
            self.operand.settle(OperationError::Cancelled);
            self.shared.dispatch();
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
        self.shared.finish(self.id, ended);
        self.shared.dispatch_if_needed();
    }

    pub(crate) fn stop(&self) -> InlineStop<'a> {
        InlineStop { shared: self.shared, id: self.id, stop: None }
    }
}

impl Drop for InlinePermit<'_> {
    fn drop(&mut self) {
        if self.held {
            self.shared.finish(self.id, Ended::Cancelled);
            self.shared.dispatch_if_needed();
        }
    }
}

/// The stop of an inline operation, made when it first has to wait.
pub(crate) struct InlineStop<'a> {
    shared: &'a Arc<Shared>,
    id: OperationId,
    stop: Option<Arc<Stop>>,
}

impl StopSource for InlineStop<'_> {
    fn is_requested(&self) -> bool {
        false
    }

    fn listen(&mut self, cx: &Context<'_>) -> bool {
        let stop = self.stop.get_or_insert_with(|| {
            let stop = Arc::new(Stop::default());
            let mut core = lock(&self.shared.core);
            if let Some(Payload::Cancelled) =
                core.set_payload(self.id, Payload::Inline(Arc::clone(&stop)))
            {
                // Cancelled during its first poll, when there was nobody to tell.
                stop.request();
            }
            drop(core);
            stop
        });
        stop.listen(cx)
    }
}

/// The stop of a submitted operation.
pub(super) struct GroupStop<T>(pub(super) Arc<Group<T>>);

impl<T: Send + 'static> StopSource for GroupStop<T> {
    fn is_requested(&self) -> bool {
        self.0.stop().is_requested()
    }

    fn listen(&mut self, cx: &Context<'_>) -> bool {
        self.0.stop().listen(cx)
    }
}
