//! A store over RocksDB, for those who have to have it.
//!
//! Values go to the newest of some twelve generations, each a column family, and the oldest is
//! dropped as a whole when room is needed: first in, first out, and no compaction has to run for
//! it. An index in memory, of 17 bytes an entry and what is free in it, tells which generation has
//! the newest value of a key, so that a read asks one, and a miss none.
//!
//! # What a kill leaves
//!
//! Puts go to RocksDB's buffers without its log. Removals go to the log, and to every generation
//! that may have the key, in one batch; so do pinned records. RocksDB replays the log over what
//! the buffers had written, in the order in which all was called; it loses puts that were in a
//! buffer, each as if it had not been, and no removal: one is forgotten by the log only when the
//! buffer that it went through, with all that came before, is on the device. A put that is lost
//! can show the value before it only if none of its removals came between. So what a kill leaves
//! needs no epoch; the marker of an orderly end only tells how the store was left, and how many
//! entries there were.

mod builder;
mod header;
mod index;
mod open;
mod writer;

pub use self::builder::RocksDbStoreBuilder;

use self::header::Record;
use self::index::{Index, PINNED, Place, hash_of};
use self::open::{Base, bytes_in, failed, name_of, now, set_marker};
use self::writer::{At, Writer};
use super::{
    CloseReport, DiskError, DiskStore, DiskUsage, OpenReport, Put, PutTerms, RefusedBecause,
    Stored, TryGet,
};
use perf_core::Clock;
use rocksdb::{ErrorKind, IteratorMode, ReadOptions};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

/// A [`DiskStore`] over RocksDB.
///
/// A get or a put of a kibibyte takes some 5 µs, opening 2 µs an entry of that size: all is read.
///
/// On a kill the puts in its write buffers are lost, two of at most 16 MiB, or a twelfth of the
/// bound; a power cut takes what came since the last [`sync`](DiskStore::sync) or what RocksDB
/// wrote by itself. [`flush`](DiskStore::flush) syncs too.
///
/// Files that RocksDB finds damaged when it opens are put aside, as `db.damaged`, and the store
/// begins anew.
///
/// ```no_run
/// use perf_cache::disk::{DiskStore, PutTerms, RocksDbStore};
/// use perf_core::ByteSize;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RocksDbStore::builder("/var/cache/app").max_bytes(ByteSize::gib(4)).open()?;
/// let _ = store.put(b"key", b"value", PutTerms::default())?;
/// let mut value = Vec::new();
/// assert!(store.get(b"key", &mut value)?.is_some());
/// store.close()?;
/// # Ok(())
/// # }
/// ```
pub struct RocksDbStore {
    /// Taken first.
    writer: Mutex<Writer>,
    base: RwLock<Option<Arc<Base>>>,
    index: RwLock<Index>,
    path: PathBuf,
    clock: Clock,
    expired: AtomicU64,
    corrupt: AtomicU64,
    report: OpenReport,
}

/// What reading a key found.
enum Read {
    Found(Stored),
    Ended,
    Damaged,
    /// Its generation has gone since.
    Gone,
}

impl RocksDbStore {
    /// A store in this directory, which is made if it is not there.
    pub fn builder(directory: impl Into<PathBuf>) -> RocksDbStoreBuilder {
        RocksDbStoreBuilder::new(directory.into())
    }

    fn base(&self) -> Result<Arc<Base>, DiskError> {
        let base = self.base.read().unwrap_or_else(PoisonError::into_inner);
        base.as_ref().map(Arc::clone).ok_or(DiskError::Closed)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, key: &[u8]) -> Option<Place> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).place(hash_of(key))
    }

    fn change<T>(
        &self,
        work: impl FnOnce(&mut Writer, At<'_>) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let mut writer = self.writer();
        let base = self.base()?;
        work(&mut writer, At { base: &base, index: &self.index, dir: &self.path })
    }

    fn read(
        &self,
        base: &Base,
        place: Place,
        key: &[u8],
        into: Option<&mut Vec<u8>>,
    ) -> Result<Read, DiskError> {
        let Some(family) = base.db.cf_handle(&name_of(place.generation)) else {
            return Ok(Read::Gone);
        };
        let record = match base.db.get_pinned_cf(&family, key) {
            Ok(Some(record)) => record,
            // Compaction has taken it away when it had ended, or it is another's of that hash.
            Ok(None) => return Ok(Read::Ended),
            Err(error) if error.kind() == ErrorKind::Corruption => return Ok(Read::Damaged),
            Err(error) => return Err(failed(&self.path, "read a value", error)),
        };
        Ok(match header::read(key, &record, now(&self.clock)) {
            Record::Value(stored, value) => {
                if let Some(into) = into {
                    into.extend_from_slice(value);
                }
                Read::Found(stored)
            }
            Record::Ended => Read::Ended,
            Record::Damaged => Read::Damaged,
        })
    }

    /// Forgets what was found to be of no use, unless somebody put it anew meanwhile.
    fn settle(&self, key: &[u8]) -> Result<(), DiskError> {
        self.change(|_, at| {
            let Some(place) = self.place(key) else { return Ok(()) };
            let count = match self.read(at.base, place, key, None)? {
                Read::Ended => &self.expired,
                Read::Damaged => &self.corrupt,
                Read::Found(_) | Read::Gone => return Ok(()),
            };
            count.fetch_add(1, Ordering::Relaxed);
            self.index.write().unwrap_or_else(PoisonError::into_inner).forget(hash_of(key));
            Ok(())
        })
    }
}

impl DiskStore for RocksDbStore {
    fn name(&self) -> &'static str {
        "rocksdb"
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn open_report(&self) -> OpenReport {
        self.report
    }

    /// Knows what is missing; RocksDB cannot tell whether reading the rest would wait.
    fn try_get(&self, key: &[u8], _: &mut Vec<u8>) -> Result<TryGet, DiskError> {
        self.base()?;
        Ok(if self.place(key).is_some() { TryGet::WouldBlock } else { TryGet::Missing })
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Option<Stored>, DiskError> {
        let base = self.base()?;
        let Some(place) = self.place(key) else { return Ok(None) };
        match self.read(&base, place, key, Some(into))? {
            Read::Found(stored) => Ok(Some(stored)),
            Read::Gone => Ok(None),
            Read::Ended | Read::Damaged => self.settle(key).map(|()| None),
        }
    }

    fn put(&self, key: &[u8], value: &[u8], terms: PutTerms) -> Result<Put, DiskError> {
        self.change(|writer, at| {
            let because = match writer.put(at, key, value, terms) {
                Err(DiskError::Full { .. }) if !terms.pinned => Some(RefusedBecause::DiskFull),
                done => done?,
            };
            writer.refused += u64::from(because.is_some());
            Ok(because.map_or(Put::Stored, Put::Refused))
        })
    }

    fn remove(&self, key: &[u8]) -> Result<bool, DiskError> {
        self.change(|writer, at| {
            let found = self.place(key).map(|place| self.read(at.base, place, key, None));
            // What cannot be read has to go all the same.
            writer.remove(at, key)?;
            Ok(matches!(found, Some(Ok(Read::Found(_)))))
        })
    }

    /// Reads the value.
    fn contains(&self, key: &[u8]) -> Result<bool, DiskError> {
        let base = self.base()?;
        let Some(place) = self.place(key) else { return Ok(false) };
        Ok(matches!(self.read(&base, place, key, None)?, Read::Found(_)))
    }

    fn for_each(
        &self,
        visit: &mut dyn FnMut(&[u8], &Stored) -> ControlFlow<()>,
    ) -> Result<(), DiskError> {
        let base = self.base()?;
        // The newest first, and the pinned last: what moves meanwhile moves to one that was seen.
        let generations: Vec<u32> = self.writer().generations().collect();
        for generation in generations.into_iter().rev().chain([PINNED]) {
            let Some(family) = base.db.cf_handle(&name_of(generation)) else { continue };
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            for record in base.db.iterator_cf_opt(&family, options, IteratorMode::Start) {
                let (key, record) =
                    record.map_err(|error| failed(&self.path, "list its keys", error))?;
                if self.place(&key).is_none_or(|place| place.generation != generation) {
                    continue;
                }
                if let Record::Value(stored, _) = header::read(&key, &record, now(&self.clock))
                    && visit(&key, &stored).is_break()
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn clear(&self) -> Result<u64, DiskError> {
        self.change(|writer, at| writer.clear(at))
    }

    fn flush(&self) -> Result<(), DiskError> {
        self.change(|writer, at| writer.flush(at))
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.change(|writer, at| {
            writer.flush(at)?;
            let synced = at.base.db.flush_wal(true);
            synced.map_err(|error| failed(&self.path, "sync its log", error))
        })
    }

    /// Zero after closing. `live_bytes` counts keys, headers and values before compression,
    /// `index_bytes` the index and the block cache, in which the buffers of `queued_bytes` are.
    fn usage(&self) -> DiskUsage {
        let writer = self.writer();
        let Ok(base) = self.base() else { return DiskUsage::default() };
        let buffers = writer.generations().chain([PINNED]).filter_map(|generation| {
            let family = base.db.cf_handle(&name_of(generation))?;
            let name = rocksdb::properties::CUR_SIZE_ALL_MEM_TABLES;
            base.db.property_int_value_cf(&family, name).ok()?
        });
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        DiskUsage {
            entries: index.len(),
            pinned: index.pinned,
            live_bytes: index.live_bytes,
            file_bytes: bytes_in(&self.path.join("db")),
            max_bytes: writer.max_bytes(),
            index_bytes: index.memory() + base.setup.cache_bytes,
            queued_bytes: buffers.sum(),
            evicted: writer.evicted,
            expired: self.expired.load(Ordering::Relaxed),
            refused: writer.refused,
            corrupt: self.corrupt.load(Ordering::Relaxed),
            written_bytes: writer.written_bytes,
            ..DiskUsage::default()
        }
    }

    fn set_max_bytes(&self, bytes: u64) {
        let bytes = bytes.max(builder::LEAST_BYTES.as_u64());
        // What fails here fails again at the next put, which says so.
        _ = self.change(|writer, at| writer.set_max_bytes(at, bytes));
    }

    fn close(&self) -> Result<CloseReport, DiskError> {
        let start = Instant::now();
        let queued = self.usage().queued_bytes;
        let mut writer = self.writer();
        if let Some(report) = writer.closed {
            return Ok(report);
        }
        let base = self.base()?;
        let at = At { base: &base, index: &self.index, dir: &self.path };
        let entries = self.index.read().unwrap_or_else(PoisonError::into_inner).len();
        let done = writer.flush(at).and_then(|()| set_marker(&self.path, entries));
        let lost_bytes = if done.is_ok() { 0 } else { queued };
        *self.base.write().unwrap_or_else(PoisonError::into_inner) = None;
        // The directory is let go of here, or by the last call that is still reading.
        drop(base);
        let flushed_bytes = queued - lost_bytes;
        let report = CloseReport { entries, flushed_bytes, lost_bytes, took: start.elapsed() };
        writer.closed = Some(report);
        done.map(|()| report)
    }
}

impl Drop for RocksDbStore {
    fn drop(&mut self) {
        // There is nobody to tell; who wants to know closes it.
        _ = self.close();
    }
}

impl fmt::Debug for RocksDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksDbStore").field("path", &self.path).finish_non_exhaustive()
    }
}
