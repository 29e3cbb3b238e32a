//! Operations under a limit, each subject as it comes, on one tokio runtime.
//!
//! A no-op carries its number and answers it, so that every subject's answers can be added up. All
//! work is done from inside the runtime, as a server would.

mod noop;
mod queued;
mod resident;
mod work;

pub(crate) use resident::resident;

use crate::machine::add_resident;
use crate::measure::Bench;
use anyhow::Result;
use tokio::runtime::{Builder, Runtime};

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let workers: Vec<usize> = bench.definition.parameter("workers")?;
    for (position, &threads) in workers.iter().enumerate() {
        let runtime = runtime(threads)?;
        let suffix = if position == 0 { String::new() } else { format!("/w{threads}") };
        noop::run(bench, &runtime, &suffix)?;
        if position == 0 {
            queued::run(bench, &runtime)?;
        }
    }
    add_resident(bench, "async", "queued/resident", "bytes_per_operation", &resident::SUBJECTS)
}

fn runtime(threads: usize) -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(threads).enable_time().build()?)
}
