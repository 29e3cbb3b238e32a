//! What a store counts.

use super::Inner;
use crate::disk::DiskUsage;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) evicted: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) reinserted: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) corrupt: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) sync_failures: AtomicU64,
}

/// Relaxed: nothing else depends on a count.
pub(super) fn add(count: &AtomicU64, by: u64) {
    count.fetch_add(by, Ordering::Relaxed);
}

impl Inner {
    pub(super) fn usage(&self) -> DiskUsage {
        let head = self.head();
        let (mut live_bytes, mut pinned) = (0, 0);
        for segment in &head.segments {
            live_bytes += segment.live().1;
            pinned += segment.pinned().0;
        }
        let queued_bytes = (head.queued + head.spare_bytes()) as u64;
        drop(head);
        let (entries, dead) = self.index.len();
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DiskUsage {
            entries: entries - dead,
            pinned,
            live_bytes,
            file_bytes: read(&self.file_bytes),
            max_bytes: self.max_bytes(),
            index_bytes: self.index.bytes(),
            queued_bytes,
            evicted: read(&self.counts.evicted),
            expired: read(&self.counts.expired),
            reinserted: read(&self.counts.reinserted),
            refused: read(&self.counts.refused),
            corrupt: read(&self.counts.corrupt),
            lost: read(&self.counts.lost),
            written_bytes: read(&self.counts.written_bytes),
            sync_failures: read(&self.counts.sync_failures),
        }
    }
}
