//! What is known of an operation.

use crate::OperationId;
use perf_core::{Instant, Priority};
use perf_guard::Outcome;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// It waits for its turn, or for its next attempt.
    Queued,
    /// It waits for its turn in a kind whose operations are run in batches.
    Batching,
    /// It runs.
    InProgress,
    /// It ended and has a value.
    Completed,
    /// Somebody cancelled it, or everybody who wanted its value went away.
    Cancelled,
    /// It ended with an error or panicked.
    Failed,
    /// Its time passed, in the queue or while it ran.
    Timeout,
}

impl Status {
    /// Whether the operation has ended.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        !matches!(self, Status::Queued | Status::Batching | Status::InProgress)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Queued => "queued",
            Status::Batching => "batching",
            Status::InProgress => "in progress",
            Status::Completed => "completed",
            Status::Cancelled => "cancelled",
            Status::Failed => "failed",
            Status::Timeout => "timeout",
        })
    }
}

/// What is known of one operation. A copy: it does not follow what happens next.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OperationRecord {
    /// Its name.
    pub id: OperationId,
    /// What sort of work it is.
    pub kind: Cow<'static, str>,
    /// How urgent it is, or was when it started.
    pub priority: Priority,
    /// Where it stands.
    pub status: Status,
    /// When it was submitted.
    pub queued_at: Instant,
    /// When it started, `None` if it has not or never did.
    pub started_at: Option<Instant>,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// How long it may run.
    pub timeout: Duration,
    /// Why it did not complete, at most 256 characters.
    pub error: Option<String>,
}

/// How an operation ended, as [`Scheduler::finish`](crate::Scheduler::finish) is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a value.
    Completed,
    /// With an error or a panic; the text goes into the record.
    Failed(String),
    /// Stopped because somebody cancelled it.
    Cancelled,
    /// Stopped because its time passed; the text says which time.
    TimedOut(String),
}

impl Ended {
    /// What it says about the health of what was called; a cancellation says nothing.
    pub(crate) const fn outcome(&self) -> Option<Outcome> {
        match self {
            Ended::Completed => Some(Outcome::Success),
            Ended::Failed(_) | Ended::TimedOut(_) => Some(Outcome::Failure),
            Ended::Cancelled => None,
        }
    }
}

/// What cancelling an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelOutcome {
    /// It was waiting; now it is gone and never starts.
    Removed,
    /// It runs; it is dropped as soon as it gives way, at its next await. It may end before that.
    Signalled,
    /// Others wait for the same operation, so it goes on; this handle no longer waits for it.
    Left,
    /// It had ended before.
    AlreadyFinished,
    /// No operation has this id, or it ended so long ago that it was forgotten.
    Unknown,
}
