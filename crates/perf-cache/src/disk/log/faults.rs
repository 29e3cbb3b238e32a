//! A switch that makes writes fail, so that tests can see what comes of it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lets a store's writes fail as if the device were full or broken. For tests; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Bytes that may still be written before the device is full, plus one; zero for no end.
    room: Arc<AtomicU64>,
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
