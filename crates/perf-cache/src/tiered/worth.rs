//! What a tiered cache was worth: time and money, by formulas.

use super::TieredCache;
use crate::Cache;
use perf_core::Histogram;
use std::fmt;
use std::time::Duration;

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
