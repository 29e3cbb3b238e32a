//! What is kept for a key.

use crate::expiry::{Life, NEVER};
use crate::invalidation::Marks;
use crate::metadata::Usage;
use crate::stats::Cause;
use crate::sync::{AtomicU64, Ordering};

/// A key, its value, and what a reader must know of them.
///
/// Once it is in, only what is atomic in it changes; a new value is a new entry.
#[derive(Debug)]
pub(crate) struct Entry<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    /// From when on a reader must look closer, in nanoseconds of the cache's clock; [`NEVER`] for
    /// entries that nothing happens to.
    pub(crate) look_at: AtomicU64,
    /// Absent where [`look_at`](Entry::look_at) says it all.
    pub(crate) extra: Option<Box<Extra>>,
}

/// What only some entries have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) life: Life,
    pub(crate) marks: Marks,
    pub(crate) usage: Usage,
}

impl<K, V> Entry<K, V> {
    /// An entry that never expires and asks for nothing.
    #[cfg(test)]
    pub(crate) fn plain(key: K, value: V) -> Entry<K, V> {
        Entry { key, value, look_at: AtomicU64::new(NEVER), extra: None }
    }

    /// Whether nothing is to be known of it but its key and value. What is not plain when it comes in
    /// never becomes so, and the other way round.
    pub(crate) fn is_plain(&self) -> bool {
        self.extra.is_none() && self.look_at() == NEVER
    }

    /// What its tags say it died of, if they do.
    #[inline]
    pub(crate) fn why_marked(&self) -> Option<Cause> {
        self.extra.as_ref().and_then(|extra| extra.marks.dead())
    }

    #[inline]
    pub(crate) fn look_at(&self) -> u64 {
        // Relaxed: a reader that sees an older instant looks closer once too often or a moment
        // later; what it finds then is ordered by whoever keeps it.
        self.look_at.load(Ordering::Relaxed)
    }
}
