//! What a scheduler is told, and what it answers.

use super::{Asks, KindId};
use crate::{Fairness, Needs, OperationId};
use perf_core::{Instant, Priority};
use perf_guard::Deadline;
use std::any::TypeId;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// How a [`Scheduler`](crate::Scheduler) is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchedulerConfig {
    /// How many operations run at once.
    pub max_concurrent: usize,
    /// How many may wait.
    pub queue_limit: usize,
    /// How long an operation waits to gain one level of priority.
    pub aging: Duration,
    /// Who is next where operations of several kinds wait.
    pub fairness: Fairness,
    /// How many ended operations are remembered.
    pub finished_kept: usize,
}

impl Default for SchedulerConfig {
    fn default() -> SchedulerConfig {
        SchedulerConfig {
            max_concurrent: crate::DEFAULT_MAX_CONCURRENT,
            queue_limit: crate::DEFAULT_QUEUE_LIMIT,
            aging: crate::DEFAULT_AGING,
            fairness: Fairness::default(),
            finished_kept: crate::DEFAULT_FINISHED_KEPT,
        }
    }
}

/// What a scheduler is told of an operation.
#[derive(Clone, Debug)]
pub struct Submission {
    pub(super) kind: KindId,
    pub(super) priority: Priority,
    pub(super) timeout: Duration,
    pub(super) start_by: Deadline,
    pub(super) key: Option<Arc<OperationKey>>,
    pub(super) asks: Option<Box<Asks>>,
}

impl Submission {
    /// An operation of that kind, with priority 5 and no limits.
    #[must_use]
    pub const fn new(kind: KindId) -> Submission {
        Submission {
            kind,
            priority: Priority::NORMAL,
            timeout: Duration::MAX,
            start_by: Deadline::NEVER,
            key: None,
            asks: None,
        }
    }

    /// The same with that priority.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Submission {
        self.priority = priority;
        self
    }

    /// The same with that time-out, for the record: the driver enforces it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Submission {
        self.timeout = timeout;
        self
    }

    /// The same, never to start after that deadline.
    #[must_use]
    pub fn start_by(mut self, deadline: Deadline) -> Submission {
        self.start_by = deadline;
        self
    }

    /// The same, taking that much of the [pools](crate::Scheduler::set_pools), instead of what its
    /// kind says.
    #[must_use]
    pub fn needs(mut self, needs: Needs) -> Submission {
        self.asks = Some(Box::new(Asks::of(needs)));
        self
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn asks(mut self, asks: Option<Box<Asks>>) -> Submission {
        self.asks = asks;
        self
    }

    /// The same, to be found by that key while it waits or runs.
    #[must_use]
    pub fn key(mut self, key: OperationKey) -> Submission {
        self.key = Some(Arc::new(key));
        self
    }
}

/// What makes two operations the same: kind, key and the type of the value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OperationKey {
    key: String,
    /// Its name, since kinds without one of their own share an id.
    kind: Cow<'static, str>,
    value: TypeId,
}

impl OperationKey {
    /// The key of an operation of that kind with values of type `T`.
    #[must_use]
    pub fn new<T: 'static>(kind: Cow<'static, str>, key: String) -> OperationKey {
        OperationKey { key, kind, value: TypeId::of::<T>() }
    }

    /// The key alone.
    #[cfg(feature = "tokio")]
    pub(crate) fn into_key(self) -> String {
        self.key
    }
}

/// What [`Scheduler::next`](crate::Scheduler::next) found.
#[derive(Debug)]
pub enum Next<P> {
    /// Start this one: it holds a place among those that run until it is finished.
    Start {
        /// Its name.
        id: OperationId,
        /// What the driver keeps with it. Leave something in its place with
        /// [`set_payload`](crate::Scheduler::set_payload).
        payload: P,
        /// When it was submitted.
        queued_at: Instant,
        /// How long it waited; of one that was suspended, since it could go on.
        waited: Duration,
    },
    /// Its time passed while it waited. It has ended and never starts.
    Expired {
        /// Its name.
        id: OperationId,
        /// What the driver kept with it.
        payload: P,
    },
    /// Its turn came, but the circuit breaker of its kind lets none through. It has ended as failed
    /// and never starts.
    Refused {
        /// Its name.
        id: OperationId,
        /// What the driver kept with it.
        payload: P,
        /// After this time one of its kind may pass again.
        retry_after: Duration,
    },
}

/// What [`Scheduler::finish`](crate::Scheduler::finish) and
/// [`Scheduler::suspend`](crate::Scheduler::suspend) give back.
#[derive(Debug)]
pub struct Finished<P> {
    /// What the driver kept with it.
    pub payload: Option<P>,
    /// How long it ran, this time.
    pub ran: Duration,
}
