//! Back-pressure: a place in the queue before there is an operation.

use super::Manager;
use crate::driver::{Shared, Ticket};
use crate::sync::{Arc, lock};
use crate::{Handle, KindId, Operation, Refused, Work};
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::poll_fn;

/// An operation that was turned away by [`Manager::try_submit`], and why.
pub struct TrySubmitError<T, W> {
    /// Why it was turned away.
    pub refused: Refused,
    /// The operation, unused.
    pub operation: Operation<T, W>,
}

impl<T, W> fmt::Debug for TrySubmitError<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrySubmitError").field("refused", &self.refused).finish_non_exhaustive()
    }
}

impl<T, W> fmt::Display for TrySubmitError<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refused.fmt(f)
    }
}

impl<T, W> Error for TrySubmitError<T, W> {}

/// A place in the queue of a manager, kept for one operation. Dropping it gives the place up.
#[derive(Debug)]
#[must_use = "dropping it gives the place up"]
pub struct Reservation {
    shared: Arc<Shared>,
    kind: KindId,
    /// Whether it has not been used.
    kept: bool,
}

impl Manager {
    /// As [`submit`](Manager::submit), and gives the operation back if it is turned away.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the operation and the reason.
    ///
    /// # Panics
    ///
    /// As `submit`.
    #[expect(clippy::result_large_err, reason = "it is the operation, which the caller had before")]
    pub fn try_submit<T, W>(
        &self,
        operation: Operation<T, W>,
    ) -> Result<Handle<T>, TrySubmitError<T, W>>
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        match self.shared.try_submit(operation, None) {
            Ok(taken) => Ok(Handle::new(Arc::clone(&self.shared), taken)),
            Err((refused, operation)) => Err(TrySubmitError { refused, operation }),
        }
    }

    /// Waits for a place in the queue for an operation of that kind, and keeps it: for callers who
    /// would rather wait than be turned away, and who make the operation only once it has a place.
    ///
    /// First come, first served, and before everybody who submits without a reservation. A place is
    /// one among those that may wait ([`queue_limit`](Manager::queue_limit)), never one among those
    /// that run, so one that is kept for long keeps nothing from running.
    ///
    /// Cancel-safe: dropping the future gives up the wait, or the place that it was about to answer.
    ///
    /// ```
    /// # use perf_async::{Manager, Operation};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let manager = Manager::builder().queue_limit(100).build()?;
    /// for row in 0..1_000 {
    ///     let place = manager.reserve("import").await?;
    ///     let operation = Operation::infallible("import", async move { row * 2 });
    ///     drop(place.submit(operation)?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`] once the manager is closed; [`Refused::Overloaded`] if none of that kind
    /// may ever wait.
    pub async fn reserve(
        &self,
        kind: impl Into<Cow<'static, str>>,
    ) -> Result<Reservation, Refused> {
        let name = kind.into();
        let (kind, ticket) = {
            let mut core = lock(&self.shared.core);
            let kind = core.kind_named(&name, || name.clone());
            (kind, core.ask(kind)?)
        };
        if let Some(ticket) = ticket {
            let asking = Asking { shared: &self.shared, ticket };
            poll_fn(|cx| asking.ticket.poll(cx)).await?;
        }
        Ok(Reservation { shared: Arc::clone(&self.shared), kind, kept: true })
    }
}

/// Gives up if it is dropped before the answer has been taken.
struct Asking<'a> {
    shared: &'a Shared,
    ticket: Arc<Ticket>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        lock(&self.shared.core).give_up(&self.ticket);
    }
}

impl Reservation {
    /// Starts an operation, or queues it in the place that was kept.
    ///
    /// # Errors
    ///
    /// [`Refused::Closed`] if the manager has been closed since. [`Refused::Overloaded`] only if the
    /// limit of the queue was lowered since, or the operation is of another kind whose queue is
    /// full. The operation is dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn submit<T, W>(mut self, operation: Operation<T, W>) -> Result<Handle<T>, Refused>
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        let place = std::mem::take(&mut self.kept).then_some(self.kind);
        match self.shared.try_submit(operation, place) {
            Ok(taken) => Ok(Handle::new(Arc::clone(&self.shared), taken)),
            Err((refused, _)) => Err(refused),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.kept {
            lock(&self.shared.core).give_back(self.kind);
        }
    }
}
