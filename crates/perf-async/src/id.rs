//! The name of an operation.

use std::fmt;

/// The name of one operation within its manager.
///
/// An index and the number of times its place has been used, so finding an operation costs one
/// array access and a stale id is told from a fresh one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(u64);

impl OperationId {
    pub(crate) const fn new(slot: u32, generation: u64) -> OperationId {
        OperationId(generation << SLOT_BITS | slot as u64)
    }

    pub(crate) const fn slot(self) -> u32 {
        (self.0 & (MAX_SLOTS as u64 - 1)) as u32
    }

    /// The id as a number, for logs and for other processes.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The id that [`as_u64`](OperationId::as_u64) gave.
    #[must_use]
    pub const fn from_u64(id: u64) -> OperationId {
        OperationId(id)
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// 16 million operations at once, and 2^40 uses of each place: twelve days at a million a second.
const SLOT_BITS: u32 = 24;
pub(crate) const MAX_SLOTS: usize = 1 << SLOT_BITS;
