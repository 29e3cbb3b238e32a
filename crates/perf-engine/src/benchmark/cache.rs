//! The cache in memory.

use perf_bench::suite::{Better, Context, Figure, SectionFailure};
use perf_cache::Cache;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use std::sync::Arc;
use std::time::Duration;

/// Entries that the cache holds while it is timed.
const ENTRIES: u64 = 10_000;
/// Keys of the Zipf load.
const KEYS: u64 = 100_000;
/// Its exponent: few keys are asked for often, as on a site.
const EXPONENT: f64 = 1.1;

pub(super) struct Section;

impl perf_bench::suite::Section for Section {
    fn name(&self) -> &str {
        "cache"
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure> {
        let cache = filled(ENTRIES)?;
        let keys: Vec<String> = (0..ENTRIES).map(key).collect();
        // By steps of a prime, so that each lookup is of a key that was long not asked for.
        let at = |n: u64| (n.wrapping_mul(7_919) % ENTRIES) as usize;

        let mut missed = 0;
        context.time("lookup", "lookup that finds its key", |n| {
            let found = cache.get(keys[at(n)].as_str());
            missed += u64::from(found.is_none());
            found
        })?;
        context.check(missed == 0, "a cache with room keeps what it was given")?;

        let mut found = 0;
        let others: Vec<String> = (ENTRIES..ENTRIES + 1_000).map(key).collect();
        context.time("lookup_miss", "lookup that finds nothing", |n| {
            let value = cache.get(others[(n % 1_000) as usize].as_str());
            found += u64::from(value.is_some());
            value
        })?;
        context.check(found == 0, "what was never put in is not found")?;

        let value: Arc<[u8]> = Arc::from([7_u8; 100].as_slice());
        context.time("set", "insert, with the oldest making room", |n| {
            cache.insert(key(n), Arc::clone(&value));
        })?;
        context.check(cache.len() as u64 <= ENTRIES, "the bound holds")?;

        let mut wrong = 0;
        context.time("round_trip", "insert and read back", |n| {
            let key = &keys[at(n)];
            cache.insert(key.clone(), Arc::clone(&value));
            wrong += u64::from(cache.get(key.as_str()).as_ref() != Some(&value));
        })?;
        context.check(wrong == 0, "what was put in is what is read")?;

        zipf(context)
    }
}

/// The hit ratio of a load as of a site, at a tenth of the keys.
fn zipf(context: &mut Context<'_>) -> Result<(), SectionFailure> {
    context.doing("hit ratio of a Zipf load")?;
    let cache = filled(KEYS / 10)?;
    let zipf = Zipf::new(KEYS as f64, EXPONENT).map_err(SectionFailure::failed)?;
    let mut random = StdRng::seed_from_u64(42);
    // A random start, so that ranks and ages have nothing to do with each other.
    let shift = random.random_range(0..KEYS);
    let lookups = context.size(1_000_000, 200_000);
    let mut hits = 0;
    let mut value_wrong = 0;
    for n in 0..2 * lookups {
        let key = (zipf.sample(&mut random) as u64).wrapping_mul(7_919).wrapping_add(shift) % KEYS;
        let counted = n >= lookups; // the first half warms it up
        let expected = value(key);
        match cache.get(self::key(key).as_str()) {
            Some(found) => {
                value_wrong += u64::from(*found != *expected);
                hits += u64::from(counted);
            }
            None => cache.insert(self::key(key), expected),
        }
    }
    context.check(value_wrong == 0, "a hit answers the key's own value")?;
    let ratio = hits as f64 / lookups as f64;
    context.check(ratio > 0.3, "keys that are asked for often stay")?;
    let label = "hit ratio of a Zipf load";
    context.keep(Figure::new("zipf_hit_ratio", label, ratio, "fraction", Better::Higher).note(
        format!("exponent {EXPONENT}, {KEYS} keys, room for a tenth, {lookups} lookups warm"),
    ));
    Ok(())
}

/// A cache full of values of 100 bytes that live for an hour.
fn filled(entries: u64) -> Result<Cache<String, Arc<[u8]>>, SectionFailure> {
    let cache = Cache::builder()
        .name("benchmark")
        .max_entries(entries)
        .time_to_live(Duration::from_secs(3_600))
        .build()
        .map_err(SectionFailure::failed)?;
    for n in 0..entries {
        cache.insert(key(n), value(n));
    }
    Ok(cache)
}

fn key(n: u64) -> String {
    format!("/articles/{n}")
}

fn value(n: u64) -> Arc<[u8]> {
    let mut value = [7; 100];
    value[..8].copy_from_slice(&n.to_le_bytes());
    Arc::from(value.as_slice())
}
