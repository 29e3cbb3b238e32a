//! The order of invalidations, and what a read has to remember of it.
//!
//! Every invalidation of a tag, a namespace, a pattern or a dependency takes the next number of the
//! cache, after its caller has changed what the values are made of. Who reads remembers the number
//! that was last before it began: its [`Fence`]. If the fence is below the number of an
//! invalidation, the read may have seen what was there before and its value must not be served; if
//! not, taking the fence has synchronized with taking the number, so the read has seen the change.
//!
//! Removing or inserting a key takes no number: it ends the claims of the reads of that key under
//! the lock of its shard.

use crate::sync::{AtomicU64, Ordering};

/// How many invalidations there have been when a read began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fence(u64);

impl Fence {
    /// Whether what was read behind this fence may be older than that invalidation.
    #[inline]
    pub(crate) const fn is_before(self, invalidation: u64) -> bool {
        self.0 < invalidation
    }
}

/// Counts the invalidations of a cache.
#[derive(Debug)]
pub(crate) struct Sequence(AtomicU64);

impl Sequence {
    pub(crate) fn new() -> Sequence {
        Sequence(AtomicU64::new(0))
    }

    /// For a read that begins now.
    #[inline]
    pub(crate) fn fence(&self) -> Fence {
        // Acquire: what is read from here on is at least as new as the invalidations counted here.
        Fence(self.0.load(Ordering::Acquire))
    }

    /// The number of an invalidation that begins now; the first is 1.
    pub(crate) fn advance(&self) -> u64 {
        self.0.fetch_add(1, Ordering::AcqRel) + 1
    }
}
