//! Operations, on a runtime of one thread.

use super::CoreBench;
use perf_async::{Manager, Operation, OperationError, Retry, Throttle};
use perf_guard::CircuitBreaker;
use std::hint::black_box;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

pub(super) fn benches() -> Vec<CoreBench> {
    vec![
        CoreBench::new("operations/run", "runs a trivial operation where it stands, v1", || {
            let (runtime, manager) = set_up();
            Box::new(move |iterations| {
                runtime.block_on(async {
                    let mut sum = 0_u64;
                    for i in 0..iterations {
                        let operation = Operation::infallible("add", async move { black_box(i) });
                        sum += manager.run(operation).await.expect("nothing stands in its way");
                    }
                    sum
                })
            })
        }),
        CoreBench::new("operations/submit", "submits a trivial operation and waits, v1", || {
            let (runtime, manager) = set_up();
            Box::new(move |iterations| {
                runtime.block_on(async {
                    let mut sum = 0_u64;
                    for i in 0..iterations {
                        let operation = Operation::infallible("add", async move { black_box(i) });
                        let handle = manager.submit(operation).expect("the queue is empty");
                        sum += handle.await.expect("nothing stands in its way");
                    }
                    sum
                })
            })
        }),
        CoreBench::new(
            "operations/policies",
            "runs a trivial operation with every policy on, v1",
            || {
                let (runtime, manager) = set_up_with_policies();
                Box::new(move |iterations| {
                    runtime.block_on(async {
                        let mut sum = 0_u64;
                        for i in 0..iterations {
                            let operation = Operation::retryable("all", move |_| async move {
                                Ok::<_, OperationError>(black_box(i))
                            });
                            sum += manager.run(operation).await.expect("nothing stands in its way");
                        }
                        sum
                    })
                })
            },
        ),
        CoreBench::new(
            "operations/backlog",
            "submits a thousand trivial operations and waits for all of them, v1",
            || {
                let (runtime, manager) = set_up();
                Box::new(move |iterations| {
                    runtime.block_on(async {
                        let mut sum = 0_u64;
                        for _ in 0..iterations {
                            let submit = |i| {
                                let operation = async move { black_box(i) };
                                manager.submit(Operation::infallible("add", operation))
                            };
                            let handles: Vec<_> = (0..1_000_u64).map(submit).collect();
                            for handle in handles {
                                let handle = handle.expect("the queue has room for them");
                                sum += handle.await.expect("nothing stands in its way");
                            }
                        }
                        sum
                    })
                })
            },
        ),
    ]
}

/// One kind with retries, breaker, throttle, time-outs and limits of its own.
fn set_up_with_policies() -> (Runtime, Manager) {
    let (runtime, _) = set_up();
    let second = Duration::from_secs(1);
    let manager = Manager::builder().kind("all", |kind| {
        kind.max_concurrent(4)
            .queue_limit(100)
            .throttle(Throttle::rate(1_000_000_000, second).burst(u64::from(u32::MAX)))
            .timeout(10 * second)
            .total_timeout(30 * second)
            .breaker(CircuitBreaker::builder())
            .retry(Retry::times(3))
    });
    (runtime, manager.build().expect("the settings hold"))
}

fn set_up() -> (Runtime, Manager) {
    let runtime = Builder::new_current_thread().enable_time().build();
    let manager = Manager::builder().build();
    (runtime.expect("a runtime of one thread"), manager.expect("the defaults hold"))
}
