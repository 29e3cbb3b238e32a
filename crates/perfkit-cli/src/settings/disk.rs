//! The cache on disk: what it is set to, and opening it.

use super::file::File;
use super::{OrDefault, Pick, Setting};
use crate::arguments::ServeArguments;
use crate::failure::Failure;
use perf_cache::disk::{DiskError, DiskStore, LogStore, SqliteStore};
use perf_core::ByteSize;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// The cache on disk.
#[derive(Debug)]
pub(crate) struct DiskSettings {
    pub(crate) directory: Setting<PathBuf>,
    pub(crate) size: Setting<ByteSize>,
    pub(crate) store: Setting<StoreKind>,
}

/// The stores that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Log,
    Sqlite,
}

impl FromStr for StoreKind {
    type Err = Failure;

    fn from_str(name: &str) -> Result<StoreKind, Failure> {
        match name {
            "log" => Ok(StoreKind::Log),
            "sqlite" => Ok(StoreKind::Sqlite),
            "rocksdb" => Err(Failure::usage(
                "cache-disk-store is `rocksdb`, which is not built into this program: use log or \
                 sqlite",
            )),
            _ => Err(Failure::usage(format!(
                "cache-disk-store is `{name}`, and this program has log and sqlite: use one of them"
            ))),
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreKind::Log => "log",
            StoreKind::Sqlite => "sqlite",
        })
    }
}

impl DiskSettings {
    pub(super) fn resolve(
        pick: &Pick<'_>,
        given: &ServeArguments,
        file: &File,
    ) -> Result<Option<DiskSettings>, Failure> {
        let directory =
            pick.any("cache_disk", given.cache_disk.clone(), None, file.cache_disk.clone());
        let size = pick.any("cache_disk_size", given.cache_disk_size, None, file.cache_disk_size);
        let name = given.cache_disk_store.clone();
        let store = pick.any("cache_disk_store", name, None, file.cache_disk_store.clone());
        let store = match store {
            Some(Setting { value, from }) => Some(Setting { value: value.parse()?, from }),
            None => None,
        };
        let Some(directory) = directory else {
            let alone =
                [("cache-disk-size", size.is_some()), ("cache-disk-store", store.is_some())];
            return match alone.into_iter().find(|(_, set)| *set) {
                Some((name, _)) => Err(Failure::usage(format!(
                    "{name} is set and cache-disk is not: add --cache-disk with a directory"
                ))),
                None => Ok(None),
            };
        };
        let size = size.unwrap_or_default_to(DEFAULT_SIZE);
        if size.value < LEAST_SIZE {
            return Err(Failure::usage(format!(
                "cache-disk-size is {}: use at least {LEAST_SIZE}",
                size.value
            )));
        }
        Ok(Some(DiskSettings {
            directory,
            size,
            store: store.unwrap_or_default_to(StoreKind::Log),
        }))
    }

    /// Opens the store. Takes as long as reading what is in it.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being opened, as a wrong setting.
    pub(crate) fn open(&self) -> Result<Arc<dyn DiskStore>, Failure> {
        let (directory, size) = (&self.directory.value, self.size.value);
        let opened: Result<Arc<dyn DiskStore>, DiskError> = match self.store.value {
            StoreKind::Log => LogStore::builder(directory)
                .max_bytes(size)
                .open()
                .map(|store| Arc::new(store) as _),
            StoreKind::Sqlite => SqliteStore::builder(directory)
                .max_bytes(size)
                .open()
                .map(|store| Arc::new(store) as _),
        };
        opened.map_err(|error| Failure::from_error(&error).within("cache-disk").into_usage())
    }
}

const DEFAULT_SIZE: ByteSize = ByteSize::gib(4);
/// As all stores have it.
const LEAST_SIZE: ByteSize = ByteSize::mib(1);
