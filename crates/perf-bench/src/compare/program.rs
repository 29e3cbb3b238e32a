//! A subject program to start, and what it holds.

use super::session::Session;
use crate::subject::{ListedSubject, Listing, PROTOCOL};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A program of [`Subjects`](crate::Subjects): where it lies, and what it is started with.
///
/// It sees the environment of the caller, except that a slowdown is injected only where it is asked
/// for here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectProgram {
    path: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

impl SubjectProgram {
    /// The program at this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> SubjectProgram {
        SubjectProgram { path: path.into(), environment: Vec::new() }
    }

    /// Adds a variable to its environment.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> SubjectProgram {
        self.environment.push((key.into(), value.into()));
        self
    }

    /// Injects a slowdown, written as [`Injection::parse`](crate::Injection::parse) reads it.
    #[must_use]
    pub fn inject(self, slowdown: impl Into<OsString>) -> SubjectProgram {
        self.env(crate::subject::INJECTION_VARIABLE, slowdown)
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its benches.
    ///
    /// # Errors
    ///
    /// [`ProgramError`] if it cannot be started, or does not answer as a subject program of this
    /// version does.
    pub fn list(&self) -> Result<Vec<ListedSubject>, ProgramError> {
        let error = |why| ProgramError { program: self.path.clone(), why };
        let mut session = Session::start(self, "list").map_err(error)?;
        let line = session.line("list", Duration::from_secs(60)).map_err(error)?;
        let garbage =
            |e| error(format!("is no subject program, `list` gave {}: {e}", super::quoted(&line)));
        let header: Header = serde_json::from_str(&line).map_err(garbage)?;
        if header.format != PROTOCOL {
            return Err(error(format!(
                "speaks version {} of the protocol and this program version {PROTOCOL}, build both \
                 with the same perf-bench",
                header.format
            )));
        }
        let listing: Listing = serde_json::from_str(&line).map_err(garbage)?;
        let mut seen = std::collections::HashSet::new();
        match listing.benches.iter().find(|bench| !seen.insert(bench.name.as_str())) {
            Some(twice) => Err(error(format!("has two benches called `{}`", twice.name))),
            None => Ok(listing.benches),
        }
    }

    /// What is added to its environment.
    pub(crate) fn environment(&self) -> &[(OsString, OsString)] {
        &self.environment
    }

    /// Whether the two would do the same: byte for byte one program, started alike.
    pub(crate) fn is_identical(&self, other: &SubjectProgram) -> io::Result<bool> {
        if self.environment != other.environment {
            return Ok(false);
        }
        if fs::metadata(&self.path)?.len() != fs::metadata(&other.path)?.len() {
            return Ok(false);
        }
        Ok(fs::read(&self.path)? == fs::read(&other.path)?)
    }

    pub(super) fn command(&self, action: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(action).env_remove(crate::subject::INJECTION_VARIABLE);
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// What every version of `list` has.
#[derive(serde::Deserialize)]
struct Header {
    format: u32,
}

/// A program that cannot be asked for its benches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramError {
    program: PathBuf,
    why: String,
}

impl std::fmt::Display for ProgramError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.program.display(), self.why)
    }
}

impl std::error::Error for ProgramError {}
