//! What a hop to one of the manager's threads costs, beside tokio's and a bare channel's, and what
//! pools add to an operation.
//!
//! Run: `cargo run --release -p perf-async --features lanes --example lanes`
//!
//! Each figure is the best of several rounds, in nanoseconds per operation, all in one process.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_async::{Handle, Manager, Needs, Operation, Pools};
use std::future::Future;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    println!("ns per operation");
    println!("  {:<48} {:>8.0}", "a bare channel, there and back", bare());
    let table = runtime.block_on(async { tokio::spawn(table()).await })??;
    for (name, nanos) in table {
        println!("  {name:<48} {nanos:>8.0}");
    }
    Ok(())
}

/// A thread that answers over a second channel; the caller blocks.
fn bare() -> f64 {
    let (sender, receiver) = crossbeam_channel::bounded::<usize>(64);
    let (answer, answers) = crossbeam_channel::bounded(64);
    let thread = thread::spawn(move || {
        for one in receiver {
            if answer.send(black_box(one)).is_err() {
                return;
            }
        }
    });
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let sum: usize =
            (0..EACH).filter_map(|_| sender.send(1).ok().and_then(|()| answers.recv().ok())).sum();
        best = best.min(start.elapsed());
        assert_eq!(sum, EACH, "the thread answers");
    }
    drop(sender);
    let _answered_all = thread.join().is_ok();
    best.as_nanos() as f64 / EACH as f64
}

async fn table() -> Result<Vec<(&'static str, f64)>, Failure> {
    let manager = Manager::builder()
        .max_concurrent(64)
        .queue_limit(100_000)
        .pools(Pools::builder().cpu(64).database(64).build()?)
        .kind("query", |kind| kind.needs(Needs::new().cpu(1).database(1)))
        .build()?;
    let mut rows = Vec::new();
    let tokio =
        best(EACH, async || tokio::task::spawn_blocking(|| black_box(1)).await.unwrap_or(0));
    rows.push(("tokio: spawn_blocking + await", tokio.await));
    let cpu = || Operation::cpu("sum", |_| black_box(1));
    rows.push((
        "run, CPU thread",
        best(EACH, async || manager.run(cpu()).await.unwrap_or(0)).await,
    ));
    let submit = best(EACH, async || match manager.submit(cpu()) {
        Ok(handle) => handle.await.unwrap_or(0),
        Err(_) => 0,
    });
    rows.push(("submit + await, CPU thread", submit.await));
    let blocking = || Operation::blocking("read", |_| black_box(1));
    let run = best(EACH, async || manager.run(blocking()).await.unwrap_or(0));
    rows.push(("run, blocking thread", run.await));

    let spawned = batch(async || {
        let spawn = |_| tokio::task::spawn_blocking(|| black_box(1));
        let tasks: Vec<_> = (0..BATCH).map(spawn).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap_or(0);
        }
        sum
    });
    rows.push(("tokio: 1,000 spawn_blocking, then awaited", spawned.await));
    let submitted = batch(async || {
        let handles: Vec<Handle<usize>> =
            (0..BATCH).filter_map(|_| manager.submit(cpu()).ok()).collect();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await.unwrap_or(0);
        }
        sum
    });
    rows.push(("1,000 submitted to CPU threads, then awaited", submitted.await));

    let no_op = |kind| Operation::infallible(kind, async { black_box(1) });
    let run = best(MANY, async || manager.run(no_op("no-op")).await.unwrap_or(0));
    rows.push(("run in place, no needs", run.await));
    let run = best(MANY, async || manager.run(no_op("query")).await.unwrap_or(0));
    rows.push(("run in place, its kind needs of two pools", run.await));
    let needs = Needs::new().cpu(1).database(1);
    let run = best(MANY, async || manager.run(no_op("own").needs(needs)).await.unwrap_or(0));
    rows.push(("run in place, it needs of two pools", run.await));
    Ok(rows)
}

async fn best<F: Future<Output = usize>>(each: usize, mut one: impl FnMut() -> F) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut sum = 0;
        for _ in 0..each {
            sum += one().await;
        }
        best = best.min(start.elapsed());
        assert_eq!(sum, each, "every operation answers 1");
    }
    best.as_nanos() as f64 / each as f64
}

async fn batch<F: Future<Output = usize>>(mut all: impl FnMut() -> F) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        assert_eq!(all().await, BATCH, "every operation answers 1");
        best = best.min(start.elapsed());
    }
    best.as_nanos() as f64 / BATCH as f64
}

const ROUNDS: usize = 20;
const EACH: usize = 2_000;
const MANY: usize = 20_000;
const BATCH: usize = 1_000;
