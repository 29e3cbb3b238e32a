//! What can go wrong with a store.

use perf_core::ConfigError;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// What failed in a store, and what helps.
#[derive(Debug)]
#[non_exhaustive]
pub enum DiskError {
    /// The device or the file system failed.
    Io {
        /// What was read or written.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// There is no room left on the device, or in the quota.
    Full {
        /// What was written.
        path: PathBuf,
    },
    /// Another process, or another store of this one, has the directory open.
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, if it said so.
        pid: Option<u32>,
    },
    /// The store was closed.
    Closed,
    /// The files are of a version that this one does not know, or are not a store's.
    Format {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What is understood.
        expected: String,
    },
    /// A setting cannot be.
    Config(ConfigError),
    /// The library below the store failed.
    Backend {
        /// The store's name.
        store: &'static str,
        /// What it was doing, as a verb phrase: `read a value`.
        doing: &'static str,
        /// The library's error.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl DiskError {
    /// The error of the system at a path: [`DiskError::Full`] if it says that there is no room.
    #[must_use]
    pub fn io(path: &Path, source: io::Error) -> DiskError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskError::Full { path },
            _ => DiskError::Io { path, source },
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskError::Io { path, .. } => write!(f, "cannot use {}", path.display()),
            DiskError::Full { path } => write!(
                f,
                "no room left on the device for {}: free some, or lower the store's max_bytes",
                path.display()
            ),
            DiskError::Locked { path, pid } => {
                let path = path.display();
                write!(f, "the directory {path} is in use by ")?;
                match pid {
                    Some(pid) => write!(f, "process {pid}")?,
                    None => write!(f, "another process")?,
                }
                write!(f, ": give each store a directory of its own, or end the other first")
            }
            DiskError::Closed => write!(f, "the store was closed: open it again"),
            DiskError::Format { path, found, expected } => write!(
                f,
                "{} holds {found}, this version reads {expected}: use a newer version, or another \
                 directory",
                path.display()
            ),
            DiskError::Config(error) => error.fmt(f),
            DiskError::Backend { store, doing, .. } => write!(f, "{store} failed to {doing}"),
        }
    }
}

impl Error for DiskError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DiskError::Io { source, .. } => Some(source),
            DiskError::Config(error) => error.source(),
            DiskError::Backend { source, .. } => Some(source.as_ref()),
            DiskError::Full { .. }
            | DiskError::Locked { .. }
            | DiskError::Closed
            | DiskError::Format { .. } => None,
        }
    }
}

impl From<ConfigError> for DiskError {
    fn from(error: ConfigError) -> DiskError {
        DiskError::Config(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_is_told_apart_from_a_failing_one() {
        let full = DiskError::io(Path::new("/cache"), io::ErrorKind::StorageFull.into());
        assert!(matches!(full, DiskError::Full { .. }), "{full}");
        let other = DiskError::io(Path::new("/cache"), io::ErrorKind::PermissionDenied.into());
        assert!(other.source().is_some());
        assert_eq!(other.to_string(), "cannot use /cache");
    }

    #[test]
    fn a_locked_directory_is_named_with_its_owner_and_the_remedy() {
        let error = DiskError::Locked { path: "/cache".into(), pid: Some(7) };
        assert_eq!(
            error.to_string(),
            "the directory /cache is in use by process 7: give each store a directory of its own, \
             or end the other first"
        );
    }
}
