//! The name of an operation.

use std::fmt;

/// The name of one operation within its manager.
///
/// A place and the number of operations before it, so finding an operation costs one array access,
/// a stale id is told from a fresh one, and ids are in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(u64);

impl OperationId {
    /// No operation's name.
    pub(crate) const NONE: OperationId = OperationId(0);

    /// `number` counts operations from 1.
    pub(crate) const fn new(slot: u32, number: u64) -> OperationId {
        OperationId(number << SLOT_BITS | slot as u64)
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

/// 4 million operations at once, and 2^42 of them before a name can be given out again: fifty days at
/// a million a second, and then only if the place is the same too.
const SLOT_BITS: u32 = 22;
pub(crate) const MAX_SLOTS: usize = 1 << SLOT_BITS;
