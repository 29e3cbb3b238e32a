//! What a get from disk costs through a tiered cache when memory has nothing, beside the store
//! alone; and what a hit in memory and an insertion cost.
//!
//! `cargo run --release -p perf-cache --example tiered_cost --features tiered,lz4`, and a word of a
//! row's name behind it for those rows alone.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_cache::codec::{Compression, RawBytes};
use perf_cache::disk::{DiskStore, LogStore, Put, PutTerms};
use perf_cache::tiered::DiskTier;
use perf_cache::{Cache, TieredCache};
use perf_core::ByteSize;
use std::sync::Arc;
use std::time::Instant;

type Error = Box<dyn std::error::Error>;

const KEYS: u64 = 60_000;
const ROUNDS: u64 = 9;

fn main() -> Result<(), Error> {
    let dir = std::env::temp_dir().join(format!("perf-cache-cost-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let done = run(&dir);
    std::fs::remove_dir_all(&dir)?;
    done
}

fn run(dir: &std::path::Path) -> Result<(), Error> {
    let only = std::env::args().nth(1).unwrap_or_default();
    println!("{:44} {:>8}", "1 KiB values, ns each, median of 9 rounds", "ns");
    let value: Arc<[u8]> = half_random(1 << 10).into();

    let alone = LogStore::builder(dir.join("alone")).max_bytes(ByteSize::gib(1)).open()?;
    for key in 0..KEYS {
        if alone.put(&key.to_be_bytes(), &value, PutTerms::default())? != Put::Stored {
            return Err("the store refused".into());
        }
    }
    alone.flush()?;
    let mut into = Vec::new();
    row("LogStore::get", |key| {
        into.clear();
        alone.get(&key.to_be_bytes(), &mut into).is_ok_and(|found| found.is_some())
    });
    alone.close()?;

    for (name, compression) in [("none", Compression::None), ("auto", Compression::Auto)] {
        for (what, memory) in [("without memory", 0), ("memory of 4 000", 4_000), ("hits", 100_000)]
        {
            if !format!("{what} {name}").contains(&only) {
                continue;
            }
            let store = LogStore::builder(dir.join(format!("{name} {memory}"))).open()?;
            let tier = Arc::new(DiskTier::prompt(Arc::new(store)));
            let builder = TieredCache::<u64, Arc<[u8]>>::builder()
                .codec(RawBytes)
                .compression(compression)
                .tier(tier.clone());
            let cache = match memory {
                0 => builder.without_memory(),
                entries => builder.memory(Cache::builder().max_entries(entries)),
            }
            .build()?;
            let inserted = Instant::now();
            for key in 0..KEYS {
                cache.insert(key, Arc::clone(&value));
            }
            let insert = inserted.elapsed().as_nanos() as u64 / KEYS;
            tier.store().flush()?;
            println!("{:44} {insert:>8}", format!("insert, {what}, compression {name}"));
            let title = format!("TieredCache::get, {what}, compression {name}");
            cache.reset_statistics();
            row(&title, |key| cache.get(&key).is_some());
            let stats = cache.stats();
            let near = stats.memory.map_or(0, |memory| memory.hits) * 100 / stats.hits;
            println!("{:44} {near:>7}%", "  of these found in memory");
            if memory > KEYS {
                // As after a restart: each key is found on disk once, and then kept.
                assert!(cache.close().is_clean());
                drop(cache);
                let path = dir.join(format!("{name} {memory}"));
                let tier = Arc::new(DiskTier::prompt(Arc::new(LogStore::builder(path).open()?)));
                let cache = TieredCache::<u64, Arc<[u8]>>::builder()
                    .codec(RawBytes)
                    .memory(Cache::builder().max_entries(memory))
                    .tier(tier)
                    .build()?;
                let started = Instant::now();
                let found = (0..KEYS).filter(|n| cache.get(&(n * 7_919 % KEYS)).is_some()).count();
                let first = started.elapsed().as_nanos() as u64 / KEYS;
                assert_eq!(found as u64, KEYS, "fast and wrong");
                println!(
                    "{:44} {first:>8}",
                    format!("the same, first gets after a restart, {name}")
                );
            }
        }
    }
    Ok(())
}

/// Scattered, so that no order helps.
fn row(name: &str, mut get: impl FnMut(u64) -> bool) {
    let mut times: Vec<u64> = (0..ROUNDS)
        .map(|round| {
            let started = Instant::now();
            let found = (0..KEYS).filter(|n| get((n * 7_919 + round) % KEYS)).count() as u64;
            assert_eq!(found, KEYS, "{name}: fast and wrong");
            started.elapsed().as_nanos() as u64 / KEYS
        })
        .collect();
    times.sort_unstable();
    println!("{name:44} {:>8}", times[times.len() / 2]);
}

fn half_random(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|at| if at < len / 2 { next() } else { 0 }).collect()
}
