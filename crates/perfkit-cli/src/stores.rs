//! The stores on disk that this program has, and which one a directory is of.

use crate::failure::Failure;
#[cfg(feature = "rocksdb")]
use perf_cache::disk::RocksDbStore;
use perf_cache::disk::{DiskError, DiskStore, LogStore, SqliteStore};
use perf_core::ByteSize;
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreKind {
    Log,
    Sqlite,
    RocksDb,
}

impl StoreKind {
    const ALL: [StoreKind; 3] = [StoreKind::Log, StoreKind::Sqlite, StoreKind::RocksDb];

    pub(crate) fn name(self) -> &'static str {
        match self {
            StoreKind::Log => "log",
            StoreKind::Sqlite => "sqlite",
            StoreKind::RocksDb => "rocksdb",
        }
    }

    /// Those whose files are in a directory.
    pub(crate) fn found_in(directory: &Path) -> impl Iterator<Item = StoreKind> {
        StoreKind::ALL.into_iter().filter(move |kind| match kind {
            StoreKind::Log => fs::read_dir(directory).is_ok_and(|files| {
                files
                    .flatten()
                    .any(|file| Path::new(&file.file_name()).extension() == Some("seg".as_ref()))
            }),
            StoreKind::Sqlite => directory.join("store.sqlite").exists(),
            StoreKind::RocksDb => directory.join("db/CURRENT").exists(),
        })
    }

    /// Opens one of at most so many bytes. A directory that is not there is made, for this user
    /// alone. Takes as long as reading what is in it.
    pub(crate) fn open(
        self,
        directory: &Path,
        max: ByteSize,
    ) -> Result<Arc<dyn DiskStore>, Failure> {
        self.check_built_in()?;
        // What keeps it from being made, the store says.
        drop(make_private(directory));
        let opened: Result<Arc<dyn DiskStore>, DiskError> = match self {
            StoreKind::Log => {
                LogStore::builder(directory).max_bytes(max).open().map(|store| Arc::new(store) as _)
            }
            StoreKind::Sqlite => SqliteStore::builder(directory)
                .max_bytes(max)
                .open()
                .map(|store| Arc::new(store) as _),
            #[cfg(feature = "rocksdb")]
            StoreKind::RocksDb => RocksDbStore::builder(directory)
                .max_bytes(max)
                .open()
                .map(|store| Arc::new(store) as _),
            #[cfg(not(feature = "rocksdb"))]
            StoreKind::RocksDb => return Err(not_built_in()),
        };
        opened.map_err(|error| Failure::from_error(&error).into_usage())
    }

    fn check_built_in(self) -> Result<(), Failure> {
        match self {
            StoreKind::RocksDb if cfg!(not(feature = "rocksdb")) => Err(not_built_in()),
            _ => Ok(()),
        }
    }
}

fn not_built_in() -> Failure {
    Failure::usage(
        "this program was built without rocksdb: use log or sqlite, or build it with `cargo install \
         perfkit-cli --features rocksdb` (C++, ten minutes and more)",
    )
}

impl FromStr for StoreKind {
    type Err = Failure;

    fn from_str(name: &str) -> Result<StoreKind, Failure> {
        let kind = StoreKind::ALL.into_iter().find(|kind| kind.name() == name);
        let kind = kind.ok_or_else(|| {
            Failure::usage(format!(
                "`{name}` is no store: use log, which is the default, sqlite or rocksdb"
            ))
        })?;
        kind.check_built_in().map(|()| kind)
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Cached answers are for whoever may ask the gateway, and not for all users of the machine.
fn make_private(directory: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}
