//! SQLite.

use super::content::Row;
use super::engine::{Engine, Fault, Left, Session, TABLE_PREFIX, table_name};
use super::{DatabaseError, DatabaseSettings, Journal, Synchronous};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, params};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What every SQLite file begins with.
const HEADER: &[u8; 16] = b"SQLite format 3\0";

/// Ends of the names of files that SQLite keeps beside a database.
const LOGS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// How long the removal of the table waits for others.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file with the table of this run.
#[derive(Debug)]
pub(super) struct Sqlite {
    path: PathBuf,
    /// Whether the file was made for this run.
    made: bool,
    table: String,
    /// Whether the table is there.
    created: bool,
    /// As asked for; after the preparation as it is.
    synchronous: Option<Synchronous>,
    busy_timeout: Duration,
    /// The journal to go back to at the end.
    former_journal: Option<String>,
    free_pages: i64,
    stated: Vec<(String, String)>,
    notices: Vec<String>,
}

impl Sqlite {
    pub(super) fn open(path: &Path, settings: &DatabaseSettings) -> Result<Sqlite, DatabaseError> {
        let mut database = Sqlite {
            path: path.to_owned(),
            made: claim(path)?,
            table: table_name(),
            created: false,
            synchronous: settings.synchronous,
            busy_timeout: settings.busy_timeout,
            former_journal: None,
            free_pages: 0,
            stated: Vec::new(),
            notices: Vec::new(),
        };
        match database.prepare(settings.journal) {
            Ok(()) => Ok(database),
            Err(error) => {
                let refused = refusal(path, &error);
                Err(match database.clean().behind {
                    Some(left) => DatabaseError::new(format!("{refused}; {left}")),
                    None => refused,
                })
            }
        }
    }

    fn prepare(&mut self, journal: Option<Journal>) -> rusqlite::Result<()> {
        let connection = self.connect()?;
        // Reads the file's first page: this is where a file that is no database is found out.
        let former: String = pragma(&connection, "journal_mode")?;
        let left = left_behind(&connection)?;
        self.free_pages = pragma(&connection, "freelist_count")?;
        let wanted = match journal {
            Some(Journal::Wal) => "wal",
            Some(Journal::Delete) => "delete",
            None if self.made => "wal",
            None => former.as_str(),
        };
        let mut now = former.clone();
        if wanted != former {
            now = connection
                .pragma_update_and_check(None, "journal_mode", wanted, |row| row.get(0))?;
            self.former_journal = (!self.made).then(|| former.clone());
        }
        if now != wanted {
            self.notices.push(format!("the journal is `{now}`: SQLite refused `{wanted}`"));
        }
        self.settle_synchronous(&connection, &now)?;
        connection.execute_batch(&format!(
            "CREATE TABLE {} (key INTEGER PRIMARY KEY, version INTEGER NOT NULL, \
             value BLOB NOT NULL)",
            self.table
        ))?;
        self.created = true;
        for name in left {
            self.notices.push(format!(
                "the table `{name}` is of another run; if that one was killed, `DROP TABLE {name}` \
                 removes it"
            ));
        }
        let synchronous: i64 = pragma(&connection, "synchronous")?;
        let names = ["off", "normal", "full", "extra"];
        let synchronous = names.get(synchronous.unsigned_abs() as usize).unwrap_or(&"unknown");
        let page: i64 = pragma(&connection, "page_size")?;
        let cache: i64 = pragma(&connection, "cache_size")?;
        let fact = |name: &str, value: String| (name.to_owned(), value);
        self.stated = vec![
            fact("journal", now),
            fact("synchronous", (*synchronous).to_owned()),
            fact("page size", format!("{page} bytes")),
            fact("page cache of a connection", cache_words(cache, page)),
            fact("busy timeout", format!("{} ms", self.busy_timeout.as_millis())),
            fact("batch", "one transaction, one prepared statement a row".to_owned()),
        ];
        Ok(())
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        // No URI, and no creation: the file is there by now.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        if let Some(synchronous) = self.synchronous {
            set_synchronous(&connection, synchronous)?;
        }
        Ok(connection)
    }

    /// Chooses how surely a commit is on the disk, where nobody did. The rollback journal of a file
    /// that was there before bears nothing less than `full`: a power cut could break all tables.
    /// Source: <https://www.sqlite.org/pragma.html#pragma_synchronous>.
    fn settle_synchronous(
        &mut self,
        connection: &Connection,
        journal: &str,
    ) -> rusqlite::Result<()> {
        let at_risk = !self.made && journal != "wal";
        let chosen = match self.synchronous {
            Some(chosen) => chosen,
            None if at_risk => Synchronous::Full,
            None => Synchronous::Normal,
        };
        if !self.made && (chosen == Synchronous::Off || (at_risk && chosen != Synchronous::Full)) {
            self.notices.push(format!(
                "synchronous `{}` with the journal `{journal}`: a power cut during the run could \
                 have broken the whole file, its other tables included",
                synchronous_word(chosen)
            ));
        }
        self.synchronous = Some(chosen);
        set_synchronous(connection, chosen)
    }

    /// Removes what was made for the run, and sets the journal back.
    fn clean(&self) -> Left {
        if self.made {
            self.remove();
            let stays = self.path.exists();
            let behind = stays.then(|| format!("{} could not be removed", self.path.display()));
            return Left { behind, notices: Vec::new() };
        }
        if !self.created && self.former_journal.is_none() {
            return Left::default();
        }
        let connection = match self.connect_at_the_end() {
            Ok(connection) => connection,
            Err(error) => {
                let journal = if self.former_journal.is_some() { ", nor the journal" } else { "" };
                let table = &self.table;
                let behind = format!("the table `{table}` could not be removed{journal}: {error}");
                return Left { behind: Some(behind), notices: Vec::new() };
            }
        };
        // The journal is set back whatever becomes of the table.
        let undone = [self.drop_table(&connection), self.set_journal_back(&connection)];
        let undone: Vec<String> = undone.into_iter().filter_map(Result::err).collect();
        let behind = (!undone.is_empty()).then(|| undone.join("; "));
        // Without the count there is nothing to say.
        let notices = self.freed(&connection).ok().flatten().into_iter().collect();
        Left { behind, notices }
    }

    fn connect_at_the_end(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect()?;
        connection.busy_timeout(PATIENCE)?;
        // Nothing is timed any more.
        set_synchronous(&connection, Synchronous::Full)?;
        Ok(connection)
    }

    fn drop_table(&self, connection: &Connection) -> Result<(), String> {
        let table = &self.table;
        connection
            .execute_batch(&format!("DROP TABLE IF EXISTS {table}"))
            .map_err(|error| format!("the table `{table}` could not be removed: {error}"))
    }

    fn set_journal_back(&self, connection: &Connection) -> Result<(), String> {
        let Some(former) = &self.former_journal else { return Ok(()) };
        let now: String = connection
            .pragma_update_and_check(None, "journal_mode", former, |row| row.get(0))
            .map_err(|error| format!("the journal could not be set back to `{former}`: {error}"))?;
        if now == *former {
            return Ok(());
        }
        Err(format!("the journal is still `{now}`, it was `{former}`"))
    }

    /// What to say of pages that the run leaves free.
    fn freed(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        let free: i64 = pragma(connection, "freelist_count")?;
        let page: i64 = pragma(connection, "page_size")?;
        Ok((free > self.free_pages).then(|| {
            format!(
                "the file keeps {} free pages ({} bytes) that later rows will fill; `VACUUM` \
                 gives them back",
                free - self.free_pages,
                (free - self.free_pages) * page
            )
        }))
    }

    /// Removes the file that was made for this run.
    fn remove(&self) {
        for suffix in ["", LOGS[0], LOGS[1], LOGS[2]] {
            let name = beside(&self.path, suffix);
            // What is not there need not be removed; `clean` looks whether the file has gone.
            let _ = fs::remove_file(name);
        }
    }
}

impl Engine for Sqlite {
    fn name(&self) -> String {
        format!("SQLite {}", rusqlite::version())
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn stated(&self) -> Vec<(String, String)> {
        self.stated.clone()
    }

    fn with_session(&self, work: &mut dyn FnMut(&mut dyn Session)) -> Result<(), Fault> {
        let connection = self.connect()?;
        let table = &self.table;
        let mut session = SqliteSession {
            insert: connection.prepare(&format!("INSERT INTO {table} VALUES (?1, ?2, ?3)"))?,
            read: connection
                .prepare(&format!("SELECT version, value FROM {table} WHERE key = ?1"))?,
            range: connection.prepare(&format!(
                "SELECT key, version, value FROM {table} WHERE key >= ?1 ORDER BY key LIMIT ?2"
            ))?,
            update: connection
                .prepare(&format!("UPDATE {table} SET version = ?2, value = ?3 WHERE key = ?1"))?,
            delete: connection.prepare(&format!("DELETE FROM {table} WHERE key = ?1"))?,
            count: connection.prepare(&format!("SELECT count(*) FROM {table}"))?,
            connection: &connection,
        };
        work(&mut session);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Left {
        let mut left = self.clean();
        let after = std::mem::replace(&mut left.notices, self.notices);
        left.notices.extend(after);
        left
    }
}

struct SqliteSession<'c> {
    connection: &'c Connection,
    insert: Statement<'c>,
    read: Statement<'c>,
    range: Statement<'c>,
    update: Statement<'c>,
    delete: Statement<'c>,
    count: Statement<'c>,
}

impl SqliteSession<'_> {
    fn insert_all(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        for row in rows {
            self.insert.execute(params![row.key, row.version, row.value])?;
        }
        Ok(())
    }
}

impl Session for SqliteSession<'_> {
    fn insert(&mut self, rows: &[Row]) -> Result<(), Fault> {
        if rows.len() == 1 {
            return Ok(self.insert_all(rows)?);
        }
        // Immediate: a transaction that becomes a writer half way can meet a busy database that no
        // waiting helps against.
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = self.insert_all(rows).and_then(|()| self.connection.execute_batch("COMMIT"));
        if done.is_err() && !self.connection.is_autocommit() {
            // The first error is the one to tell.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        Ok(done?)
    }

    fn read(&mut self, key: i64, out: &mut Row) -> Result<bool, Fault> {
        let mut rows = self.read.query(params![key])?;
        let Some(row) = rows.next()? else { return Ok(false) };
        out.key = key;
        out.version = row.get(0)?;
        copy(row, 1, &mut out.value)?;
        Ok(true)
    }

    fn range(&mut self, from: i64, most: usize, out: &mut Vec<Row>) -> Result<(), Fault> {
        let most_rows = i64::try_from(most).unwrap_or(i64::MAX);
        let mut rows = self.range.query(params![from, most_rows])?;
        let mut n = 0;
        while let Some(row) = rows.next()? {
            if out.len() == n {
                out.push(Row::default());
            }
            out[n].key = row.get(0)?;
            out[n].version = row.get(1)?;
            copy(row, 2, &mut out[n].value)?;
            n += 1;
        }
        out.truncate(n);
        Ok(())
    }

    fn update(&mut self, row: &Row) -> Result<u64, Fault> {
        Ok(self.update.execute(params![row.key, row.version, row.value])? as u64)
    }

    fn delete(&mut self, key: i64) -> Result<u64, Fault> {
        Ok(self.delete.execute(params![key])? as u64)
    }

    fn count(&mut self) -> Result<u64, Fault> {
        let count: i64 = self.count.query_row([], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

fn copy(row: &rusqlite::Row<'_>, column: usize, out: &mut Vec<u8>) -> rusqlite::Result<()> {
    let value = row.get_ref(column)?;
    out.clear();
    out.extend_from_slice(value.as_blob().map_err(|e| {
        rusqlite::Error::FromSqlConversionFailure(column, value.data_type(), Box::new(e))
    })?);
    Ok(())
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        let code = error.sqlite_error_code();
        let passes = matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
        Fault { kind: kind(code).to_owned(), message: error.to_string(), passes }
    }
}

/// SQLite's own name for an error.
fn kind(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::DatabaseBusy) => "SQLITE_BUSY",
        Some(ErrorCode::DatabaseLocked) => "SQLITE_LOCKED",
        Some(ErrorCode::ReadOnly) => "SQLITE_READONLY",
        Some(ErrorCode::DiskFull) => "SQLITE_FULL",
        Some(ErrorCode::SystemIoFailure) => "SQLITE_IOERR",
        Some(ErrorCode::DatabaseCorrupt) => "SQLITE_CORRUPT",
        Some(ErrorCode::NotADatabase) => "SQLITE_NOTADB",
        Some(ErrorCode::CannotOpen) => "SQLITE_CANTOPEN",
        Some(ErrorCode::ConstraintViolation) => "SQLITE_CONSTRAINT",
        Some(ErrorCode::SchemaChanged) => "SQLITE_SCHEMA",
        Some(ErrorCode::PermissionDenied) => "SQLITE_PERM",
        Some(ErrorCode::OutOfMemory) => "SQLITE_NOMEM",
        Some(_) => "SQLITE_ERROR",
        None => "rusqlite",
    }
}

/// Makes the file if there is none, and answers whether it did; refuses what is no database.
fn claim(path: &Path) -> Result<bool, DatabaseError> {
    let shown = path.display();
    if path.as_os_str() == ":memory:" || path.as_os_str().is_empty() {
        return Err(DatabaseError::setting(format!(
            "`{shown}` would be another database for each connection: name a file"
        )));
    }
    let failed = |what: &str, error: std::io::Error| {
        DatabaseError::new(format!("failed to {what} {shown}: {error}"))
    };
    match File::create_new(path) {
        Ok(_) => return alone(path).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("make", error)),
    }
    let meta = fs::metadata(path).map_err(|error| failed("read", error))?;
    if !meta.is_file() {
        let what = if meta.is_dir() { "a folder" } else { "no regular file" };
        return Err(DatabaseError::new(format!("{shown} is {what}, not an SQLite database")));
    }
    let mut header = Vec::new();
    File::open(path)
        .and_then(|file| file.take(16).read_to_end(&mut header))
        .map_err(|error| failed("read", error))?;
    if header.is_empty() {
        return Err(DatabaseError::new(format!(
            "{shown} is empty, hence no SQLite database: remove it and it will be made for the run"
        )));
    }
    if header != HEADER {
        return Err(DatabaseError::new(format!(
            "{shown} is not an SQLite database: it does not begin with `SQLite format 3`"
        )));
    }
    Ok(false)
}

/// Gives up a new file beside which there is the log of another: SQLite would discard that log.
fn alone(path: &Path) -> Result<(), DatabaseError> {
    let logs = LOGS.map(|suffix| beside(path, suffix));
    let Some(log) = logs.iter().find(|log| fs::symlink_metadata(log).is_ok()) else {
        return Ok(());
    };
    // It was made a moment ago and is empty.
    let _ = fs::remove_file(path);
    Err(DatabaseError::new(format!(
        "{} is there without its database {}, and a new one would discard it: name another file, or \
         move it away",
        log.display(),
        path.display()
    )))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn synchronous_word(synchronous: Synchronous) -> &'static str {
    match synchronous {
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
        Synchronous::Off => "off",
    }
}

fn set_synchronous(connection: &Connection, synchronous: Synchronous) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", synchronous_word(synchronous))
}

fn refusal(path: &Path, error: &rusqlite::Error) -> DatabaseError {
    let shown = path.display();
    DatabaseError::new(match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            format!("{shown} is not an SQLite database, or an encrypted one: {error}")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("failed to prepare {shown}, another program holds it locked: {error}")
        }
        Some(ErrorCode::ReadOnly) => {
            format!("failed to prepare {shown}, it may not be written: {error}")
        }
        _ => format!("failed to prepare {shown}: {error}"),
    })
}

fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<T> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Tables of former runs that had no time to clean up.
fn left_behind(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?
        .query_map([], |row| row.get::<_, String>(0))?
        .filter(|name| name.as_ref().map_or(true, |name| name.starts_with(TABLE_PREFIX)))
        .collect()
}

/// SQLite counts its page cache in pages, or below zero in KiB.
fn cache_words(size: i64, page: i64) -> String {
    if size < 0 { format!("{} KiB", -size) } else { format!("{} KiB", size * page / 1024) }
}
