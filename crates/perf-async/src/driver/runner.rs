//! The tasks that run submitted operations.
//!
//! A task that has ended its operation takes the next one itself: under load that saves a spawn
//! for each operation and a hop between tasks.

use super::attempt::{Attempt, ended, ended_by, panicked};
use super::permit::{GroupPlace, Permit};
use crate::operation::Answer;
use crate::{Ended, OperationError};
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

/// A submitted operation in a box, so that those of all types can wait in one queue.
pub(super) type Work = Pin<Box<dyn Future<Output = Ended> + Send>>;

pin_project! {
    /// A submitted operation, ready to be polled: it leaves its result in its group and answers
    /// how it ended.
    pub(super) struct Submitted<T, F> {
        #[pin]
        pub(super) attempt: Attempt<F, GroupPlace<T>>,
    }
}

impl<T, F> Future for Submitted<T, F>
where
    T: Send + 'static,
    F: Future<Output = Answer<T>>,
{
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let mut attempt = self.project().attempt;
        let result = ready!(attempt.as_mut().poll(cx));
        let ended = ended(&result);
        attempt.project().place.group.stash(result);
        Poll::Ready(ended)
    }
}

pin_project! {
    /// Runs one operation, then whatever waits, until nothing does.
    // In this order, so that a task that is dropped drops the work before it gives up the place.
    pub(super) struct Runner<W> {
        #[pin]
        first: Option<W>,
        next: Option<Work>,
        permit: Option<Permit>,
    }
}

impl<W> Runner<W> {
    pub(super) fn new(work: W, permit: Permit) -> Runner<W> {
        Runner { first: Some(work), next: None, permit: Some(permit) }
    }
}

impl<W: Future<Output = Ended>> Future for Runner<W> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        while let Some(permit) = this.permit.take() {
            let polled = catch_unwind(AssertUnwindSafe(|| {
                match (this.first.as_mut().as_pin_mut(), &mut *this.next) {
                    (Some(first), _) => first.poll(cx),
                    (None, Some(next)) => next.as_mut().poll(cx),
                    (None, None) => unreachable!("a place is held for some work"),
                }
            }));
            let (ended, otherwise) = match polled {
                Ok(Poll::Pending) => {
                    *this.permit = Some(permit);
                    return Poll::Pending;
                }
                Ok(Poll::Ready(ended)) => (ended, OperationError::Cancelled),
                // Not the operation itself, whose panics are caught closer by: the runtime has no
                // timer, say.
                Err(panic) => {
                    let error = panicked(panic);
                    (ended_by(&error), error)
                }
            };
            this.first.set(None);
            *this.next = None;
            if let Some((work, permit)) = permit.finish(ended, otherwise) {
                *this.next = Some(work);
                *this.permit = Some(permit);
                // Operations that never wait would keep this thread for themselves.
                ready!(pin!(tokio::task::consume_budget()).poll(cx));
            }
        }
        Poll::Ready(())
    }
}
