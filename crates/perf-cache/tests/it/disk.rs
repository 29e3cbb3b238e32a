//! The stores on disk: the suite that all pass, and what is the log's own.

mod log;
mod segments;
#[cfg(feature = "bundled-sqlite")]
mod sqlite;

use perf_cache::disk::conformance::{self, Setup};
use perf_cache::disk::{DiskError, DiskStore, LogStore};
use std::path::Path;

fn open_log(dir: &Path, setup: &Setup) -> Result<Box<dyn DiskStore>, DiskError> {
    let builder = LogStore::builder(dir).max_bytes(setup.max_bytes).clock(setup.clock.clone());
    Ok(Box::new(builder.open()?))
}

#[test]
fn log_behaves() {
    conformance::behaviour(open_log);
}

#[test]
fn log_bears_faults() {
    conformance::faults(open_log);
}

#[test]
fn log_bears_damaged_files() {
    let lost = conformance::damage(open_log, 150);
    assert!(lost > 0, "the damage was not seen");
}

#[test]
fn log_is_killed() {
    let crash = conformance::crash("disk::log_is_killed", open_log);
    assert!(crash.found > 0 && crash.recovered >= crash.found, "{crash:?}");
    println!("{crash:?}");
}
