//! What a tiered cache has counted, and what it was worth.

use super::TieredCache;
use super::close::{Lost, lost};
use super::held::Sealer;
use super::inner::Core;
use super::outer::Outer;
use super::outside::Outside;
use super::promise::lock;
use super::tier::TierUsage;
use crate::codec::CodecStats;
use crate::{Cache, CacheStats, Evictions};
use perf_core::{ByteSize, Histogram, Instant, Ratio};
use perf_guard::BreakerState;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
            codec: self.sealer.as_ref().map(|sealer| sealer.pipeline().stats()),
            seal_duration: seal.minus(&before.seal_duration),
            open_duration: open.minus(&before.open_duration),
            since: before.since,
            memory: self.has_memory.then_some(memory),
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

/// What loading, waiting and storage cost, in any one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TieredPrices {
    /// One load: a query, a request to an origin.
    pub per_load: f64,
    /// An hour for which somebody waits.
    pub per_hour_waited: f64,
    /// A GiB of memory for an hour.
    pub per_memory_gib_hour: f64,
    /// A GiB of the tiers beyond memory for an hour.
    pub per_outer_gib_hour: f64,
}

/// What a tiered cache was worth. Its `Display` prints the formulas with their figures.
///
/// With `L` the mean duration of a load, `h` the time of a hit in memory and `t` the mean time of a
/// hit in a tier beyond it:
///
/// - time without the cache = lookups × `L`
/// - time with it = hits in memory × `h` + hits in tiers × `t` + misses × `L`
/// - cache efficiency = time saved / time without the cache
/// - memory efficiency = hits in memory × (`L` - `h`) / MiB of memory
/// - disk efficiency = hits in tiers × (`L` - `t`) / MiB of them
/// - cost efficiency = money saved / money without the cache, where loads and waiting cost in both
///   cases, and storage with the cache only: GiB × hours × price, for memory and for tiers
///
/// Storage is counted as it is now, for the whole time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TieredEfficiency {
    /// Hits in memory.
    pub memory_hits: u64,
    /// Hits in the tiers beyond it.
    pub outer_hits: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// The mean duration of a load.
    pub mean_load: Duration,
    /// The time of a hit in memory; zero if it was not measured.
    pub memory_hit: Duration,
    /// The mean time of a hit beyond memory; zero if there was none.
    pub outer_hit: Duration,
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// Bytes beyond it.
    pub outer_bytes: u64,
    /// For how long these were held.
    pub held_for: Duration,
    /// What all this costs.
    pub prices: TieredPrices,
}

impl TieredEfficiency {
    /// What the lookups would have taken, had each of them loaded, in seconds.
    #[must_use]
    pub fn time_without(&self) -> f64 {
        let lookups = self.memory_hits as f64 + self.outer_hits as f64 + self.misses as f64;
        lookups * self.mean_load.as_secs_f64()
    }

    /// What they took, in seconds.
    #[must_use]
    pub fn time_with(&self) -> f64 {
        self.memory_hits as f64 * self.memory_hit.as_secs_f64()
            + self.outer_hits as f64 * self.outer_hit.as_secs_f64()
            + self.misses as f64 * self.mean_load.as_secs_f64()
    }

    /// Time saved / time without the cache, `None` without any.
    #[must_use]
    pub fn cache_efficiency(&self) -> Option<f64> {
        share(self.time_without() - self.time_with(), self.time_without())
    }

    /// Seconds saved for each MiB of memory, `None` without any.
    #[must_use]
    pub fn memory_efficiency(&self) -> Option<f64> {
        let saved = self.mean_load.as_secs_f64() - self.memory_hit.as_secs_f64();
        share(self.memory_hits as f64 * saved, self.memory_bytes as f64 / MIB)
    }

    /// Seconds saved for each MiB beyond memory, `None` without any.
    #[must_use]
    pub fn disk_efficiency(&self) -> Option<f64> {
        let saved = self.mean_load.as_secs_f64() - self.outer_hit.as_secs_f64();
        share(self.outer_hits as f64 * saved, self.outer_bytes as f64 / MIB)
    }

    /// What the lookups would have cost, had each of them loaded.
    #[must_use]
    pub fn cost_without(&self) -> f64 {
        let lookups = self.memory_hits as f64 + self.outer_hits as f64 + self.misses as f64;
        lookups * self.prices.per_load + self.time_without() / HOUR * self.prices.per_hour_waited
    }

    /// What they cost with the cache.
    #[must_use]
    pub fn cost_with(&self) -> f64 {
        let hours = self.held_for.as_secs_f64() / HOUR;
        let gib = |bytes: u64| bytes as f64 / MIB / 1_024.0;
        self.misses as f64 * self.prices.per_load
            + self.time_with() / HOUR * self.prices.per_hour_waited
            + gib(self.memory_bytes) * hours * self.prices.per_memory_gib_hour
            + gib(self.outer_bytes) * hours * self.prices.per_outer_gib_hour
    }

    /// Money saved / money without the cache: at most 1, below 0 for a cache that costs more than it
    /// saves. `None` without prices.
    #[must_use]
    pub fn cost_efficiency(&self) -> Option<f64> {
        share(self.cost_without() - self.cost_with(), self.cost_without())
    }
}

impl fmt::Display for TieredEfficiency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TieredEfficiency { memory_hits, outer_hits, misses, mean_load, .. } = self;
        let TieredEfficiency { memory_hit, outer_hit, .. } = self;
        let (without, with) = (self.time_without(), self.time_with());
        writeln!(
            f,
            "time without the cache = ({memory_hits} + {outer_hits} + {misses}) x {mean_load:.1?} \
             = {without:.3} s"
        )?;
        writeln!(
            f,
            "time with it = {memory_hits} x {memory_hit:.1?} + {outer_hits} x {outer_hit:.1?} + \
             {misses} x {mean_load:.1?} = {with:.3} s"
        )?;
        let mut line = |what: &str, figure: Option<f64>, unit: &str| match figure {
            Some(figure) => writeln!(f, "{what} = {figure:.3}{unit}"),
            None => Ok(()),
        };
        line("cache efficiency = time saved / time without", self.cache_efficiency(), "")?;
        line("memory efficiency = time saved / MiB", self.memory_efficiency(), " s/MiB")?;
        line("disk efficiency = time saved / MiB", self.disk_efficiency(), " s/MiB")?;
        let (without, with) = (self.cost_without(), self.cost_with());
        if let Some(efficiency) = self.cost_efficiency() {
            writeln!(
                f,
                "cost efficiency = ({without:.4} - {with:.4}) / {without:.4} = {efficiency:.3}"
            )?;
        }
        Ok(())
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

    /// What the cache was worth since statistics were reset, at these prices; `None` before the
    /// first load.
    #[must_use]
    pub fn efficiency(&self, prices: TieredPrices) -> Option<TieredEfficiency> {
        let stats = self.stats();
        let nanos = |mean: f64| Duration::from_nanos(mean as u64);
        let mut found = Histogram::new();
        stats.tiers.iter().for_each(|tier| found.merge(&tier.retrieval));
        Some(TieredEfficiency {
            memory_hits: stats.memory.as_ref().map_or(0, |memory| memory.hits),
            outer_hits: stats.tiers.iter().map(|tier| tier.hits).sum(),
            misses: stats.misses,
            mean_load: nanos(stats.load_duration.mean()?),
            memory_hit: self.memory_hit_time().unwrap_or_default(),
            outer_hit: found.mean().map(nanos).unwrap_or_default(),
            memory_bytes: stats.memory.as_ref().map_or(0, |memory| memory.bytes.as_u64()),
            outer_bytes: stats.tiers.iter().map(|tier| tier.usage.bytes).sum(),
            held_for: self.core.clock.now() - stats.since,
            prices,
        })
    }

    /// How long a hit in memory takes; see [`Cache::hit_time`].
    #[must_use]
    pub fn memory_hit_time(&self) -> Option<Duration> {
        self.core.has_memory.then(|| Cache::hit_time(&self.core.memory)).flatten()
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

const MIB: f64 = (1_u64 << 20) as f64;
const HOUR: f64 = 3_600.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formulas_hold_and_are_printed_with_their_figures() {
        let it = TieredEfficiency {
            memory_hits: 600,
            outer_hits: 300,
            misses: 100,
            mean_load: Duration::from_millis(10),
            memory_hit: Duration::ZERO,
            outer_hit: Duration::from_millis(1),
            memory_bytes: 2 << 20,
            outer_bytes: 9 << 20,
            held_for: Duration::from_secs(3_600),
            prices: TieredPrices {
                per_load: 0.001,
                per_memory_gib_hour: 51.2,
                per_outer_gib_hour: 0.0,
                per_hour_waited: 0.0,
            },
        };
        let figures = [
            (it.time_without(), 10.0),
            (it.time_with(), 1.3),
            (it.cache_efficiency().unwrap(), 0.87),
            (it.memory_efficiency().unwrap(), 3.0),
            (it.disk_efficiency().unwrap(), 0.3),
            (it.cost_without(), 1.0),
            (it.cost_with(), 0.2),
            (it.cost_efficiency().unwrap(), 0.8),
        ];
        for (figure, expected) in figures {
            assert!((figure - expected).abs() < 1e-9, "{figure} is not {expected}");
        }
        let text = it.to_string();
        assert!(text.contains("(600 + 300 + 100) x 10.0ms = 10.000 s"), "{text}");
        assert!(text.contains("cost efficiency = (1.0000 - 0.2000) / 1.0000 = 0.800"), "{text}");
        let nothing = TieredEfficiency { outer_bytes: 0, prices: TieredPrices::default(), ..it };
        assert_eq!((nothing.disk_efficiency(), nothing.cost_efficiency()), (None, None));
    }
}
