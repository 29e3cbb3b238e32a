//! What a cache is worth: time and money saved.

use crate::inner::Inner;
use crate::slots::{Look, tag_of};
use crate::{Cache, CacheStats};
use perf_core::{ByteSize, Clock, Histogram, Instant};
use std::fmt;
use std::time::Duration;

/// What loading, waiting and memory cost, in any one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prices {
    /// One load: a query, a request to an origin.
    pub per_load: f64,
    /// An hour for which somebody waits.
    pub per_hour_waited: f64,
    /// A GiB of memory for an hour.
    pub per_gib_hour: f64,
}

/// What a cache was worth from one instant to another. Its `Display` prints the formulas with their
/// figures.
///
/// With `L` the mean duration of a load and `h` the time of a hit:
///
/// - time without the cache = lookups × `L`
/// - time with it = hits × `h` + misses × `L`
/// - cache efficiency = time saved / time without the cache
/// - memory efficiency = time saved / MiB held
/// - cost efficiency = money saved / money without the cache, where loads and waiting cost in both
///   cases, and memory with the cache only
///
/// A miss that joins the load of another caller is taken for a whole load, so the time saved is
/// rather more than this. Without any load there is no `L`, and nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Efficiency {
    /// Lookups that found a value.
    pub hits: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// The mean duration of a load.
    pub mean_load: Duration,
    /// The time of a hit; zero if it was not measured.
    pub hit_time: Duration,
    /// What the lookups would have taken, had each of them loaded.
    pub time_without: Duration,
    /// What they took.
    pub time_with: Duration,
    /// What the entries weigh.
    pub bytes: ByteSize,
    /// For how long that was held.
    pub held_for: Duration,
    /// What all this costs.
    pub prices: Prices,
}

impl Efficiency {
    /// The time saved; zero if the cache takes longer than loading does.
    #[must_use]
    pub const fn time_saved(&self) -> Duration {
        self.time_without.saturating_sub(self.time_with)
    }

    /// Time saved / time without the cache: 0 to 1. `None` if that is no time.
    #[must_use]
    pub fn cache_efficiency(&self) -> Option<f64> {
        share(self.time_saved().as_secs_f64(), self.time_without.as_secs_f64())
    }

    /// Seconds saved for each MiB held, `None` if none is.
    #[must_use]
    pub fn memory_efficiency(&self) -> Option<f64> {
        share(self.time_saved().as_secs_f64(), self.bytes.as_u64() as f64 / MIB)
    }

    /// What the lookups would have cost, had each of them loaded.
    #[must_use]
    pub fn cost_without(&self) -> f64 {
        let lookups = self.hits as f64 + self.misses as f64;
        lookups * self.prices.per_load + hours(self.time_without) * self.prices.per_hour_waited
    }

    /// What they cost with the cache, its memory included.
    #[must_use]
    pub fn cost_with(&self) -> f64 {
        let gib_hours = self.bytes.as_u64() as f64 / MIB / 1_024.0 * hours(self.held_for);
        self.misses as f64 * self.prices.per_load
            + hours(self.time_with) * self.prices.per_hour_waited
            + gib_hours * self.prices.per_gib_hour
    }

    /// Money saved / money without the cache: at most 1, and below 0 for a cache that costs more
    /// than it saves. `None` without prices.
    #[must_use]
    pub fn cost_efficiency(&self) -> Option<f64> {
        share(self.cost_without() - self.cost_with(), self.cost_without())
    }
}

impl<K, V, S> Cache<K, V, S> {
    /// How long a hit takes, in the mean over the keys that are hit most; `None` before some
    /// thousand hits, and without [`insight`](crate::CacheBuilder::insight).
    ///
    /// A hit takes less than reading a clock does, so single hits are never timed. This times
    /// lookups of up to 64 keys, sixteen between two readings, and takes the median: a few
    /// microseconds. What it leaves out is hashing and comparing the key and cloning the value, which
    /// are the caller's own. It counts as no use.
    #[must_use]
    pub fn hit_time(&self) -> Option<Duration> {
        self.inner.time_hits()
    }

    /// How long getting a value took since statistics were reset, in nanoseconds, hits and loads
    /// together: the mean and the quantiles of this are those of retrieval.
    ///
    /// Loads are timed one by one; each hit counts as [`hit_time`](Cache::hit_time), or as nothing
    /// where that is not known.
    #[must_use]
    pub fn retrieval_time(&self) -> Histogram {
        let stats = self.stats();
        let mut times = stats.load_duration;
        let hit = self.hit_time().unwrap_or_default();
        times.record_n(u64::try_from(hit.as_nanos()).unwrap_or(u64::MAX), stats.hits);
        times
    }

    /// What the cache was worth since statistics were reset, at these prices; `None` before the
    /// first load.
    #[must_use]
    pub fn efficiency(&self, prices: Prices) -> Option<Efficiency> {
        let hit_time = self.hit_time().unwrap_or_default();
        Efficiency::of(&self.stats(), hit_time, self.inner.clock.now(), prices)
    }
}

impl<K, V> Inner<K, V> {
    /// By the hashes of the keys that are hit most, so that what is timed is the memory that is
    /// looked at, as near to the processor as it happens to be.
    fn time_hits(&self) -> Option<Duration> {
        let record = self.readers.own()?;
        let hashes = self.hot_hashes();
        // The clock of the machine, not of the cache: this is about its processors.
        let clock = Clock::system();
        let mut times: Vec<u64> = hashes
            .chunks_exact(BATCH)
            .take(BATCHES)
            .map(|batch| {
                let before = clock.now();
                for (hash, _) in batch {
                    let (shard, tag) = (self.shard(*hash), tag_of(*hash));
                    std::hint::black_box(shard.index.find(u64::from(tag), |slot| {
                        match shard.slots.protect(slot, tag, &self.readers, record) {
                            Look::Live(entry) => Some(entry.look_at()),
                            _ => None,
                        }
                    }));
                }
                clock.now().saturating_since(before).as_nanos() as u64 / BATCH as u64
            })
            .collect();
        times.sort_unstable();
        times.get(times.len() / 2).map(|nanos| Duration::from_nanos(*nanos))
    }
}

impl Efficiency {
    fn of(
        stats: &CacheStats,
        hit_time: Duration,
        now: Instant,
        prices: Prices,
    ) -> Option<Efficiency> {
        let mean_load = stats.load_duration.mean()?;
        let (hits, misses) = (stats.hits as f64, stats.misses as f64);
        let duration = |nanos: f64| Duration::from_nanos(nanos as u64);
        Some(Efficiency {
            hits: stats.hits,
            misses: stats.misses,
            mean_load: duration(mean_load),
            hit_time,
            time_without: duration((hits + misses) * mean_load),
            time_with: duration(hits * hit_time.as_nanos() as f64 + misses * mean_load),
            bytes: stats.bytes,
            held_for: now - stats.since,
            prices,
        })
    }
}

impl fmt::Display for Efficiency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Efficiency { hits, misses, mean_load, hit_time, .. } = self;
        let (without, with) = (self.time_without, self.time_with);
        writeln!(
            f,
            "time without the cache = ({hits} + {misses}) x {mean_load:.1?} = {without:.1?}"
        )?;
        writeln!(
            f,
            "time with it = {hits} x {hit_time:.1?} + {misses} x {mean_load:.1?} = {with:.1?}"
        )?;
        let saved = self.time_saved();
        if let Some(efficiency) = self.cache_efficiency() {
            let percent = efficiency * 100.0;
            writeln!(f, "cache efficiency = {saved:.1?} saved / {without:.1?} = {percent:.1} %")?;
        }
        if let Some(efficiency) = self.memory_efficiency() {
            let bytes = self.bytes;
            writeln!(f, "memory efficiency = {saved:.1?} saved / {bytes} = {efficiency:.3} s/MiB")?;
        }
        if let Some(efficiency) = self.cost_efficiency() {
            let (without, with) = (self.cost_without(), self.cost_with());
            let percent = efficiency * 100.0;
            writeln!(
                f,
                "cost efficiency = ({without:.4} - {with:.4}) / {without:.4} = {percent:.1} %"
            )?;
        }
        Ok(())
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn hours(duration: Duration) -> f64 {
    duration.as_secs_f64() / 3_600.0
}

/// Lookups between two readings of the clock.
const BATCH: usize = 16;
const BATCHES: usize = 4;
const MIB: f64 = (1_u64 << 20) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    fn efficiency() -> Efficiency {
        Efficiency {
            hits: 900,
            misses: 100,
            mean_load: Duration::from_millis(10),
            hit_time: Duration::from_millis(1),
            time_without: Duration::from_secs(10),
            time_with: Duration::from_millis(1_900),
            bytes: ByteSize::mib(2),
            held_for: Duration::from_secs(3_600),
            prices: Prices { per_load: 0.001, per_hour_waited: 0.0, per_gib_hour: 51.2 },
        }
    }

    #[test]
    fn time_and_money_saved_are_shares_of_what_it_would_be_without() {
        let it = efficiency();
        assert_eq!(it.time_saved(), Duration::from_millis(8_100));
        let figures = [
            (it.cache_efficiency().unwrap(), 0.81),
            (it.memory_efficiency().unwrap(), 4.05),
            (it.cost_without(), 1.0),
            (it.cost_with(), 0.2),
            (it.cost_efficiency().unwrap(), 0.8),
        ];
        for (figure, expected) in figures {
            assert!((figure - expected).abs() < 1e-12, "{figure} is not {expected}");
        }
    }

    #[test]
    fn the_formulas_are_printed_with_their_figures() {
        let text = efficiency().to_string();
        assert!(text.contains("time without the cache = (900 + 100) x 10.0ms = 10.0s"), "{text}");
        assert!(text.contains("cache efficiency = 8.1s saved / 10.0s = 81.0 %"), "{text}");
        assert!(text.contains("memory efficiency = 8.1s saved / 2 MiB = 4.050 s/MiB"), "{text}");
        assert!(text.contains("cost efficiency = (1.0000 - 0.2000) / 1.0000 = 80.0 %"), "{text}");
    }

    #[test]
    fn without_prices_and_memory_there_is_nothing_to_compare() {
        let nothing = Efficiency {
            bytes: ByteSize::from_bytes(0),
            prices: Prices::default(),
            ..efficiency()
        };
        assert_eq!((nothing.memory_efficiency(), nothing.cost_efficiency()), (None, None));
    }
}
