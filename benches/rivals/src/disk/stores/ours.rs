//! Ours: any store behind the trait, as it is or with its values sealed.

use super::{DISK_BYTES, Data, MEMORY_BYTES, Store, Tiers, capacity};
use anyhow::{Result, bail, ensure};
use perf_cache::codec::{Compression, Meta, Pipeline, RawBytes};
use perf_cache::disk::{DiskStore, LogStore, Put, PutTerms, SqliteStore};
use perf_cache::tiered::DiskTier;
use perf_cache::{Cache, CacheKey, TieredCache};
use perf_core::ByteSize;
use std::hash::Hash;
use std::path::Path;
use std::sync::Arc;

struct Ours<S> {
    store: S,
    /// What makes an entry of a value; without it the value is kept as it is.
    pipeline: Option<Pipeline<Vec<u8>>>,
    value: Vec<u8>,
    sealed: Vec<u8>,
}

impl<S> Ours<S> {
    const fn new(store: S, pipeline: Option<Pipeline<Vec<u8>>>) -> Ours<S> {
        Ours { store, pipeline, value: Vec::new(), sealed: Vec::new() }
    }
}

pub(super) fn open_log(folder: &Path, data: &Data) -> Result<Box<dyn Store>> {
    Ok(Box::new(Ours::new(log(folder, data)?, None)))
}

pub(super) fn open_log_lz4(folder: &Path, data: &Data) -> Result<Box<dyn Store>> {
    let pipeline = Pipeline::builder(RawBytes).compression(Compression::Lz4).build()?;
    let store = log(folder, data)?;
    Ok(Box::new(Ours::new(store, Some(pipeline))))
}

pub(super) fn open_sqlite(folder: &Path, data: &Data) -> Result<Box<dyn Store>> {
    let store =
        SqliteStore::builder(folder).max_bytes(ByteSize::from_bytes(capacity(data))).open()?;
    Ok(Box::new(Ours::new(store, None)))
}

#[cfg(feature = "rocksdb")]
pub(super) fn open_rocksdb(folder: &Path, data: &Data) -> Result<Box<dyn Store>> {
    let max = ByteSize::from_bytes(capacity(data));
    let store = perf_cache::disk::RocksDbStore::builder(folder).max_bytes(max).open()?;
    Ok(Box::new(Ours::new(store, None)))
}

/// Without a memory tier, so that each get is one of the disk's.
pub(super) fn open_tiered(folder: &Path, data: &Data) -> Result<Box<dyn Store>> {
    let tier = Arc::new(DiskTier::prompt(Arc::new(log(folder, data)?)));
    let builder = TieredCache::<Vec<u8>, Arc<[u8]>>::builder().codec(RawBytes).without_memory();
    let cache = builder.compression(Compression::Lz4).tier(tier).build()?;
    Ok(Box::new(Tiered { cache }))
}

pub(super) fn open_tiers(folder: &Path) -> Result<Box<dyn Tiers>> {
    let cache = TieredCache::<u64, Arc<[u8]>>::builder()
        .memory(
            Cache::builder()
                .max_bytes(ByteSize::from_bytes(MEMORY_BYTES))
                .weigher(|_: &u64, value: &Arc<[u8]>| value.len() as u64 + 64),
        )
        .disk_at(folder)
        .disk_max_bytes(ByteSize::from_bytes(DISK_BYTES))
        .codec(RawBytes)
        .compression(Compression::Lz4)
        .build()?;
    Ok(Box::new(Tiered { cache }))
}

struct Tiered<K> {
    cache: TieredCache<K, Arc<[u8]>>,
}

impl Tiers for Tiered<u64> {
    fn get(&self, key: u64, into: &mut Vec<u8>) -> Result<bool> {
        let found = self.cache.get(&key);
        Ok(found.map(|value| into.extend_from_slice(&value)).is_some())
    }

    fn insert(&mut self, key: u64, value: &[u8]) -> Result<()> {
        self.cache.insert(key, Arc::from(value));
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        close(&self.cache)
    }
}

impl Store for Tiered<Vec<u8>> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.cache.insert(key.to_vec(), Arc::from(value));
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        self.cache.flush();
        Ok(())
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        let found = self.cache.get(key);
        Ok(found.map(|value| into.extend_from_slice(&value)).is_some())
    }

    fn close(&mut self) -> Result<()> {
        close(&self.cache)
    }
}

/// Closes, with nothing lost.
fn close<K, V>(cache: &TieredCache<K, V>) -> Result<()>
where
    K: CacheKey + Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    let report = cache.close();
    ensure!(report.lost.is_empty() && report.errors.is_empty(), "lost something: {report}");
    Ok(())
}

fn log(folder: &Path, data: &Data) -> Result<LogStore> {
    Ok(LogStore::builder(folder).max_bytes(ByteSize::from_bytes(capacity(data))).open()?)
}

impl<S: DiskStore> Store for Ours<S> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut bytes = value;
        if let Some(pipeline) = &self.pipeline {
            self.sealed.clear();
            self.value.clear();
            self.value.extend_from_slice(value);
            let meta = Meta::new(0);
            pipeline.seal_into(&mut self.sealed, key, "rivals", &self.value, &meta, None)?;
            bytes = &self.sealed;
        }
        match self.store.put(key, bytes, PutTerms::default())? {
            Put::Stored => Ok(()),
            Put::Refused(because) => bail!("a put was refused: {because:?}"),
        }
    }

    fn settle(&mut self) -> Result<()> {
        Ok(self.store.flush()?)
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        let Some(pipeline) = &self.pipeline else {
            return Ok(self.store.get(key, into)?.is_some());
        };
        let mut sealed = Vec::new();
        let found = self.store.get(key, &mut sealed)?.is_some();
        if found {
            let (value, _) = pipeline.open(key, "rivals", &sealed)?;
            *into = value;
        }
        Ok(found)
    }

    fn close(&mut self) -> Result<()> {
        self.store.close()?;
        Ok(())
    }
}
