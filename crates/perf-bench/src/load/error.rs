//! Why a load does not run.

use std::fmt;

/// Why a load does not run.
#[derive(Debug)]
pub struct LoadError {
    kind: LoadErrorKind,
    message: String,
}

/// The kinds of [`LoadError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadErrorKind {
    /// An address, a rate or a line of a scenario is wrong.
    Usage,
    /// Nobody answers at the target.
    Unreachable,
    /// The system refuses a thread, a socket or a runtime.
    System,
}

impl LoadError {
    /// A setting is wrong: the message names it and what it may be.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> LoadError {
        LoadError { kind: LoadErrorKind::Usage, message: message.into() }
    }

    pub(super) fn unreachable(message: impl Into<String>) -> LoadError {
        LoadError { kind: LoadErrorKind::Unreachable, message: message.into() }
    }

    pub(super) fn system(message: impl Into<String>) -> LoadError {
        LoadError { kind: LoadErrorKind::System, message: message.into() }
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> LoadErrorKind {
        self.kind
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LoadError {}
