//! Ours: any store behind the trait, as it is or with its values sealed.

use super::{Data, Store, capacity};
use anyhow::{Result, bail};
use perf_cache::codec::{Compression, Meta, Pipeline, RawBytes};
use perf_cache::disk::{DiskStore, LogStore, Put, PutTerms, SqliteStore};
use perf_core::ByteSize;
use std::path::Path;

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
