//! What a tiered cache has counted, and what it was worth.

use super::TieredCache;
use super::close::{Lost, lost};
use super::held::Sealer;
use super::inner::Core;
use super::news::NewsCounts;
use super::outer::Outer;
use super::outside::Outside;
use super::promise::lock;
use super::shared::Since;
use super::tier::TierUsage;
use crate::codec::CodecStats;
use crate::{CacheStats, Evictions};
use perf_core::{ByteSize, Histogram, Instant, Ratio};
use perf_guard::BreakerState;
use std::sync::{Arc, Mutex};

/// What a tiered cache has counted since [`since`](TieredStats::since), and what it holds now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TieredStats {
    /// Lookups that found a value in some tier.
    pub hits: u64,
    /// Lookups that found none in any, those included that waited for another's load.
    pub misses: u64,
    /// Loaders that ended, in whatever way.
    pub loads: u64,
    /// Those of them that gave no value: an error, a panic, a cancelled future.
    pub load_failures: u64,
    /// How long loaders ran that came to their end, in nanoseconds.
    pub load_duration: Histogram,
    /// Lookups that waited for what another caller was looking for or loading.
    pub joins: u64,
    /// Old values answered because loading them anew failed or took too long.
    pub stale_served: u64,
    /// The memory tier, if there is one. Its `loads` are those of tiers and loaders together.
    pub memory: Option<CacheStats>,
    /// The tiers beyond it, the nearest first.
    pub tiers: Vec<TierStats>,
    /// Values that never reached a tier, since the cache was built.
    pub lost: Vec<Lost>,
    /// Bytes of values on their way to tiers.
    pub waiting_bytes: u64,
    /// Removals that could not be made yet.
    pub parked: u64,
    /// Times that so many removals could not be made that everything beyond memory was given up.
    pub given_up: u64,
    /// Reads for which there was no thread.
    pub busy: u64,
    /// What goes on with the tier that other processes use as well, if there is one.
    pub shared: Option<SharedStats>,
    /// What was made bytes and values of, since the cache was built.
    pub codec: Option<CodecStats>,
    /// How long it took to encode, compress and encrypt a value, in nanoseconds: of one in eight of
    /// each thread.
    pub seal_duration: Histogram,
    /// The same for making a value of bytes.
    pub open_duration: Histogram,
    /// When counting began, on the cache's clock.
    pub since: Instant,
}

impl TieredStats {
    /// Hits among lookups, `None` before the first.
    #[doc(alias = "hit_rate")]
    #[must_use]
    pub fn hit_ratio(&self) -> Option<Ratio> {
        Ratio::of(self.hits, self.hits.saturating_add(self.misses))
    }
}

/// What goes on with a tier that other processes use as well, since the cache was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedStats {
    /// The last change that was taken in.
    pub since: Since,
    /// Changes that others made and that were taken in.
    pub changes: u64,
    /// Times that everything near was dropped, since nobody knew what had changed.
    pub doubts: u64,
    /// Times that memory was looked through for a key that was told as bytes.
    pub scans: u64,
    /// Invalidations that the others were told of.
    pub announced: u64,
    /// Attempts at that which failed.
    pub announce_failures: u64,
    /// Invalidations that the others are not told of yet.
    pub unannounced: u64,
    /// Those that were given up for one that ends everything, since too many waited.
    pub announce_given_up: u64,
    /// Loads that another process was to make, by its [lease](super::TieredCacheBuilder).
    pub leases_taken: u64,
    /// Those of them whose value came, so that it was not loaded here.
    pub loads_spared: u64,
    /// Panics of keys, values and listeners when changes were taken in.
    pub panics: u64,
    /// Tags and dependencies of which it is known when they were invalidated in the tier.
    pub tags: u64,
    /// The same for patterns and namespaces.
    pub patterns: u64,
}

/// What one tier beyond memory has counted, and what it holds now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TierStats {
    /// What it is called.
    pub name: &'static str,
    /// Lookups that found a value in it.
    pub hits: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// Calls that went by it while its breaker was open.
    pub passed_by: u64,
    /// Reads that needed a thread that may wait.
    pub waited: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls whose deadline passed.
    pub timed_out: u64,
    /// Values that could not be opened; each is a miss.
    pub undecodable: u64,
    /// Values that had been invalidated or had ended; each is a miss.
    pub outdated: u64,
    /// Values that it took.
    pub puts: u64,
    /// Bytes of these.
    pub put_bytes: u64,
    /// Removals.
    pub removals: u64,
    /// Values that were not stored since another process had changed the key after they were read.
    pub overtaken: u64,
    /// Values that made way for later ones of the same key before they were written.
    pub coalesced: u64,
    /// Values that it took over when memory let go of them.
    pub overflowed: u64,
    /// How long it took to find a value, in nanoseconds: of one lookup in eight of each thread, and
    /// of all that had to wait.
    pub retrieval: Histogram,
    /// What it holds.
    pub usage: TierUsage,
    /// The state of its circuit breakers, the worse of the two.
    pub breaker: BreakerState,
}

impl TierStats {
    /// Hits among lookups that came to this tier, `None` before the first.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<Ratio> {
        Ratio::of(self.hits, self.hits.saturating_add(self.misses))
    }
}

/// What had been counted when statistics were last reset.
#[derive(Debug)]
pub(super) struct Baseline(Mutex<Before>);

#[derive(Debug)]
struct Before {
    since: Instant,
    tiers: Vec<TierStats>,
    loads: u64,
    load_failures: u64,
    load_duration: Histogram,
    seal_duration: Histogram,
    open_duration: Histogram,
    busy: u64,
}

impl Baseline {
    pub(super) fn new(outside: &Outside, now: Instant) -> Baseline {
        let before = Before {
            since: now,
            tiers: outside.outers.iter().map(read).collect(),
            loads: 0,
            load_failures: 0,
            load_duration: Histogram::new(),
            seal_duration: Histogram::new(),
            open_duration: Histogram::new(),
            busy: 0,
        };
        Baseline(Mutex::new(before))
    }
}

fn read(outer: &Outer) -> TierStats {
    let counts = &outer.counts;
    TierStats {
        name: outer.name(),
        hits: counts.hits.get(),
        misses: counts.misses.get(),
        passed_by: counts.passed_by.get(),
        waited: counts.waited.get(),
        failed: counts.failed.get(),
        timed_out: counts.timed_out.get(),
        undecodable: counts.undecodable.get(),
        outdated: counts.outdated.get(),
        puts: counts.puts.get(),
        put_bytes: counts.put_bytes.get(),
        removals: counts.removals.get(),
        overtaken: counts.overtaken.get(),
        coalesced: counts.coalesced.get(),
        overflowed: counts.overflowed.get(),
        retrieval: counts.retrieval.snapshot(),
        usage: outer.tier.usage(),
        breaker: outer.breaker(),
    }
}

impl TierStats {
    /// As those of a cache, as far as a tier has the same figures.
    pub(crate) fn as_cache_stats(&self, since: Instant) -> CacheStats {
        let TierUsage { entries, bytes, evicted, expired, .. } = self.usage;
        CacheStats {
            hits: self.hits,
            misses: self.misses,
            insertions: self.puts,
            evictions: Evictions {
                size: evicted,
                expired,
                removed: self.removals,
                ..Evictions::default()
            },
            entries,
            bytes: ByteSize::from_bytes(bytes),
            ..CacheStats::none(since)
        }
    }

    fn minus(mut self, before: &TierStats) -> TierStats {
        let pairs = [
            (&mut self.hits, before.hits),
            (&mut self.misses, before.misses),
            (&mut self.passed_by, before.passed_by),
            (&mut self.waited, before.waited),
            (&mut self.failed, before.failed),
            (&mut self.timed_out, before.timed_out),
            (&mut self.undecodable, before.undecodable),
            (&mut self.outdated, before.outdated),
            (&mut self.puts, before.puts),
            (&mut self.put_bytes, before.put_bytes),
            (&mut self.removals, before.removals),
            (&mut self.overtaken, before.overtaken),
            (&mut self.coalesced, before.coalesced),
            (&mut self.overflowed, before.overflowed),
        ];
        for (now, before) in pairs {
            *now = now.saturating_sub(before);
        }
        self.retrieval = self.retrieval.minus(&before.retrieval);
        self
    }
}

impl<K, V: 'static> Core<K, V> {
    pub(super) fn stats(&self) -> TieredStats {
        let memory = self.memory.stats();
        let before = lock(&self.baseline.0);
        let tiers: Vec<TierStats> = self
            .outside
            .outers
            .iter()
            .zip(&before.tiers)
            .map(|(outer, before)| read(outer).minus(before))
            .collect();
        let (seal, open) = self.codec_times();
        let found: u64 = tiers.iter().map(|tier| tier.hits).sum();
        TieredStats {
            hits: memory.hits + found,
            misses: memory.misses.saturating_sub(found),
            loads: self.loads.ended.get() - before.loads,
            load_failures: self.loads.failed.get() - before.load_failures,
            load_duration: self.loads.duration.snapshot().minus(&before.load_duration),
            joins: memory.joins,
            stale_served: memory.stale_served,
            tiers,
            lost: lost(&self.outside),
            waiting_bytes: self.outside.behind.bytes(),
            parked: self.outside.parked() as u64,
            given_up: self.outside.given_up.load(std::sync::atomic::Ordering::Relaxed),
            busy: self.outside.pool.refused() - before.busy,
            shared: self.news.as_ref().map(|news| self.shared_stats(&news.counts)),
            codec: self.sealer.as_ref().map(|sealer| sealer.pipeline().stats()),
            seal_duration: seal.minus(&before.seal_duration),
            open_duration: open.minus(&before.open_duration),
            since: before.since,
            memory: self.has_memory.then_some(memory),
        }
    }

    fn shared_stats(&self, counts: &NewsCounts) -> SharedStats {
        let outside = &self.outside;
        let announcements = &outside.announcements;
        let (tags, patterns) = outside.told.len();
        SharedStats {
            since: outside.since(),
            changes: counts.changes.get(),
            doubts: counts.doubts.get(),
            scans: counts.scans.get(),
            announced: announcements.told.get(),
            announce_failures: announcements.failed.get(),
            unannounced: announcements.len() as u64,
            announce_given_up: announcements.given_up.get(),
            leases_taken: self.leases.taken.get(),
            loads_spared: self.leases.spared.get(),
            panics: counts.panics.get(),
            tags: tags as u64,
            patterns: patterns as u64,
        }
    }

    fn codec_times(&self) -> (Histogram, Histogram) {
        let of =
            |sealer: &Arc<Sealer<V>>| (sealer.times.seal.snapshot(), sealer.times.open.snapshot());
        self.sealer.as_ref().map(of).unwrap_or_default()
    }

    fn reset(&self) {
        self.memory.reset_statistics();
        let (seal_duration, open_duration) = self.codec_times();
        let mut before = lock(&self.baseline.0);
        *before = Before {
            since: self.clock.now(),
            tiers: self.outside.outers.iter().map(read).collect(),
            loads: self.loads.ended.get(),
            load_failures: self.loads.failed.get(),
            load_duration: self.loads.duration.snapshot(),
            seal_duration,
            open_duration,
            busy: self.outside.pool.refused(),
        };
    }
}

impl<K, V: 'static> TieredCache<K, V> {
    /// What the cache has counted since [`reset_statistics`](TieredCache::reset_statistics) or since
    /// it was built. O(shards and tiers).
    #[must_use]
    pub fn stats(&self) -> TieredStats {
        self.core.stats()
    }

    /// Counts from zero again, from now on. What was lost stays counted.
    pub fn reset_statistics(&self) {
        self.core.reset();
    }
}
