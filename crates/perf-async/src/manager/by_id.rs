//! Operations by their ids, for callers who cannot carry a handle: an id is a number, and can go
//! into a map, a log or another process.

use super::Manager;
use crate::driver::Found;
use crate::sync::lock;
use crate::{
    CancelOutcome, Operation, OperationError, OperationId, OperationRecord, Refused, Status, Work,
};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why [`Manager::wait_for_operation`] has no value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NoResult {
    /// No result is kept under this id.
    Unknown {
        /// The id.
        id: OperationId,
    },
    /// The result has another type.
    WrongType {
        /// The id.
        id: OperationId,
        /// The type of the operation's value.
        queued: &'static str,
        /// The type that was asked for.
        asked: &'static str,
    },
    /// Somebody has taken the result: each is given out once.
    AlreadyTaken {
        /// The id.
        id: OperationId,
    },
    /// The operation did not end within the time given for waiting. It goes on.
    TimedOut {
        /// The id.
        id: OperationId,
        /// The time.
        limit: Duration,
    },
    /// The operation ended without a value.
    Ended(OperationError),
}

impl fmt::Display for NoResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoResult::Unknown { id } => write!(
                f,
                "no result is kept for operation {id}: it was not queued with queue_operation, or \
                 others have ended since; ask sooner or raise results_kept"
            ),
            NoResult::WrongType { id, queued, asked } => {
                write!(f, "operation {id} has a value of type {queued}, not {asked}: ask for that")
            }
            NoResult::AlreadyTaken { id } => {
                write!(f, "the result of operation {id} was taken: share it where it was received")
            }
            NoResult::TimedOut { id, limit } => {
                write!(
                    f,
                    "operation {id} not done after a wait of {limit:?}: wait again, or cancel it"
                )
            }
            NoResult::Ended(error) => error.fmt(f),
        }
    }
}

impl Error for NoResult {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            NoResult::Ended(error) => error.source(),
            _ => None,
        }
    }
}

impl Manager {
    /// As [`submit`](Manager::submit), and keeps the result for
    /// [`wait_for_operation`](Manager::wait_for_operation).
    ///
    /// Results of the last [`results_kept`](crate::ManagerBuilder::results_kept) operations that
    /// ended are kept; what falls off is counted by
    /// [`results_forgotten`](Manager::results_forgotten). Callers who share an operation by its key
    /// share its id and its one result.
    ///
    /// # Errors
    ///
    /// As `submit`.
    ///
    /// # Panics
    ///
    /// As `submit`.
    pub fn queue_operation<T, W>(&self, operation: Operation<T, W>) -> Result<OperationId, Refused>
    where
        T: Send + 'static,
        W: Work<T> + Send + 'static,
    {
        let taken = self.shared.submit(operation)?;
        let id = taken.0;
        self.shared.results.keep(taken);
        Ok(id)
    }

    /// Waits for the end of an operation that was [queued by id](Manager::queue_operation) and takes
    /// its value, for no longer than told. The time-out is this caller's own: the operation goes on,
    /// and can be waited for again. Of several who wait, one gets the value.
    ///
    /// Cancel-safe: dropping the future leaves the result where it is.
    ///
    /// # Errors
    ///
    /// [`NoResult`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer enabled.
    pub async fn wait_for_operation<T: Send + 'static>(
        &self,
        id: OperationId,
        time_out: Duration,
    ) -> Result<T, NoResult> {
        let results = &self.shared.results;
        let expected = match results.find::<T>(id) {
            Found::Here(expected) => expected,
            Found::OtherType(queued) => {
                let asked = std::any::type_name::<T>();
                return Err(NoResult::WrongType { id, queued, asked });
            }
            Found::Taken => return Err(NoResult::AlreadyTaken { id }),
            Found::Unknown => return Err(NoResult::Unknown { id }),
        };
        match tokio::time::timeout(time_out, results.take(&expected)).await {
            Ok(Some(result)) => result.map_err(NoResult::Ended),
            Ok(None) => Err(NoResult::AlreadyTaken { id }),
            Err(_) => Err(NoResult::TimedOut { id, limit: time_out }),
        }
    }

    /// The same as [`cancel`](Manager::cancel).
    pub fn cancel_operation(&self, id: OperationId) -> CancelOutcome {
        self.cancel(id)
    }

    /// The same as [`status`](Manager::status).
    #[must_use]
    pub fn operation_status(&self, id: OperationId) -> Option<Status> {
        self.status(id)
    }

    /// The same as [`pending`](Manager::pending).
    #[must_use]
    pub fn pending_operations(&self) -> Vec<OperationRecord> {
        self.pending()
    }

    /// The same as [`pending_count`](Manager::pending_count).
    #[must_use]
    pub fn pending_operations_count(&self) -> usize {
        lock(&self.shared.core).pending()
    }

    /// How many results of operations that were queued by id fell off before anybody took them.
    #[must_use]
    pub fn results_forgotten(&self) -> u64 {
        self.shared.results.forgotten()
    }
}
