//! Functions whose answers are kept: once for many callers, ended by tag, old while the origin is down.
//!
//! `cargo run -p perf-cache --features macros --example cached_function`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use perf_cache::{Registry, cached};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Stands for a database.
static QUERIES: AtomicU64 = AtomicU64::new(0);

#[cached(db_query, name = "users", tags = ["users", format!("user:{id}")])]
fn user(id: u64) -> Option<Arc<str>> {
    QUERIES.fetch_add(1, Ordering::Relaxed);
    thread::sleep(Duration::from_millis(20));
    (id < 100).then(|| format!("user {id}").into())
}

/// Stands for a service that is down at times.
static IS_DOWN: AtomicBool = AtomicBool::new(false);

#[cached(api_response, name = "rates", ttl = "50ms", refresh_after = "0s")]
async fn rate(currency: &str) -> Result<f64, String> {
    if IS_DOWN.load(Ordering::Relaxed) {
        return Err(format!("no rate for {currency}: the service is down"));
    }
    Ok(1.08)
}

/// The ways through a grid. Without a cache it takes some 10¹⁷ calls.
#[cached(max_entries = 10_000)]
fn ways(right: u64, down: u64) -> u64 {
    if right == 0 || down == 0 { 1 } else { ways(right - 1, down) + ways(right, down - 1) }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..10).for_each(|id| assert!(user(id).is_some())));
        }
    });
    println!("80 calls, {} queries, {:.0?}", QUERIES.load(Ordering::Relaxed), began.elapsed());
    assert_eq!(QUERIES.load(Ordering::Relaxed), 10);

    let ended = user_cache().invalidate_tag("user:7");
    println!("user 7 has changed: at most {} entry ended", ended.at_most);
    assert_eq!((user(6).is_some(), user(7).is_some()), (true, true));
    assert_eq!(QUERIES.load(Ordering::Relaxed), 11);

    println!("the rate is {}", rate("EUR").await?);
    IS_DOWN.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(60)).await;
    println!("with the service down it still is {}", rate("EUR").await?);
    let error = rate("USD").await.err().ok_or("nobody has asked for this one before")?;
    println!("and else: {error}");

    println!("{} ways from corner to corner", ways(30, 30));
    assert_eq!(ways_cache().stats().loads, 960);

    for cache in Registry::global().snapshots() {
        let stats = &cache.tiers[0].stats;
        println!("{} ({}): {} hits, {} loads", cache.name, cache.kind, stats.hits, stats.loads);
    }
    Ok(())
}
