//! Waiting for a handle from a thread outside any runtime.

use super::Handle;
use crate::OperationError;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};
use tokio::runtime::Handle as Runtime;

impl<T: Send + 'static> Handle<T> {
    /// Blocks this thread until the operation answers, for code outside any runtime.
    /// [`Duration::MAX`] is as long as it takes. The operation knows nothing of this limit: it goes
    /// on, and the handle is as good as before.
    ///
    /// ```
    /// # use perf_async::{Manager, Operation};
    /// # use std::time::Duration;
    /// # let manager = Manager::builder().build().unwrap();
    /// let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build()?;
    /// let mut handle = {
    ///     let _inside = runtime.enter(); // Where the operation is to run.
    ///     manager.submit(Operation::infallible("add", async { 1 + 1 }))?
    /// };
    /// assert_eq!(handle.wait_timeout(Duration::from_secs(60))??, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WaitError`] if it does not answer in that time, or if it is called inside a runtime, whose
    /// thread it would block: await the handle there.
    ///
    /// # Panics
    ///
    /// If the handle has answered before.
    pub fn wait_timeout(
        &mut self,
        limit: Duration,
    ) -> Result<Result<T, OperationError>, WaitError> {
        if Runtime::try_current().is_ok() {
            return Err(WaitError::InsideRuntime);
        }
        let waker = Waker::from(std::sync::Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        let until = Instant::now().checked_add(limit);
        loop {
            if let Poll::Ready(answer) = Pin::new(&mut *self).poll(&mut cx) {
                return Ok(answer);
            }
            let Some(until) = until else {
                thread::park();
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(WaitError::Elapsed);
            }
            thread::park_timeout(left);
        }
    }
}

/// Why [`Handle::wait_timeout`] has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// The operation has not answered in that time.
    Elapsed,
    /// Waiting would block a thread of a runtime.
    InsideRuntime,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WaitError::Elapsed => "no answer yet: wait longer, or cancel the operation",
            WaitError::InsideRuntime => "waiting would block the runtime: await the handle",
        })
    }
}

impl Error for WaitError {}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}
