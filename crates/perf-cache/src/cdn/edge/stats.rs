//! What a tier over an HTTP store has counted.

use perf_core::Counter;

/// What an [`EdgeStore`](super::EdgeStore) has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EdgeStats {
    /// Calls that the store answered in time with what they asked for, or that it is not there.
    pub answered: u64,
    /// Calls for which it did not answer in time.
    pub timed_out: u64,
    /// Calls for which it could not be reached, or that broke off.
    pub broken: u64,
    /// Answers that were errors.
    pub errors: u64,
    /// Answers that were no values, or not the whole of one.
    pub damaged: u64,
    /// Values that were larger than they may be.
    pub too_large: u64,
    /// Values for which the store had no room.
    pub no_room: u64,
    /// Values that were found and belong to another key of the same hash.
    pub collided: u64,
    /// Values that were found and whose write had been given up.
    pub late: u64,
    /// Writes that were given up and are not remembered any more, because too many were.
    pub forgotten: u64,
    /// Times that all values were to be removed, and the store does not do that.
    pub not_cleared: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) answered: Counter,
    pub(super) timed_out: Counter,
    pub(super) broken: Counter,
    pub(super) errors: Counter,
    pub(super) damaged: Counter,
    pub(super) too_large: Counter,
    pub(super) no_room: Counter,
    pub(super) collided: Counter,
    pub(super) late: Counter,
    pub(super) forgotten: Counter,
    pub(super) not_cleared: Counter,
}

impl Counts {
    pub(super) fn read(&self) -> EdgeStats {
        EdgeStats {
            answered: self.answered.get(),
            timed_out: self.timed_out.get(),
            broken: self.broken.get(),
            errors: self.errors.get(),
            damaged: self.damaged.get(),
            too_large: self.too_large.get(),
            no_room: self.no_room.get(),
            collided: self.collided.get(),
            late: self.late.get(),
            forgotten: self.forgotten.get(),
            not_cleared: self.not_cleared.get(),
        }
    }
}
