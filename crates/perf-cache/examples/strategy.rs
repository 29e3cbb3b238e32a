//! A strategy made from what a cache was asked for, and applied to it step by step.
//!
//! ```console
//! cargo run --release -p perf-cache --features json --example strategy
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use perf_cache::Cache;
use perf_cache::policy::PolicyKind;
use perf_cache::replay::{Room, Trace};
use perf_cache::strategy::{CacheStrategy, Constraints, WorkloadAnalysis};
use std::error::Error;

/// Requests for some pages again and again, between walks over all.
fn requests() -> impl Iterator<Item = u64> + Clone {
    (0..200_000_u64).map(|n| match n % 3 {
        0 => n / 3 % 5_000,
        _ => n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut trace = Trace::new();
    requests().try_for_each(|key| trace.push(key))?;

    let sizes = [250, 500, 1_000, 2_000].map(Room::Entries);
    let analysis = WorkloadAnalysis::of_trace(&trace, &sizes, |_, _| ());
    let room = Constraints::new().max_entries(1_000);
    let strategy = CacheStrategy::generate("pages", &analysis, &room);
    println!("{strategy}");

    let path = std::env::temp_dir().join(format!("pages-{}.json", std::process::id()));
    strategy.write_file(&path)?;
    let strategy = CacheStrategy::read_file(&path)?;
    std::fs::remove_file(&path)?;

    // It runs, and was built without thinking.
    let cache: Cache<u64, u64> =
        Cache::builder().max_entries(250).policy(PolicyKind::Fifo).build()?;
    let mut asked = requests().cycle();
    let mut ask = || {
        for key in asked.by_ref().take(50_000) {
            cache.get_with(key, || key);
        }
    };
    ask();
    let plan = strategy.plan(&cache, &[]);
    print!("{plan}");
    print!("{}", plan.run_on(&cache, ask));
    Ok(())
}
