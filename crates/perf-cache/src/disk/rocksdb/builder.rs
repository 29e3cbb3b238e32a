//! What can be said of a store before it is opened.

use super::open::{self, Setup};
use super::writer::Writer;
use super::{DiskError, RocksDbStore};
use perf_core::{ByteSize, Clock, ConfigError};
use rocksdb::Cache;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Instant;

/// Settings of a [`RocksDbStore`].
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct RocksDbStoreBuilder {
    directory: PathBuf,
    max_bytes: ByteSize,
    block_cache: ByteSize,
    clock: Clock,
}

/// Less is taken by what RocksDB writes besides values.
pub(super) const LEAST_BYTES: ByteSize = ByteSize::mib(4);

impl RocksDbStoreBuilder {
    pub(super) fn new(directory: PathBuf) -> RocksDbStoreBuilder {
        RocksDbStoreBuilder {
            directory,
            max_bytes: ByteSize::gib(1),
            block_cache: ByteSize::mib(64),
            clock: Clock::system(),
        }
    }

    /// The bound on the bytes of all files: 1 GiB unless said, at least 4 MiB.
    pub fn max_bytes(mut self, bytes: ByteSize) -> RocksDbStoreBuilder {
        self.max_bytes = bytes;
        self
    }

    /// The memory for blocks, indexes and filters that were read, and for the write buffers, which
    /// take up to 32 MiB of it, or a twelfth of the bound on files: 64 MiB unless said. Only the
    /// index comes on top.
    pub fn block_cache(mut self, bytes: ByteSize) -> RocksDbStoreBuilder {
        self.block_cache = bytes;
        self
    }

    /// Whose wall time says what has ended. The system's unless said.
    pub fn clock(mut self, clock: Clock) -> RocksDbStoreBuilder {
        self.clock = clock;
        self
    }

    /// Opens the store, or makes it. Reads all that is in it: O(file bytes).
    ///
    /// # Errors
    ///
    /// [`DiskError::Locked`] if somebody has it open, [`DiskError::Io`] or [`DiskError::Backend`]
    /// if the directory cannot be used, [`DiskError::Config`] for a setting that cannot be.
    pub fn open(self) -> Result<RocksDbStore, DiskError> {
        if self.max_bytes < LEAST_BYTES {
            let remedy = "give at least 4 MiB";
            return Err(ConfigError::new("max_bytes", self.max_bytes, remedy).into());
        }
        let start = Instant::now();
        let cache_bytes = self.block_cache.as_u64();
        let setup = Setup {
            clock: self.clock.clone(),
            max_bytes: self.max_bytes.as_u64(),
            cache: Cache::new_lru_cache(usize::try_from(cache_bytes).unwrap_or(usize::MAX)),
            cache_bytes,
        };
        let (base, found) = open::open(&self.directory, setup)?;
        let store = RocksDbStore {
            writer: Mutex::new(Writer::new(&found.generations, self.max_bytes.as_u64())),
            base: RwLock::new(Some(Arc::new(base))),
            index: RwLock::new(found.index),
            path: self.directory,
            clock: self.clock,
            expired: AtomicU64::new(0),
            corrupt: AtomicU64::new(0),
            report: super::OpenReport { took: start.elapsed(), ..found.report },
        };
        store.change(|writer, at| {
            writer.measure(at);
            Ok(())
        })?;
        Ok(store)
    }
}
