//! What a purger has counted.

use perf_core::{Counter, StripedHistogram};
use std::time::Duration;

/// What a [`Purger`](super::Purger) has counted since it was made, and what waits just now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgerStats {
    /// Items that were asked for and not refused.
    pub queued: u64,
    /// Items that the service has taken.
    pub sent: u64,
    /// Calls that it has taken.
    pub calls: u64,
    /// Items that something else did which waited with them.
    pub coalesced: u64,
    /// Items that something wider was purged for, since the service knows no such kind.
    pub widened: u64,
    /// Items for which all was purged, since more would have waited than may.
    pub collapsed: u64,
    /// Calls that failed and were made again.
    pub retried: u64,
    /// Items that were not queued: invalid, unsupported, or the purger was closed.
    pub refused: u64,
    /// Items that the service has rejected for good.
    pub rejected: u64,
    /// Items that were given up: no room for them, too old, or the purger ended. The service may
    /// keep what they would have ended.
    pub lost: u64,
    /// Items that wait or are on their way.
    pub waiting: u64,
    /// How long the oldest of them has.
    pub lag: Duration,
    /// Why the last call that failed did; `None` once a later one has not.
    pub last_error: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) queued: Counter,
    pub(super) sent: Counter,
    pub(super) calls: Counter,
    pub(super) coalesced: Counter,
    pub(super) widened: Counter,
    pub(super) collapsed: Counter,
    pub(super) retried: Counter,
    pub(super) refused: Counter,
    pub(super) rejected: Counter,
    pub(super) lost: Counter,
    /// From when an item was asked for until the service had taken it.
    pub(super) delay: StripedHistogram,
}

impl Counts {
    pub(super) fn read(&self) -> PurgerStats {
        PurgerStats {
            queued: self.queued.get(),
            sent: self.sent.get(),
            calls: self.calls.get(),
            coalesced: self.coalesced.get(),
            widened: self.widened.get(),
            collapsed: self.collapsed.get(),
            retried: self.retried.get(),
            refused: self.refused.get(),
            rejected: self.rejected.get(),
            lost: self.lost.get(),
            ..PurgerStats::default()
        }
    }
}
