//! What can go wrong between a tier and its server.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What failed between a tier and its server, and what helps. Inside of a
/// [`TierError::Failed`](crate::tiered::TierError).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RemoteError {
    /// There is no connection, and none is tried before that time has passed.
    Waiting {
        /// The server.
        server: String,
        /// When the next call tries again.
        retry_in: Duration,
    },
    /// The server cannot be reached, or the connection broke.
    Disconnected {
        /// The server.
        server: String,
        /// What the system or the client says.
        why: String,
    },
    /// The server does not let this client in: password, user, or certificates.
    Denied {
        /// The server.
        server: String,
        /// What the server or the client says.
        why: String,
    },
    /// The server answered an error.
    Refused {
        /// The server.
        server: String,
        /// The first word of its answer: `READONLY`, `LOADING`, `ERR`.
        code: String,
        /// The rest of it.
        why: String,
    },
    /// A key, or the name of a tag or pattern, is longer than others are told of.
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its bytes.
        bytes: usize,
        /// How many it may have.
        max: usize,
    },
    /// No server of the cluster has the slot of a key.
    Unserved {
        /// The cluster.
        server: String,
        /// The slot.
        slot: u16,
    },
    /// The server answered something that is no answer to what it was asked.
    Unexpected {
        /// The server.
        server: String,
        /// What it was asked.
        command: &'static str,
    },
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteError::Waiting { server, retry_in } => {
                write!(f, "no connection to {server}: the next call tries again in {retry_in:?}")
            }
            RemoteError::Disconnected { server, why } => {
                write!(f, "no connection to {server} ({why}): start it, or mend the address")
            }
            RemoteError::Denied { server, why } => {
                write!(f, "{server} lets nobody in ({why}): mend password, user or certificates")
            }
            RemoteError::Refused { server, code, why } => {
                write!(f, "{server} answered {code} {why}: see its log, and its settings")
            }
            RemoteError::TooLong { what, bytes, max } => {
                write!(f, "{what} of {bytes} bytes cannot be told to others: use {max} at most")
            }
            RemoteError::Unserved { server, slot } => {
                write!(f, "nobody in {server} has slot {slot}: look at its `CLUSTER SLOTS`")
            }
            RemoteError::Unexpected { server, command } => {
                write!(f, "{server} answered {command} with something else: is it a Redis?")
            }
        }
    }
}

impl Error for RemoteError {}
