//! fjall with lz4; values of 64 KiB apart from their keys.

use super::{Data, Store};
use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use std::path::Path;

struct Fjall {
    database: Database,
    entries: Keyspace,
}

pub(super) fn open(folder: &Path, data: &Data) -> Result<Box<dyn Store>> {
    let database = Database::builder(folder.join("fjall")).open()?;
    let large = data.bytes > 16 << 10;
    let entries = database.keyspace("entries", || {
        let apart = large.then(KvSeparationOptions::default);
        KeyspaceCreateOptions::default().with_kv_separation(apart)
    })?;
    Ok(Box::new(Fjall { database, entries }))
}

impl Store for Fjall {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.entries.insert(key, value)?)
    }

    fn settle(&mut self) -> Result<()> {
        Ok(self.database.persist(PersistMode::Buffer)?)
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        let found = self.entries.get(key)?;
        if let Some(value) = &found {
            into.extend_from_slice(value);
        }
        Ok(found.is_some())
    }

    fn close(&mut self) -> Result<()> {
        // So that what is read cold comes from its tables, as that of the others does.
        Ok(self.entries.rotate_memtable_and_wait()?)
    }
}
