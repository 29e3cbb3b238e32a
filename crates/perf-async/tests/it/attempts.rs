//! What goes on around an operation: attempts, retries, fallbacks, progress.

mod breaker;
mod events;
mod fallback;
mod hedge;
mod progress;
mod retry;
mod waiting;

use perf_async::{Attempt, Operation, Retry, Work};
use perf_guard::Backoff;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Counts how often it is called.
#[derive(Clone, Debug, Default)]
struct Calls(Arc<AtomicU32>);

impl Calls {
    fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    fn call(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// Fails until its attempt of that number, and then has it as its value.
fn succeeds_at(number: u32) -> Operation<u32, impl Work<u32> + Send + 'static> {
    Operation::retryable("flaky", move |attempt: Attempt| async move {
        if attempt.number() < number { Err("not yet") } else { Ok(attempt.number()) }
    })
}

/// At most so many retries, each within that time.
fn within(retries: u32, time: Duration) -> Retry {
    let backoff = Backoff::builder().base(time).cap(time).retries(retries);
    Retry::with_backoff(backoff.build().unwrap())
}
