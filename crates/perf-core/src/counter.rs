//! A count that many threads add to.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that many threads add to at once.
#[derive(Debug, Default)]
pub struct Counter {
    total: AtomicU64,
}

impl Counter {
    /// A counter at zero.
    #[must_use]
    pub const fn new() -> Counter {
        Counter { total: AtomicU64::new(0) }
    }

    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`, wrapping at 2^64.
    #[inline]
    pub fn add(&self, n: u64) {
        self.total.fetch_add(n, Ordering::Relaxed);
    }

    /// The sum of what all threads have added.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}
