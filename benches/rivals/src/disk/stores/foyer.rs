//! foyer's hybrid cache with hardly any memory tier, so that its disk store answers.

use super::{DISK_BYTES, Data, MEMORY_BYTES, Store, Tiers, capacity};
use anyhow::Result;
use foyer::{
    BlockEngineConfig, Compression, DeviceBuilder, FsDeviceBuilder, HybridCache,
    HybridCacheBuilder, HybridCachePolicy, PsyncIoEngineConfig,
};
use std::path::Path;
use tokio::runtime::{Builder, Runtime};

struct Foyer {
    runtime: Runtime,
    cache: HybridCache<Vec<u8>, Vec<u8>>,
    puts: usize,
    between_waits: usize,
}

/// So much may be under way before the writer waits: what comes while foyer's queue is full is lost.
const UNDER_WAY: usize = 8 << 20;

pub(super) fn open(folder: &Path, data: &Data) -> Result<Box<dyn Store>> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let path = folder.to_owned();
    let room = capacity(data) as usize;
    let cache = runtime.block_on(async {
        let device = FsDeviceBuilder::new(path).with_capacity(room).build()?;
        HybridCacheBuilder::new()
            .with_policy(HybridCachePolicy::WriteOnInsertion)
            .memory(1)
            .with_shards(1)
            .storage()
            .with_io_engine_config(PsyncIoEngineConfig::new())
            .with_engine_config(BlockEngineConfig::new(device))
            .with_compression(Compression::Lz4)
            .build()
            .await
    })?;
    let between_waits = (UNDER_WAY / data.bytes).max(1);
    Ok(Box::new(Foyer { runtime, cache, puts: 0, between_waits }))
}

impl Store for Foyer {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.cache.storage_writer(key.to_vec()).insert(value.to_vec());
        self.puts += 1;
        if self.puts.is_multiple_of(self.between_waits) {
            self.runtime.block_on(self.cache.storage().wait());
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        self.runtime.block_on(self.cache.storage().wait());
        Ok(())
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool> {
        let found = self.runtime.block_on(async { self.cache.get(key).await })?;
        if let Some(entry) = &found {
            into.extend_from_slice(entry.value());
        }
        Ok(found.is_some())
    }

    fn close(&mut self) -> Result<()> {
        Ok(self.runtime.block_on(self.cache.close())?)
    }
}

struct Hybrid {
    runtime: Runtime,
    cache: HybridCache<u64, Vec<u8>>,
}

pub(super) fn open_tiers(folder: &Path) -> Result<Box<dyn Tiers>> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let path = folder.to_owned();
    let cache = runtime.block_on(async {
        let device = FsDeviceBuilder::new(path).with_capacity(DISK_BYTES as usize).build()?;
        HybridCacheBuilder::new()
            .memory(MEMORY_BYTES as usize)
            .with_weighter(|_, value: &Vec<u8>| value.len() + 64)
            .storage()
            .with_io_engine_config(PsyncIoEngineConfig::new())
            .with_engine_config(BlockEngineConfig::new(device))
            .with_compression(Compression::Lz4)
            .build()
            .await
    })?;
    Ok(Box::new(Hybrid { runtime, cache }))
}

impl Tiers for Hybrid {
    fn get(&self, key: u64, into: &mut Vec<u8>) -> Result<bool> {
        let found = self.runtime.block_on(async { self.cache.get(&key).await })?;
        if let Some(entry) = &found {
            into.extend_from_slice(entry.value());
        }
        Ok(found.is_some())
    }

    fn insert(&mut self, key: u64, value: &[u8]) -> Result<()> {
        self.cache.insert(key, value.to_vec());
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        Ok(self.runtime.block_on(self.cache.close())?)
    }
}
