//! Why a trace cannot be read.

use std::fmt;
use std::io;

/// A trace could not be read.
#[derive(Debug)]
pub struct TraceError {
    what: What,
}

#[derive(Debug)]
enum What {
    Input(io::Error),
    Content(String),
}

impl TraceError {
    pub(super) fn content(text: impl Into<String>) -> TraceError {
        TraceError { what: What::Content(text.into()) }
    }

    /// Whether the content is not what was expected, so that another format or another file may
    /// help; otherwise the input itself failed.
    #[must_use]
    pub fn is_content(&self) -> bool {
        matches!(self.what, What::Content(_))
    }
}

impl From<io::Error> for TraceError {
    fn from(error: io::Error) -> TraceError {
        TraceError { what: What::Input(error) }
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Input(_) => f.write_str("the trace cannot be read to its end"),
            What::Content(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for TraceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.what {
            What::Input(error) => Some(error),
            What::Content(_) => None,
        }
    }
}
