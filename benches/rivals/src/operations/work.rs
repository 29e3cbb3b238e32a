//! What the operations do, which is nothing, and that they have gone.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an operation may fail with.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Does nothing and answers its number.
pub(super) async fn no_op(number: u64) -> u64 {
    black_box(number)
}

/// What an operation that waits has with it: 64 bytes, counted when they are dropped.
pub(super) struct Load {
    number: u64,
    _rest: [u64; 7],
}

impl Load {
    pub(super) fn new(number: u64) -> Load {
        Load { number, _rest: [number; 7] }
    }

    /// How many have been dropped since the program started.
    pub(super) fn dropped() -> u64 {
        DROPPED.load(Ordering::SeqCst)
    }

    /// The operation.
    pub(super) async fn answer(self) -> u64 {
        black_box(self.number)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Relaxed: read only when all is done.
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

static DROPPED: AtomicU64 = AtomicU64::new(0);
