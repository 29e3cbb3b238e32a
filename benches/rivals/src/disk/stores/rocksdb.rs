//! RocksDB as a cache would have it: lz4, no write-ahead log, a small block cache.

use super::{Data, Store};
use anyhow::Result;
use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, Options, WriteOptions};
use std::path::Path;

struct Rocks {
    database: DB,
    write: WriteOptions,
}

pub(super) fn open(folder: &Path, data: &Data) -> Result<Box<dyn Store>> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_max_background_jobs(2);
    if data.bytes > 4 << 10 {
        options.set_enable_blob_files(true);
        options.set_min_blob_size(4 << 10);
        options.set_blob_compression_type(DBCompressionType::Lz4);
    }
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(8 << 20));
    table.set_bloom_filter(10.0, false);
    options.set_block_based_table_factory(&table);
    let database = DB::open(&options, folder.join("rocksdb"))?;
    let mut write = WriteOptions::default();
    write.disable_wal(true);
    Ok(Box::new(Rocks { database, write }))
}

impl Store for Rocks {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.database.put_opt(key, value, &self.write)?)
    }

    fn settle(&mut self) -> Result<()> {
        Ok(self.database.flush()?)
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        let found = self.database.get_pinned(key)?;
        if let Some(value) = &found {
            into.extend_from_slice(value);
        }
        Ok(found.is_some())
    }

    fn close(&mut self) -> Result<()> {
        self.database.cancel_all_background_work(true);
        Ok(())
    }
}
