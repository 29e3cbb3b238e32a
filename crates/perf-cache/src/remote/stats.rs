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
    /// Values that were not taken because their keys may have changed since they were read at their
    /// source.
    pub overtaken: u64,
    /// Values that were found and belong to a state that the server has lost, or that was cleared.
    pub orphaned: u64,
    /// Times that the state was found to be lost, or useless, and this tier began another.
    pub epochs: u64,
    /// Calls that a node of a cluster sent on to another, and that went there.
    pub redirected: u64,
    /// Times that a cluster was asked which node has what.
    pub maps: u64,
    /// Changes by others that were taken in.
    pub news: u64,
    /// Times that changes were missed that the server does not keep any more.
    pub gaps: u64,
    /// Times that the server went on from another past than it had told of, as a replica does that
    /// was behind.
    pub forks: u64,
    /// Times that all that is near was dropped because changes were missed or the server began anew.
    pub resets: u64,
    /// Times that it was dropped because the server was not heard of for the
    /// [stale window](super::RedisTierBuilder::stale_window).
    pub unheard: u64,
    /// For how long it was not, in milliseconds: up to about 200 where all is well. Zero where nobody
    /// is told of changes.
    pub unheard_for_ms: u64,
    /// Panics of whoever is told of changes, where these were heard of by themselves: they are told
    /// again.
    pub panics: u64,
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
    pub(super) overtaken: Counter,
    pub(super) orphaned: Counter,
    pub(super) epochs: Counter,
    pub(super) redirected: Counter,
    pub(super) maps: Counter,
    pub(super) news: Counter,
    pub(super) gaps: Counter,
    pub(super) forks: Counter,
    pub(super) resets: Counter,
    pub(super) unheard: Counter,
    pub(super) panics: Counter,
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
            overtaken: self.overtaken.get(),
            orphaned: self.orphaned.get(),
            epochs: self.epochs.get(),
            redirected: self.redirected.get(),
            maps: self.maps.get(),
            news: self.news.get(),
            gaps: self.gaps.get(),
            forks: self.forks.get(),
            resets: self.resets.get(),
            unheard: self.unheard.get(),
            unheard_for_ms: 0,
            panics: self.panics.get(),
            idle: idle as u64,
        }
    }
}
