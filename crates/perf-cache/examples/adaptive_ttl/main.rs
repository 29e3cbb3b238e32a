//! Times to live learned from what loads find, against the best fixed one.
//!
//! `cargo run --release -p perf-cache --example adaptive_ttl`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

mod origin;

use origin::{Class, Origin, Outcome, Request};
use perf_cache::Cache;
use perf_cache::learning::{AdaptiveTtl, ByChange};
use perf_core::{Clock, Ratio};
use std::error::Error;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    const HOUR: f64 = 3_600.0;
    let class = |holds: f64, keys: u64, weight: f64| Class { holds, keys, weight };
    let scenes: [(&str, Vec<Class>); 4] = [
        (
            "a minute to three days",
            [60.0, 600.0, HOUR, 8.0 * HOUR, 72.0 * HOUR].map(|h| class(h, 200, 1.0)).to_vec(),
        ),
        ("mostly slow", vec![class(60.0, 50, 0.2), class(24.0 * HOUR, 1_000, 1.0)]),
        ("mostly fast", vec![class(60.0, 500, 1.0), class(24.0 * HOUR, 500, 0.3)]),
        ("all alike", vec![class(HOUR, 500, 1.0); 2]),
    ];
    println!(
        "| changes every | share | fixed | its loads | its stale | loads | stale | fewer loads |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, classes) in &scenes {
        for share in [0.02, 0.05, 0.1] {
            let origin = Origin::new(classes, 12.0 * HOUR, 300_000, 1);
            let (time, fixed) = origin.best_fixed(share);
            let learned = learn(&origin, share)?;
            println!(
                "| {name} | {share} | {time:.0} s | {} | {:.3} | {} | {:.3} | {:.0} % |",
                fixed.loads,
                fixed.stale_share(),
                learned.loads,
                learned.stale_share(),
                100.0 * (1.0 - learned.loads as f64 / fixed.loads as f64),
            );
        }
    }
    Ok(())
}

/// A cache that learns, from its first request on.
fn learn(origin: &Origin, share: f64) -> Result<Outcome, Box<dyn Error>> {
    let (clock, hand) = Clock::manual();
    let learned = AdaptiveTtl::builder(Ratio::new(share)?).build()?;
    let classes: Vec<u64> = (0..origin.keys()).map(|key| origin.class(key) as u64).collect();
    let by_change = ByChange::new(learned, clock.clone(), 65_536, move |key: &usize| classes[*key]);
    let cache: Cache<usize, usize> =
        Cache::builder().max_entries(100_000).expiry(by_change.clone()).clock(clock).build()?;
    let (mut outcome, mut now) = (Outcome::default(), 0.0);
    for &Request { at, key, version } in &origin.requests {
        hand.advance(Duration::from_secs_f64(at - now));
        now = at;
        let answer = cache.get_with(key, || version);
        outcome.answers += 1;
        outcome.stale += u64::from(answer != version);
    }
    outcome.loads = cache.stats().loads;
    if std::env::args().any(|argument| argument == "--classes") {
        by_change.with(|learned| {
            println!("{:?}", learned.stats());
            learned.classes().iter().for_each(|class| println!("{class:?}"));
        });
    }
    Ok(outcome)
}
