//! What a cache has counted.

use crate::loading::LoadCounts;
use perf_core::{ByteSize, Histogram, Instant, Ratio};

/// What a cache has counted since [`since`](CacheStats::since), and what it holds now.
///
/// The counters of the shards are read one after the other: a call that runs meanwhile may be in
/// one figure and not yet in another.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Lookups that found a value.
    pub hits: u64,
    /// Lookups that found none, or an expired one.
    pub misses: u64,
    /// Values taken in.
    pub insertions: u64,
    /// Entries that left, by cause.
    pub evictions: Evictions,
    /// Loaders that ended, in whatever way.
    pub loads: u64,
    /// Those of them that failed: an error, a panic, a cancelled future.
    pub load_failures: u64,
    /// Those of the failed that did not come to their end: a panic, a cancelled future.
    pub abandoned: u64,
    /// Those of the loads that renewed a value which could still be answered.
    pub refreshes: u64,
    /// Refreshes that were due and not begun, for want of a place among the
    /// [background loads](crate::CacheBuilder::max_background_loads).
    pub refreshes_skipped: u64,
    /// Values answered after their time to live, because loading them anew failed or took too long.
    pub stale_served: u64,
    /// Callers whose time was up before the load that they waited for came to its end.
    pub timed_out: u64,
    /// Lookups answered by the remembered failure of an earlier load.
    pub negative_hits: u64,
    /// Failures that were forgotten before their time, to make room for others.
    pub negatives_dropped: u64,
    /// Lookups that found none and waited for the load of another caller.
    pub joins: u64,
    /// Loaders that run now.
    pub loading: u64,
    /// How long loaders ran that gave a value or an error, in nanoseconds.
    pub load_duration: Histogram,
    /// Entries now, expired ones that nobody has met yet included.
    pub entries: u64,
    /// The sum of their weights; see [`Cache::memory_usage`](crate::Cache::memory_usage).
    pub bytes: ByteSize,
    /// When counting began, on the cache's clock.
    pub since: Instant,
}

impl CacheStats {
    /// Hits among lookups, `None` before the first.
    #[doc(alias = "hit_rate")]
    #[must_use]
    pub fn hit_ratio(&self) -> Option<Ratio> {
        Ratio::of(self.hits, self.hits.saturating_add(self.misses))
    }
}

/// How many entries left a cache, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evictions {
    /// Made room for another.
    pub size: u64,
    /// Met after their time to live.
    pub expired: u64,
    /// Made way for a new value of the same key.
    pub replaced: u64,
    /// Removed by a caller, one by one or all at once.
    pub removed: u64,
    /// Never got in: heavier than the whole cache may be. These are not counted as insertions.
    pub too_large: u64,
}

impl Evictions {
    /// Every cause with its name, as in the label `cause` of the signal `evictions`.
    #[must_use]
    pub const fn by_cause(&self) -> [(&'static str, u64); 5] {
        [
            ("size", self.size),
            ("expired", self.expired),
            ("replaced", self.replaced),
            ("removed", self.removed),
            ("too_large", self.too_large),
        ]
    }
}

/// Why an entry leaves: the index of its counter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    Size,
    Expired,
    Replaced,
    Removed,
    TooLarge,
}

/// The counters of a shard: plain numbers, since its lock is held wherever they change.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) insertions: u64,
    pub(crate) evictions: [u64; 5],
    pub(crate) loads: u64,
    pub(crate) load_failures: u64,
    pub(crate) joins: u64,
    pub(crate) load_duration: Histogram,
    pub(crate) loading: LoadCounts,
}

impl Counts {
    pub(crate) const fn new() -> Counts {
        Counts {
            hits: 0,
            misses: 0,
            insertions: 0,
            evictions: [0; 5],
            loads: 0,
            load_failures: 0,
            joins: 0,
            load_duration: Histogram::new(),
            loading: LoadCounts::new(),
        }
    }

    /// Adds what another shard has counted.
    pub(crate) fn merge(&mut self, other: &Counts) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.insertions += other.insertions;
        for (sum, n) in self.evictions.iter_mut().zip(other.evictions) {
            *sum += n;
        }
        self.loads += other.loads;
        self.load_failures += other.load_failures;
        self.joins += other.joins;
        self.load_duration.merge(&other.load_duration);
        self.loading.merge(&other.loading);
    }

    pub(crate) fn evictions(&self) -> Evictions {
        let of = |cause: Cause| self.evictions[cause as usize];
        Evictions {
            size: of(Cause::Size),
            expired: of(Cause::Expired),
            replaced: of(Cause::Replaced),
            removed: of(Cause::Removed),
            too_large: of(Cause::TooLarge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_counter() {
        let mut counts = Counts::new();
        let causes =
            [Cause::Size, Cause::Expired, Cause::Replaced, Cause::Removed, Cause::TooLarge];
        for (n, cause) in causes.into_iter().enumerate() {
            counts.evictions[cause as usize] += n as u64 + 1;
        }
        let read: Vec<_> = counts.evictions().by_cause().iter().map(|(_, n)| *n).collect();
        assert_eq!(read, [1, 2, 3, 4, 5]);
    }
}
