//! What a handler is told of its job.

use crate::connection::bounded;
use crate::job::to_our_priority;
use crate::{JobId, RemoteError, RemoteErrorKind};
use bullmq::Job;
use bullmq::types::JobProgress;
use perf_core::Priority;
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What a handler is told of its job, and what it can say of it meanwhile.
#[derive(Debug)]
pub struct RemoteContext {
    job: Job,
    command_timeout: Duration,
}

impl RemoteContext {
    pub(crate) fn new(job: Job, command_timeout: Duration) -> RemoteContext {
        RemoteContext { job, command_timeout }
    }

    /// The job's id: the same in each attempt, so a key for what the handler does but once.
    #[must_use]
    pub fn id(&self) -> JobId {
        JobId::from(self.job.id())
    }

    /// The job's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.job.name()
    }

    /// How urgent it was when it was enqueued.
    #[must_use]
    pub fn priority(&self) -> Priority {
        to_our_priority(self.job.priority())
    }

    /// Which attempt this is, from 1. Workers that died do not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.job.attempts_made().saturating_add(1)
    }

    /// How often the job has been started, this time included. More than
    /// [`attempt`](RemoteContext::attempt) if a worker died over it.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.job.attempts_started()
    }

    /// Says how far the job has come, for whoever looks.
    ///
    /// # Errors
    ///
    /// [`RemoteError`] if it is no JSON or Redis cannot be reached.
    pub async fn progress<P: Serialize + ?Sized>(
        &mut self,
        progress: &P,
    ) -> Result<(), RemoteError> {
        let progress = serde_json::to_value(progress).map_err(|error| {
            let message = "cannot write a progress as JSON";
            RemoteError::caused(RemoteErrorKind::Encoding, message, error)
        })?;
        let saying = self.job.update_progress(JobProgress::Object(progress));
        bounded(self.command_timeout, "say a progress", saying).await
    }
}

/// An error that another attempt would meet again: the job fails at once, whatever attempts it has
/// left.
#[derive(Debug)]
pub struct Permanent(Box<dyn Error + Send + Sync>);

impl Permanent {
    /// Marks that error.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Permanent {
        Permanent(error.into())
    }
}

impl fmt::Display for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Permanent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
