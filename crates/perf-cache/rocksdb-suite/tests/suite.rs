//! The suite of all stores, over RocksDB, and what is this store's own.

#![expect(clippy::unwrap_used, reason = "tests; clippy exempts only functions marked so")]

/// Its tests run here, where RocksDB is built anyway.
#[path = "../../src/disk/rocksdb/header.rs"]
mod header;

/// Where that file looks for it.
mod disk {
    pub(crate) use perf_cache::disk::Stored;
}

use perf_cache::disk::conformance::{self, Scratch, Setup};
use perf_cache::disk::{DiskError, DiskStore, Put, PutTerms, RocksDbStore};
use perf_core::{ByteSize, Clock};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

fn open(dir: &Path, setup: &Setup) -> Result<Box<dyn DiskStore>, DiskError> {
    let builder = RocksDbStore::builder(dir).max_bytes(setup.max_bytes).clock(setup.clock.clone());
    Ok(Box::new(builder.open()?))
}

#[test]
fn rocksdb_behaves() {
    conformance::behaviour(open);
}

#[test]
fn rocksdb_bears_faults() {
    conformance::faults(open);
}

#[test]
fn rocksdb_bears_damaged_files() {
    let lost = conformance::damage(open, 150);
    assert!(lost > 0, "the damage was not seen");
}

#[test]
fn rocksdb_is_killed() {
    let crash = conformance::crash("rocksdb_is_killed", open);
    assert!(crash.found > 0 && crash.recovered >= crash.found, "{crash:?}");
    println!("{crash:?}");
}

fn put(store: &dyn DiskStore, key: &[u8], value: &[u8], terms: PutTerms) {
    assert_eq!(store.put(key, value, terms).unwrap(), Put::Stored);
}

fn is_there(store: &dyn DiskStore, key: &[u8]) -> bool {
    store.get(key, &mut Vec::new()).unwrap().is_some()
}

/// Begins several generations: each takes some 350 KB of four megabytes.
fn fill(store: &dyn DiskStore, seed: u64) {
    let mut random = conformance::Random::new(seed);
    for number in 0..100_u64 {
        put(store, &number.to_le_bytes(), &random.bytes(10_000), PutTerms::default());
    }
    store.flush().unwrap();
}

#[test]
fn what_a_newer_generation_hid_never_comes_back() {
    let dir = Scratch::new("hidden");
    let (clock, hand) = Clock::manual();
    let setup = Setup { clock: clock.clone(), max_bytes: ByteSize::mib(4) };
    let now = clock.wall().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let mut store = open(dir.path(), &setup).unwrap();
    put(&*store, b"ends", b"old", PutTerms::default());
    put(&*store, b"removed", b"old", PutTerms::default());
    fill(&*store, 1);
    put(&*store, b"ends", &[1; 5_000], PutTerms::until(now + 10));
    put(&*store, b"removed", b"new", PutTerms::default());
    assert!(store.remove(b"removed").unwrap());
    hand.advance(Duration::from_millis(10));
    // Compaction meets what has ended, once there are files enough.
    for _ in 0..8 {
        put(&*store, &[0; 8], b"more", PutTerms::default());
        store.flush().unwrap();
    }
    for _ in 0..2 {
        assert!(!is_there(&*store, b"ends") && !is_there(&*store, b"removed"));
        let mut visit = |key: &[u8], _: &_| {
            assert_eq!(key.len(), 8, "only what fills it");
            ControlFlow::Continue(())
        };
        store.for_each(&mut visit).unwrap();
        store.close().unwrap();
        store = open(dir.path(), &setup).unwrap();
    }
    assert_eq!(store.usage().evicted, 0);
}

#[test]
fn damaged_files_are_put_aside() {
    let dir = Scratch::new("aside");
    let setup = Setup::new(ByteSize::mib(4));
    let store = open(dir.path(), &setup).unwrap();
    fill(&*store, 1);
    store.close().unwrap();
    fs::write(dir.path().join("db/CURRENT"), b"of no use").unwrap();
    let store = open(dir.path(), &setup).unwrap();
    let report = store.open_report();
    assert!(report.corrupt_bytes > 0 && report.dropped == 100, "{report:?}");
    assert!(!report.clean_shutdown && dir.path().join("db.damaged").exists());
    assert_eq!(store.usage().entries, 0);
}

#[test]
fn an_entry_takes_few_bytes_of_memory() {
    let dir = Scratch::new("memory");
    let builder = RocksDbStore::builder(dir.path()).max_bytes(ByteSize::mib(64));
    let store = builder.block_cache(ByteSize::mib(1)).open().unwrap();
    for number in 0..100_000_u64 {
        put(&store, &number.to_le_bytes(), b"small", PutTerms::default());
    }
    let index = store.usage().index_bytes - (1 << 20);
    assert!(index <= 100_000 * 40, "{index}");
}
