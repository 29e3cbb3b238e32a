//! A store on disk in one SQLite file: the same trait, and its bound at work.
//!
//! `cargo run -p perf-cache --features bundled-sqlite --example disk_sqlite`; with `sqlite` instead,
//! the SQLite of the system.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use perf_cache::disk::{DiskStore, PutTerms, SqliteStore};
use perf_core::ByteSize;
use std::ops::ControlFlow;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("perf-cache-sqlite-{}", std::process::id()));
    let store = SqliteStore::builder(&directory).max_bytes(ByteSize::mib(4)).open()?;

    // Three times as much as there is room for: what was put longest ago makes way.
    for n in 0..3_000_u32 {
        let _ = store.put(format!("page/{n}").as_bytes(), &[b'x'; 4_096], PutTerms::default())?;
    }
    // Small, and never evicted: for records on which the meaning of others depends.
    let _ = store.put(b"version", b"3", PutTerms::pinned())?;

    let usage = store.usage();
    println!("{} entries, {} evicted", usage.entries, usage.evicted);
    assert!(usage.file_bytes <= usage.max_bytes && usage.evicted > 0);

    let (mut pages, mut is_pinned_there) = (0, false);
    store.for_each(&mut |key, _| {
        if key.starts_with(b"page/") {
            pages += 1
        } else {
            is_pinned_there = true
        }
        ControlFlow::Continue(())
    })?;
    println!("{pages} pages are left");
    assert!(is_pinned_there);

    store.close()?;
    let file = directory.join("store.sqlite");
    println!(
        "one file of {}, which any SQLite reads",
        ByteSize::from_bytes(file.metadata()?.len())
    );
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
