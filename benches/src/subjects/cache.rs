//! Lookups, insertions that evict, and values that are made where they are missing.
//!
//! One shard, so that what is evicted does not hang on the seed of the hash.

use super::{CoreBench, around, hot_keys};
use perf_cache::Cache;
use std::hint::black_box;

pub(super) fn benches() -> Vec<CoreBench> {
    vec![
        CoreBench::new("cache/hit", "looks up a key that is there, v1", || {
            let cache = cache(10_000);
            (0..10_000).for_each(|key| cache.insert(key, key * 3));
            let keys = hot_keys(10_000, 65_536);
            Box::new(move |iterations| {
                let mut sum = 0_u64;
                around(&keys, iterations, |key| {
                    sum += cache.get(black_box(key)).expect("it is there");
                });
                sum
            })
        }),
        CoreBench::new("cache/miss", "looks up a key that is not there, v1", || {
            let cache = cache(10_000);
            (0..10_000).for_each(|key| cache.insert(key, key));
            let keys = hot_keys(1_000_000, 65_536);
            Box::new(move |iterations| {
                let mut found = 0_u64;
                around(&keys, iterations, |key| {
                    found += u64::from(cache.get(&black_box(key + 10_000)).is_some());
                });
                assert_eq!(found, 0);
                iterations
            })
        }),
        CoreBench::new("cache/insert_evict", "inserts where another must go, v1", || {
            let cache = cache(10_000);
            let mut next = 0;
            for _ in 0..20_000 {
                cache.insert(next, next);
                next += 1;
            }
            Box::new(move |iterations| {
                for _ in 0..iterations {
                    cache.insert(black_box(next), next);
                    next += 1;
                }
                assert_eq!(cache.len(), 10_000);
                assert_eq!(cache.get(&(next - 1)), Some(next - 1));
                iterations
            })
        }),
        CoreBench::new("cache/get_with", "asks, and loads one in five, v1", || {
            let cache = cache(10_000);
            let keys = hot_keys(100_000, 1 << 18);
            keys.iter().for_each(|key| _ = cache.get_with(*key, || key * 3));
            Box::new(move |iterations| {
                let mut sum = 0_u64;
                around(&keys, iterations, |key| {
                    sum += cache.get_with(black_box(*key), || key * 3);
                });
                sum
            })
        }),
    ]
}

fn cache(entries: u64) -> Cache<u64, u64> {
    let cache = Cache::builder().max_entries(entries).shards(1).build();
    cache.expect("it has a bound")
}
