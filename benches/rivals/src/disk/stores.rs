//! The stores, each by the calls that its own documentation shows, set up as a cache.

mod files;
mod fjall;
mod foyer;
mod ours;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sqlite;

use super::data::Data;
use anyhow::Result;
use std::path::Path;

/// An open store.
pub(super) trait Store {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Hands all that was put to the kernel.
    fn settle(&mut self) -> Result<()>;

    /// Appends the value; whether there is one.
    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool>;

    fn close(&mut self) -> Result<()>;
}

/// How to open one, new or as it was closed.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) open: fn(folder: &Path, data: &Data) -> Result<Box<dyn Store>>,
}

/// Memory over disk.
pub(super) trait Tiers {
    /// Appends the value; whether there is one.
    fn get(&self, key: u64, into: &mut Vec<u8>) -> Result<bool>;

    fn insert(&mut self, key: u64, value: &[u8]) -> Result<()>;

    fn close(&mut self) -> Result<()>;
}

type OpenTiers = fn(folder: &Path) -> Result<Box<dyn Tiers>>;

const MEMORY_BYTES: u64 = 64 << 20;
const DISK_BYTES: u64 = 4 << 30;

pub(super) const TIERED: &[(&str, OpenTiers)] =
    &[("perf-cache", ours::open_tiers), ("foyer", foyer::open_tiers)];

/// Room for everything, and some to spare for what each store keeps beside.
fn capacity(data: &Data) -> u64 {
    data.logical_bytes() * 8 + (64 << 20)
}

pub(super) const SUBJECTS: &[Subject] = &[
    Subject { name: "perf-cache-log", open: ours::open_log },
    Subject { name: "perf-cache-log lz4", open: ours::open_log_lz4 },
    Subject { name: "perf-cache-sqlite", open: ours::open_sqlite },
    #[cfg(feature = "rocksdb")]
    Subject { name: "perf-cache-rocksdb", open: ours::open_rocksdb },
    Subject { name: "perf-cache tiered", open: ours::open_tiered },
    Subject { name: "foyer", open: foyer::open },
    #[cfg(feature = "rocksdb")]
    Subject { name: "rocksdb", open: rocksdb::open },
    Subject { name: "fjall", open: fjall::open },
    Subject { name: "redb", open: redb::open },
    Subject { name: "rusqlite", open: sqlite::open },
    Subject { name: "file-per-value", open: files::open },
];
