//! Strategies as files: read whole and checked, written so that a reader sees the old or the new.

use super::CacheStrategy;
use std::error::Error;
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl CacheStrategy {
    /// As JSON, with a line for each field.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Nothing in it can fail to be written: all keys are texts.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// From JSON, checked.
    ///
    /// # Errors
    ///
    /// [`StrategyFileError`] says where it is no strategy and what would be one.
    pub fn from_json(text: &str) -> Result<CacheStrategy, StrategyFileError> {
        let wrong = |what: String| StrategyFileError { path: None, what, source: None };
        let strategy: CacheStrategy =
            serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        strategy.check().map_err(|error| wrong(error.to_string()))?;
        Ok(strategy)
    }

    /// Reads a file of JSON, of a MiB at most.
    ///
    /// # Errors
    ///
    /// [`StrategyFileError`]: it cannot be read, or is no strategy.
    pub fn read_file(path: impl AsRef<Path>) -> Result<CacheStrategy, StrategyFileError> {
        let path = path.as_ref();
        let named =
            |error: StrategyFileError| StrategyFileError { path: Some(path.to_owned()), ..error };
        let mut text = String::new();
        let read = fs::File::open(path)
            .and_then(|file| file.take(LARGEST_FILE + 1).read_to_string(&mut text));
        read.map_err(|error| StrategyFileError::io(path, "it cannot be read", error))?;
        if text.len() as u64 > LARGEST_FILE {
            let what = format!("it has more than {LARGEST_FILE} bytes: that is no strategy");
            return Err(named(StrategyFileError { path: None, what, source: None }));
        }
        CacheStrategy::from_json(&text).map_err(named)
    }

    /// Writes a file in the place of what was there: beside it first, then renamed, so that nobody
    /// sees half of it, and a crash leaves the one or the other.
    ///
    /// # Errors
    ///
    /// [`StrategyFileError`]: it is no strategy that could be read again, or cannot be written.
    pub fn write_file(&self, path: impl AsRef<Path>) -> Result<(), StrategyFileError> {
        let path = path.as_ref();
        self.check().map_err(|error| StrategyFileError {
            path: Some(path.to_owned()),
            what: error.to_string(),
            source: None,
        })?;
        let failed = |error| StrategyFileError::io(path, "it cannot be written", error);
        let Some(name) = path.file_name() else {
            let what = "it names no file: add one, such as cache-strategy.json".to_owned();
            return Err(StrategyFileError { path: Some(path.to_owned()), what, source: None });
        };
        let mut beside = name.to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        let beside = path.with_file_name(beside);
        let write = || {
            let mut file = fs::File::create(&beside)?;
            file.write_all(self.to_json().as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, path)
        };
        write().map_err(|error| {
            // What is left of it is of no use.
            drop(fs::remove_file(&beside));
            failed(error)
        })
    }
}

/// Why a strategy was not read or written.
#[derive(Clone, Debug)]
pub struct StrategyFileError {
    path: Option<PathBuf>,
    what: String,
    source: Option<Arc<io::Error>>,
}

impl StrategyFileError {
    fn io(path: &Path, what: &str, error: io::Error) -> StrategyFileError {
        let what = format!("{what}: {error}; check the path and its permissions");
        StrategyFileError { path: Some(path.to_owned()), what, source: Some(Arc::new(error)) }
    }

    /// Whether the file is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.source.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for StrategyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} as a cache strategy: {}", path.display(), self.what),
            None => write!(f, "no cache strategy: {}", self.what),
        }
    }
}

impl Error for StrategyFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

const LARGEST_FILE: u64 = 1 << 20;
