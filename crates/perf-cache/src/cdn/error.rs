//! What can go wrong between this process and an HTTP store.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What failed between a tier and its HTTP store, and what helps. Inside of a
/// [`TierError::Failed`](crate::tiered::TierError).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EdgeError {
    /// The store cannot be reached, or the connection broke.
    Unreachable {
        /// The store.
        server: String,
        /// What the system or the client says.
        why: String,
    },
    /// The store does not let this client in: 401, 403 or 407.
    Denied {
        /// The store.
        server: String,
        /// The status of its answer.
        status: u16,
    },
    /// The store has too much to do, or is away: 429 or 503.
    Overloaded {
        /// The store.
        server: String,
        /// The status of its answer.
        status: u16,
        /// When it says that it may be asked again.
        retry_after: Option<Duration>,
    },
    /// The store answered an error.
    Refused {
        /// The store.
        server: String,
        /// What it was asked.
        method: &'static str,
        /// The status of its answer.
        status: u16,
    },
    /// What came is no value, or not the whole of it.
    Damaged {
        /// The store.
        server: String,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for EdgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EdgeError::Unreachable { server, why } => {
                write!(f, "{server} cannot be reached ({why}): start it, or mend the address")
            }
            EdgeError::Denied { server, status } => {
                write!(f, "{server} answered {status}: mend what lets this client in")
            }
            EdgeError::Overloaded { server, status, retry_after: None } => {
                write!(f, "{server} answered {status}: it has too much to do, ask it less")
            }
            EdgeError::Overloaded { server, status, retry_after: Some(after) } => {
                write!(f, "{server} answered {status}: it may be asked again after {after:?}")
            }
            EdgeError::Refused { server, method, status } => {
                let remedy = "see its log, and whether it lets this client write";
                write!(f, "{server} answered {status} to {method}: {remedy}")
            }
            EdgeError::Damaged { server, why } => {
                write!(
                    f,
                    "{server} answered something that is no value of a cache ({why}): mend it"
                )
            }
        }
    }
}

impl Error for EdgeError {}
