//! Why a call to the queue had no answer.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a call to the queue had no answer.
#[derive(Debug)]
pub struct RemoteError {
    kind: RemoteErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What sort of failure a [`RemoteError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteErrorKind {
    /// Redis cannot be reached, or does not answer in time.
    Unreachable,
    /// The time that was given to wait for a job has passed; the job goes on.
    TimedOut,
    /// There is no such job: it never was, was removed, or ended so long ago that it is not kept.
    NotFound,
    /// The job ended with an error, in all its attempts.
    Failed,
    /// A setting cannot be.
    Invalid,
    /// A payload or a result cannot be written or read as JSON.
    Encoding,
    /// Redis or the queue refused.
    Refused,
}

impl RemoteError {
    /// What sort of failure it is.
    #[must_use]
    pub const fn kind(&self) -> RemoteErrorKind {
        self.kind
    }

    pub(crate) fn new(kind: RemoteErrorKind, message: impl Into<String>) -> RemoteError {
        RemoteError { kind, message: message.into(), source: None }
    }

    pub(crate) fn caused(
        kind: RemoteErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> RemoteError {
        RemoteError { kind, message: message.into(), source: Some(source.into()) }
    }

    pub(crate) fn silent(doing: &str, limit: Duration) -> RemoteError {
        let message = format!("cannot {doing}: Redis did not answer within {limit:?}");
        RemoteError::new(RemoteErrorKind::Unreachable, message)
    }

    /// Out of the library's error, which is not part of our API.
    pub(crate) fn of(doing: &str, error: bullmq::Error) -> RemoteError {
        use bullmq::Error as Theirs;
        let (kind, why) = match &error {
            Theirs::Redis(error) if error.is_unrecoverable_error() || error.is_io_error() => {
                (RemoteErrorKind::Unreachable, "Redis cannot be reached")
            }
            Theirs::Redis(error) if error.is_timeout() => {
                (RemoteErrorKind::Unreachable, "Redis did not answer in time")
            }
            Theirs::ConnectionClosed => (RemoteErrorKind::Unreachable, "the connection is closed"),
            Theirs::Redis(_) => (RemoteErrorKind::Refused, "Redis refused"),
            Theirs::Serialization(_) | Theirs::MsgPack(_) => {
                (RemoteErrorKind::Encoding, "a value cannot be written or read")
            }
            Theirs::InvalidConfig(_) => (RemoteErrorKind::Invalid, "a setting cannot be"),
            Theirs::JobNotFound(_) => (RemoteErrorKind::NotFound, "there is no such job"),
            Theirs::Script { code: NO_SUCH_JOB, .. } => {
                (RemoteErrorKind::NotFound, "there is no such job")
            }
            _ => (RemoteErrorKind::Refused, "the queue refused"),
        };
        RemoteError::caused(kind, format!("cannot {doing}: {why}"), error)
    }
}

const NO_SUCH_JOB: i64 = bullmq::error::error_code::JOB_NOT_EXIST;

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for RemoteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
