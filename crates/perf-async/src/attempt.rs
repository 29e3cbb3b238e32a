//! What an attempt is told.

use crate::driver::Operand;
use crate::sync::Arc;
use crate::{OperationError, Progress};
use perf_core::Clock;
use perf_guard::Deadline;
use std::time::Duration;

/// What one attempt of a [retryable](crate::Operation::retryable) operation is told, and where it
/// says how far it has come.
#[derive(Clone, Debug)]
pub struct Attempt {
    number: u32,
    last_error: Option<OperationError>,
    deadline: Deadline,
    clock: Clock,
    /// `None` where nobody holds a handle.
    operand: Option<Arc<dyn Operand>>,
    is_hedge: bool,
}

impl Attempt {
    pub(crate) fn new(
        clock: Clock,
        deadline: Deadline,
        operand: Option<Arc<dyn Operand>>,
    ) -> Attempt {
        Attempt { number: 1, last_error: None, deadline, clock, operand, is_hedge: false }
    }

    pub(crate) fn numbered(self, number: u32, last_error: Option<OperationError>) -> Attempt {
        Attempt { number, last_error, ..self }
    }

    pub(crate) fn hedge(self) -> Attempt {
        Attempt { is_hedge: true, ..self }
    }

    /// Whether this is a second attempt beside a slow one, with the same number: see
    /// [`Hedge`](crate::Hedge).
    #[must_use]
    pub const fn is_hedge(&self) -> bool {
        self.is_hedge
    }

    /// Which attempt this is: 1 for the first.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Why the attempt before this one ended; `None` for the first.
    #[must_use]
    pub const fn last_error(&self) -> Option<&OperationError> {
        self.last_error.as_ref()
    }

    /// The time left until the operation's `total_timeout`; [`Duration::MAX`] if it has none.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        if self.deadline == Deadline::NEVER {
            return Duration::MAX;
        }
        self.deadline.remaining(self.clock.now())
    }

    /// Says how far the operation has come, for [`Handle::progress`](crate::Handle::progress). One
    /// atomic store. Nobody hears of it while the operation runs where it stands, without a handle.
    pub fn progress(&self, done: u64, total: u64) {
        if let Some(operand) = &self.operand {
            operand.progress().set(Progress { done, total });
        }
    }
}
