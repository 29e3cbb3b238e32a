//! Why nothing can be counted at all. What goes wrong in one bench is kept with that bench.

use crate::ProgramError;
use std::{fmt, io};

/// Why nothing can be counted.
#[derive(Debug)]
#[non_exhaustive]
pub enum CountsError {
    /// Valgrind is not on the PATH.
    ValgrindMissing,
    /// Valgrind is there but does not run.
    ValgrindFails(String),
    /// The program does not say what it holds.
    Program(ProgramError),
    /// A file or folder cannot be used.
    Io {
        /// What was being done.
        what: String,
        /// The system's word.
        source: io::Error,
    },
}

impl fmt::Display for CountsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CountsError::ValgrindMissing => f.write_str(
                "no `valgrind` on the PATH, instructions cannot be counted: install it \
                 (`cargo xtask setup` does in perfkit's repository, Debian's package is `valgrind`)",
            ),
            CountsError::ValgrindFails(why) => {
                write!(f, "`valgrind --version` does not work, install it anew: {why}")
            }
            CountsError::Program(_) => f.write_str("cannot ask the program for its benches"),
            CountsError::Io { what, .. } => write!(f, "cannot {what}"),
        }
    }
}

impl std::error::Error for CountsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CountsError::Program(error) => Some(error),
            CountsError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
