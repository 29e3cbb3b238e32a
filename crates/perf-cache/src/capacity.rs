//! How much a cache may hold.

use perf_core::ByteSize;

/// The bounds of a cache: entries, bytes, or both.
///
/// ```
/// use perf_cache::Capacity;
/// use perf_core::ByteSize;
/// let capacity = Capacity::bytes(ByteSize::mib(256));
/// assert_eq!((capacity.entries, capacity.bytes), (None, Some(ByteSize::mib(256))));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// At most so many entries.
    pub entries: Option<u64>,
    /// At most so many bytes, as the weigher counts them.
    pub bytes: Option<ByteSize>,
}

impl Capacity {
    /// A bound on the number of entries.
    #[must_use]
    pub const fn entries(entries: u64) -> Capacity {
        Capacity { entries: Some(entries), bytes: None }
    }

    /// A bound on the sum of weights.
    #[must_use]
    pub const fn bytes(bytes: ByteSize) -> Capacity {
        Capacity { entries: None, bytes: Some(bytes) }
    }
}
