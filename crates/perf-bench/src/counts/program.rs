//! A program of benches as it is called for counting: always under one name, with one environment.

use super::{CountsError, bounded};
use crate::subject::{ListedSubject, Listing, PROTOCOL};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A program of [`Subjects`](crate::Subjects), with what stands in its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountsProgram {
    path: PathBuf,
    environment: Vec<(String, String)>,
}

impl CountsProgram {
    /// The program at this path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> CountsProgram {
        // What finds the program's libraries is the one thing that it may need of our environment.
        let libraries = std::env::var("LD_LIBRARY_PATH").ok();
        CountsProgram {
            path: path.into(),
            environment: libraries
                .map(|value| ("LD_LIBRARY_PATH".to_owned(), value))
                .into_iter()
                .collect(),
        }
    }

    /// Adds a variable. The program sees no others, so that counts do not depend on who calls.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> CountsProgram {
        self.environment.push((key.into(), value.into()));
        self
    }
}

/// A program and what it holds.
pub(super) struct Side {
    path: PathBuf,
    pub(super) environment: Vec<(String, String)>,
    pub(super) benches: Vec<ListedSubject>,
}

impl Side {
    pub(super) fn of(program: &CountsProgram) -> Result<Side, CountsError> {
        let listing = |why: String| CountsError::Listing { program: program.path.clone(), why };
        // Absolute, since it is called from other folders.
        let path = program.path.canonicalize().map_err(|error| listing(error.to_string()))?;
        let mut command = Command::new(&path);
        command.arg("list").env_clear();
        command.envs(program.environment.iter().map(|(key, value)| (key, value)));
        let output = bounded::run(&mut command, Duration::from_secs(60)).map_err(listing)?;
        if !output.status.success() {
            let said = output.stderr.lines().next_back().unwrap_or_default();
            return Err(listing(format!("ended with {}: {said}", output.status)));
        }
        let list: Listing = serde_json::from_str(&output.stdout)
            .map_err(|error| listing(format!("its answer is broken: {error}")))?;
        if list.format != PROTOCOL {
            return Err(listing(format!(
                "speaks version {} of the protocol where {PROTOCOL} is wanted, build it again",
                list.format
            )));
        }
        Ok(Side { path, environment: program.environment.clone(), benches: list.benches })
    }

    /// Makes the folder, empty but for the program.
    pub(super) fn enter(&self, folder: &Path) -> std::io::Result<()> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        #[cfg(unix)]
        std::os::unix::fs::symlink(&self.path, folder.join("program"))?;
        #[cfg(not(unix))]
        std::fs::copy(&self.path, folder.join("program"))?;
        Ok(())
    }
}

/// Whether two programs are the same byte for byte, in the same environment.
pub(super) fn same(a: &CountsProgram, b: &CountsProgram) -> bool {
    if a.environment != b.environment {
        return false;
    }
    let read = |program: &CountsProgram| std::fs::read(&program.path).ok();
    let size = |program: &CountsProgram| program.path.metadata().map(|meta| meta.len()).ok();
    size(a).is_some() && size(a) == size(b) && read(a) == read(b)
}
