//! A store in one SQLite file, for those who have SQLite anyway, or want to look inside with its
//! tools.
//!
//! One connection, which has the file to itself, behind one lock: puts gather in an open
//! transaction, which every other call sees, and which is committed when it is large or old, or
//! when something has to last. What makes room is what was put longest ago.

mod base;
mod builder;
mod committer;
mod counts;
mod file;
mod room;

pub use self::builder::SqliteStoreBuilder;

use self::base::{Base, Row};
use self::committer::Committer;
use self::file::is_damage;
use super::{
    CloseReport, DiskError, DiskStore, DiskUsage, OpenReport, Put, PutTerms, RefusedBecause,
    Stored, TryGet,
};
use perf_core::Clock;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, UNIX_EPOCH};

/// A [`DiskStore`] over SQLite.
///
/// A get of a kibibyte takes some 4 µs and a put 10, a tenth of one by itself in SQLite; the file is
/// read by any SQLite. All calls take one lock. On a kill the puts of the last
/// [`commit_after`](SqliteStoreBuilder::commit_after) are lost, and up to a megabyte of them; a
/// power cut may take what came after the last checkpoint or [`sync`](DiskStore::sync).
///
/// A file that SQLite finds damaged is put aside as `store.sqlite.damaged` at once, and the store
/// begins anew with an empty one: all that was there is counted in [`DiskUsage::corrupt`]. If a commit
/// fails, as on a full disk, the puts in it are lost and counted; the removals in it stay in force, and
/// are committed when that can be done again.
///
/// ```
/// use perf_cache::disk::{DiskStore, PutTerms, SqliteStore};
/// use perf_core::ByteSize;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = std::env::temp_dir().join(format!("perf-cache-{}-sqlite", std::process::id()));
/// let store = SqliteStore::builder(&directory).max_bytes(ByteSize::mib(64)).open()?;
/// let _ = store.put(b"key", b"value", PutTerms::default())?;
/// let mut value = Vec::new();
/// assert!(store.get(b"key", &mut value)?.is_some());
/// assert_eq!(value, b"value");
/// store.close()?;
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    path: PathBuf,
    report: OpenReport,
    /// Ends when this is dropped.
    _committer: Committer,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Debug)]
enum State {
    Open(Box<Base>),
    Closed(CloseReport),
}

impl SqliteStore {
    /// A store in this directory, which is made if it is not there.
    pub fn builder(directory: impl Into<PathBuf>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(directory.into())
    }

    /// Does something with the file, which is open.
    fn with<T>(&self, work: impl FnMut(&mut Base) -> Result<T, DiskError>) -> Result<T, DiskError> {
        self.shared.with(work)
    }

    fn now(&self) -> u64 {
        self.shared.now()
    }
}

impl Shared {
    /// Does something with the file, which is open; with an empty one, if SQLite finds that the file
    /// is damaged.
    fn with<T>(
        &self,
        mut work: impl FnMut(&mut Base) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let mut state = self.state();
        let State::Open(base) = &mut *state else { return Err(DiskError::Closed) };
        match work(base) {
            Err(error) if is_damage(&error) => {
                base.begin_anew()?;
                work(base)
            }
            done => done,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked was a visitor, who runs without the lock, or nobody.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since 1970.
    fn now(&self) -> u64 {
        let since = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

impl DiskStore for SqliteStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn open_report(&self) -> OpenReport {
        self.report
    }

    /// SQLite cannot tell: always [`TryGet::WouldBlock`].
    fn try_get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<TryGet, DiskError> {
        self.with(|_| Ok(TryGet::WouldBlock))
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Option<Stored>, DiskError> {
        let now = self.now();
        self.with(|base| base.get(key, now, into))
    }

    fn put(&self, key: &[u8], value: &[u8], terms: PutTerms) -> Result<Put, DiskError> {
        let now = self.now();
        self.with(|base| {
            let because = match base.put(&Row { key, value, terms, written_at: now }, now) {
                Err(DiskError::Full { .. }) if !terms.pinned => Some(RefusedBecause::DiskFull),
                done => done?,
            };
            base.counts.refused += u64::from(because.is_some());
            Ok(because.map_or(Put::Stored, Put::Refused))
        })
    }

    fn remove(&self, key: &[u8]) -> Result<bool, DiskError> {
        let now = self.now();
        self.with(|base| base.remove(key, now))
    }

    fn contains(&self, key: &[u8]) -> Result<bool, DiskError> {
        let now = self.now();
        self.with(|base| base.contains(key, now))
    }

    fn for_each(
        &self,
        visit: &mut dyn FnMut(&[u8], &Stored) -> ControlFlow<()>,
    ) -> Result<(), DiskError> {
        let now = self.now();
        let end = self.with(|base| Ok(base.last_id))?;
        let mut after = 0;
        loop {
            let page = self.with(|base| base.page(after, end))?;
            let Some(&(last, ..)) = page.last() else { return Ok(()) };
            after = last;
            for (_, key, stored) in &page {
                if stored.expires_at > now && visit(key, stored).is_break() {
                    return Ok(());
                }
            }
        }
    }

    fn clear(&self) -> Result<u64, DiskError> {
        let now = self.now();
        self.with(|base| base.clear(now))
    }

    fn flush(&self) -> Result<(), DiskError> {
        let now = self.now();
        self.with(|base| base.commit(now))
    }

    fn sync(&self) -> Result<(), DiskError> {
        let now = self.now();
        self.with(|base| {
            base.commit(now)?;
            base.checkpoint()
        })
    }

    /// Zero after closing. `live_bytes` counts keys and values, `index_bytes` is SQLite's own cache.
    fn usage(&self) -> DiskUsage {
        match &*self.shared.state() {
            State::Open(base) => base.usage(),
            State::Closed(_) => DiskUsage::default(),
        }
    }

    fn set_max_bytes(&self, bytes: u64) {
        let now = self.now();
        // What fails here fails again at the next put, which says so.
        _ = self.with(|base| base.set_max_bytes(bytes, now));
    }

    fn close(&self) -> Result<CloseReport, DiskError> {
        let now = self.now();
        let start = Instant::now();
        let mut state = self.shared.state();
        let base = match &mut *state {
            State::Closed(report) => return Ok(*report),
            State::Open(base) => base,
        };
        let (_, queued) = base.queued();
        let done = base.commit(now).and_then(|()| base.end());
        let lost = if done.is_ok() { 0 } else { queued };
        let report = CloseReport {
            entries: base.usage().entries,
            flushed_bytes: queued - lost,
            lost_bytes: lost,
            took: start.elapsed(),
        };
        *state = State::Closed(report);
        done.map(|()| report)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // There is nobody to tell; who wants to know closes it.
        _ = self.close();
    }
}

#[cfg(test)]
mod tests;
