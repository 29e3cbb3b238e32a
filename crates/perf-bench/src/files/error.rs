//! A file that cannot be read as measurements.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file that cannot be read as measurements: which, in which line, what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    path: PathBuf,
    line: Option<usize>,
    what: String,
    missing: bool,
}

impl FileError {
    pub(super) fn new(path: &Path, line: Option<usize>, what: &str) -> FileError {
        FileError { path: path.to_owned(), line, what: what.to_owned(), missing: false }
    }

    pub(super) fn of_io(path: &Path, error: &io::Error) -> FileError {
        let missing = error.kind() == io::ErrorKind::NotFound;
        let what = if missing { "is not there".to_owned() } else { error.to_string() };
        FileError { path: path.to_owned(), line: None, what, missing }
    }

    pub(super) fn of_json(path: &Path, error: &serde_json::Error) -> FileError {
        let line = (error.line() > 0).then_some(error.line());
        let remedy = if error.is_eof() { ": the file is cut off, measure again" } else { "" };
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        FileError::new(path, line, &format!("{text}{remedy}"))
    }

    /// Whether the path is not there at all.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.missing
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for FileError {}
