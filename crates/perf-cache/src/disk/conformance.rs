//! What every [`DiskStore`] has to do, as functions for its tests.
//!
//! Each takes a function that opens the store in a directory; they panic where it does not do what
//! the trait says. All draw from fixed seeds, and name the seed where they fail. `behaviour` and
//! `faults` run within the process, `crash` in children that it kills.

mod behaviour;
mod bounds;
mod crash;
mod damage;
mod model;
mod random;

pub use self::crash::{Crash, crash};
pub use self::damage::{damage, faults};
pub use self::random::Random;

use super::{DiskError, DiskStore};
use perf_core::{ByteSize, Clock};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

/// What a store is to be opened with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where it has its time from.
    pub clock: Clock,
    /// The bound on its files.
    pub max_bytes: ByteSize,
}

impl Setup {
    /// With the system's clock, and that bound.
    #[must_use]
    pub fn new(max_bytes: ByteSize) -> Setup {
        Setup { clock: Clock::system(), max_bytes }
    }
}

/// What opens a store in a directory, which is there.
pub type Opened = Result<Box<dyn DiskStore>, DiskError>;

/// Everything that a store does while nothing goes wrong.
///
/// # Panics
///
/// If it does something else.
pub fn behaviour(open: impl Fn(&Path, &Setup) -> Opened) {
    let open: &dyn Fn(&Path, &Setup) -> Opened = &open;
    behaviour::basics(open);
    behaviour::sizes(open);
    behaviour::expiry(open);
    behaviour::visiting(open);
    behaviour::closing(open);
    behaviour::threads(open);
    bounds::eviction(open);
    bounds::pinned(open);
    for seed in 0..MODEL_SEEDS {
        model::run(open, seed);
    }
}

/// A directory that is taken away in the end.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one below the system's, or below `PERF_CACHE_SCRATCH`.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Scratch {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let below = env::var_os("PERF_CACHE_SCRATCH").map_or_else(env::temp_dir, PathBuf::from);
        let path = below.join(format!("perf-cache-{name}-{}-{number}", process::id()));
        // One of an earlier process of that number.
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).expect("a scratch directory can be made");
        Scratch(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

const MODEL_SEEDS: u64 = 12;
