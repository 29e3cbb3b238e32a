//! What a tier over a server has counted.

use perf_core::Counter;

/// What a [`RedisTier`](super::RedisTier) has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisStats {
    /// Connections that were made.
    pub connects: u64,
    /// Attempts to connect that failed.
    pub failed_connects: u64,
    /// Calls that found no connection and did not try for one, because that failed just before.
    pub not_tried: u64,
    /// Calls for which the server did not answer in time.
    pub timed_out: u64,
    /// Connections that broke under a call.
    pub broken: u64,
    /// Answers that were errors.
    pub errors: u64,
    /// Values that were larger than they may be.
    pub too_large: u64,
    /// Values that the server did not take because it is out of memory.
    pub out_of_memory: u64,
    /// Values that were found and belong to records that the server has lost.
    pub orphaned: u64,
    /// Times that the records were found to be lost, or were given up by
    /// [`clear`](crate::tiered::OuterTier::clear).
    pub epochs: u64,
    /// Calls that a node of a cluster sent on to another, and that went there.
    pub redirected: u64,
    /// Times that a cluster was asked which node has what.
    pub maps: u64,
    /// Connections that wait for a call.
    pub idle: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connects: Counter,
    pub(super) failed_connects: Counter,
    pub(super) not_tried: Counter,
    pub(super) timed_out: Counter,
    pub(super) broken: Counter,
    pub(super) errors: Counter,
    pub(super) too_large: Counter,
    pub(super) out_of_memory: Counter,
    pub(super) orphaned: Counter,
    pub(super) epochs: Counter,
    pub(super) redirected: Counter,
    pub(super) maps: Counter,
}

impl Counts {
    pub(super) fn read(&self, idle: usize) -> RedisStats {
        RedisStats {
            connects: self.connects.get(),
            failed_connects: self.failed_connects.get(),
            not_tried: self.not_tried.get(),
            timed_out: self.timed_out.get(),
            broken: self.broken.get(),
            errors: self.errors.get(),
            too_large: self.too_large.get(),
            out_of_memory: self.out_of_memory.get(),
            orphaned: self.orphaned.get(),
            epochs: self.epochs.get(),
            redirected: self.redirected.get(),
            maps: self.maps.get(),
            idle: idle as u64,
        }
    }
}
