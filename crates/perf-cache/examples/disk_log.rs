//! A store on disk of our own: what it keeps over a restart, and that a removal outlives a kill.
//!
//! `cargo run -p perf-cache --features disk --example disk_log`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use perf_cache::disk::{DiskStore, LogStore, Put, PutTerms, TryGet};
use perf_core::{ByteSize, Clock};
use std::time::{Duration, UNIX_EPOCH};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("perf-cache-log-{}", std::process::id()));
    let open = || LogStore::builder(&directory).max_bytes(ByteSize::mib(64)).open();

    let store = open()?;
    // In milliseconds since 1970. A store keeps bytes: `tiered.rs` shows values of any type.
    let in_an_hour =
        Clock::system().wall().duration_since(UNIX_EPOCH)? + Duration::from_secs(3_600);
    let terms = PutTerms::until(u64::try_from(in_an_hour.as_millis())?);
    for n in 0..10_000_u32 {
        let page = format!("page {n}: {}", "text ".repeat(100));
        // A put is queued. Where the device cannot keep up it waits, and a full disk refuses it.
        assert_eq!(store.put(&n.to_le_bytes(), page.as_bytes(), terms)?, Put::Stored);
    }
    // When this returns, a kill of the process does not bring the page back.
    assert!(store.remove(&7_u32.to_le_bytes())?);
    println!("closed: {} entries", store.close()?.entries);

    let store = open()?;
    let found = store.open_report();
    println!(
        "opened in {:.1?}: {} entries, {} dropped",
        found.took, found.recovered, found.dropped
    );
    assert_eq!(found.recovered, 9_999);

    let mut page = Vec::new();
    // Never waits for the device: what the page cache does not have is read by `get`, where one may.
    match store.try_get(&8_u32.to_le_bytes(), &mut page)? {
        TryGet::Found(stored) => println!("{} bytes at once", stored.len),
        TryGet::Missing => unreachable!("it was put"),
        TryGet::WouldBlock => assert!(store.get(&8_u32.to_le_bytes(), &mut page)?.is_some()),
    }
    assert!(page.starts_with(b"page 8:"));
    assert!(store.get(&7_u32.to_le_bytes(), &mut page)?.is_none());

    let usage = store.usage();
    println!(
        "{} on disk of at most {}, {} of memory for the index",
        ByteSize::from_bytes(usage.file_bytes),
        ByteSize::from_bytes(usage.max_bytes),
        ByteSize::from_bytes(usage.index_bytes)
    );
    store.close()?;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
