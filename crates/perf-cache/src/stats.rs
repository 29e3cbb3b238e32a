//! What a cache has counted.

pub(crate) use crate::listener::Cause;
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
    /// Invalidations, by kind.
    pub invalidations: InvalidationCounts,
    /// Panics of listeners.
    pub listener_panics: u64,
    /// Entries now, expired ones that nobody has met yet included.
    pub entries: u64,
    /// The sum of their weights; see [`Cache::memory_usage`](crate::Cache::memory_usage).
    pub bytes: ByteSize,
    /// When counting began, on the cache's clock.
    pub since: Instant,
}

impl CacheStats {
    /// Nothing yet.
    #[cfg(feature = "tiered")]
    pub(crate) fn none(since: Instant) -> CacheStats {
        CacheStats { since, ..Counts::new().stats() }
    }

    /// Hits among lookups, `None` before the first.
    #[doc(alias = "hit_rate")]
    #[must_use]
    pub fn hit_ratio(&self) -> Option<Ratio> {
        Ratio::of(self.hits, self.hits.saturating_add(self.misses))
    }
}

/// How often entries were invalidated together, and what was kept out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidationCounts {
    /// By a tag.
    pub tag: u64,
    /// By a namespace.
    pub namespace: u64,
    /// By any other pattern.
    pub pattern: u64,
    /// By a dependency, cascades included.
    pub dependency: u64,
    /// Values that were not taken in because they had been read before an invalidation.
    pub fenced: u64,
    /// Values that were not taken in because there were too many tags in use.
    pub untaggable: u64,
}

impl InvalidationCounts {
    /// Every kind with its name, as in the label `kind` of the signal `invalidations`.
    #[must_use]
    pub const fn by_kind(&self) -> [(&'static str, u64); 4] {
        [
            ("tag", self.tag),
            ("namespace", self.namespace),
            ("pattern", self.pattern),
            ("dependency", self.dependency),
        ]
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
    /// Removed by a caller, by key or by a closure.
    pub removed: u64,
    /// Never got in: heavier than the whole cache may be. These are not counted as insertions.
    pub too_large: u64,
    /// Removed with all others.
    pub cleared: u64,
    /// Met or swept after one of their tags was invalidated.
    pub tag: u64,
    /// Met or swept after a pattern or namespace was invalidated that covers their key.
    pub pattern: u64,
    /// Met or swept after something was invalidated that they depend on.
    pub dependency: u64,
}

impl Evictions {
    /// Adds those of another cache.
    pub(crate) fn add(&mut self, other: &Evictions) {
        let add = |own: &mut u64, more: u64| *own = own.saturating_add(more);
        add(&mut self.size, other.size);
        add(&mut self.expired, other.expired);
        add(&mut self.replaced, other.replaced);
        add(&mut self.removed, other.removed);
        add(&mut self.too_large, other.too_large);
        add(&mut self.cleared, other.cleared);
        add(&mut self.tag, other.tag);
        add(&mut self.pattern, other.pattern);
        add(&mut self.dependency, other.dependency);
    }

    /// Every cause with its name, as in the label `cause` of the signal `evictions`.
    #[must_use]
    pub const fn by_cause(&self) -> [(&'static str, u64); 9] {
        [
            (Cause::Size.name(), self.size),
            (Cause::Expired.name(), self.expired),
            (Cause::Replaced.name(), self.replaced),
            (Cause::Removed.name(), self.removed),
            (Cause::TooLarge.name(), self.too_large),
            (Cause::Cleared.name(), self.cleared),
            (Cause::Tag.name(), self.tag),
            (Cause::Pattern.name(), self.pattern),
            (Cause::Dependency.name(), self.dependency),
        ]
    }
}

/// The counters of a shard: plain numbers, since its lock is held wherever they change.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) insertions: u64,
    /// By [`Cause`].
    pub(crate) evictions: [u64; Cause::ALL.len()],
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
            evictions: [0; Cause::ALL.len()],
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

    /// As callers see them; what is not counted by shards is left at zero.
    pub(crate) fn stats(self) -> CacheStats {
        CacheStats {
            hits: self.hits,
            misses: self.misses,
            insertions: self.insertions,
            evictions: self.evictions(),
            loads: self.loads,
            load_failures: self.load_failures,
            abandoned: self.loading.abandoned,
            refreshes: self.loading.refreshes,
            refreshes_skipped: self.loading.refreshes_skipped,
            stale_served: self.loading.stale_served,
            timed_out: self.loading.timed_out,
            negative_hits: self.loading.negative_hits,
            negatives_dropped: self.loading.negatives_dropped,
            joins: self.joins,
            loading: 0,
            load_duration: self.load_duration,
            invalidations: InvalidationCounts::default(),
            listener_panics: 0,
            entries: 0,
            bytes: ByteSize::from_bytes(0),
            since: Instant::from_nanos(0),
        }
    }

    pub(crate) fn evictions(&self) -> Evictions {
        let of = |cause: Cause| self.evictions[cause as usize];
        Evictions {
            size: of(Cause::Size),
            expired: of(Cause::Expired),
            replaced: of(Cause::Replaced),
            removed: of(Cause::Removed),
            too_large: of(Cause::TooLarge),
            cleared: of(Cause::Cleared),
            tag: of(Cause::Tag),
            pattern: of(Cause::Pattern),
            dependency: of(Cause::Dependency),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_counter() {
        let mut counts = Counts::new();
        for (n, cause) in Cause::ALL.into_iter().enumerate() {
            counts.evictions[cause as usize] += n as u64 + 1;
        }
        let read = counts.evictions().by_cause();
        assert_eq!(read.map(|(_, n)| n), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(read.map(|(name, _)| name), Cause::ALL.map(Cause::name));
    }
}
