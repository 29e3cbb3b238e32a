//! The face of this crate.

mod adaptive;
mod batch;
mod builder;
mod by_id;
mod closing;
mod kinds;
mod limits;
mod pools;
mod reserve;
mod stats;
mod tune;

pub use builder::ManagerBuilder;
pub use by_id::NoResult;
pub use closing::Drained;
pub use reserve::{Reservation, TrySubmitError};
pub use stats::AsyncStats;

use crate::driver::Shared;
use crate::sync::{Arc, lock};
use crate::{
    Answered, CancelOutcome, Handle, Operation, OperationError, OperationId, OperationRecord,
    Refused, Status, Work,
};
use perf_core::{Clock, Priority};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Runs operations, at most so many at once, the most urgent first.
///
/// Cheap to clone: each clone is a handle to the same manager. See the [crate page](crate).
#[derive(Clone, Debug)]
#[doc(alias = "AsyncOperationsManager")]
pub struct Manager {
    pub(crate) shared: Arc<Shared>,
}

impl Manager {
    /// Five operations at once, 10,000 waiting, 30 s each, until set otherwise.
    #[must_use]
    pub fn builder() -> ManagerBuilder {
        ManagerBuilder::new()
    }

    /// The name it was built with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.settings.name
    }

    /// What waiting and running are measured with.
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Runs an operation and answers its value. Dropping this future drops the operation.
    ///
    /// While there is room the operation is polled right here, and costs no task and no allocation;
    /// it then counts as running until this future is dropped, so do not keep it unpolled. If it
    /// has to wait, or has a key, a task of its own runs it.
    ///
    /// # Errors
    ///
    /// [`OperationError`]: it failed, panicked, took too long, was cancelled, or was turned away.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer enabled, if the operation has to wait.
    pub fn run<T, W>(
        &self,
        operation: Operation<T, W>,
    ) -> impl Future<Output = Result<T, OperationError>> + Send
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        ValueOnly { answered: self.shared.run(operation) }
    }

    /// As [`run`](Manager::run), and says who the value comes from: the operation, its fallback or
    /// its stale value.
    ///
    /// # Errors
    ///
    /// As `run`.
    ///
    /// # Panics
    ///
    /// As `run`.
    pub fn run_answered<T, W>(
        &self,
        operation: Operation<T, W>,
    ) -> impl Future<Output = Result<Answered<T>, OperationError>> + Send
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        self.shared.run(operation)
    }

    /// Starts an operation, or queues it if too many run, and answers a handle to it.
    ///
    /// # Errors
    ///
    /// [`Refused`] if as many wait as may, or the manager was closed. The operation is dropped;
    /// [`try_submit`](Manager::try_submit) gives it back, [`reserve`](Manager::reserve) waits.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn submit<T, W>(&self, operation: Operation<T, W>) -> Result<Handle<T>, Refused>
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        let taken = self.shared.submit(operation)?;
        Ok(Handle::new(Arc::clone(&self.shared), taken))
    }

    /// Cancels an operation for all who wait for it. One that waits is gone, and its future
    /// dropped, when this returns; one that runs is dropped as soon as it gives way.
    pub fn cancel(&self, id: OperationId) -> CancelOutcome {
        self.shared.cancel(id)
    }

    /// Where an operation stands; `None` if there is none or it has been forgotten.
    #[must_use]
    pub fn status(&self, id: OperationId) -> Option<Status> {
        self.shared.status(id)
    }

    /// What is known of an operation; `None` if there is none or it has been forgotten.
    #[must_use]
    pub fn record(&self, id: OperationId) -> Option<OperationRecord> {
        lock(&self.shared.core).record(id)
    }

    /// Changes the priority of an operation that waits; it keeps the time that it has waited.
    /// Answers the priority before, `None` if no operation with this id waits.
    pub fn set_priority(&self, id: OperationId, priority: Priority) -> Option<Priority> {
        self.shared.set_priority(id, priority)
    }

    /// The operations that wait, in order of arrival. For their number see
    /// [`pending_count`](Manager::pending_count).
    #[must_use]
    pub fn pending(&self) -> Vec<OperationRecord> {
        self.first_pending(usize::MAX)
    }

    /// Some of the operations that wait, at most so many, in order of arrival: for a look at a long
    /// queue. O(places up to the last of them).
    #[must_use]
    pub fn first_pending(&self, most: usize) -> Vec<OperationRecord> {
        self.records(|status| matches!(status, Status::Queued | Status::Batching), most)
    }

    /// The time by the manager's clock, which the records are stamped with.
    #[must_use]
    pub fn now(&self) -> perf_core::Instant {
        self.shared.clock.now()
    }

    /// The operations that run, in order of arrival.
    #[must_use]
    pub fn running(&self) -> Vec<OperationRecord> {
        self.first_running(usize::MAX)
    }

    /// Some of the operations that run, at most so many, in order of arrival, as
    /// [`first_pending`](Manager::first_pending).
    #[must_use]
    pub fn first_running(&self, most: usize) -> Vec<OperationRecord> {
        self.records(|status| status == Status::InProgress, most)
    }

    /// The last operations that ended, oldest first: at most as many as were set with
    /// [`finished_kept`](ManagerBuilder::finished_kept).
    #[must_use]
    pub fn finished(&self) -> Vec<OperationRecord> {
        lock(&self.shared.core).finished().collect()
    }

    /// How many operations wait.
    #[must_use]
    pub fn pending_count(&self) -> usize {
        lock(&self.shared.core).pending()
    }

    /// How many operations run.
    #[must_use]
    pub fn running_count(&self) -> usize {
        lock(&self.shared.core).running()
    }

    /// How many may run at once.
    #[must_use]
    pub fn max_concurrent(&self) -> usize {
        lock(&self.shared.core).max_concurrent()
    }

    /// How many may wait.
    #[must_use]
    pub fn queue_limit(&self) -> usize {
        lock(&self.shared.core).queue_limit()
    }

    /// How long an operation may run that does not say.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.shared.timeout()
    }

    /// The names of those that wait or run and are like that.
    fn ids(&self, wanted: impl Fn(Status) -> bool) -> Vec<OperationId> {
        self.records(wanted, usize::MAX).into_iter().map(|record| record.id).collect()
    }

    /// Read in pages, so that the lock is held for a short time only, until there are so many.
    fn records(&self, which: impl Fn(Status) -> bool, most: usize) -> Vec<OperationRecord> {
        let mut records = Vec::new();
        let mut from = Some(0);
        while let Some(start) = from.filter(|_| records.len() < most) {
            let (page, next) = lock(&self.shared.core).page(start, PAGE);
            records.extend(page.into_iter().filter(|record| which(record.status)));
            from = next;
        }
        records.truncate(most);
        records.sort_by_key(|record| record.id);
        records
    }
}

pin_project! {
    // Written out, because an async block would hold the operation twice.
    struct ValueOnly<F> {
        #[pin]
        answered: F,
    }
}

impl<T, F: Future<Output = Result<Answered<T>, OperationError>>> Future for ValueOnly<F> {
    type Output = Result<T, OperationError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().answered.poll(cx).map_ok(|answered| answered.value)
    }
}

const PAGE: usize = 256;
