//! What a kind's batches have been like.

use perf_core::Histogram;
use std::time::Duration;

/// What the batches of one kind have been like since it got its handler, or since the statistics were
/// last reset.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct BatchStats {
    /// Batches handed over.
    pub batches: u64,
    /// Items in them. The number per batch is their ratio, [`mean_size`](BatchStats::mean_size).
    pub items: u64,
    /// Batches that were as large, or as heavy, as may be.
    pub by_size: u64,
    /// Batches whose oldest item had waited the window.
    pub by_window: u64,
    /// Batches that did not wait for more: natural ones, and what was left when batching was
    /// disabled.
    pub by_idle: u64,
    /// Batches whose handler gave another number of answers than it got items. All their items
    /// failed.
    pub wrong_answers: u64,
    /// How many items the batches had.
    pub sizes: Histogram,
    /// How long the items waited, in nanoseconds.
    pub wait_duration: Histogram,
}

/// Why a batch did not wait for more items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flushed {
    /// It was as large or as heavy as may be.
    Size,
    /// Its oldest item had waited the window.
    Window,
    /// Nothing told it to wait.
    Idle,
}

impl BatchStats {
    /// How many items a batch had on average.
    #[must_use]
    pub fn mean_size(&self) -> Option<f64> {
        self.sizes.mean()
    }

    /// How many items the largest batch had.
    #[must_use]
    pub fn largest(&self) -> Option<u64> {
        self.sizes.max()
    }

    /// Notes a batch that starts.
    pub(crate) fn record(&mut self, flushed: Flushed, waits: impl Iterator<Item = Duration>) {
        let mut size = 0;
        for wait in waits {
            self.wait_duration.record_duration(wait);
            size += 1;
        }
        self.batches += 1;
        self.items += size;
        self.sizes.record(size);
        match flushed {
            Flushed::Size => self.by_size += 1,
            Flushed::Window => self.by_window += 1,
            Flushed::Idle => self.by_idle += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_reasons_are_counted() {
        let mut stats = BatchStats::default();
        let wait = Duration::from_millis(2);
        stats.record(Flushed::Size, [wait; 4].into_iter());
        stats.record(Flushed::Window, [wait; 1].into_iter());
        stats.record(Flushed::Idle, [wait; 1].into_iter());
        assert_eq!((stats.batches, stats.items), (3, 6));
        assert_eq!((stats.by_size, stats.by_window, stats.by_idle), (1, 1, 1));
        assert_eq!((stats.mean_size(), stats.largest()), (Some(2.0), Some(4)));
        assert_eq!(stats.wait_duration.count(), 6);
    }
}
