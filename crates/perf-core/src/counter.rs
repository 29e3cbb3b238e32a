//! A count that many threads add to.

use crate::stripe::{Padded, Stripes};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A count that many threads add to at once without slowing each other down.
///
/// Each thread adds to a cache line of its own; [`get`](Counter::get) sums them. About 190 bytes,
/// and 128 more for each thread that adds.
///
/// ```
/// use perf_core::Counter;
/// static REQUESTS: Counter = Counter::new();
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| REQUESTS.increment());
///     }
/// });
/// assert_eq!(REQUESTS.get(), 4);
/// ```
#[derive(Default)]
pub struct Counter {
    stripes: Stripes<Padded<AtomicU64>>,
    /// What threads without a stripe have added.
    shared: AtomicU64,
}

impl Counter {
    /// A counter at zero. Allocates nothing.
    #[must_use]
    pub const fn new() -> Counter {
        Counter { stripes: Stripes::new(), shared: AtomicU64::new(0) }
    }

    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`, wrapping at 2^64.
    #[inline]
    pub fn add(&self, n: u64) {
        // Relaxed: nothing else is read on the strength of a count, and only this thread writes its
        // stripe, so no addition can fall between the load and the store.
        match self.stripes.own() {
            Some(Padded(own)) => {
                own.store(own.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
            }
            None => {
                self.shared.fetch_add(n, Ordering::Relaxed);
            }
        }
    }

    /// The sum of what all threads have added.
    ///
    /// Holds every addition that happened before this call, perhaps some that are going on, and
    /// never less than an earlier call of the same thread answered. O(threads).
    #[must_use]
    pub fn get(&self) -> u64 {
        self.stripes.iter().fold(self.shared.load(Ordering::Relaxed), |sum, Padded(stripe)| {
            sum.wrapping_add(stripe.load(Ordering::Relaxed))
        })
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counter").field(&self.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_add_up_and_wrap() {
        let counter = Counter::new();
        counter.increment();
        counter.add(41);
        assert_eq!(counter.get(), 42);
        counter.add(u64::MAX);
        assert_eq!(counter.get(), 41);
        assert_eq!(format!("{counter:?}"), "Counter(41)");
    }
}
