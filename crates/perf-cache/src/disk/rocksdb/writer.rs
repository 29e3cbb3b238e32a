//! What writes: one at a time.

use super::header;
use super::index::{Index, PINNED, Place, hash_of};
use super::open::{Base, PARTS, bytes_of, failed, name_of, now};
use crate::disk::{CloseReport, DiskError, PutTerms, RefusedBecause};
use rocksdb::{FlushOptions, WriteBatch, WriteOptions};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

/// The generations, and what is needed to write to them.
#[derive(Debug)]
pub(super) struct Writer {
    /// From the oldest to the last but one, with the bytes of their files.
    older: VecDeque<(u32, u64)>,
    newest: u32,
    /// Bytes put into the newest.
    filled: u64,
    max_bytes: u64,
    record: Vec<u8>,
    pub(super) evicted: u64,
    pub(super) refused: u64,
    pub(super) written_bytes: u64,
    pub(super) closed: Option<CloseReport>,
}

/// What has to be at hand for any change.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) base: &'a Base,
    pub(super) index: &'a RwLock<Index>,
    pub(super) dir: &'a Path,
}

impl At<'_> {
    fn index(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, doing: &'static str) -> impl FnOnce(rocksdb::Error) -> DiskError {
        let dir = self.dir.to_owned();
        move |error| failed(&dir, doing, error)
    }
}

impl Writer {
    pub(super) fn new(generations: &[u32], max_bytes: u64) -> Writer {
        let (newest, older) =
            generations.split_last().map_or((0, &[][..]), |(n, older)| (*n, older));
        Writer {
            older: older.iter().map(|generation| (*generation, 0)).collect(),
            newest,
            filled: 0,
            max_bytes,
            record: Vec::new(),
            evicted: 0,
            refused: 0,
            written_bytes: 0,
            closed: None,
        }
    }

    pub(super) fn put(
        &mut self,
        at: At<'_>,
        key: &[u8],
        value: &[u8],
        terms: PutTerms,
    ) -> Result<Option<RefusedBecause>, DiskError> {
        let bytes = (key.len() + value.len() + header::LEN) as u64;
        if bytes > (self.max_bytes / 4).min(u64::from(u32::MAX / 2)) {
            return Ok(Some(RefusedBecause::TooLarge));
        }
        let hash = hash_of(key);
        let old = at.index().place(hash);
        let was_pinned = old.filter(|old| old.generation == PINNED);
        let pinned_bytes = at.index().pinned_bytes;
        let old = was_pinned.map_or(0, |old| u64::from(old.bytes));
        if terms.pinned && bytes > old && pinned_bytes - old + bytes > self.max_bytes / 4 {
            return Ok(Some(RefusedBecause::PinnedFull));
        }
        self.make_room(at, bytes)?;
        let mut record = std::mem::take(&mut self.record);
        header::write(key, value, terms.expires_at, now(&at.base.setup.clock), &mut record);
        let generation = if terms.pinned { PINNED } else { self.newest };
        let mut batch = WriteBatch::default();
        self.batch_put(at, &mut batch, generation, key, &record);
        if terms.pinned {
            self.delete_from_generations(at, &mut batch, key);
        } else if was_pinned.is_some() {
            delete(at, &mut batch, PINNED, key);
        }
        let mut how = WriteOptions::default();
        // A removal in it has to last, and what takes its place with it.
        how.disable_wal(!terms.pinned && was_pinned.is_none());
        let done = at.base.db.write_opt(batch, &how);
        let place = Place { generation, bytes: bytes_of(key, record.len()) };
        // As large as the largest once was is too much to keep.
        if record.capacity() <= 1 << 20 {
            self.record = record;
        }
        done.map_err(at.failed("put a value"))?;
        at.index().set(hash, place);
        self.filled += bytes;
        self.written_bytes += bytes;
        Ok(None)
    }

    /// Removes a key from wherever it may be, and returns when that is in the log.
    pub(super) fn remove(&mut self, at: At<'_>, key: &[u8]) -> Result<(), DiskError> {
        at.index().forget(hash_of(key));
        let mut batch = WriteBatch::default();
        self.delete_from_generations(at, &mut batch, key);
        delete(at, &mut batch, PINNED, key);
        if batch.is_empty() {
            return Ok(());
        }
        at.base.db.write(batch).map_err(at.failed("remove a key"))
    }

    /// Drops all generations, the oldest first, so that none shows what a newer one hid.
    pub(super) fn clear(&mut self, at: At<'_>) -> Result<u64, DiskError> {
        let removed = at.index().forget_all(|place| place.generation != PINNED);
        self.begin_generation(at, 0)?;
        while let Some((generation, _)) = self.older.pop_front() {
            self.drop_generation(at, generation)?;
        }
        Ok(removed)
    }

    pub(super) fn set_max_bytes(&mut self, at: At<'_>, bytes: u64) -> Result<(), DiskError> {
        self.max_bytes = bytes;
        self.flush(at)?;
        self.measure(at);
        self.make_room(at, 0)
    }

    /// Hands what is in memory to the files.
    pub(super) fn flush(&mut self, at: At<'_>) -> Result<(), DiskError> {
        let all = self.generations().chain([PINNED]).map(name_of);
        let families: Vec<_> = all.filter_map(|name| at.base.db.cf_handle(&name)).collect();
        let families: Vec<_> = families.iter().collect();
        let flushed = at.base.db.flush_cfs_opt(&families, &FlushOptions::default());
        flushed.map_err(at.failed("write its buffers"))
    }

    pub(super) fn generations(&self) -> impl Iterator<Item = u32> + use<> {
        let all: Vec<u32> = self.older.iter().map(|(generation, _)| *generation).collect();
        all.into_iter().chain([self.newest])
    }

    pub(super) const fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// The bytes of the files of a generation, as RocksDB knows them.
    pub(super) fn size(at: At<'_>, generation: u32) -> u64 {
        let Some(family) = at.base.db.cf_handle(&name_of(generation)) else { return 0 };
        let [tables, blobs] = [c"rocksdb.total-sst-files-size", c"rocksdb.total-blob-file-size"]
            .map(|name| at.base.db.property_int_value_cf(&family, name).ok().flatten());
        tables.unwrap_or(0) + blobs.unwrap_or(0)
    }

    pub(super) fn measure(&mut self, at: At<'_>) {
        for (generation, bytes) in &mut self.older {
            *bytes = Writer::size(at, *generation);
        }
        self.filled = Writer::size(at, self.newest);
    }

    /// Begins a generation if the newest is full, and drops the oldest until the bytes fit. An
    /// eighth stays free for the log, the list of files, and what compaction writes anew.
    fn make_room(&mut self, at: At<'_>, bytes: u64) -> Result<(), DiskError> {
        let share = self.max_bytes / PARTS;
        if self.filled >= share {
            if let Some(family) = at.base.db.cf_handle(&name_of(self.newest)) {
                at.base.db.flush_cf(&family).map_err(at.failed("write its buffers"))?;
            }
            // What was put again and again, or is compressed, takes less than was put.
            self.measure(at);
            if self.filled >= share / 2 {
                self.begin_generation(at, self.filled)?;
            }
        }
        let most = self.max_bytes / 8 * 7;
        loop {
            let older: u64 = self.older.iter().map(|(_, bytes)| bytes).sum();
            let pinned = at.index().pinned_bytes;
            if older + self.filled + pinned + bytes <= most {
                return Ok(());
            }
            if self.older.is_empty() {
                if self.filled == 0 {
                    return Ok(());
                }
                self.begin_generation(at, self.filled)?;
            }
            if let Some((oldest, _)) = self.older.pop_front() {
                self.evicted += at.index().forget_all(|place| place.generation == oldest);
                self.drop_generation(at, oldest)?;
            }
        }
    }

    fn begin_generation(&mut self, at: At<'_>, bytes: u64) -> Result<(), DiskError> {
        // Never one that was: a log from then may still speak of it. They last for 200 years at
        // one a second.
        let next = self.newest + 1;
        let made = at.base.db.create_cf(name_of(next), &at.base.options);
        made.map_err(at.failed("begin a generation"))?;
        self.older.push_back((self.newest, bytes));
        (self.newest, self.filled) = (next, 0);
        Ok(())
    }

    fn drop_generation(&mut self, at: At<'_>, generation: u32) -> Result<(), DiskError> {
        let dropped = at.base.db.drop_cf(&name_of(generation));
        dropped.map_err(at.failed("drop a generation"))
    }

    fn batch_put(
        &self,
        at: At<'_>,
        batch: &mut WriteBatch,
        generation: u32,
        key: &[u8],
        record: &[u8],
    ) {
        if let Some(family) = at.base.db.cf_handle(&name_of(generation)) {
            batch.put_cf(&family, key, record);
        }
    }

    fn delete_from_generations(&self, at: At<'_>, batch: &mut WriteBatch, key: &[u8]) {
        for generation in self.generations() {
            delete(at, batch, generation, key);
        }
    }
}

/// Where the key may be, the filters say.
fn delete(at: At<'_>, batch: &mut WriteBatch, generation: u32, key: &[u8]) {
    if let Some(family) = at.base.db.cf_handle(&name_of(generation))
        && at.base.db.key_may_exist_cf(&family, key)
    {
        batch.delete_cf(&family, key);
    }
}
