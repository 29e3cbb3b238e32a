//! A program of benches as it is called for counting: always under one name, with one environment.

use super::CountsError;
use crate::SubjectProgram;
use crate::subject::ListedSubject;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A program and what it holds.
pub(super) struct Side {
    path: PathBuf,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) benches: Vec<ListedSubject>,
}

impl Side {
    pub(super) fn of(program: &SubjectProgram) -> Result<Side, CountsError> {
        let benches = program.list().map_err(CountsError::Program)?;
        // Absolute, since it is called from other folders.
        let path = program.path().canonicalize().map_err(|source| CountsError::Io {
            what: format!("find {}", program.path().display()),
            source,
        })?;
        // What finds the program's libraries is the one thing that it may need of our environment.
        // It sees nothing else of it, so that counts do not depend on who calls.
        let libraries = std::env::var_os(LIBRARIES).map(|value| (LIBRARIES.into(), value));
        let environment = libraries.into_iter().chain(program.environment().iter().cloned());
        Ok(Side { path, environment: environment.collect(), benches })
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

const LIBRARIES: &str = "LD_LIBRARY_PATH";
