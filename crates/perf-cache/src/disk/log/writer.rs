//! The store's thread, which writes while others put, and the end of the store.

use super::Inner;
use super::directory::set_clean_marker;
use super::index::lock;
use crate::disk::{CloseReport, DiskError};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

impl Inner {
    /// Until the store is closed: writes each chunk when it is full, what is open after the flush
    /// interval, syncs, and gives up what has ended.
    ///
    /// This is the one place where time is the system's own: nothing that is answered depends on
    /// it.
    pub(super) fn run(&self) {
        let mut waiting_since: Option<Instant> = None;
        let mut synced_at = Instant::now();
        let mut swept_at = Instant::now();
        loop {
            let head = self.head();
            if head.closed {
                return;
            }
            let failing = head.failing.is_some();
            let interval = if failing { RETRY_INTERVAL } else { self.settings.flush_interval };
            if head.queue.is_empty() || failing {
                if head.queued > 0 {
                    waiting_since.get_or_insert_with(Instant::now);
                } else {
                    waiting_since = None;
                }
                let flush = waiting_since.map(|since| interval.saturating_sub(since.elapsed()));
                let unsynced = self.unsynced.load(Ordering::Relaxed);
                let sync = self.settings.sync_interval.filter(|_| unsynced);
                let sync = sync.map(|interval| interval.saturating_sub(synced_at.elapsed()));
                let sweep = SWEEP_INTERVAL.saturating_sub(swept_at.elapsed());
                let wait = [flush, sync].into_iter().flatten().fold(sweep, Duration::min);
                if !wait.is_zero() {
                    let woken = self.work.wait_timeout(head, wait);
                    drop(woken.unwrap_or_else(PoisonError::into_inner));
                    continue;
                }
            }
            drop(head);
            // A failure is noted where the puts see it, and tried again.
            if waiting_since.is_some_and(|since| since.elapsed() >= interval) {
                waiting_since = None;
                drop(self.flush());
            } else {
                drop(self.write_one(false));
            }
            let unsynced = self.unsynced.load(Ordering::Relaxed);
            if let Some(interval) = self.settings.sync_interval
                && unsynced
                && synced_at.elapsed() >= interval
            {
                drop(self.sync_files());
                synced_at = Instant::now();
            }
            if swept_at.elapsed() >= SWEEP_INTERVAL {
                let mut io = lock(&self.io);
                // The directory may be someone else's after the end.
                if !self.closed.load(Ordering::Acquire) {
                    drop(self.give_up_ended(&mut io));
                }
                drop(io);
                swept_at = Instant::now();
            }
        }
    }

    /// Takes no more, writes all that is queued, and lets go of the directory.
    pub(super) fn close(&self) -> (CloseReport, Result<(), DiskError>) {
        let began = Instant::now();
        let mut head = self.head();
        let queued = head.queued as u64;
        head.closed = true;
        drop(head);
        self.closed.store(true, Ordering::Release);
        self.work.notify_all();
        let outcome = self.seal_all().and_then(|()| self.sync_files());
        let outcome = outcome.and_then(|()| set_clean_marker(&self.dir));
        let lost_bytes = self.head().queued as u64;
        if lost_bytes > 0 {
            self.count_lost();
        }
        let (entries, dead) = self.index.len();
        // Whoever still waits to write must not: the next owner does from here on.
        lock(&self.io).ended = true;
        self.lock.release();
        let report = CloseReport {
            entries: entries - dead,
            flushed_bytes: queued.saturating_sub(lost_bytes),
            lost_bytes,
            took: began.elapsed(),
        };
        (report, outcome)
    }

    /// Writes the last file to its footer. To make room for that may write others again, behind it.
    fn seal_all(&self) -> Result<(), DiskError> {
        loop {
            let mut head = self.head();
            head.seal();
            let position = head.appended;
            drop(head);
            self.write_through(position)?;
            if self.head().active.is_none() {
                return Ok(());
            }
        }
    }

    /// Counts the entries whose bytes never came to their file.
    fn count_lost(&self) {
        for entries in self.index.snapshots() {
            for (hash, _) in entries {
                let Some((place, segment)) = self.index.find(hash, false) else { continue };
                if segment.offset(place) >= segment.written() {
                    super::counts::add(&self.counts.lost, 1);
                }
            }
        }
    }
}

/// How often a write that failed is tried again when nobody puts.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often files are looked for of which all has ended.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use crate::disk::conformance::Scratch;
    use crate::disk::{DiskError, DiskStore, Faults, LogStore, PutTerms};

    /// As one that waited for its bytes to be written while another closed the store.
    #[test]
    fn nothing_is_written_where_the_next_owner_may_be() {
        let dir = Scratch::new("late");
        let faults = Faults::new();
        let store = LogStore::builder(dir.path()).faults(faults.clone()).open().unwrap();
        store.put(b"a", &[1; 1_000], PutTerms::default()).map(drop).unwrap();
        faults.fill_after(0);
        assert!(matches!(store.close(), Err(DiskError::Full { .. })));
        faults.make_room();
        let next = LogStore::builder(dir.path()).open().unwrap();
        assert!(matches!(store.inner.write_one(true), Err(DiskError::Closed)));
        assert_eq!(store.usage().written_bytes, 0);
        next.close().unwrap();
    }
}
