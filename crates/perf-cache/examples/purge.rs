//! A cache of pages that tells a content delivery network what changes: what it is told, and how
//! little of it.
//!
//! `cargo run -p perf-cache --features cdn --example purge`
//!
//! With the address of a Varnish that has `docs/varnish.vcl` as its argument, that one is told;
//! without, a service that only prints.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use perf_cache::cdn::{Purge, PurgeError, PurgeLimits, PurgeService, Purger, SurrogateKeys};
use perf_cache::{Cache, Terms, TieredCache};
use std::sync::Arc;
use std::time::Duration;

/// Takes 50 items a call, two calls a second.
#[derive(Debug)]
struct Printer;

impl PurgeService for Printer {
    fn name(&self) -> &'static str {
        "printer"
    }

    fn limits(&self) -> PurgeLimits {
        PurgeLimits::new(50).rate(2, Duration::from_secs(1), 2)
    }

    fn fit(&self, item: &Purge) -> Option<Purge> {
        // It knows neither prefixes nor hosts.
        let is_wide = matches!(item, Purge::Prefix(_) | Purge::Host(_));
        Some(if is_wide { Purge::All } else { item.clone() })
    }

    fn send(&self, items: &[Purge], _: Duration) -> Result<(), PurgeError> {
        println!("  a call with {} items: {} ...", items.len(), items[0]);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder = match std::env::args().nth(1) {
        Some(varnish) => Purger::builder(SurrogateKeys::varnish(varnish).build()?),
        None => Purger::builder(Printer),
    };
    let purger = Arc::new(builder.build()?);
    let pages: TieredCache<u32, String> = TieredCache::builder()
        .memory(Cache::builder().max_entries(1_000))
        .purge(Arc::clone(&purger), |id: &u32| [format!("https://shop.example/products/{id}")])
        .build()?;

    for id in 0..100 {
        // What is loaded is nothing new to anybody.
        let terms = Terms::new().tags([format!("shelf-{}", id % 10)]);
        pages.get_with_terms(id, || (format!("product {id}"), terms));
    }
    println!("80 prices change, some of them twice, and a shelf is moved:");
    for id in (0..80).chain(0..40) {
        pages.insert(id, format!("product {id}, cheaper"));
    }
    pages.invalidate_tag("shelf-9")?;
    let all_is_told = purger.flush(Duration::from_secs(10));
    let stats = purger.stats();
    println!("{} asked for, {} sent in {} calls", stats.queued, stats.sent, stats.calls);
    assert!(!all_is_told || stats.queued == stats.sent + stats.coalesced);
    let report = purger.close(Duration::from_secs(1));
    println!("closed: {} lost", report.lost);
    Ok(())
}
