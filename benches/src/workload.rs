//! Rows of numbers, the same for the same seed.

use crate::trace::{read_trace, trace_folder};
use anyhow::{Context, ensure};
use perf_bench::trace::TraceFormat;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, LogNormal, Zipf};
use serde::Deserialize;

/// Where the numbers of a benchmark come from.
///
/// The generator is xoshiro256++, because it gives the same numbers on every platform and in every
/// version of its crate; so the answers that definitions quote stay true.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Workload {
    /// Key 0 is the hottest, key `k` is drawn in proportion to `1 / (k + 1)^exponent`.
    Zipf {
        /// How many keys there are.
        keys: u64,
        /// 0 is uniform; 0.99 is the usual choice for caches.
        exponent: f64,
    },
    /// Every key is as likely as any other.
    Uniform {
        /// How many keys there are.
        keys: u64,
    },
    /// 0, 1, 2, ... and never a key again.
    Scan,
    /// 0 to `keys` - 1, over and over.
    Loop {
        /// The length of the loop.
        keys: u64,
    },
    /// Uniform over a hot set that moves on, and now and then anything else.
    ShiftingHotSet {
        /// How many keys there are.
        keys: u64,
        /// How many of them are hot at a time.
        hot: u64,
        /// The share of numbers that come from the hot set, 0 to 1.
        share: f64,
        /// After how many numbers the next `hot` keys become the hot ones.
        shift_every: u64,
    },
    /// Whole numbers that look like latencies: a logarithm with a normal distribution.
    LogNormal {
        /// Half of the numbers lie below.
        median: f64,
        /// The standard deviation of the logarithm; 1 is typical for latencies.
        sigma: f64,
    },
    /// What someone recorded, from the folder named by `PERFKIT_TRACES`. Ends; ignores the seed.
    Trace {
        /// The file, relative to that folder.
        file: String,
        /// How it is written.
        format: TraceFormat,
        /// How many requests to read at most.
        limit: usize,
    },
}

/// The numbers of a workload. Endless, except for a trace.
pub type Numbers = Box<dyn Iterator<Item = u64> + Send>;

impl Workload {
    /// The numbers for a seed.
    ///
    /// # Errors
    ///
    /// Parameters out of range, or a trace that is absent or not in its format.
    pub fn numbers(&self, seed: u64) -> anyhow::Result<Numbers> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Ok(match *self {
            Workload::Zipf { keys, exponent } => {
                let zipf = Zipf::new(keys as f64, exponent)
                    .with_context(|| format!("zipf over {keys} keys, exponent {exponent}"))?;
                Box::new(std::iter::repeat_with(move || zipf.sample(&mut random) as u64 - 1))
            }
            Workload::Uniform { keys } => {
                ensure!(keys > 0, "uniform over 0 keys: give at least one");
                Box::new(std::iter::repeat_with(move || random.random_range(0..keys)))
            }
            Workload::Scan => Box::new(0..),
            Workload::Loop { keys } => {
                ensure!(keys > 0, "a loop over 0 keys: give at least one");
                Box::new((0..keys).cycle())
            }
            Workload::ShiftingHotSet { keys, hot, share, shift_every } => {
                ensure!(0 < hot && hot <= keys, "{hot} hot of {keys} keys: give 1 to {keys}");
                ensure!((0.0..=1.0).contains(&share), "hot share {share}: give 0 to 1");
                ensure!(shift_every > 0, "shift after 0 numbers: give at least one");
                Box::new((0_u64..).map(move |i| {
                    let first = (i / shift_every).wrapping_mul(hot) % keys;
                    if random.random_bool(share) {
                        (first + random.random_range(0..hot)) % keys
                    } else {
                        random.random_range(0..keys)
                    }
                }))
            }
            Workload::LogNormal { median, sigma } => {
                ensure!(median > 0.0, "median {median}: give more than 0");
                let normal = LogNormal::new(median.ln(), sigma)
                    .with_context(|| format!("log-normal with sigma {sigma}"))?;
                Box::new(std::iter::repeat_with(move || normal.sample(&mut random) as u64))
            }
            Workload::Trace { ref file, format, limit } => {
                let requests = read_trace(&trace_folder()?.join(file), format, limit)?;
                Box::new(requests.into_iter().map(|request| request.key))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn draw(workload: &Workload, seed: u64, count: usize) -> Vec<u64> {
        workload.numbers(seed).unwrap().take(count).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        let workload = Workload::Zipf { keys: 1_000, exponent: 0.9 };
        assert_eq!(draw(&workload, 1, 500), draw(&workload, 1, 500));
        assert_ne!(draw(&workload, 1, 500), draw(&workload, 2, 500));
    }

    #[test]
    fn zipf_follows_its_law() {
        let keys = 1_000;
        for exponent in [0.5, 0.99, 1.3] {
            let drawn = draw(&Workload::Zipf { keys, exponent }, 3, 200_000);
            let total: f64 = (1..=keys).map(|k| (k as f64).powf(-exponent)).sum();
            for key in [0, 1, 9, 99] {
                let seen = drawn.iter().filter(|k| **k == key).count() as f64;
                let due = 200_000.0 * ((key + 1) as f64).powf(-exponent) / total;
                assert!((seen - due).abs() < 6.0 * due.sqrt(), "{exponent} {key} {seen} {due}");
            }
            assert!(drawn.iter().all(|k| *k < keys));
        }
    }

    #[test]
    fn uniform_prefers_nothing() {
        let mut counts = HashMap::new();
        for key in draw(&Workload::Uniform { keys: 50 }, 1, 100_000) {
            *counts.entry(key).or_insert(0_i32) += 1;
        }
        assert_eq!(counts.len(), 50);
        assert!(counts.values().all(|n| (n - 2_000).abs() < 250), "{counts:?}");
    }

    #[test]
    fn a_scan_never_returns_and_a_loop_always_does() {
        assert_eq!(draw(&Workload::Scan, 1, 4), [0, 1, 2, 3]);
        assert_eq!(draw(&Workload::Loop { keys: 3 }, 1, 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn the_hot_set_moves_on() {
        let workload =
            Workload::ShiftingHotSet { keys: 1_000, hot: 10, share: 0.9, shift_every: 5_000 };
        let drawn = draw(&workload, 1, 10_000);
        for (part, low) in drawn.chunks(5_000).zip([0, 10]) {
            let hot = part.iter().filter(|key| (low..low + 10).contains(*key)).count();
            assert!((4_400..4_650).contains(&hot), "{hot}");
        }
        assert!(drawn.iter().collect::<HashSet<_>>().len() > 500);
    }

    #[test]
    fn half_of_a_log_normal_lies_below_its_median() {
        let drawn = draw(&Workload::LogNormal { median: 2e6, sigma: 1.0 }, 1, 100_000);
        let below = |limit: f64| drawn.iter().filter(|v| (**v as f64) < limit).count();
        assert!((49_000..51_000).contains(&below(2e6)));
        assert!((83_000..85_300).contains(&below(2e6 * 1_f64.exp())), "one sigma up is 84 %");
    }

    #[test]
    fn parameters_that_make_no_sense_are_refused() {
        for workload in [
            Workload::Zipf { keys: 0, exponent: 1.0 },
            Workload::Uniform { keys: 0 },
            Workload::Loop { keys: 0 },
            Workload::ShiftingHotSet { keys: 5, hot: 6, share: 0.5, shift_every: 1 },
            Workload::ShiftingHotSet { keys: 5, hot: 1, share: 1.5, shift_every: 1 },
            Workload::ShiftingHotSet { keys: 5, hot: 1, share: 0.5, shift_every: 0 },
            Workload::LogNormal { median: 0.0, sigma: 1.0 },
        ] {
            assert!(workload.numbers(1).is_err(), "{workload:?}");
        }
    }
}
