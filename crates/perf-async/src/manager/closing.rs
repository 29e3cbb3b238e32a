//! How a manager comes to an end.

use super::Manager;
use crate::sync::lock;
use crate::{CancelOutcome, Status};
use std::time::Duration;

/// What was left when [`Manager::drain`] answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many operations waited still.
    pub pending: usize,
    /// How many ran still.
    pub running: usize,
}

impl Drained {
    /// Whether nothing was left: everything has ended and been dropped.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.pending == 0 && self.running == 0
    }
}

impl Manager {
    /// Takes on no more operations: they are refused with [`Refused::Closed`](crate::Refused), and
    /// so are those who wait for a [reservation](Manager::reserve). What waits or runs goes on. A
    /// manager does not open again.
    pub fn close(&self) {
        lock(&self.shared.core).close();
    }

    /// Whether it takes on no more operations.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.shared.core).is_closed()
    }

    /// [Closes](Manager::close) the manager and waits until everything has ended and been dropped,
    /// for no longer than told. What is left then goes on; [`abort`](Manager::abort) ends it.
    ///
    /// Cancel-safe: dropping the future leaves the manager closed and its operations as they are.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer enabled.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        self.close();
        let in_time = tokio::time::timeout(deadline, self.shared.core.drained()).await.is_ok();
        if in_time {
            return Drained { pending: 0, running: 0 };
        }
        let core = lock(&self.shared.core);
        Drained { pending: core.pending(), running: core.running() }
    }

    /// [Closes](Manager::close) the manager and cancels everything that waits or runs. What waited
    /// has been dropped when this returns; what runs is dropped as soon as it gives way, which
    /// [`drain`](Manager::drain) waits for. Answers how many were cancelled.
    pub fn abort(&self) -> usize {
        self.close();
        let mut cancelled = 0;
        // First what waits, so that none of it gets the places of what runs.
        let waits = |status| matches!(status, Status::Queued | Status::Batching);
        for ids in [self.ids(waits), self.ids(|status| !status.is_finished())] {
            for id in ids {
                let (outcome, _) = self.shared.cancel_only(id);
                cancelled += usize::from(matches!(
                    outcome,
                    CancelOutcome::Removed | CancelOutcome::Signalled
                ));
            }
        }
        cancelled
    }
}
