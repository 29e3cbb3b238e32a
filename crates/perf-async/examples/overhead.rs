//! What the manager adds to an operation that does nothing, beside what tokio itself costs.
//!
//! Run: `cargo run --release -p perf-async --example overhead`
//!
//! Each figure is the best of several rounds, in nanoseconds per operation, all in one process, so
//! that the ratios hold on a noisy machine.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_async::{Handle, Manager, Operation};
use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    for threads in [1, 2] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_time()
            .build()?;
        println!("{threads} worker thread(s), ns per operation");
        // From inside the runtime, as a server would.
        let table = runtime.block_on(async { tokio::spawn(table()).await })??;
        let spawn = table[1].1;
        for (name, nanos) in table {
            println!("  {name:<44} {nanos:>8.0}  {:>6.2} x spawn + await", nanos / spawn);
        }
        drop::<Runtime>(runtime);
    }
    Ok(())
}

async fn table() -> Result<Vec<(&'static str, f64)>, Failure> {
    let manager = Manager::builder().max_concurrent(64).queue_limit(100_000).build()?;
    let narrow = Manager::builder().max_concurrent(1).queue_limit(100_000).build()?;
    let no_op = || Operation::infallible("no-op", async { black_box(1) });
    let mut rows = Vec::new();

    rows.push(("await in place", best(async || black_box(async { black_box(1) }).await).await));
    let spawn = best(async || tokio::spawn(async { black_box(1) }).await.unwrap_or(0)).await;
    rows.push(("tokio: spawn + await", spawn));
    let run = best(async || manager.run(no_op()).await.unwrap_or(0)).await;
    rows.push(("run, room to spare", run));
    let submit = best(async || match manager.submit(no_op()) {
        Ok(handle) => handle.await.unwrap_or(0),
        Err(_) => 0,
    })
    .await;
    rows.push(("submit + await, room to spare", submit));

    let tokio_batch = best_batch(async || {
        let tasks: Vec<_> = (0..BATCH).map(|_| tokio::spawn(async { black_box(1) })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap_or(0);
        }
        sum
    })
    .await;
    rows.push(("tokio: 1,000 spawned, then awaited", tokio_batch));
    let batch = async |manager: &Manager| {
        let handles: Vec<Handle<usize>> =
            (0..BATCH).filter_map(|_| manager.submit(no_op()).ok()).collect();
        let mut sum = 0;
        for handle in handles {
            sum += handle.await.unwrap_or(0);
        }
        sum
    };
    rows.push((
        "1,000 submitted, then awaited, 64 at once",
        best_batch(async || batch(&manager).await).await,
    ));
    rows.push((
        "1,000 submitted, then awaited, 1 at once",
        best_batch(async || batch(&narrow).await).await,
    ));
    Ok(rows)
}

async fn best<F: Future<Output = usize>>(mut one: impl FnMut() -> F) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut sum = 0;
        for _ in 0..EACH {
            sum += one().await;
        }
        best = best.min(start.elapsed());
        assert_eq!(sum, EACH, "every operation answers 1");
        tokio::task::yield_now().await;
    }
    best.as_nanos() as f64 / EACH as f64
}

async fn best_batch<F: Future<Output = usize>>(mut batch: impl FnMut() -> F) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS * 5 {
        let start = Instant::now();
        let sum = batch().await;
        best = best.min(start.elapsed());
        assert_eq!(sum, BATCH, "every operation answers 1");
        tokio::task::yield_now().await;
    }
    best.as_nanos() as f64 / BATCH as f64
}

const ROUNDS: usize = 20;
const EACH: usize = 20_000;
const BATCH: usize = 1_000;
