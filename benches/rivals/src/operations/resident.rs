//! What waiting operations hold, each subject in a fresh process.

use super::runtime;
use super::work::{Failure, no_op};
use crate::machine::Resident;
use anyhow::{Context, Result, bail};
use perf_async::{Manager, Operation};
use slab::Slab;
use std::future::pending;
use std::pin::Pin;

pub(super) const SUBJECTS: [&str; 4] = ["perf-async", HELD, "tokio-spawn", "floor"];
/// Ours with the handles in a list, their own size included.
const HELD: &str = "perf-async held";

/// No-ops of a number, as many as told, that wait.
pub(crate) fn resident(subject: &str, count: usize) -> Result<Resident> {
    let numbers = 0..count as u64;
    let runtime = runtime(1)?;
    let _inside = runtime.enter();
    match subject {
        "perf-async" | HELD => {
            let manager = Manager::builder().max_concurrent(1).queue_limit(count).build()?;
            let gate = manager.submit(Operation::infallible("gate", pending::<u64>()))?;
            let mut failed = None;
            let seen = Resident::of(|| {
                let mut held = Vec::new();
                for number in numbers {
                    match manager.submit(Operation::infallible("no-op", no_op(number))) {
                        Ok(handle) if subject == HELD => held.push(handle),
                        Ok(handle) => drop(handle),
                        Err(error) => failed = Some(error),
                    }
                }
                let waiting = manager.pending_count() as u64;
                (held, waiting)
            })?;
            drop(gate);
            match failed {
                Some(error) => Err(error).context("not all were taken"),
                None => Ok(seen),
            }
        }
        "tokio-spawn" => Resident::of(|| {
            let tasks: Vec<_> = numbers
                .map(|number| {
                    tokio::spawn(async move {
                        pending::<()>().await;
                        no_op(number).await
                    })
                })
                .collect();
            let waiting = tasks.iter().filter(|task| !task.is_finished()).count() as u64;
            (tasks, waiting)
        }),
        "floor" => Resident::of(|| {
            let mut slab: Slab<Boxed> = Slab::new();
            for number in numbers {
                slab.insert(Box::pin(async move { Ok(no_op(number).await) }));
            }
            let waiting = slab.len() as u64;
            (slab, waiting)
        }),
        other => bail!("no subject `{other}`"),
    }
}

type Boxed = Pin<Box<dyn Future<Output = Result<u64, Failure>> + Send>>;
