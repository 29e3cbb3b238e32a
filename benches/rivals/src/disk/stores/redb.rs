//! redb, a hundred puts to a commit, without durability until the end.

use super::{Data, Store};
use anyhow::{Context, Result};
use redb::{Database, Durability, ReadableDatabase, TableDefinition, WriteTransaction};
use std::path::Path;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("entries");
const PUTS_OF_A_COMMIT: usize = 100;

struct Redb {
    database: Database,
    open: Option<WriteTransaction>,
    puts: usize,
}

pub(super) fn open(folder: &Path, _: &Data) -> Result<Box<dyn Store>> {
    let database = Database::create(folder.join("values.redb"))?;
    Ok(Box::new(Redb { database, open: None, puts: 0 }))
}

impl Redb {
    fn commit(&mut self) -> Result<()> {
        self.puts = 0;
        if let Some(open) = self.open.take() {
            open.commit()?;
        }
        Ok(())
    }
}

impl Store for Redb {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if self.open.is_none() {
            let mut open = self.database.begin_write()?;
            open.set_durability(Durability::None)?;
            self.open = Some(open);
        }
        let open = self.open.as_ref().context("a transaction has just begun")?;
        open.open_table(TABLE)?.insert(key, value)?;
        self.puts += 1;
        if self.puts == PUTS_OF_A_COMMIT { self.commit() } else { Ok(()) }
    }

    fn settle(&mut self) -> Result<()> {
        self.commit()
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        let found = self.database.begin_read()?.open_table(TABLE)?.get(key)?;
        if let Some(value) = &found {
            into.extend_from_slice(value.value());
        }
        Ok(found.is_some())
    }

    fn close(&mut self) -> Result<()> {
        self.commit()?;
        // What was committed without durability becomes durable with this.
        self.database.begin_write()?.commit()?;
        Ok(())
    }
}
