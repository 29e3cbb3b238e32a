//! Many callers, one slow source: each value is fetched once, and the statistics say what that saved.
//!
//! `cargo run -p perf-cache --example read_through`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use perf_cache::Cache;
use perf_core::ByteSize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Stands for a database or another service.
fn fetch(article: u32) -> Result<Arc<str>, String> {
    thread::sleep(Duration::from_millis(20));
    match article {
        13 => Err("article 13 does not exist".to_owned()),
        _ => Ok(format!("article {article}: {}", "text ".repeat(200)).into()),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let articles: Cache<u32, Arc<str>> = Cache::builder()
        .name("articles")
        .max_bytes(ByteSize::mib(1))
        .weigher(|_, text: &Arc<str>| text.len() as u64 + Cache::<u32, Arc<str>>::ENTRY_OVERHEAD)
        .time_to_live(Duration::from_secs(60))
        .build()?;

    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for article in (10..20).chain(14..20).chain(14..20) {
                    match articles.try_get_with(article, || fetch(article)) {
                        Ok(text) => assert!(text.starts_with(&format!("article {article}:"))),
                        Err(error) => assert_eq!(*error, "article 13 does not exist"),
                    }
                }
            });
        }
    });

    let stats = articles.stats();
    println!("{} lookups, {} loads", stats.hits + stats.misses, stats.loads);
    println!("{} waited for the load of another caller", stats.joins);
    println!("{} entries, {}", stats.entries, stats.bytes);
    if let (Some(ratio), Some(median)) = (stats.hit_ratio(), stats.load_duration.quantile(0.5)) {
        println!("hit ratio {ratio}, median load {:?}", Duration::from_nanos(median));
    }
    // An error is not kept, so article 13 may have been asked for more than once.
    assert_eq!(stats.loads - stats.load_failures, 9);
    Ok(())
}
