//! The benches of perfkit's own core functions: what the gate watches.
//!
//! Each is deterministic: fixed seeds, manual clocks, answers that depend on the number of
//! iterations alone. Two things draw a seed of their own in every process, the hash maps of the
//! cache and the names of the recorder; those benches look at so many keys that their instructions
//! repeat to a tenth of a per cent.

mod analytics;
mod cache;
mod core;
mod guard;
mod http;
mod operations;
mod policies;
mod stats;

use crate::Workload;
use std::fmt;

/// Does its work as often as told and answers a checksum of it.
pub type Body = Box<dyn FnMut(u64) -> u64>;

/// One bench, for whatever harness runs it.
pub struct CoreBench {
    /// Its name, such as `core/histogram_record`.
    pub name: &'static str,
    /// What one iteration does. Changes with it, so that different work is never compared.
    pub work: &'static str,
    /// How many iterations its answer is taken of.
    pub answer_iterations: u64,
    set_up: fn() -> Body,
}

impl CoreBench {
    fn new(name: &'static str, work: &'static str, set_up: fn() -> Body) -> CoreBench {
        CoreBench { name, work, answer_iterations: 64, set_up }
    }

    fn answer_iterations(mut self, iterations: u64) -> CoreBench {
        self.answer_iterations = iterations;
        self
    }

    /// Everything that happens before the first iteration.
    ///
    /// # Panics
    ///
    /// When what it sets up does not do what it should: wrong and fast must fail. So does the body.
    #[must_use]
    pub fn set_up(&self) -> Body {
        (self.set_up)()
    }
}

impl fmt::Debug for CoreBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoreBench").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All benches.
#[must_use]
pub fn core_benches() -> Vec<CoreBench> {
    [
        core::benches(),
        guard::benches(),
        cache::benches(),
        policies::benches(),
        operations::benches(),
        analytics::benches(),
        http::benches(),
        stats::benches(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Latencies around 2 ms, in nanoseconds.
fn latencies(count: usize) -> Vec<u64> {
    draw(&Workload::LogNormal { median: 2e6, sigma: 1.0 }, count)
}

/// Keys as a cache sees them.
fn hot_keys(keys: u64, count: usize) -> Vec<u64> {
    draw(&Workload::Zipf { keys, exponent: 0.99 }, count)
}

fn draw(workload: &Workload, count: usize) -> Vec<u64> {
    let numbers = workload.numbers(SEED).expect("the parameters stand in this file");
    numbers.take(count).collect()
}

const SEED: u64 = 20_261_121;

/// Calls `work` with the values in a circle, from the first on.
fn around<T>(values: &[T], iterations: u64, mut work: impl FnMut(&T)) {
    let mut left = iterations;
    while left > 0 {
        let now = usize::try_from(left).map_or(values.len(), |left| left.min(values.len()));
        values[..now].iter().for_each(&mut work);
        left -= now as u64;
    }
}
