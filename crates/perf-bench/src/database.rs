//! What a database bears: rows inserted singly and in batches, read by key and by range, updated,
//! deleted and all of it mixed, at a given concurrency, with every answer checked.
//!
//! [`Database`] works in a table of its own, `perfkit_bench_…`, and removes it at the end. A file
//! that does not exist is made and removed afterwards; in a file that does, no other table is
//! touched.

mod content;
mod engine;
mod report;
mod run;
mod settings;
mod step;
mod table;
mod work;

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use report::{DatabaseCheck, DatabaseLatency, DatabaseReport, DatabaseStep};
pub use run::DatabaseProgress;
pub use settings::{DatabaseMix, DatabaseSettings, Journal, Synchronous};

use engine::Engine;
use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

/// A benchmark of one database.
///
/// ```
/// # #[cfg(feature = "bundled-sqlite")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use perf_bench::Database;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("new.db");
/// let report = Database::sqlite(&path).rows(500).operations(100).concurrency(2).build()?.run()?;
/// assert!(report.complete, "{:?}", report.steps);
/// assert!(!path.exists()); // it was made for the run
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "bundled-sqlite"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct Database {
    target: Target,
    settings: DatabaseSettings,
}

/// Which database.
#[derive(Clone)]
enum Target {
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "the seam is the same"))]
    Sqlite(PathBuf),
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "the seam is the same"))]
    Postgres(String),
}

// By hand: a URL may hold a password.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Target::Postgres(_) => f.write_str("Postgres(..)"),
        }
    }
}

impl Database {
    /// The SQLite database in this file. If there is none it is made, and removed after the run.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> DatabaseBuilder {
        DatabaseBuilder::new(Target::Sqlite(path.into()))
    }

    /// The PostgreSQL database at this address, `postgres://user:password@host:port/name` or a list
    /// of `key=value`. Without TLS: this is for a server near by.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn postgres(address: impl Into<String>) -> DatabaseBuilder {
        DatabaseBuilder::new(Target::Postgres(address.into()))
    }

    /// What will be done.
    #[must_use]
    pub fn settings(&self) -> &DatabaseSettings {
        &self.settings
    }

    /// Runs all steps.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`] if nothing could be measured: no such folder, no database, no server. A
    /// step that fails later is marked in the report, which keeps what was measured before it.
    pub fn run(&self) -> Result<DatabaseReport, DatabaseError> {
        self.run_watched(&mut |_| ControlFlow::Continue(()))
    }

    /// Runs all steps and tells several times a second how far it is. `Break` ends the run early:
    /// the table is removed and the report says that it was stopped.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn run_watched(
        &self,
        watch: &mut dyn FnMut(&DatabaseProgress) -> ControlFlow<()>,
    ) -> Result<DatabaseReport, DatabaseError> {
        let engine: Box<dyn Engine> = match &self.target {
            #[cfg(feature = "sqlite")]
            Target::Sqlite(path) => Box::new(sqlite::Sqlite::open(path, &self.settings)?),
            #[cfg(feature = "postgres")]
            Target::Postgres(address) => {
                Box::new(self::postgres::Postgres::open(address, &self.settings)?)
            }
            #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
            _ => return Err(DatabaseError::new("failed to find an engine of that kind")),
        };
        Ok(run::run(engine, &self.settings, watch))
    }
}

/// Settings of a [`Database`] benchmark.
#[derive(Clone, Debug)]
pub struct DatabaseBuilder {
    target: Target,
    settings: DatabaseSettings,
}

impl DatabaseBuilder {
    fn new(target: Target) -> DatabaseBuilder {
        DatabaseBuilder { target, settings: DatabaseSettings::default() }
    }

    /// Rows that the table holds before the reads [default: 10 000].
    #[must_use]
    pub fn rows(mut self, rows: u64) -> Self {
        self.settings.rows = rows;
        self
    }

    /// Operations of each step, all threads together [default: 1 000]. So many rows are inserted
    /// singly, at most half of them all; the others in batches.
    #[must_use]
    pub fn operations(mut self, operations: u64) -> Self {
        self.settings.operations = operations;
        self
    }

    /// Threads, each with a connection of its own [default: 1].
    #[must_use]
    pub fn concurrency(mut self, threads: usize) -> Self {
        self.settings.concurrency = threads;
        self
    }

    /// Rows inserted in one transaction in the batched step [default: 100].
    #[must_use]
    pub fn batch(mut self, rows: usize) -> Self {
        self.settings.batch = rows;
        self
    }

    /// Bytes of a row's value [default: 100].
    #[must_use]
    pub fn value_size(mut self, bytes: usize) -> Self {
        self.settings.value_size = bytes;
        self
    }

    /// Rows that a range read asks for [default: 100].
    #[must_use]
    pub fn range(mut self, rows: usize) -> Self {
        self.settings.range = rows;
        self
    }

    /// What the mixed step consists of [default: 80 reads, 5 ranges, 10 updates, 3 inserts, 2
    /// deletes].
    #[must_use]
    pub fn mix(mut self, mix: DatabaseMix) -> Self {
        self.settings.mix = mix;
        self
    }

    /// Seed of keys, values and choices [default: 42].
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// How often one operation is tried again that found the database busy [default: 10].
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.settings.retries = retries;
        self
    }

    /// How long the database itself waits for a lock before it answers busy [default: 5 s].
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.settings.busy_timeout = timeout;
        self
    }

    /// The longest time for a step; what was done by then counts [default: 30 s].
    #[must_use]
    pub fn step_limit(mut self, limit: Duration) -> Self {
        self.settings.step_limit = limit;
        self
    }

    /// SQLite's journal [default: write-ahead log in a new file, else what the file has]. In a file
    /// that exists the former one is set again at the end.
    #[must_use]
    pub fn journal(mut self, journal: Journal) -> Self {
        self.settings.journal = Some(journal);
        self
    }

    /// How surely a commit is on the disk [default: SQLite `normal`, in a file that exists and has no
    /// write-ahead log `full`; PostgreSQL as the server has it]. With less, a power cut during the
    /// run can break such a file; `off` can break any.
    #[must_use]
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.settings.synchronous = Some(synchronous);
        self
    }

    /// The benchmark.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`] if a number is zero or beyond its bound; the message names it.
    pub fn build(self) -> Result<Database, DatabaseError> {
        self.settings.check()?;
        Ok(Database { target: self.target, settings: self.settings })
    }
}

/// Why nothing could be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseError {
    message: String,
    setting: bool,
}

impl DatabaseError {
    fn new(message: impl Into<String>) -> DatabaseError {
        DatabaseError { message: message.into(), setting: false }
    }

    fn setting(message: impl Into<String>) -> DatabaseError {
        DatabaseError { message: message.into(), setting: true }
    }

    /// Whether a setting is to blame, and not the database.
    #[must_use]
    pub fn is_setting(&self) -> bool {
        self.setting
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for DatabaseError {}
