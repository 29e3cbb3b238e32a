//! A switch that makes writes and syncs fail, so that tests can see what comes of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lets a store's writes fail as if the device were full or broken. For tests; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Bytes that may still be written before the device is full, plus one; zero for no end.
    room: Arc<AtomicU64>,
    /// Syncs that are to fail.
    syncs: Arc<AtomicU64>,
}

impl Faults {
    /// None, for now.
    #[must_use]
    pub fn new() -> Faults {
        Faults::default()
    }

    /// After that many more bytes the device is full, in the middle of a write if it so falls.
    pub fn fill_after(&self, bytes: u64) {
        self.room.store(bytes.saturating_add(1), Ordering::SeqCst);
    }

    /// There is room again.
    pub fn make_room(&self) {
        self.room.store(0, Ordering::SeqCst);
    }

    /// That many syncs fail from now on, as where the device does not take what was written.
    pub fn fail_syncs(&self, count: u64) {
        self.syncs.store(count, Ordering::SeqCst);
    }

    /// Whether the device is to be asked to keep something.
    pub(super) fn admit_sync(&self) -> io::Result<()> {
        let fails = |count: u64| count.checked_sub(1);
        match self.syncs.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails) {
            Ok(_) => Err(io::Error::other("a sync was made to fail")),
            Err(_) => Ok(()),
        }
    }

    /// How many of that many bytes may be written.
    pub(super) fn admit(&self, bytes: usize) -> io::Result<usize> {
        // Relaxed: one writer asks at a time; a test that sets it does so before it writes.
        let room = self.room.load(Ordering::Relaxed);
        if room == 0 {
            return Ok(bytes);
        }
        let admitted = bytes.min(usize::try_from(room - 1).unwrap_or(usize::MAX));
        if admitted == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.store(room - admitted as u64, Ordering::Relaxed);
        Ok(admitted)
    }
}
