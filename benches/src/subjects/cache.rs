//! Lookups, insertions that evict, and values that are made where they are missing.
//!
//! One shard and a hash without a seed, so that each process does the same.

use super::{Body, CoreBench, around, hot_keys};
use perf_cache::{Cache, PlainCache};
use std::hash::{BuildHasher, Hasher};
use std::hint::black_box;

pub(super) fn benches() -> Vec<CoreBench> {
    vec![
        CoreBench::new("cache/hit", "looks up a key that is there, v2", || {
            hits(10_000, true, hot_keys(10_000, 65_536))
        }),
        CoreBench::new("cache/hit_ref", "looks at a value where it lies, v1", || {
            let cache = cache(10_000);
            (0..10_000).for_each(|key| cache.insert(key, key * 3));
            let keys = hot_keys(10_000, 65_536);
            Box::new(move |iterations| {
                let mut sum = 0_u64;
                around(&keys, iterations, |key| {
                    sum += *cache.get_ref(black_box(key)).expect("it is there");
                });
                sum
            })
        }),
        CoreBench::new("cache/hit_unwatched", "the same as hit, without insight, v1", || {
            hits(10_000, false, hot_keys(10_000, 65_536))
        }),
        CoreBench::new("cache/hit_unsampled", "hits of keys in no sample, v1", || {
            unsampled_hits(true)
        }),
        CoreBench::new("cache/hit_unsampled_unwatched", "the same without insight, v1", || {
            unsampled_hits(false)
        }),
        CoreBench::new("cache/small_hit", "hits where every access is shadowed, v1", || {
            small_hits(true)
        }),
        CoreBench::new("cache/small_hit_unwatched", "the same without insight, v1", || {
            small_hits(false)
        }),
        CoreBench::new("cache/plain_hit", "looks up a plain pair that is there, v1", || {
            let cache = plain(10_000);
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
        CoreBench::new("cache/plain_insert_evict", "a pair where another must go, v1", || {
            let cache = plain(10_000);
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
        CoreBench::new("cache/miss", "looks up a key that is not there, v2", || {
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
        CoreBench::new("cache/insert_evict", "inserts where another must go, v2", || {
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
        CoreBench::new("cache/get_with", "asks, and loads one in five, v2", || {
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

/// What insight costs the hits of keys that are in nobody's sample.
fn unsampled_hits(watched: bool) -> Body {
    // In a cache of this size one key in sixteen is sampled, by the lowest bits of its hash.
    let mut keys = hot_keys(10_000, 65_536);
    keys.retain(|key| Fixed.hash_one(key) & 15 != 0);
    hits(10_000, watched, keys)
}

/// The same where `Adaptive` wants all accesses.
fn small_hits(watched: bool) -> Body {
    hits(1_000, watched, hot_keys(1_000, 65_536))
}

/// Looks these keys up in a cache that is full and holds them all.
fn hits(entries: u64, watched: bool, keys: Vec<u64>) -> Body {
    let cache = cache_that(entries, watched);
    (0..entries).for_each(|key| cache.insert(key, key * 3));
    Box::new(move |iterations| {
        let mut sum = 0_u64;
        around(&keys, iterations, |key| {
            sum += cache.get(black_box(key)).expect("it is there");
        });
        sum
    })
}

fn cache(entries: u64) -> Cache<u64, u64, Fixed> {
    cache_that(entries, true)
}

fn cache_that(entries: u64, watches: bool) -> Cache<u64, u64, Fixed> {
    let builder = Cache::builder().max_entries(entries).shards(1).insight(watches);
    builder.hasher(Fixed).build().expect("it has a bound")
}

fn plain(entries: u64) -> PlainCache<u64, u64, Fixed> {
    let cache = PlainCache::builder().max_entries(entries).shards(1).hasher(Fixed).build();
    cache.expect("it has a bound")
}

/// Mixes as the default hasher does, but the same in every process.
#[derive(Clone, Copy)]
struct Fixed;

struct Mixed(u64);

impl BuildHasher for Fixed {
    type Hasher = Mixed;

    #[inline]
    fn build_hasher(&self) -> Mixed {
        Mixed(0x243f_6a88_85a3_08d3)
    }
}

impl Hasher for Mixed {
    #[inline]
    fn write_u64(&mut self, number: u64) {
        let wide = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = wide as u64 ^ (wide >> 64) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
