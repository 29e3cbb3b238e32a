//! What an item of a batch costs, beside an operation by itself, and what it costs to join an
//! operation with the same key.
//!
//! Run: `cargo run --release -p perf-async --example batching`
//!
//! Each figure is the best of several rounds, in nanoseconds per item, all in one process, so that
//! the ratios hold on a noisy machine.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_async::{Batch, Handle, Manager, Operation};
use std::convert::Infallible;
use std::future::pending;
use std::hint::black_box;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    for threads in [1, 2] {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_time()
            .build()?;
        println!("{threads} worker thread(s), ns per item");
        // From inside the runtime, as a server would.
        let table = runtime.block_on(async { tokio::spawn(table()).await })??;
        for (name, nanos) in table {
            println!("  {name:<56} {nanos:>8.0}");
        }
    }
    Ok(())
}

async fn table() -> Result<Vec<(&'static str, f64)>, Failure> {
    let manager = Manager::builder().max_concurrent(64).queue_limit(100_000).build()?;
    let echo = |items: Vec<usize>| async { items.into_iter().map(Ok::<_, Infallible>).collect() };
    manager.enable_batching("large", Batch::natural(1_000), echo)?;
    manager.enable_batching("small", Batch::natural(10), echo)?;
    let mut rows = Vec::new();

    let plain = best(async || {
        let no_op = || Operation::infallible("plain", async { black_box(1) });
        sum((0..MANY).filter_map(|_| manager.submit(no_op()).ok()).collect()).await
    });
    rows.push(("10,000 operations submitted, then awaited", plain.await));
    for (name, kind) in [
        ("10,000 items one by one, at most 1,000 in a batch", "large"),
        ("10,000 items one by one, at most 10 in a batch", "small"),
    ] {
        let one_by_one = best(async || {
            let items =
                (0..MANY).filter_map(|_| manager.submit_item(kind, black_box(1_usize)).ok());
            sum(items.collect()).await
        });
        rows.push((name, one_by_one.await));
    }
    let together = best(async || {
        let ones = std::iter::repeat_n(black_box(1_usize), MANY);
        sum(manager.submit_items("large", ones).unwrap_or_default()).await
    });
    rows.push(("10,000 items together, at most 1,000 in a batch", together.await));

    let joined = Operation::infallible("join", pending::<usize>()).key("the only one");
    let first = manager.submit(joined)?;
    let mut join = Duration::MAX;
    let mut leave = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let handles: Vec<Handle<usize>> = (0..MANY)
            .filter_map(|_| {
                let joining = Operation::infallible("join", pending::<usize>());
                manager.submit(joining.key("the only one")).ok()
            })
            .collect();
        join = join.min(start.elapsed());
        assert_eq!(handles.len(), MANY, "all join");
        let start = Instant::now();
        drop(handles);
        leave = leave.min(start.elapsed());
    }
    first.cancel();
    rows.push(("join an operation with the same key", join.as_nanos() as f64 / MANY as f64));
    rows.push(("and drop the handle", leave.as_nanos() as f64 / MANY as f64));
    Ok(rows)
}

async fn sum(handles: Vec<Handle<usize>>) -> usize {
    let mut sum = 0;
    for handle in handles {
        sum += handle.await.unwrap_or(0);
    }
    sum
}

async fn best<F: Future<Output = usize>>(mut many: impl FnMut() -> F) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let sum = many().await;
        best = best.min(start.elapsed());
        assert_eq!(sum, MANY, "every item answers 1");
        tokio::task::yield_now().await;
    }
    best.as_nanos() as f64 / MANY as f64
}

const ROUNDS: usize = 40;
const MANY: usize = 10_000;
