//! The file: opening it, and putting it aside when it is damaged.

use super::base::{Base, Counts};
use super::counts;
use crate::disk::{DiskError, OpenReport};
use rusqlite::{Connection, ErrorCode};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Says in the file whose it is.
const APPLICATION: i64 = 0x7065_7266;
/// The version of the tables.
const VERSION: i64 = 1;

/// `id` grows with every put, so that the least is what was put longest ago.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS entries (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,
        expires_at INTEGER NOT NULL,
        written_at INTEGER NOT NULL,
        pinned INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        value BLOB NOT NULL
    );
    CREATE INDEX IF NOT EXISTS ends ON entries (expires_at) WHERE expires_at < 9223372036854775807;
    CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;";

impl Base {
    pub(super) fn open(
        directory: &Path,
        max_bytes: u64,
        now: u64,
    ) -> Result<(Base, OpenReport), DiskError> {
        let start = Instant::now();
        let file = directory.join("store.sqlite");
        let mut report = OpenReport::default();
        let opened = Base::opened(&file, max_bytes, now, &mut report);
        let base = match opened {
            Err(error) if is_damage(&error) => {
                report.corrupt_bytes += put_aside(&file)?;
                Base::opened(&file, max_bytes, now, &mut report)?
            }
            opened => opened?,
        };
        report.took = start.elapsed();
        Ok((base, report))
    }

    fn opened(
        file: &Path,
        max_bytes: u64,
        now: u64,
        report: &mut OpenReport,
    ) -> Result<Base, DiskError> {
        let mut base = Base::connect(file, max_bytes)?;
        let clean = base.number("SELECT value FROM state WHERE name = 'closed'")?;
        let is_new = base.counts.entries == 0 && report.corrupt_bytes == 0;
        report.clean_shutdown = clean == Some(1) || (clean.is_none() && is_new);
        base.run("INSERT OR REPLACE INTO state VALUES ('closed', 0)")?;
        let before = base.counts.entries;
        while base.sweep(now)? > 0 {}
        base.commit(now)?;
        base.counts.expired = 0;
        report.recovered = base.counts.entries;
        report.dropped = before - base.counts.entries - base.counts.evicted;
        Ok(base)
    }

    fn connect(file: &Path, max_bytes: u64) -> Result<Base, DiskError> {
        let at = |doing| move |error| failed(file, doing, error);
        let connection = Connection::open(file).map_err(at("open its file"))?;
        let mut base = Base::new(connection, file, max_bytes);
        let set_up = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA auto_vacuum = INCREMENTAL;
            PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192;";
        base.connection.execute_batch(set_up).map_err(at("set up its file"))?;
        let owner = base.number("PRAGMA application_id")?.unwrap_or(0);
        let version = base.number("PRAGMA user_version")?.unwrap_or(0);
        let is_new = owner == 0 && version == 0;
        if !is_new && (owner != APPLICATION || version > VERSION) {
            return Err(DiskError::Format {
                path: file.to_owned(),
                found: format!("a database of application {owner}, version {version}"),
                expected: format!("application {APPLICATION}, version {VERSION}"),
            });
        }
        let marks =
            format!("PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};");
        base.connection
            .execute_batch(&[TABLES, counts::TABLE, &marks].concat())
            .map_err(at("make its tables"))?;
        base.bound()?;
        base.read_counts()?;
        Ok(base)
    }

    /// Puts a file aside in which SQLite has found damage, and begins anew with an empty one.
    pub(super) fn begin_anew(&mut self) -> Result<(), DiskError> {
        let nowhere = Connection::open_in_memory()
            .map_err(|error| failed(&self.file, "let go of its file", error))?;
        // Its locks and its log go with it; what it has to say of them does not matter now.
        drop(std::mem::replace(&mut self.connection, nowhere));
        put_aside(&self.file)?;
        let before = self.counts;
        *self = Base::connect(&self.file, self.max_bytes)?;
        self.counts = Counts {
            evicted: before.evicted,
            expired: before.expired,
            refused: before.refused,
            corrupt: before.corrupt + before.entries,
            lost: before.lost,
            written_bytes: before.written_bytes,
            ..self.counts
        };
        self.run("INSERT OR REPLACE INTO state VALUES ('closed', 0)").map(drop)
    }
}

pub(super) fn failed(file: &Path, doing: &'static str, error: rusqlite::Error) -> DiskError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => DiskError::Full { path: file.to_owned() },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            let directory = file.parent().unwrap_or(file);
            DiskError::Locked { path: directory.to_owned(), pid: None }
        }
        _ => DiskError::Backend { store: "sqlite", doing, source: Box::new(error) },
    }
}

pub(super) fn is_damage(error: &DiskError) -> bool {
    let DiskError::Backend { source, .. } = error else { return false };
    let code =
        source.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Keeps what is damaged out of the way, for whoever wants to look at it; its bytes. One that was
/// put aside before is replaced, so that no more than one lies there.
fn put_aside(file: &Path) -> Result<u64, DiskError> {
    let bytes = fs::metadata(file).map_or(0, |metadata| metadata.len());
    if file.exists() {
        let aside = with_suffix(file, ".damaged");
        fs::rename(file, &aside).map_err(|error| DiskError::io(&aside, error))?;
    }
    for beside in [with_suffix(file, "-wal"), with_suffix(file, "-shm")] {
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(DiskError::io(&beside, error));
            }
            _ => {}
        }
    }
    Ok(bytes)
}

pub(super) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
