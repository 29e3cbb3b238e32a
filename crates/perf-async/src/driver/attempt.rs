//! Polls one operation until it ends, is told to stop, or its time has passed.

use crate::operation::{Answer, Limits};
use crate::sync::{Arc, AtomicBool, Mutex, Ordering, lock};
use crate::{Ended, OperationError};
use perf_core::{Clock, Instant};
use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::time::Sleep;

/// Tells a running operation to stop, and wakes it so that it hears.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    requested: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Stop {
    /// Tells it. The first call wakes it.
    pub(crate) fn request(&self) {
        // SeqCst with the load below: either the operation sees the flag after it has left its
        // waker, or this call finds the waker.
        self.requested.store(true, Ordering::SeqCst);
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }

    /// Leaves a waker and answers whether to stop.
    pub(crate) fn listen(&self, cx: &Context<'_>) -> bool {
        let old = {
            let mut waker = lock(&self.waker);
            match &*waker {
                Some(known) if known.will_wake(cx.waker()) => None,
                _ => waker.replace(cx.waker().clone()),
            }
        };
        drop(old);
        self.is_requested()
    }
}

/// Where an attempt finds its [`Stop`]; one that ends at its first poll never needs it.
pub(crate) trait StopSource {
    /// Whether to stop, asked before the first poll.
    fn is_requested(&self) -> bool;
    /// Leaves a waker and answers whether to stop.
    fn listen(&mut self, cx: &Context<'_>) -> bool;
}

/// The moments that an attempt's clocks count from.
pub(crate) struct Timing<'a> {
    pub(crate) clock: &'a Clock,
    pub(crate) limits: &'a Limits,
    pub(crate) submitted: Instant,
    pub(crate) started: Instant,
}

/// Polls the future to its end. When this answers, the future has been dropped.
pub(crate) async fn attempt<T, F>(
    future: F,
    timing: Timing<'_>,
    mut stop: impl StopSource,
) -> Result<T, OperationError>
where
    F: Future<Output = Answer<T>>,
{
    if stop.is_requested() {
        return Err(OperationError::Cancelled);
    }
    let (end_by, clock, limit) = timing.limits.end_by(timing.submitted, timing.started);
    let mut future = pin!(future);
    // The timer is set only once the operation has to wait for something.
    let mut sleep = pin!(None::<Sleep>);
    let mut waited = false;
    poll_fn(|cx| {
        if waited && stop.listen(cx) {
            return Poll::Ready(Err(OperationError::Cancelled));
        }
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Ready(answer)) => {
                return Poll::Ready(answer.map_err(|error| OperationError::Failed(error.into())));
            }
            Err(panic) => return Poll::Ready(Err(panicked(panic))),
            Ok(Poll::Pending) => {}
        }
        if !waited {
            waited = true;
            if stop.listen(cx) {
                return Poll::Ready(Err(OperationError::Cancelled));
            }
            if end_by.moment().is_some() {
                let remaining = end_by.remaining(timing.clock.now());
                sleep.set(Some(tokio::time::sleep(remaining)));
            }
        }
        match sleep.as_mut().as_pin_mut().map(|sleep| sleep.poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(OperationError::TimedOut { clock, limit })),
            _ => Poll::Pending,
        }
    })
    .await
}

/// The error for a caught panic.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> OperationError {
    let message: Arc<str> = match panic.downcast_ref::<&'static str>() {
        Some(text) => Arc::from(*text),
        None => match panic.downcast_ref::<String>() {
            Some(text) => Arc::from(text.as_str()),
            None => Arc::from("a panic without a text"),
        },
    };
    // What was thrown is the user's, and may throw again when dropped.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    OperationError::Panicked(message)
}

/// What the scheduler is told of a result.
pub(crate) fn ended<T>(result: &Result<T, OperationError>) -> Ended {
    match result {
        Ok(_) => Ended::Completed,
        Err(error) => ended_by(error),
    }
}

/// What the scheduler is told of an error.
pub(crate) fn ended_by(error: &OperationError) -> Ended {
    match error {
        OperationError::Failed(user) => {
            // The user's own code writes this text.
            let text = catch_unwind(AssertUnwindSafe(|| user.to_string()));
            Ended::Failed(shorten(text.unwrap_or_else(|_| "its error panicked".into())))
        }
        OperationError::Cancelled => Ended::Cancelled,
        OperationError::TimedOut { .. } => Ended::TimedOut(error.to_string()),
        _ => Ended::Failed(shorten(error.to_string())),
    }
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(ERROR_CHARS) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

/// How much of an error's text is remembered.
const ERROR_CHARS: usize = 256;
