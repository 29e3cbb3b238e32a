//! The suite, over SQLite.

use perf_cache::disk::conformance::{self, Setup};
use perf_cache::disk::{DiskError, DiskStore, SqliteStore};
use std::path::Path;

fn open(dir: &Path, setup: &Setup) -> Result<Box<dyn DiskStore>, DiskError> {
    let builder = SqliteStore::builder(dir).max_bytes(setup.max_bytes).clock(setup.clock.clone());
    Ok(Box::new(builder.open()?))
}

#[test]
fn sqlite_behaves() {
    conformance::behaviour(open);
}

#[test]
fn sqlite_bears_faults() {
    conformance::faults(open);
}

#[test]
fn sqlite_bears_damaged_files() {
    let lost = conformance::damage(open, 150);
    assert!(lost > 0, "the damage was not seen");
}

#[test]
fn sqlite_is_killed() {
    let crash = conformance::crash("disk::sqlite::sqlite_is_killed", open);
    assert!(crash.found > 0 && crash.recovered >= crash.found, "{crash:?}");
    println!("{crash:?}");
}
