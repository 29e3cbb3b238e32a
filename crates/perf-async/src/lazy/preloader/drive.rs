//! The task that loads.

use super::Inner;
use crate::OperationError;
use crate::lazy::value::Preloading;
use crate::sync::{Arc, lock};
use perf_core::Priority;
use perf_guard::Backoff;
use std::cmp::Reverse;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Loads what is registered, until it is aborted.
pub(super) async fn drive(inner: Arc<Inner>) {
    let backoff = Backoff::builder().base(FIRST_PAUSE).cap(LONGEST_PAUSE).build();
    let backoff = backoff.expect("the constants below are a back-off");
    let mut flights = Vec::new();
    let mut refusals: u32 = 0;
    loop {
        let mut work = pin!(inner.work.notified());
        let mut pause = match refusals.checked_sub(1) {
            // Nothing is started until the manager has had time to work its queue off.
            Some(before) => Some(Box::pin(tokio::time::sleep(backoff.ceiling(before)))),
            None => {
                flights.extend(std::iter::from_fn(|| Flight::take_off(&inner)));
                None
            }
        };
        let (mut landed, mut refused) = (false, false);
        let paused = poll_fn(|cx| {
            flights.retain_mut(|flight: &mut Flight| match flight.poll(cx) {
                Poll::Ready(was_refused) => {
                    landed = true;
                    refused |= was_refused;
                    false
                }
                Poll::Pending => true,
            });
            if pause.as_mut().is_some_and(|pause| pause.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(true);
            }
            let goes_on = landed || work.as_mut().poll(cx).is_ready();
            if goes_on { Poll::Ready(false) } else { Poll::Pending }
        })
        .await;
        if refused {
            refusals = refusals.saturating_add(1);
        } else if landed {
            refusals = 0;
        } else if paused {
            // One try, by which it is seen whether there is room again.
            flights.extend(Flight::take_off(&inner));
        }
    }
}

/// One load on its way. Dropped midway it goes back into the queue.
struct Flight {
    inner: Arc<Inner>,
    entry: (Priority, Reverse<usize>),
    loading: Preloading,
    landed: bool,
}

impl Flight {
    /// Starts the next load, if there is one and one more may be under way.
    fn take_off(inner: &Arc<Inner>) -> Option<Flight> {
        let mut state = lock(&inner.state);
        if state.loading >= state.max_concurrent {
            return None;
        }
        let entry = state.queue.pop()?;
        state.loading += 1;
        let lazy = Arc::clone(&state.lazies[entry.1.0].lazy);
        drop(state);
        let loading = lazy.preload(inner.settings.priority);
        Some(Flight { inner: Arc::clone(inner), entry, loading, landed: false })
    }

    /// Answers, once it is over, whether it was turned away and has to be tried again.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        // A value that is reset meanwhile is dropped here, and its destructor is the user's.
        let polled = catch_unwind(AssertUnwindSafe(|| self.loading.as_mut().poll(cx)));
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(_) => Err(OperationError::Cancelled),
        };
        let refused = matches!(result, Err(OperationError::Overloaded(_)));
        let mut state = lock(&self.inner.state);
        if refused {
            state.turned_away += 1;
        } else {
            state.failed += u64::from(result.is_err());
            state.loading -= 1;
            self.landed = true;
        }
        drop(state);
        self.inner.progress.notify_waiters();
        Poll::Ready(refused)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.landed {
            let mut state = lock(&self.inner.state);
            state.loading -= 1;
            state.queue.push(self.entry);
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
