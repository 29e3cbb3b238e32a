//! What is done with entries.

use super::file::{failed, with_suffix};
use crate::disk::{DiskError, DiskUsage, PutTerms, RefusedBecause, Stored};
use rusqlite::{Connection, OptionalExtension, Params};
use std::fs;
use std::path::{Path, PathBuf};

/// The open file.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) connection: Connection,
    pub(super) file: PathBuf,
    pub(super) max_bytes: u64,
    /// The greatest that was ever given.
    pub(super) last_id: i64,
    /// Puts of the open transaction, and their bytes.
    queued: (u64, u64),
    /// What the counts were when the open transaction began; none is open otherwise.
    before: Option<Counts>,
    owed: Owed,
    pub(super) counts: Counts,
}

/// What there is, exactly, and what has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) entries: u64,
    pub(super) pinned: u64,
    pub(super) live_bytes: u64,
    pub(super) pinned_bytes: u64,
    pub(super) evicted: u64,
    pub(super) expired: u64,
    pub(super) refused: u64,
    pub(super) corrupt: u64,
    pub(super) lost: u64,
    pub(super) written_bytes: u64,
}

/// Removals that are not committed: made again when SQLite takes a transaction back, for what was
/// removed must not come back while the store is open.
#[derive(Debug, Default)]
struct Owed {
    keys: Vec<Vec<u8>>,
    /// All but what is pinned.
    all: bool,
}

/// What is put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) terms: PutTerms,
    pub(super) written_at: u64,
}

/// An entry without its value.
#[derive(Debug)]
pub(super) struct Meta {
    pub(super) id: i64,
    pub(super) stored: Stored,
    pub(super) pinned: bool,
    pub(super) bytes: u64,
}

/// Puts and bytes of a transaction, at most.
const MOST_PUTS: u64 = 512;
const MOST_BYTES: u64 = 1 << 20;
/// Keys remembered for [`Owed`]; beyond, all has to go.
const MOST_OWED: usize = 4096;
/// Entries looked at in one holding of the lock.
pub(super) const AT_ONCE: i64 = 256;
/// What [`Meta::read`] reads.
pub(super) const SELECT_META: &str =
    "SELECT id, expires_at, written_at, pinned, length(key), length(value) FROM entries";
const META_OF_KEY: &str = "SELECT id, expires_at, written_at, pinned, length(key), length(value) \
                           FROM entries WHERE key = ?1";

impl Base {
    pub(super) fn new(connection: Connection, file: &Path, max_bytes: u64) -> Base {
        connection.set_prepared_statement_cache_capacity(32);
        Base {
            connection,
            file: file.to_owned(),
            max_bytes,
            last_id: 0,
            queued: (0, 0),
            before: None,
            owed: Owed::default(),
            counts: Counts::default(),
        }
    }

    pub(super) fn get(
        &mut self,
        key: &[u8],
        now: u64,
        into: &mut Vec<u8>,
    ) -> Result<Option<Stored>, DiskError> {
        let before = into.len();
        let sql = "SELECT id, expires_at, written_at, pinned, length(key), length(value), checksum, \
                   value FROM entries WHERE key = ?1";
        let found = self.connection.prepare_cached(sql).and_then(|mut select| {
            let read = |row: &rusqlite::Row<'_>| {
                into.extend_from_slice(row.get_ref(7)?.as_blob()?);
                Ok((Meta::read(row)?, row.get::<_, u32>(6)?))
            };
            select.query_row([key], read).optional()
        });
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                into.truncate(before);
                return Err(self.failed("read a value", error));
            }
        };
        let Some((meta, checksum)) = found else { return Ok(None) };
        let is_whole = checksum == checksum_of(key, &into[before..]);
        if meta.stored.expires_at > now && is_whole {
            return Ok(Some(meta.stored));
        }
        into.truncate(before);
        self.delete(&meta)?;
        let count = if is_whole { &mut self.counts.expired } else { &mut self.counts.corrupt };
        *count += 1;
        Ok(None)
    }

    pub(super) fn contains(&self, key: &[u8], now: u64) -> Result<bool, DiskError> {
        Ok(self.meta(key)?.is_some_and(|meta| meta.stored.expires_at > now))
    }

    /// Puts a row, or says why it cannot be.
    pub(super) fn put(
        &mut self,
        row: &Row<'_>,
        now: u64,
    ) -> Result<Option<RefusedBecause>, DiskError> {
        let bytes = row.bytes();
        if bytes > self.room() / 4 || row.value.len() > u32::MAX as usize {
            return Ok(Some(RefusedBecause::TooLarge));
        }
        let old = self.meta(row.key)?;
        if row.terms.pinned {
            let old = old.as_ref().filter(|old| old.pinned).map_or(0, |old| old.bytes);
            if bytes > old && self.counts.pinned_bytes.saturating_sub(old) + bytes > self.room() / 4
            {
                return Ok(Some(RefusedBecause::PinnedFull));
            }
        }
        match self.insert(row, old) {
            // The bound on pages, or the device; either way some room may help. What was there may
            // be what went.
            Err(DiskError::Full { .. }) => {
                self.evict_bytes(4 * bytes, now)?;
                let old = self.meta(row.key)?;
                self.insert(row, old)?;
            }
            done => done?,
        }
        let is_due = self.queued.0 >= MOST_PUTS || self.queued.1 >= MOST_BYTES.min(self.room() / 8);
        if row.terms.pinned || is_due {
            self.commit(now)?;
        }
        Ok(None)
    }

    fn insert(&mut self, row: &Row<'_>, old: Option<Meta>) -> Result<(), DiskError> {
        self.begin()?;
        let sql = "INSERT OR REPLACE INTO entries \
                   (id, key, expires_at, written_at, pinned, checksum, value) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let PutTerms { expires_at, pinned } = row.terms;
        let checksum = checksum_of(row.key, row.value);
        let (end, at) = (to_sql(expires_at), to_sql(row.written_at));
        let id = self.last_id + 1;
        self.change(sql, (id, row.key, end, at, pinned, checksum, row.value), "put a value")?;
        self.last_id = id;
        if let Some(old) = old {
            self.count(&old, false);
        }
        let stored = Stored { expires_at, written_at: row.written_at, len: 0 };
        let bytes = row.bytes();
        self.count(&Meta { id, stored, pinned, bytes }, true);
        self.queued = (self.queued.0 + 1, self.queued.1 + bytes);
        self.counts.written_bytes += bytes;
        Ok(())
    }

    /// Removes a key, and returns when that is committed.
    pub(super) fn remove(&mut self, key: &[u8], now: u64) -> Result<bool, DiskError> {
        let was_there = self.take_out(key)?;
        // Even if it was not: what ended it may be of this transaction, and it still in the file.
        self.commit(now)?;
        Ok(was_there.is_some_and(|stored| stored.expires_at > now))
    }

    pub(super) fn take_out(&mut self, key: &[u8]) -> Result<Option<Stored>, DiskError> {
        let Some(meta) = self.meta(key)? else { return Ok(None) };
        if self.owed.keys.len() < MOST_OWED {
            self.owed.keys.push(key.to_owned());
        } else {
            self.owed.all = true;
        }
        self.delete(&meta)?;
        Ok(Some(meta.stored))
    }

    /// Removes all that is not pinned, and returns when that is committed.
    pub(super) fn clear(&mut self, now: u64) -> Result<u64, DiskError> {
        self.begin()?;
        self.owed.all = true;
        let removed = self.delete_all()?;
        self.commit(now)?;
        Ok(removed)
    }

    /// Makes what was put last, and removes what has ended and what is too much.
    pub(super) fn commit(&mut self, now: u64) -> Result<(), DiskError> {
        if self.before.is_some() {
            self.sweep(now)?;
        }
        self.keep_within(now)?;
        if self.before.is_some() {
            self.save_counts()?;
            self.run("COMMIT")?;
            (self.before, self.queued) = (None, (0, 0));
            self.owed = Owed::default();
        }
        Ok(())
    }

    /// Moves what is in the log to the file, and has the device say that it is there.
    pub(super) fn checkpoint(&mut self) -> Result<(), DiskError> {
        self.run_batch(
            "PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE); \
             PRAGMA synchronous = NORMAL;",
        )
    }

    /// The last that is done before closing.
    pub(super) fn end(&mut self) -> Result<(), DiskError> {
        self.run("INSERT OR REPLACE INTO state VALUES ('closed', 1)")?;
        self.checkpoint()
    }

    /// Some entries after one, up to another, that have not ended.
    pub(super) fn page(
        &self,
        after: i64,
        end: i64,
    ) -> Result<Vec<(i64, Vec<u8>, Stored)>, DiskError> {
        let sql = "SELECT id, expires_at, written_at, pinned, length(key), length(value), key \
                   FROM entries WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
        let read = |row: &rusqlite::Row<'_>| {
            let meta = Meta::read(row)?;
            Ok((meta.id, row.get::<_, Vec<u8>>(6)?, meta.stored))
        };
        let page = self.connection.prepare_cached(sql).and_then(|mut select| {
            select.query_map((after, end, AT_ONCE), read)?.collect::<Result<Vec<_>, _>>()
        });
        page.map_err(|error| self.failed("list its keys", error))
    }

    /// Puts and bytes that are not committed.
    pub(super) const fn queued(&self) -> (u64, u64) {
        self.queued
    }

    pub(super) fn usage(&self) -> DiskUsage {
        let Counts { entries, pinned, live_bytes, evicted, expired, refused, corrupt, .. } =
            self.counts;
        let size = |file: &Path| fs::metadata(file).map_or(0, |metadata| metadata.len());
        DiskUsage {
            entries,
            pinned,
            live_bytes,
            file_bytes: size(&self.file) + size(&with_suffix(&self.file, "-wal")),
            max_bytes: self.max_bytes,
            index_bytes: 8 << 20,
            queued_bytes: self.queued.1,
            evicted,
            expired,
            refused,
            corrupt,
            lost: self.counts.lost,
            written_bytes: self.counts.written_bytes,
            ..DiskUsage::default()
        }
    }

    fn meta(&self, key: &[u8]) -> Result<Option<Meta>, DiskError> {
        let found = self.connection.prepare_cached(META_OF_KEY);
        let found = found.and_then(|mut select| select.query_row([key], Meta::read).optional());
        found.map_err(|error| self.failed("look for a key", error))
    }

    pub(super) fn delete(&mut self, meta: &Meta) -> Result<(), DiskError> {
        self.begin()?;
        self.change("DELETE FROM entries WHERE id = ?1", [meta.id], "remove an entry")?;
        self.count(meta, false);
        Ok(())
    }

    fn delete_all(&mut self) -> Result<u64, DiskError> {
        let removed = self.run("DELETE FROM entries WHERE pinned = 0")?;
        self.counts.entries = self.counts.pinned;
        self.counts.live_bytes = self.counts.pinned_bytes;
        Ok(removed)
    }

    fn count(&mut self, meta: &Meta, comes: bool) {
        let counts = &mut self.counts;
        let change = |number: &mut u64, by: u64| {
            *number = if comes { *number + by } else { number.saturating_sub(by) };
        };
        change(&mut counts.entries, 1);
        change(&mut counts.live_bytes, meta.bytes);
        if meta.pinned {
            change(&mut counts.pinned, 1);
            change(&mut counts.pinned_bytes, meta.bytes);
        }
    }

    fn begin(&mut self) -> Result<(), DiskError> {
        if self.before.is_none() {
            self.run("BEGIN IMMEDIATE")?;
            self.before = Some(self.counts);
        }
        Ok(())
    }

    pub(super) fn number(&self, sql: &str) -> Result<Option<i64>, DiskError> {
        let read = |row: &rusqlite::Row<'_>| row.get::<_, Option<i64>>(0);
        let number = self.connection.prepare_cached(sql);
        let number = number.and_then(|mut select| select.query_row((), read).optional());
        Ok(number.map_err(|error| self.failed("read its state", error))?.flatten())
    }

    pub(super) fn run(&mut self, sql: &str) -> Result<u64, DiskError> {
        self.change(sql, (), "change its file")
    }

    pub(super) fn change(
        &mut self,
        sql: &str,
        parameters: impl Params,
        doing: &'static str,
    ) -> Result<u64, DiskError> {
        let changed = self.connection.prepare_cached(sql);
        let changed = changed.and_then(|mut sql| sql.execute(parameters));
        match changed {
            Ok(changed) => Ok(changed as u64),
            Err(error) => {
                self.after_failure();
                Err(self.failed(doing, error))
            }
        }
    }

    pub(super) fn run_batch(&self, sql: &str) -> Result<(), DiskError> {
        self.connection.execute_batch(sql).map_err(|error| self.failed("change its file", error))
    }

    /// SQLite may have taken the whole transaction back, which it does when a commit fails.
    fn after_failure(&mut self) {
        if !self.connection.is_autocommit() {
            return;
        }
        let Some(before) = self.before.take() else { return };
        let Counts { refused, corrupt, lost, .. } = self.counts;
        self.counts = Counts { refused, corrupt, lost: lost + self.queued.0, ..before };
        self.queued = (0, 0);
        let Owed { keys, all } = std::mem::take(&mut self.owed);
        if keys.is_empty() && !all {
            return;
        }
        // In memory only, until a commit succeeds. What fails now is as good as a broken file.
        _ = self.begin().and_then(|()| if all { self.delete_all().map(drop) } else { Ok(()) });
        for key in &keys {
            if let Ok(Some(meta)) = self.meta(key) {
                _ = self.delete(&meta);
            }
        }
        self.owed = Owed { keys, all };
    }

    fn failed(&self, doing: &'static str, error: rusqlite::Error) -> DiskError {
        failed(&self.file, doing, error)
    }
}

impl Row<'_> {
    const fn bytes(&self) -> u64 {
        (self.key.len() + self.value.len()) as u64
    }
}

impl Meta {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Meta> {
        let length = |at| Ok::<u64, rusqlite::Error>(row.get::<_, i64>(at)?.unsigned_abs());
        let (key, value) = (length(4)?, length(5)?);
        let stored = Stored {
            expires_at: from_sql(row.get(1)?),
            written_at: from_sql(row.get(2)?),
            len: u32::try_from(value).unwrap_or(u32::MAX),
        };
        Ok(Meta { id: row.get(0)?, stored, pinned: row.get(3)?, bytes: key + value })
    }
}

/// SQLite's numbers have a sign: what is beyond them is never.
pub(super) fn to_sql(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

fn from_sql(time: i64) -> u64 {
    if time == i64::MAX { PutTerms::NEVER } else { time.unsigned_abs() }
}

fn checksum_of(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}
