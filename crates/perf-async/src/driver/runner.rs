//! The tasks that run submitted operations.
//!
//! A task that has ended its operation takes the next one itself: under load that saves a spawn
//! for each operation and a hop between tasks.

use super::attempt::{Timing, attempt, ended, ended_by, panicked};
use super::group::Group;
use super::permit::{GroupStop, Permit};
use super::shared::Shared;
use crate::operation::{Answer, Limits};
use crate::sync::Arc;
use crate::{Ended, OperationError};
use perf_core::{Clock, Instant};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;

/// A submitted operation, ready to be polled: it leaves its result in its group and answers how it
/// ended.
pub(super) type Work = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// Makes the work of a submitted operation.
pub(super) async fn work<T, F>(
    future: F,
    group: Arc<Group<T>>,
    clock: Clock,
    limits: Limits,
    submitted: Instant,
) -> Ended
where
    T: Send + 'static,
    F: Future<Output = Answer<T>> + Send,
{
    let started = group.started_at();
    let timing = Timing { clock: &clock, limits: &limits, submitted, started };
    let result = attempt(future, timing, GroupStop(Arc::clone(&group))).await;
    let ended = ended(&result);
    group.stash(result);
    ended
}

/// Runs one operation, then whatever waits, until nothing does.
pub(super) async fn run(work: impl Future<Output = Ended> + Send, permit: Permit) {
    let shared = run_one(work, permit).await;
    while let Some((work, permit)) = shared.take_next() {
        // Operations that never wait would keep this thread for themselves.
        tokio::task::consume_budget().await;
        run_one(work, permit).await;
    }
}

async fn run_one(work: impl Future<Output = Ended> + Send, permit: Permit) -> Arc<Shared> {
    // In this order, so that a task that is dropped drops the work before it gives up the place.
    let permit = permit;
    let finished = {
        let mut work = pin!(work);
        poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(poll) => poll.map(|ended| (ended, OperationError::Cancelled)),
            // Not in its poll, which is caught closer by, but when it was dropped.
            Err(panic) => {
                let error = panicked(panic);
                Poll::Ready((ended_by(&error), error))
            }
        })
        .await
    };
    let (ended, otherwise) = finished;
    permit.finish(ended, otherwise)
}
