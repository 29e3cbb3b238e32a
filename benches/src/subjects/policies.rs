//! What the policies of the cache cost by themselves, in a simulation without keys and values.

use super::{CoreBench, around, hot_keys};
use perf_cache::policy::{Fifo, Lfu, Lru, Policy, Random, S3Fifo, Simulation};
use std::hint::black_box;

pub(super) fn benches() -> Vec<CoreBench> {
    const TURNOVER: &str = "evicts one of 125 000 entries and takes one in, v1";
    const ACCESS: &str = "an access, Zipf 0.99 over 1 000 000 keys, room for 125 000, v1";
    vec![
        CoreBench::new("policy/fifo_turnover", TURNOVER, || turnover(Fifo::new())),
        CoreBench::new("policy/random_turnover", TURNOVER, || turnover(Random::new(7))),
        CoreBench::new("policy/lru_turnover", TURNOVER, || turnover(Lru::new())),
        CoreBench::new("policy/lfu_turnover", TURNOVER, || turnover(Lfu::new())),
        CoreBench::new("policy/s3_fifo_turnover", TURNOVER, || turnover(S3Fifo::new())),
        CoreBench::new("policy/lru_access", ACCESS, || access(Lru::new())),
        CoreBench::new("policy/lfu_access", ACCESS, || access(Lfu::new())),
        CoreBench::new("policy/s3_fifo_access", ACCESS, || access(S3Fifo::new())),
    ]
}

/// The entries of one shard in a cache of a million.
const CAPACITY: u64 = 125_000;
/// A key returns after so many others, when its entry and its ghost are gone.
const KEYS: u32 = 1 << 19;

fn turnover(policy: impl Policy + 'static) -> super::Body {
    let mut cache = Simulation::new(policy, CAPACITY);
    (0..KEYS).for_each(|key| _ = cache.access(key, mix(key), 1));
    let mut next = 0;
    Box::new(move |iterations| {
        for _ in 0..iterations {
            next = (next + 1) % KEYS;
            cache.access(black_box(next), mix(next), 1);
        }
        assert_eq!(cache.weight(), CAPACITY);
        iterations
    })
}

fn access(policy: impl Policy + 'static) -> super::Body {
    let mut cache = Simulation::new(policy, CAPACITY);
    let keys: Vec<u32> = hot_keys(1_000_000, 1 << 18)
        .into_iter()
        .map(|key| u32::try_from(key).expect("there are a million"))
        .collect();
    keys.iter().for_each(|&key| _ = cache.access(key, mix(key), 1));
    Box::new(move |iterations| {
        around(&keys, iterations, |&key| _ = cache.access(black_box(key), mix(key), 1));
        assert!(cache.weight() <= CAPACITY);
        iterations
    })
}

fn mix(key: u32) -> u32 {
    let mixed = (u64::from(key) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
}
