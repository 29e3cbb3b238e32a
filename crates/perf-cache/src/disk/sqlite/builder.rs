//! What can be said of a store before it is opened.

use super::base::Base;
use super::{Committer, DiskError, Shared, SqliteStore, State};
use perf_core::{ByteSize, Clock, ConfigError};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Settings of a [`SqliteStore`].
#[derive(Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct SqliteStoreBuilder {
    directory: PathBuf,
    max_bytes: ByteSize,
    commit_after: Duration,
    clock: Clock,
}

/// The least that a store can be held to: its file is never empty.
const LEAST_BYTES: ByteSize = ByteSize::mib(1);

impl SqliteStoreBuilder {
    pub(super) fn new(directory: PathBuf) -> SqliteStoreBuilder {
        SqliteStoreBuilder {
            directory,
            max_bytes: ByteSize::gib(1),
            commit_after: Duration::from_millis(100),
            clock: Clock::system(),
        }
    }

    /// The bound on the bytes of all files: 1 GiB unless said, at least 1 MiB.
    pub fn max_bytes(mut self, bytes: ByteSize) -> SqliteStoreBuilder {
        self.max_bytes = bytes;
        self
    }

    /// How old puts may grow before they are committed, and so how much time of them a kill may
    /// take: 100 ms unless said.
    pub fn commit_after(mut self, age: Duration) -> SqliteStoreBuilder {
        self.commit_after = age;
        self
    }

    /// Whose wall time says what has ended. The system's unless said.
    pub fn clock(mut self, clock: Clock) -> SqliteStoreBuilder {
        self.clock = clock;
        self
    }

    /// Opens the store, or makes it. What it holds is not read; after a kill SQLite reads its log, at
    /// most an eighth of the bound and 16 MiB.
    ///
    /// # Errors
    ///
    /// [`DiskError::Locked`] if somebody has it open, [`DiskError::Format`] if a newer version
    /// wrote it, [`DiskError::Io`] if the directory cannot be used, [`DiskError::Config`] for a
    /// setting that cannot be.
    pub fn open(self) -> Result<SqliteStore, DiskError> {
        if self.max_bytes < LEAST_BYTES {
            let remedy = "give at least 1 MiB";
            return Err(ConfigError::new("max_bytes", self.max_bytes, remedy).into());
        }
        if self.commit_after.is_zero() {
            let remedy = "give at least a millisecond; removals are committed at once anyway";
            return Err(ConfigError::new("commit_after", "0 s", remedy).into());
        }
        let directory = self.directory;
        fs::create_dir_all(&directory).map_err(|error| DiskError::io(&directory, error))?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Closed(super::CloseReport::default())),
            clock: self.clock,
        });
        let (base, report) = Base::open(&directory, self.max_bytes.as_u64(), shared.now())?;
        *shared.state() = State::Open(Box::new(base));
        let committer = Committer::start(&shared, self.commit_after)
            .map_err(|error| DiskError::io(&directory, error))?;
        Ok(SqliteStore { shared, path: directory, report, _committer: committer })
    }
}
