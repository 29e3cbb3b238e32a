//! The tasks that run submitted operations.
//!
//! A task that has ended its operation takes the next one itself: under load that saves a spawn
//! for each operation and a hop between tasks.

use super::attempt::{Ran, Supervised, contain, ended_by, panicked};
use super::batch::{Crew, ItemInfo};
use super::group::{Group, Operand};
use super::parked::Desk;
use super::permit::{GroupPlace, Permit, Turn};
use super::retrying::{After, Again, FailedAttempt};
use super::shared::Shared;
use crate::operation::Choices;
use crate::sync::{Arc, in_order};
use crate::{Ended, KindId, OperationError, Work};
use perf_core::Instant;
use perf_guard::Deadline;
use pin_project_lite::pin_project;
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

/// A submitted operation, whatever its types of work and value.
pub(super) trait ErasedWork: Send {
    /// Goes on with it. When this answers, the attempt's future has been dropped and the result is
    /// kept here.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, turn: &Turn<'_>) -> Poll<Verdict>;
    /// Prepares to wait for another attempt that may start at that moment; answers when it must
    /// have.
    fn resume_by(self: Pin<&mut Self>, submitted: Instant, at: Instant) -> Deadline;
    /// Drops its work; an error if that panics.
    fn discard(self: Pin<&mut Self>) -> Result<(), OperationError>;
    /// Gives everyone who waits the result, or what answers in its place, or this error if there is
    /// none. Never panics, whatever the user's code does: the caller has the next operation to
    /// start.
    fn settle(self: Pin<&mut Self>, otherwise: OperationError, shared: &Shared);
    /// Those who wait for it.
    fn operand(&self) -> Arc<dyn Operand>;
    /// The error for one whose time passed while it waited.
    fn expired(&self) -> OperationError;

    /// What it is as an item, if it is one.
    fn item(&self) -> Option<ItemInfo> {
        None
    }

    /// The work of the batch whose first item this is.
    fn lead(self: Pin<Box<Self>>, _: &Arc<Shared>, _: Instant, _: Crew) -> BoxWork {
        unreachable!("only items have a crew")
    }

    fn into_any(self: Pin<Box<Self>>) -> Box<dyn Any + Send> {
        unreachable!("only items are asked")
    }
}

/// In a box, so that those of all types can wait in one queue.
pub(super) type BoxWork = Pin<Box<dyn ErasedWork>>;

/// How an attempt has left its operation.
pub(super) enum Verdict {
    Ended(Ended),
    Again(Again),
}

pin_project! {
    pub(super) struct Submitted<T, W> {
        #[pin]
        stage: Stage<T, W>,
        choices: Choices<T>,
        group: Arc<Group<T>>,
    }
}

pin_project! {
    // The result takes the place of the work: those that wait would carry both.
    #[project = StageProjected]
    enum Stage<T, W> {
        Working { #[pin] supervised: Supervised<W> },
        Ended { result: Option<Result<T, OperationError>>, kind: KindId },
    }
}

impl<T, W> Submitted<T, W> {
    pub(super) fn new(
        supervised: Supervised<W>,
        choices: Choices<T>,
        group: Arc<Group<T>>,
    ) -> Submitted<T, W> {
        Submitted { stage: Stage::Working { supervised }, choices, group }
    }
}

impl<T, W> ErasedWork for Submitted<T, W>
where
    T: Send + 'static,
    W: Work<T> + Send + 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, turn: &Turn<'_>) -> Poll<Verdict> {
        let mut this = self.project();
        let StageProjected::Working { mut supervised } = this.stage.as_mut().project() else {
            unreachable!("it is polled until it has ended")
        };
        let hedge = this.choices.as_ref().and_then(|chosen| chosen.hedge);
        let mut place = GroupPlace { group: this.group, turn, hedge };
        let Ran { result, again } = ready!(supervised.as_mut().poll_in(cx, &mut place));
        let kind = supervised.kind();
        let (result, ended) = match result {
            Ok(value) => {
                turn.shared.keep(turn.id, &value, this.choices);
                (Ok(value), Ended::Completed)
            }
            Err(error) => {
                let after = turn.shared.after(&FailedAttempt {
                    id: turn.id,
                    error: &error,
                    next: again.as_ref().map(W::number),
                    retry: this.choices.as_ref().and_then(|chosen| chosen.retry.as_ref()),
                    deadline: supervised.clocks().total_by(turn.submitted),
                });
                match (after, again) {
                    (After::Again(at), Some(mut work)) => {
                        work.remember(error.clone());
                        supervised.renew(work);
                        return Poll::Ready(Verdict::Again(Again { at, error }));
                    }
                    (After::Ended(ended), again) => {
                        // What another attempt would need is the user's as well.
                        let dropped = contain(|| drop(again));
                        (Err(dropped.err().unwrap_or(error)), ended)
                    }
                    (After::Again(_), None) => {
                        unreachable!("nothing follows what cannot be done again")
                    }
                }
            }
        };
        // The work itself has been dropped already.
        this.stage.set(Stage::Ended { result: Some(result), kind });
        Poll::Ready(Verdict::Ended(ended))
    }

    fn resume_by(self: Pin<&mut Self>, submitted: Instant, at: Instant) -> Deadline {
        match self.project().stage.project() {
            StageProjected::Working { supervised } => supervised.resume_by(submitted, at),
            StageProjected::Ended { .. } => unreachable!("another attempt is to follow"),
        }
    }

    fn discard(self: Pin<&mut Self>) -> Result<(), OperationError> {
        match self.project().stage.project() {
            StageProjected::Working { supervised } => supervised.discard(),
            StageProjected::Ended { .. } => Ok(()),
        }
    }

    fn settle(self: Pin<&mut Self>, otherwise: OperationError, shared: &Shared) {
        let this = self.project();
        let (result, kind) = match this.stage.project() {
            StageProjected::Working { supervised } => (None, supervised.kind()),
            StageProjected::Ended { result, kind } => (result.take(), *kind),
        };
        let choices = this.choices.take();
        if result.is_none() && choices.is_none() && Arc::get_mut(this.group).is_some() {
            return; // Nobody is left to hear of it.
        }
        shared.settle(kind, this.group, result.unwrap_or(Err(otherwise)), choices);
    }

    fn operand(&self) -> Arc<dyn Operand> {
        Arc::clone(&self.group) as Arc<dyn Operand>
    }

    fn expired(&self) -> OperationError {
        match &self.stage {
            Stage::Working { supervised } => supervised.expired(),
            Stage::Ended { .. } => unreachable!("it waits"),
        }
    }
}

/// Runs one operation, then whatever waits, and then waits for another itself. If it is dropped, its
/// place is given up, after the operation has been dropped.
pub(super) struct Runner {
    permit: Option<Permit>,
    /// Where it is given the next operation, once it has waited for one.
    desk: Option<Arc<Desk>>,
}

impl Runner {
    pub(super) fn new(permit: Permit) -> Runner {
        Runner { permit: Some(permit), desk: None }
    }
}

impl Future for Runner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        in_order();
        let this = &mut *self;
        if this.permit.is_none()
            && let Some(desk) = &this.desk
        {
            this.permit = ready!(desk.next());
        }
        while let Some(permit) = &mut this.permit {
            let polled = catch_unwind(AssertUnwindSafe(|| permit.poll(cx)));
            let holds_next = match polled {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Verdict::Ended(ended))) => {
                    permit.finish(ended, OperationError::Cancelled)
                }
                Ok(Poll::Ready(Verdict::Again(again))) => permit.suspend(again),
                // Not the operation itself, whose panics are caught closer by: the runtime has no
                // timer, say.
                Err(panic) => {
                    permit.discard();
                    let error = panicked(panic);
                    permit.finish(ended_by(&error), error)
                }
            };
            if holds_next {
                // Operations that never wait would keep this thread for themselves.
                ready!(pin!(tokio::task::consume_budget()).poll(cx));
            } else if permit.park(&mut this.desk, cx) {
                this.permit = None;
                // It may have been given one already; then it has been woken as well.
                return Poll::Pending;
            } else {
                this.permit = None;
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.permit = None;
        if let Some(desk) = &self.desk {
            drop(desk.close());
        }
    }
}
