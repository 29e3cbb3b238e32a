//! What a store tells of itself.

use std::time::Duration;

/// What opening a store found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Entries that are there again.
    pub recovered: u64,
    /// Records that were found damaged or cut off, and entries that had expired.
    pub dropped: u64,
    /// Bytes in which no record was found, or a damaged one.
    pub corrupt_bytes: u64,
    /// How long it took.
    pub took: Duration,
    /// Whether it was closed before, or is new. If not, its process died, and what was queued is
    /// lost.
    pub clean_shutdown: bool,
}

/// What closing a store did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// Entries that are there for the next time.
    pub entries: u64,
    /// Bytes that were still queued and have been written.
    pub flushed_bytes: u64,
    /// Bytes that were still queued and could not be written, so that what they hold is lost.
    pub lost_bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// What a store holds and uses at one moment, and what it has counted since it was opened.
///
/// A store that cannot tell a figure cheaply answers an estimate, or zero, and says which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskUsage {
    /// Keys that are there, with those that have ended and were not noticed yet.
    pub entries: u64,
    /// Those of them that are pinned.
    pub pinned: u64,
    /// Bytes on disk of what is there.
    pub live_bytes: u64,
    /// Bytes of all files, with what is no longer needed.
    pub file_bytes: u64,
    /// The bound on `file_bytes`.
    pub max_bytes: u64,
    /// Bytes of memory for the index.
    pub index_bytes: u64,
    /// Bytes of memory in the queue, and in buffers kept for it.
    pub queued_bytes: u64,
    /// Entries that made room for others.
    pub evicted: u64,
    /// Entries that were found to have ended.
    pub expired: u64,
    /// Entries that were written again since they were used, instead of being evicted.
    pub reinserted: u64,
    /// Puts that were refused, for whatever reason.
    pub refused: u64,
    /// Entries that were dropped since their bytes are not those written.
    pub corrupt: u64,
    /// Entries that had been taken and were dropped since the device failed.
    pub lost: u64,
    /// Bytes handed to the system: with what was put, this tells how often each byte is written.
    pub written_bytes: u64,
    /// Times that the device did not keep what it was asked to; told by the log store alone.
    pub sync_failures: u64,
}
