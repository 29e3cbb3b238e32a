//! A hold on a submitted operation.

mod wait;

pub use wait::WaitError;

use crate::driver::{Group, Shared};
use crate::sync::Arc;
use crate::{Answered, CancelOutcome, OperationError, OperationId, Progress, Status};
use perf_core::Priority;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A hold on a submitted operation: await it for the value.
///
/// It always answers: with the value, or with the [`OperationError`] that says why there is none.
/// Dropping it lets the operation go on, unless [`cancel_on_drop`](Handle::cancel_on_drop) was
/// called.
///
/// # Panics
///
/// Awaiting it again after it has answered panics.
#[must_use = "the operation goes on, but nobody will see its value"]
pub struct Handle<T: Send + 'static> {
    shared: Arc<Shared>,
    group: Arc<Group<T>>,
    number: usize,
    id: OperationId,
    answered: bool,
    cancel_on_drop: bool,
}

impl<T: Send + 'static> Handle<T> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        (id, group, number): (OperationId, Arc<Group<T>>, usize),
    ) -> Handle<T> {
        Handle { shared, group, number, id, answered: false, cancel_on_drop: false }
    }

    /// The same handle, which cancels when it is dropped before it has answered. Others who wait
    /// for the same operation keep it alive.
    pub fn cancel_on_drop(mut self) -> Handle<T> {
        self.cancel_on_drop = true;
        self
    }

    /// The operation's name within its manager. Callers who share an operation share its id.
    #[must_use]
    pub const fn id(&self) -> OperationId {
        self.id
    }

    /// Whether awaiting it would answer at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.answered || self.group.is_ready(self.number)
    }

    /// Where the operation stands; `None` if it ended so long ago that it was forgotten.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.shared.status(self.id)
    }

    /// How far the operation has come, as it said last with
    /// [`Attempt::progress`](crate::Attempt::progress).
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.group.progress.get()
    }

    /// Answers the value as awaiting the handle does, and who it comes from.
    ///
    /// # Errors
    ///
    /// As awaiting the handle.
    pub async fn answered(mut self) -> Result<Answered<T>, OperationError> {
        let value = (&mut self).await?;
        Ok(Answered { value, source: self.group.source() })
    }

    /// Gives the operation up. If nobody else waits for it, it is taken out of the queue, or told to
    /// stop if it runs; either way this handle then answers, with
    /// [`OperationError::Cancelled`] if the operation did not end by itself before it stopped.
    pub fn cancel(&self) -> CancelOutcome {
        if self.is_finished() {
            return CancelOutcome::AlreadyFinished;
        }
        self.shared.cancel_member(self.id, &self.group, self.number)
    }

    /// Changes the priority while the operation waits; it keeps the time that it has waited.
    /// Answers the priority before, `None` if it no longer waits.
    pub fn set_priority(&self, priority: Priority) -> Option<Priority> {
        self.shared.set_priority(self.id, priority)
    }
}

impl<T: Send + 'static> Future for Handle<T> {
    type Output = Result<T, OperationError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.answered, "a handle was polled after it had answered");
        let answer = self.group.poll(self.number, cx);
        self.answered = answer.is_ready();
        answer
    }
}

impl<T: Send + 'static> Drop for Handle<T> {
    fn drop(&mut self) {
        if self.answered {
        } else if self.cancel_on_drop {
            self.shared.leave(self.id, &self.group, self.number);
        } else {
            self.group.detach(self.number);
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("id", &self.id).finish_non_exhaustive()
    }
}
