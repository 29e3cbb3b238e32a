//! What it takes to run an operation that does nothing.

use super::work::{Failure, no_op};
use crate::measure::{Bench, Measurement};
use anyhow::{Result, anyhow, ensure};
use perf_async::{Handle, KindSettings, Manager, Operation, Retry, Throttle};
use perf_core::Priority;
use perf_guard::CircuitBreaker;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::{Service, ServiceExt, service_fn};

/// One after the other, a backlog, and in place.
pub(super) fn run(bench: &mut Bench, runtime: &Runtime, suffix: &str) -> Result<()> {
    let operations = bench.parameter("operations")?;
    let backlog = bench.parameter("backlog")?;
    let rounds = bench.parameter("rounds")?;
    let concurrent = bench.parameter("concurrent")?;
    let manager = Manager::builder().max_concurrent(concurrent).queue_limit(backlog).build()?;
    let many = Shape { rounds: operations, at_once: 1 };
    let few = Shape { rounds, at_once: backlog };
    let thousands = Shape { rounds: (operations / THOUSAND).max(1), at_once: THOUSAND };

    let idle: &mut [(&str, Measurement<'_>)] = &mut [
        ("perf-async", in_task(runtime, many, || submitted(manager.clone(), many))),
        ("tokio-spawn", in_task(runtime, many, || spawned(many))),
        ("tokio-spawn-each", in_task(runtime, thousands, || spawned(thousands))),
        ("tower-buffer-limit", in_task(runtime, many, || buffered(many, concurrent))),
    ];
    bench.measure(&format!("noop/idle{suffix}"), "ns_per_op", "ns", idle)?;

    let full: &mut [(&str, Measurement<'_>)] = &mut [
        ("perf-async", in_task(runtime, few, || submitted(manager.clone(), few))),
        ("tokio-spawn", in_task(runtime, few, || spawned(few))),
        ("tokio-spawn-each", in_task(runtime, thousands, || spawned(thousands))),
        ("tokio-semaphore", in_task(runtime, few, || permitted(few, concurrent))),
        ("tower-buffer-limit", in_task(runtime, few, || buffered(few, concurrent))),
    ];
    bench.measure(&format!("noop/backlog{suffix}"), "ns_per_op", "ns", full)?;

    let inline: &mut [(&str, Measurement<'_>)] = &mut [
        ("perf-async", in_task(runtime, many, || in_place(manager.clone(), many))),
        ("floor", in_task(runtime, many, || awaited(many))),
    ];
    bench.measure(&format!("noop/inline{suffix}"), "ns_per_op", "ns", inline)?;

    let bounded = Manager::builder().max_concurrent(concurrent).kind("no-op", all_policies);
    let bounded = bounded.build()?;
    let ruled: &mut [(&str, Measurement<'_>)] = &mut [
        ("perf-async", in_task(runtime, many, || retryable(bounded.clone(), many))),
        ("perf-async without", in_task(runtime, many, || retryable(manager.clone(), many))),
        ("floor", in_task(runtime, many, || awaited(many))),
    ];
    bench.measure(&format!("noop/policies{suffix}"), "ns_per_op", "ns", ruled)?;

    let thousand = Shape { rounds, at_once: THOUSAND };
    let queued: &mut [(&str, Measurement<'_>)] = &mut [(
        "perf-async",
        in_task(runtime, thousand, || prioritised(manager.clone(), thousand)),
    )];
    bench.measure(&format!("noop/thousand{suffix}"), "ns_per_op", "ns", queued)
}

/// Retries, a breaker, a throttle that never holds back, a time-out and a bulkhead.
fn all_policies(kind: KindSettings) -> KindSettings {
    kind.max_concurrent(32)
        .retry(Retry::times(3))
        .breaker(CircuitBreaker::builder())
        .throttle(Throttle::rate(1_000_000_000, Duration::from_secs(1)).burst(1_000_000))
        .timeout(Duration::from_secs(1))
}

const THOUSAND: usize = 1_000;

/// How many operations: so many rounds, each of which awaits what it has started.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    rounds: usize,
    at_once: usize,
}

impl Shape {
    fn numbers(self) -> impl Iterator<Item = std::ops::Range<u64>> {
        let at_once = self.at_once as u64;
        (0..self.rounds as u64).map(move |round| round * at_once..(round + 1) * at_once)
    }

    fn count(self) -> u64 {
        (self.rounds * self.at_once) as u64
    }
}

/// The sum of all answers, and how long they took.
type Done = Result<(u64, Duration)>;

/// Does the work in a task of the runtime and checks the sum of the answers.
pub(super) fn in_task<'a, F: Future<Output = Done> + Send + 'static>(
    runtime: &'a Runtime,
    shape: Shape,
    work: impl Fn() -> F + 'a,
) -> Measurement<'a> {
    Box::new(move || {
        let work = work();
        let (sum, took) = runtime.block_on(async { tokio::spawn(work).await })??;
        let count = shape.count();
        let expected = count * (count - 1) / 2;
        ensure!(sum == expected, "the answers add up to {sum} where {expected} is right");
        Ok(took.as_nanos() as f64 / count as f64)
    })
}

async fn submitted(manager: Manager, shape: Shape) -> Done {
    let mut handles: Vec<Handle<u64>> = Vec::with_capacity(shape.at_once);
    let mut sum = 0;
    let start = Instant::now();
    for numbers in shape.numbers() {
        for number in numbers {
            handles.push(manager.submit(Operation::infallible("no-op", no_op(number)))?);
        }
        for handle in handles.drain(..) {
            sum += handle.await?;
        }
    }
    Ok((sum, start.elapsed()))
}

async fn spawned(shape: Shape) -> Done {
    let mut tasks = Vec::with_capacity(shape.at_once);
    let mut sum = 0;
    let start = Instant::now();
    for numbers in shape.numbers() {
        tasks.extend(numbers.map(|number| tokio::spawn(no_op(number))));
        for task in tasks.drain(..) {
            sum += task.await?;
        }
    }
    Ok((sum, start.elapsed()))
}

/// What people write to run at most so many at once.
async fn permitted(shape: Shape, concurrent: usize) -> Done {
    let semaphore = Arc::new(Semaphore::new(concurrent));
    let mut tasks = Vec::with_capacity(shape.at_once);
    let mut sum = 0;
    let start = Instant::now();
    for numbers in shape.numbers() {
        tasks.extend(numbers.map(|number| {
            let semaphore = Arc::clone(&semaphore);
            tokio::spawn(async move {
                let _permit = semaphore.acquire().await?;
                anyhow::Ok(no_op(number).await)
            })
        }));
        for task in tasks.drain(..) {
            sum += task.await??;
        }
    }
    Ok((sum, start.elapsed()))
}

async fn buffered(shape: Shape, concurrent: usize) -> Done {
    let service = service_fn(|number: u64| async move { Ok::<_, Failure>(no_op(number).await) });
    let mut service = Buffer::new(ConcurrencyLimit::new(service, concurrent), shape.at_once);
    let mut answers = Vec::with_capacity(shape.at_once);
    let mut sum = 0;
    let start = Instant::now();
    for numbers in shape.numbers() {
        for number in numbers {
            answers.push(service.ready().await.map_err(said)?.call(number));
        }
        for answer in answers.drain(..) {
            sum += answer.await.map_err(said)?;
        }
    }
    Ok((sum, start.elapsed()))
}

fn said(failure: Failure) -> anyhow::Error {
    anyhow!(failure)
}

async fn in_place(manager: Manager, shape: Shape) -> Done {
    let mut sum = 0;
    let start = Instant::now();
    for number in 0..shape.count() {
        sum += manager.run(Operation::infallible("no-op", no_op(number))).await?;
    }
    Ok((sum, start.elapsed()))
}

async fn retryable(manager: Manager, shape: Shape) -> Done {
    let mut sum = 0;
    let start = Instant::now();
    for number in 0..shape.count() {
        let make = move |_| async move { Ok::<_, Failure>(no_op(number).await) };
        sum += manager.run(Operation::retryable("no-op", make)).await?;
    }
    Ok((sum, start.elapsed()))
}

/// As the queues of the package `node` do it: with a priority and a time-out each.
async fn prioritised(manager: Manager, shape: Shape) -> Done {
    let levels: Vec<_> = (1..=10).filter_map(Priority::new).collect();
    let mut handles: Vec<Handle<u64>> = Vec::with_capacity(shape.at_once);
    let mut sum = 0;
    let start = Instant::now();
    for numbers in shape.numbers() {
        for (number, priority) in numbers.zip(levels.iter().cycle()) {
            let operation = Operation::infallible("no-op", no_op(number))
                .priority(*priority)
                .timeout(Duration::from_secs(30));
            handles.push(manager.submit(operation)?);
        }
        for handle in handles.drain(..) {
            sum += handle.await?;
        }
    }
    Ok((sum, start.elapsed()))
}

async fn awaited(shape: Shape) -> Done {
    let mut sum = 0;
    let start = Instant::now();
    for number in 0..shape.count() {
        sum += no_op(number).await;
    }
    Ok((sum, start.elapsed()))
}
