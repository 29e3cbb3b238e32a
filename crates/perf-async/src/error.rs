//! Why an operation has no value.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why an operation has no value. Cheap to clone: those who wait for the same operation share it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OperationError {
    /// The operation ended with this error.
    Failed(Arc<dyn Error + Send + Sync>),
    /// Its time passed; it was dropped, or never started.
    TimedOut {
        /// Which clock ran out.
        clock: TimeoutClock,
        /// The time that it was given.
        limit: Duration,
    },
    /// Somebody cancelled it, or the runtime that ran it shut down.
    Cancelled,
    /// It panicked with this message.
    Panicked(Arc<str>),
    /// It was turned away, because as many wait as may.
    Overloaded(Overloaded),
    /// It was turned away, because the manager was closed.
    Closed,
    /// The circuit breaker of its kind let none through when its turn had come; it never started.
    CircuitOpen {
        /// After this time one of its kind may pass again.
        retry_after: Duration,
    },
}

impl OperationError {
    /// The operation's own error, if it failed with one of that type.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            OperationError::Failed(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OperationError::Failed(_) => f.write_str("operation failed"),
            OperationError::TimedOut { clock, limit } => match clock {
                TimeoutClock::Queue => write!(f, "no turn within {limit:?}: the queue is too long"),
                TimeoutClock::Run => write!(f, "not done after running for {limit:?}"),
                TimeoutClock::Total => write!(f, "not done within {limit:?} of submission"),
            },
            OperationError::Cancelled => f.write_str("operation cancelled"),
            OperationError::Panicked(message) => write!(f, "operation panicked: {message}"),
            OperationError::Overloaded(overloaded) => overloaded.fmt(f),
            OperationError::Closed => Refused::Closed.fmt(f),
            OperationError::CircuitOpen { retry_after } => {
                write!(f, "circuit open: try again in {retry_after:?}")
            }
        }
    }
}

impl Error for OperationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OperationError::Failed(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<Overloaded> for OperationError {
    fn from(overloaded: Overloaded) -> OperationError {
        OperationError::Overloaded(overloaded)
    }
}

impl From<Refused> for OperationError {
    fn from(refused: Refused) -> OperationError {
        match refused {
            Refused::Overloaded(overloaded) => OperationError::Overloaded(overloaded),
            Refused::Closed => OperationError::Closed,
        }
    }
}

/// Which of an operation's clocks ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeoutClock {
    /// The waiting for a turn: `queue_timeout`.
    Queue,
    /// The running: `timeout`.
    Run,
    /// Both together, from the submission: `total_timeout`.
    Total,
}

/// Why an operation was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// As many wait as may.
    Overloaded(Overloaded),
    /// The manager was closed.
    Closed,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Overloaded(overloaded) => overloaded.fmt(f),
            Refused::Closed => f.write_str("the manager was closed: submit to one that is open"),
        }
    }
}

impl Error for Refused {}

impl From<Overloaded> for Refused {
    fn from(overloaded: Overloaded) -> Refused {
        Refused::Overloaded(overloaded)
    }
}

/// An operation that was turned away, because as many wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overloaded {
    /// How many wait.
    pub waiting: usize,
    /// How many may.
    pub limit: usize,
}

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations wait and {} may: try again later, or raise queue_limit or max_concurrent",
            self.waiting, self.limit
        )
    }
}

impl Error for Overloaded {}
