//! What retries, circuit breaker, throttle, time-outs and limits add to an operation that does
//! nothing and succeeds, in time and in allocations.
//!
//! Run: `cargo run --release -p perfkit-benches --example policies`
//!
//! Each figure is the best of several rounds, in nanoseconds per operation, all in one process, on
//! one thread and in turns, so that the differences hold on a noisy machine.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_async::{Hedge, Manager, Operation, OperationError, Retry, Throttle, Work};
use perf_guard::CircuitBreaker;
use std::hint::black_box;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: perf_bench::CountingAllocator = perf_bench::CountingAllocator::system();

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    // One kind with nothing set, and one with everything. The manager's time-out holds for both.
    let manager = Manager::builder()
        .max_concurrent(64)
        .kind("all", |kind| {
            kind.max_concurrent(32)
                .queue_limit(1_000)
                .throttle(Throttle::rate(1_000_000_000, Duration::from_secs(1)).burst(1_000_000))
                .timeout(Duration::from_secs(10))
                .total_timeout(Duration::from_secs(30))
                .breaker(CircuitBreaker::builder())
                .retry(Retry::times(3))
                .hedge(Hedge::after(Duration::from_secs(1)))
        })
        .build()?;
    let once = |kind: &'static str| Operation::infallible(kind, async { black_box(1) });
    let again = |kind: &'static str| {
        Operation::retryable(kind, |_| async { Ok::<_, OperationError>(black_box(1)) })
    };
    let mut rows = Vec::new();
    for round in 0..ROUNDS {
        let mut row = 0;
        let mut note = |name: &'static str, all: &mut dyn FnMut() -> u64| {
            if round == 0 {
                let (sum, made) = perf_bench::allocations_during(&mut *all);
                assert_eq!(sum, EACH, "every operation answers 1");
                rows.push((name, Duration::MAX, made.map_or(0, |made| made.allocations)));
            }
            let start = Instant::now();
            assert_eq!(all(), EACH, "every operation answers 1");
            rows[row].1 = rows[row].1.min(start.elapsed());
            row += 1;
        };
        note("run, a future, nothing set", &mut || {
            runtime.block_on(run(&manager, || once("none")))
        });
        note("run, a future, everything on", &mut || {
            runtime.block_on(run(&manager, || once("all")))
        });
        note("run, retryable, nothing set", &mut || {
            runtime.block_on(run(&manager, || again("none")))
        });
        note("run, retryable, everything on", &mut || {
            runtime.block_on(run(&manager, || again("all")))
        });
        note("submit, a future, nothing set", &mut || {
            runtime.block_on(submit(&manager, || once("none")))
        });
        note("submit, a future, everything on", &mut || {
            runtime.block_on(submit(&manager, || once("all")))
        });
        note("submit, retryable, nothing set", &mut || {
            runtime.block_on(submit(&manager, || again("none")))
        });
        note("submit, retryable, everything on", &mut || {
            runtime.block_on(submit(&manager, || again("all")))
        });
    }
    println!("{:<34} {:>8} {:>12}", "", "ns each", "allocations");
    for (name, best, allocations) in rows {
        let nanos = best.as_nanos() as f64 / EACH as f64;
        println!("{name:<34} {nanos:>8.0} {:>12.2}", allocations as f64 / EACH as f64);
    }
    Ok(())
}

async fn run<W: Work<u64> + Send + 'static>(
    manager: &Manager,
    operation: impl Fn() -> Operation<u64, W>,
) -> u64 {
    let mut sum = 0;
    for _ in 0..EACH {
        sum += manager.run(operation()).await.unwrap_or(0);
    }
    sum
}

async fn submit<W: Work<u64> + Send + 'static>(
    manager: &Manager,
    operation: impl Fn() -> Operation<u64, W>,
) -> u64 {
    let mut sum = 0;
    for _ in 0..EACH {
        if let Ok(handle) = manager.submit(operation()) {
            sum += handle.await.unwrap_or(0);
        }
    }
    sum
}

const ROUNDS: usize = 12;
const EACH: u64 = 20_000;
