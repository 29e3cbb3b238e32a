//! SQLite with a write-ahead log and prepared statements, each put its own transaction.

use super::{Data, Store};
use anyhow::Result;
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

struct Sqlite {
    connection: Connection,
}

pub(super) fn open(folder: &Path, _: &Data) -> Result<Box<dyn Store>> {
    let connection = Connection::open(folder.join("values.sqlite"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA mmap_size = 0;
         CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;",
    )?;
    Ok(Box::new(Sqlite { connection }))
}

impl Store for Sqlite {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let insert = "INSERT OR REPLACE INTO entries VALUES (?1, ?2)";
        self.connection.prepare_cached(insert)?.execute((key, value))?;
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        let mut select =
            self.connection.prepare_cached("SELECT value FROM entries WHERE key = ?1")?;
        let found = select.query_row([key], |row| {
            into.extend_from_slice(row.get_ref(0)?.as_blob()?);
            Ok(())
        });
        Ok(found.optional()?.is_some())
    }

    fn close(&mut self) -> Result<()> {
        self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(())
    }
}
