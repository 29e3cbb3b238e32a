//! The tasks that run submitted operations.
//!
//! A task that has ended its operation takes the next one itself: under load that saves a spawn
//! for each operation and a hop between tasks.

use super::attempt::{Attempt, ended, ended_by, panicked};
use super::group::{Group, Operand};
use super::permit::{GroupPlace, Permit, Turn};
use crate::operation::Answer;
use crate::sync::Arc;
use crate::{Ended, OperationError};
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

/// A submitted operation, whatever its types of future and value.
pub(super) trait Work: Send {
    /// Polls it. When this answers, its future has been dropped and its result is kept here.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, turn: &Turn<'_>) -> Poll<Ended>;
    /// Drops its future; an error if that panics.
    fn discard(self: Pin<&mut Self>) -> Result<(), OperationError>;
    /// Gives everyone who waits the result, or this error if there is none. Never panics, whatever
    /// the values and wakers do: the caller has the next operation to start.
    fn settle(self: Pin<&mut Self>, otherwise: OperationError);
    /// Those who wait for it.
    fn operand(&self) -> Arc<dyn Operand>;
    /// The error for one whose time passed while it waited, if it was submitted then.
    fn expired(&self) -> OperationError;
}

/// In a box, so that those of all types can wait in one queue.
pub(super) type BoxWork = Pin<Box<dyn Work>>;

pin_project! {
    pub(super) struct Submitted<T, F> {
        #[pin]
        attempt: Attempt<F>,
        result: Option<Result<T, OperationError>>,
        group: Arc<Group<T>>,
    }
}

impl<T, F> Submitted<T, F> {
    pub(super) fn new(attempt: Attempt<F>, group: Arc<Group<T>>) -> Submitted<T, F> {
        Submitted { attempt, result: None, group }
    }
}

impl<T, F> Work for Submitted<T, F>
where
    T: Send + 'static,
    F: Future<Output = Answer<T>> + Send + 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, turn: &Turn<'_>) -> Poll<Ended> {
        let this = self.project();
        let mut place = GroupPlace { group: &**this.group, turn };
        let result = ready!(this.attempt.poll_in(cx, &mut place));
        let ended = ended(&result);
        *this.result = Some(result);
        Poll::Ready(ended)
    }

    fn discard(self: Pin<&mut Self>) -> Result<(), OperationError> {
        self.project().attempt.discard()
    }

    fn settle(self: Pin<&mut Self>, otherwise: OperationError) {
        let this = self.project();
        this.group.settle(this.result.take().unwrap_or(Err(otherwise)));
    }

    fn operand(&self) -> Arc<dyn Operand> {
        Arc::clone(&self.group) as Arc<dyn Operand>
    }

    fn expired(&self) -> OperationError {
        self.attempt.clocks().expired()
    }
}

/// Runs one operation, then whatever waits, until nothing does. If it is dropped, its place is
/// given up, after the operation has been dropped.
pub(super) struct Runner {
    permit: Option<Permit>,
}

impl Runner {
    pub(super) fn new(permit: Permit) -> Runner {
        Runner { permit: Some(permit) }
    }
}

impl Future for Runner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        while let Some(permit) = &mut this.permit {
            let polled = catch_unwind(AssertUnwindSafe(|| permit.poll(cx)));
            let (ended, otherwise) = match polled {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(ended)) => (ended, OperationError::Cancelled),
                // Not the operation itself, whose panics are caught closer by: the runtime has no
                // timer, say.
                Err(panic) => {
                    permit.discard();
                    let error = panicked(panic);
                    (ended_by(&error), error)
                }
            };
            if permit.finish(ended, otherwise) {
                // Operations that never wait would keep this thread for themselves.
                ready!(pin!(tokio::task::consume_budget()).poll(cx));
            } else {
                this.permit = None;
            }
        }
        Poll::Ready(())
    }
}
