//! The cache on disk: what it is set to, and opening it.

use super::file::File;
use super::{OrDefault, Pick, Setting};
use crate::arguments::ServeArguments;
use crate::failure::Failure;
use crate::stores::StoreKind;
use perf_cache::disk::DiskStore;
use perf_core::ByteSize;
use std::path::PathBuf;
use std::sync::Arc;

/// The cache on disk.
#[derive(Debug)]
pub(crate) struct DiskSettings {
    pub(crate) directory: Setting<PathBuf>,
    pub(crate) size: Setting<ByteSize>,
    pub(crate) store: Setting<StoreKind>,
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
            Some(Setting { value, from }) => {
                let kind = value.parse::<StoreKind>();
                let value = kind.map_err(|wrong| wrong.within("cache-disk-store"))?;
                Some(Setting { value, from })
            }
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
        let (directory, kind) = (&self.directory.value, self.store.value);
        if let Some(other) = StoreKind::found_in(directory).find(|found| *found != kind) {
            return Err(Failure::usage(format!(
                "cache-disk: {} holds a store of kind {other}, and {kind} is asked for: what is \
                 purged in the one would stay in the other; use `--cache-disk-store {other}`, or \
                 another directory",
                directory.display()
            )));
        }
        kind.open(directory, self.size.value).map_err(|error| error.within("cache-disk"))
    }
}

const DEFAULT_SIZE: ByteSize = ByteSize::gib(4);
/// As all stores have it.
const LEAST_SIZE: ByteSize = ByteSize::mib(1);
