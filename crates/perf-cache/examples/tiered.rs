//! Memory over a disk as one cache: a restart, an invalidation that outlives it, and what each tier
//! was asked for.
//!
//! `cargo run -p perf-cache --features tiered,serde,lz4 --example tiered`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use perf_cache::codec::Postcard;
use perf_cache::tiered::BuildError;
use perf_cache::{Cache, Terms, TieredCache};
use perf_core::ByteSize;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Product {
    name: String,
    cents: u32,
    text: String,
}

/// Stands for a query that takes its time.
fn load(id: u32) -> Product {
    std::thread::sleep(Duration::from_millis(1));
    let text = "fits every kitchen, ".repeat(100);
    Product { name: format!("kettle {id}"), cents: 100 * id, text }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("perf-cache-tiered-{}", std::process::id()));
    let open = || -> Result<TieredCache<u32, Product>, BuildError> {
        TieredCache::builder()
            .name("products")
            // Room for some of them; what memory lets go of is still on disk.
            .memory(Cache::builder().max_entries(100))
            .disk_at(&directory)
            .disk_max_bytes(ByteSize::gib(1))
            .codec(Postcard::default())
            .build()
    };
    let ask = |products: &TieredCache<u32, Product>, id: u32| {
        let terms = || Terms::new().tags([format!("shelf:{}", id % 10)]);
        products.get_with_terms(id, || (load(id), terms()))
    };

    let products = open()?;
    for id in 0..500 {
        assert_eq!(ask(&products, id).cents, 100 * id);
    }
    // One small record on disk, whatever it ends; when this returns, a kill does not undo it.
    let ended = products.invalidate_tag("shelf:3")?;
    println!("shelf 3 has new prices: at most {} entries of memory are dead", ended.at_most);
    println!("{}", products.close());
    drop(products);

    // The next process has the rest at once.
    let products = open()?;
    for id in 0..500 {
        ask(&products, id);
    }
    let stats = products.stats();
    println!("after the restart: {} hits, {} loads", stats.hits, stats.loads);
    assert_eq!((stats.hits, stats.loads), (450, 50));
    for tier in &stats.tiers {
        println!(
            "{}: {} hits, {} outdated, {}, breaker {:?}",
            tier.name,
            tier.hits,
            tier.outdated,
            ByteSize::from_bytes(tier.usage.bytes),
            tier.breaker
        );
    }
    if let Some(ratio) = stats.codec.and_then(|codec| codec.compression_ratio()) {
        println!("values became {ratio:.1} times smaller");
    }
    // It was the last one, so memory has it.
    let entry = products.get_entry(&499).ok_or("it was just asked for")?;
    println!("{} is in {:?}", entry.value.name, entry.tier);
    assert!(products.close().is_clean());
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
