//! What is known of one entry beside its value.

use std::sync::atomic::{AtomicU64, Ordering};

/// What an entry tells of its use, where that is tracked or asked for.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// When it came in, in nanoseconds of the clock; zero where that is not tracked.
    created: u64,
    hits: AtomicU64,
    compressed: bool,
}

impl Usage {
    pub(crate) const fn new(created: u64, compressed: bool) -> Usage {
        Usage { created, hits: AtomicU64::new(0), compressed }
    }

    /// Counts a hit where entries are tracked.
    pub(crate) fn note_hit(&self) {
        if self.created != 0 {
            // Relaxed: a count, on which nothing else depends.
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// When it came in and how often it was hit, where that is tracked.
    pub(crate) fn tracked(&self) -> Option<(u64, u64)> {
        (self.created != 0).then(|| (self.created, self.hits.load(Ordering::Relaxed)))
    }

    pub(crate) const fn is_compressed(&self) -> bool {
        self.compressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_tracked_is_counted() {
        let (plain, tracked) = (Usage::default(), Usage::new(5, true));
        plain.note_hit();
        tracked.note_hit();
        assert_eq!((plain.tracked(), plain.is_compressed()), (None, false));
        assert_eq!((tracked.tracked(), tracked.is_compressed()), (Some((5, 1)), true));
    }
}
