//! A spawner whose work and timers wait for the test, and futures polled by hand.

use perf_cache::{Spawn, Work};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Keeps the work until the test runs it, and has timers that the test rings.
#[derive(Clone, Default)]
pub(crate) struct Later {
    work: Arc<Mutex<VecDeque<Work>>>,
    rung: Arc<Mutex<Duration>>,
}

impl Later {
    pub(crate) fn take(&self) -> Work {
        self.work.lock().unwrap().pop_front().unwrap()
    }

    pub(crate) fn len(&self) -> usize {
        self.work.lock().unwrap().len()
    }

    /// Ends all timers that were set for no longer than this.
    pub(crate) fn ring(&self, at: Duration) {
        *self.rung.lock().unwrap() = at;
    }
}

impl Spawn for Later {
    fn spawn(&self, work: Work) {
        self.work.lock().unwrap().push_back(work);
    }

    fn sleep(&self, span: Duration) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let rung = Arc::clone(&self.rung);
        Some(Box::pin(poll_fn(move |_| {
            if *rung.lock().unwrap() >= span { Poll::Ready(()) } else { Poll::Pending }
        })))
    }
}

pub(crate) fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What a future is ready with at its next poll.
pub(crate) fn poll_now<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is not ready"),
    }
}
