//! The log store: values appended to files, an index of sixteen to twenty-three bytes an entry in
//! memory, and the system's page cache in front of it.
//!
//! A put copies the value behind those before it; every 256 KiB are written at once, by a thread of
//! the store's or by whoever finds the queue full. A get is one look at the index and one read of
//! what was put. Files are filled one after the other and given up the oldest first; what was read
//! since it was written is written again rather than lost, within a bound, and so is all that is
//! in use while it takes less than six tenths of the room.
//!
//! Sources: Rosenblum and Ousterhout, "The design and implementation of a log-structured file
//! system", SOSP 1991; Sheehy and Smith, "Bitcask", 2010; Berg et al., "The CacheLib caching
//! engine", OSDI 2020 (regions given up first in, first out, with reinsertion).

mod builder;
mod counts;
pub(in crate::disk) mod directory;
mod evict;
mod faults;
mod format;
mod head;
mod index;
mod inspect;
mod open;
mod place;
mod put;
mod read;
mod scan;
mod segment;
mod survey;
mod table;
mod write;
mod writer;

pub use builder::{LogStoreBuilder, WhenFull};
pub use faults::Faults;
pub use survey::LogSurvey;

use self::builder::Settings;
use self::counts::Counts;
use self::directory::DirectoryLock;
use self::head::{Failing, Head, Shape};
use self::index::{Index, lock};
use self::write::Io;
use super::{CloseReport, DiskError, DiskStore, DiskUsage, OpenReport};
use super::{Put, PutTerms, Stored, TryGet};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread::JoinHandle;
use std::time::UNIX_EPOCH;

/// The store of choice: puts, gets and removals at the speed of the page cache.
///
/// # What it promises
///
/// - Every value that was put is found until it ends, is removed, or makes room for others, also
///   by a writer that never waits: a full queue makes it wait, or refuses, as
///   [set](LogStoreBuilder::when_full).
/// - [`remove`](DiskStore::remove), [`clear`](DiskStore::clear) and pinned puts return when what
///   they did was handed to the system with all that came before. A killed process loses at most
///   [`queue_bytes`](LogStoreBuilder::queue_bytes) of puts, which were made within
///   [`flush_interval`](LogStoreBuilder::flush_interval) where the device keeps up; a power cut at
///   most what was done within [`sync_interval`](LogStoreBuilder::sync_interval).
/// - Files never take more than [`max_bytes`](LogStoreBuilder::max_bytes), as long as what is being
///   filled and what is pinned fits in. Two files and the queue of it are kept free, to give up one.
///   Where what is pinned leaves no room, since the bound was lowered, it stays, and other puts are
///   [refused](super::RefusedBecause::PinnedFull).
/// - A sync that failed is never tried again: [`sync`](DiskStore::sync) and
///   [`close`](DiskStore::close) answer its error from then on, no file goes whose pinned records
///   were written again, and the next opening finds by the sums what the device has.
/// - Nothing is answered that was not put under that key: every read compares the key and checks
///   the sum of what it read.
/// - On Unix its files are for the user of the process alone, in whatever directory; one that is
///   made for them has the rights that new directories have.
/// - Damage to the files is found by their sums and counted. What was removed can come back by it
///   only where it hits both the record of the removal and the footer that names it again.
/// - Nobody waits for a lock while another reads or writes a file, but who finds the queue full, or
///   waits for his own bytes to be written.
///
/// # Cost
///
/// | what | cost |
/// |---|---|
/// | an entry in memory | 16 to 23 bytes |
/// | an entry on disk | key and value, 28 bytes, the alignment of 4, and 16 in the footer |
/// | the queue | [`queue_bytes`](LogStoreBuilder::queue_bytes), and four buffers |
/// | a file | one for each 64th of the capacity from 1 to 64 MiB, more above 32 GiB; each is kept open |
/// | a thread | one, asleep while nothing is to be written |
///
/// ```
/// use perf_cache::disk::{DiskStore, LogStore, Put, PutTerms};
/// use perf_core::ByteSize;
///
/// # let dir = std::env::temp_dir().join(format!("perf-cache-doc-{}", std::process::id()));
/// let store = LogStore::builder(&dir).max_bytes(ByteSize::mib(64)).open()?;
/// assert_eq!(store.put(b"tea", b"3.10", PutTerms::default())?, Put::Stored);
/// store.close()?;
///
/// let store = LogStore::builder(&dir).max_bytes(ByteSize::mib(64)).open()?;
/// let mut value = Vec::new();
/// assert!(store.get(b"tea", &mut value)?.is_some());
/// assert_eq!(value, b"3.10");
/// assert_eq!((store.open_report().recovered, store.open_report().clean_shutdown), (1, true));
/// # drop(store);
/// # std::fs::remove_dir_all(&dir).unwrap();
/// # Ok::<(), perf_cache::disk::DiskError>(())
/// ```
pub struct LogStore {
    inner: Arc<Inner>,
    writer: Mutex<Option<JoinHandle<()>>>,
    closed: Mutex<Option<CloseReport>>,
}

/// What the store shares with its thread.
struct Inner {
    dir: PathBuf,
    settings: Settings,
    /// Of the hashes of keys.
    seed: u64,
    index: Index,
    /// Taken before a lock of the index, after `io`.
    head: Mutex<Head>,
    /// Whoever holds it writes: chunks reach the files in their order.
    io: Mutex<Io>,
    /// With `head`: there is something to write, or to stop for.
    work: Condvar,
    /// Bytes that were written, as [`Head::appended`] counts them.
    handed: AtomicU64,
    /// Bytes of all files.
    file_bytes: AtomicU64,
    max_bytes: AtomicU64,
    segment_bytes: AtomicU64,
    closed: AtomicBool,
    /// Whether what is pinned was found to leave no room for anything else.
    crowded: AtomicBool,
    /// Whether anything was written since the last sync began.
    unsynced: AtomicBool,
    /// Why a sync failed, once one did: no other is to be believed since.
    unkept: OnceLock<Failing>,
    counts: Counts,
    report: OpenReport,
    lock: DirectoryLock,
}

impl LogStore {
    /// Describes a store in a directory of its own, which is made if it is not there.
    pub fn builder(directory: impl Into<PathBuf>) -> LogStoreBuilder {
        LogStoreBuilder::new(directory.into())
    }

    fn closing(&self) -> Result<CloseReport, DiskError> {
        let mut closed = lock(&self.closed);
        if let Some(report) = *closed {
            return Ok(report);
        }
        let (report, outcome) = self.inner.close();
        *closed = Some(report);
        drop(closed);
        if let Some(writer) = lock(&self.writer).take() {
            // It ends by itself, and a panic in it was told when it happened.
            drop(writer.join());
        }
        outcome.map(|()| report)
    }
}

impl Drop for LogStore {
    fn drop(&mut self) {
        // Nobody is there to be told; what could not be written is lost.
        drop(self.closing());
    }
}

impl fmt::Debug for LogStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogStore")
            .field("directory", &self.inner.dir)
            .field("usage", &self.usage())
            .finish_non_exhaustive()
    }
}

impl DiskStore for LogStore {
    fn name(&self) -> &'static str {
        "log"
    }

    fn path(&self) -> &Path {
        &self.inner.dir
    }

    fn open_report(&self) -> OpenReport {
        self.inner.report
    }

    fn try_get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<TryGet, DiskError> {
        self.inner.try_get(key, into)
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Option<Stored>, DiskError> {
        self.inner.get(key, into)
    }

    fn put(&self, key: &[u8], value: &[u8], terms: PutTerms) -> Result<Put, DiskError> {
        self.inner.put(key, value, terms)
    }

    fn remove(&self, key: &[u8]) -> Result<bool, DiskError> {
        self.inner.remove(key)
    }

    fn contains(&self, key: &[u8]) -> Result<bool, DiskError> {
        self.inner.contains(key)
    }

    fn for_each(
        &self,
        visit: &mut dyn FnMut(&[u8], &Stored) -> ControlFlow<()>,
    ) -> Result<(), DiskError> {
        self.inner.for_each(visit)
    }

    fn clear(&self) -> Result<u64, DiskError> {
        self.inner.clear()
    }

    fn flush(&self) -> Result<(), DiskError> {
        self.inner.check_open()?;
        self.inner.flush()
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.inner.check_open()?;
        self.inner.flush()?;
        self.inner.sync_files()
    }

    fn usage(&self) -> DiskUsage {
        self.inner.usage()
    }

    fn set_max_bytes(&self, bytes: u64) {
        self.inner.set_max_bytes(bytes);
    }

    fn close(&self) -> Result<CloseReport, DiskError> {
        self.closing()
    }
}

impl Inner {
    fn head(&self) -> MutexGuard<'_, Head> {
        lock(&self.head)
    }

    fn check_open(&self) -> Result<(), DiskError> {
        if self.closed.load(Ordering::Acquire) { Err(DiskError::Closed) } else { Ok(()) }
    }

    /// Milliseconds since 1970.
    fn now(&self) -> u64 {
        let since = self.settings.clock.wall().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn max_bytes(&self) -> u64 {
        self.max_bytes.load(Ordering::Relaxed)
    }

    /// The bound on what is queued, which follows that on the files.
    fn queue_bytes(&self) -> u64 {
        self.settings.queue_bytes.as_u64().min(self.max_bytes() / 32)
    }

    fn shape(&self) -> Shape<'_> {
        let bytes = self.segment_bytes.load(Ordering::Relaxed);
        Shape { dir: &self.dir, seed: self.seed, shift: builder::shift_for(bytes), bytes }
    }

    fn error(&self, path: &Path, source: std::io::Error) -> DiskError {
        DiskError::io(path, source)
    }
}
