//! A store on disk over RocksDB: for those who have to have it. The rest of the program need not
//! know which store it is.
//!
//! `cargo run -p perf-cache --features rocksdb --example disk_rocksdb`; the first time it builds
//! RocksDB (C++, ten minutes and more) and needs libclang.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use perf_cache::disk::{DiskError, DiskStore, PutTerms, RocksDbStore};
use perf_core::ByteSize;
use std::sync::Arc;

/// Counts in a store, whichever it is.
fn visit(store: &dyn DiskStore, page: &str) -> Result<u64, DiskError> {
    let mut bytes = Vec::new();
    store.get(page.as_bytes(), &mut bytes)?;
    let before = bytes.try_into().map_or(0, u64::from_le_bytes);
    let _ = store.put(page.as_bytes(), &(before + 1).to_le_bytes(), PutTerms::default())?;
    Ok(before + 1)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("perf-cache-rocksdb-{}", std::process::id()));
    let open = || -> Result<Arc<dyn DiskStore>, DiskError> {
        // The block cache and two write buffers are what it takes of memory.
        let builder = RocksDbStore::builder(&directory).max_bytes(ByteSize::mib(64));
        Ok(Arc::new(builder.block_cache(ByteSize::mib(8)).open()?))
    };
    let store = open()?;
    for _ in 0..3 {
        visit(&*store, "/")?;
    }
    store.close()?;

    let store = open()?;
    println!("{}: visit {}", store.name(), visit(&*store, "/")?);
    assert_eq!(visit(&*store, "/")?, 5);
    println!("{} on disk", ByteSize::from_bytes(store.usage().file_bytes));
    store.close()?;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
