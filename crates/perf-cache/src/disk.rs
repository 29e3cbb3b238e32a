//! Stores on disk behind one trait: what a cache keeps beyond its memory, and over a restart.
//!
//! A [`DiskStore`] maps bytes to bytes. It drops what it likes to stay within its bound, never
//! answers what has expired, was removed or is damaged, and says what it dropped. It knows nothing
//! of types, compression or encryption.
//!
//! # What a crash may take
//!
//! | event | a put | a [removal](DiskStore::remove), a [pinned](PutTerms::pinned) put |
//! |---|---|---|
//! | [`close`](DiskStore::close), [`sync`](DiskStore::sync) | kept | kept |
//! | the process is killed | lost if it was still queued, at most the queue's bytes | kept: it was handed to the system before the call returned |
//! | the power fails | lost back to the last sync | lost back to the last sync |
//!
//! A put that is lost leaves what was there before it, as if it had not been.

#[cfg(feature = "conformance")]
#[doc(hidden)]
pub mod conformance;
mod error;
mod log;
mod report;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "sqlite")]
mod sqlite;
mod terms;

pub use error::DiskError;
#[doc(hidden)]
pub use log::Faults;
pub use log::{LogStore, LogStoreBuilder, LogSurvey, WhenFull};
pub use report::{CloseReport, DiskUsage, OpenReport};
#[cfg(feature = "rocksdb")]
pub use rocksdb::{RocksDbStore, RocksDbStoreBuilder};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, SqliteStoreBuilder};
pub use terms::{Put, PutTerms, RefusedBecause, Stored, TryGet};

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

/// A map from bytes to bytes on disk, bounded in bytes, for a cache to keep values in.
///
/// All calls but [`try_get`](DiskStore::try_get) may wait for the device. Times are the wall
/// clock's, in milliseconds since 1970. After [`close`](DiskStore::close) every call that can fail
/// answers [`DiskError::Closed`].
pub trait DiskStore: Send + Sync + fmt::Debug {
    /// Which kind this is, in lower case: `log`, `sqlite`, `rocksdb`.
    fn name(&self) -> &'static str;

    /// The directory or file that it was opened on.
    fn path(&self) -> &Path;

    /// What opening found.
    fn open_report(&self) -> OpenReport;

    /// As [`get`](DiskStore::get), but never waits for the device: answers
    /// [`TryGet::WouldBlock`] where that might be needed, always if the store cannot tell.
    ///
    /// # Errors
    ///
    /// As [`get`](DiskStore::get).
    fn try_get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<TryGet, DiskError>;

    /// Appends the value of `key` to `into`, or answers `None` and leaves `into` as it was.
    ///
    /// Sees every put and removal that returned before it began. A value that is damaged is
    /// counted in [`DiskUsage::corrupt`] and not there.
    ///
    /// # Errors
    ///
    /// [`DiskError::Io`] if the device fails. `into` is as it was then.
    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Option<Stored>, DiskError>;

    /// Puts a value in the place of what was there, for as long as the terms say.
    ///
    /// Returns when readers see it; it may be queued. A refusal leaves what was there before, and
    /// is counted. A [pinned](PutTerms::pinned) one is never evicted, and has been handed to the
    /// system when this returns.
    ///
    /// # Errors
    ///
    /// [`DiskError::Io`] if the device fails; a full disk is a refusal for a plain put, and
    /// [`DiskError::Full`] for a pinned one.
    fn put(&self, key: &[u8], value: &[u8], terms: PutTerms) -> Result<Put, DiskError>;

    /// Removes a key, pinned or not, and answers whether it was there.
    ///
    /// Returns when no crash of the process can bring it back.
    ///
    /// # Errors
    ///
    /// [`DiskError::Full`] or [`DiskError::Io`] if that could not be written. The key is gone for
    /// as long as the store is open then, but may come back with a restart.
    fn remove(&self, key: &[u8]) -> Result<bool, DiskError>;

    /// Whether [`get`](DiskStore::get) would find the key, queued or not. Does not read the value,
    /// so it does not notice damage, and does not count as a use of it.
    ///
    /// # Errors
    ///
    /// As [`get`](DiskStore::get).
    fn contains(&self, key: &[u8]) -> Result<bool, DiskError>;

    /// Shows each key that is there, in no order, until `visit` breaks off. Takes O(file bytes).
    ///
    /// What changes meanwhile is seen or not; what does not is seen once. `visit` may call the
    /// store.
    ///
    /// # Errors
    ///
    /// As [`get`](DiskStore::get).
    fn for_each(
        &self,
        visit: &mut dyn FnMut(&[u8], &Stored) -> ControlFlow<()>,
    ) -> Result<(), DiskError>;

    /// Removes everything but what is pinned, as lastingly as [`remove`](DiskStore::remove), and
    /// answers how many that were.
    ///
    /// # Errors
    ///
    /// As [`remove`](DiskStore::remove).
    fn clear(&self) -> Result<u64, DiskError>;

    /// Returns when everything put before is handed to the system, so that no crash of the process
    /// takes it.
    ///
    /// # Errors
    ///
    /// [`DiskError::Full`] or [`DiskError::Io`] if it could not be. It stays queued.
    fn flush(&self) -> Result<(), DiskError>;

    /// [Flushes](DiskStore::flush), and returns when the device says that it is on it, so that no
    /// power cut takes it.
    ///
    /// # Errors
    ///
    /// As [`flush`](DiskStore::flush).
    fn sync(&self) -> Result<(), DiskError>;

    /// What is held, used and counted.
    fn usage(&self) -> DiskUsage;

    /// Changes the bound on file bytes. What is beyond it is evicted before this returns, or soon
    /// after.
    fn set_max_bytes(&self, bytes: u64);

    /// [Syncs](DiskStore::sync) and lets go of the directory. A second call answers the first
    /// one's report.
    ///
    /// # Errors
    ///
    /// As [`flush`](DiskStore::flush). The store is closed all the same.
    fn close(&self) -> Result<CloseReport, DiskError>;
}
