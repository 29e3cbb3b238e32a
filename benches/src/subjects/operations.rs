//! Operations, on a runtime of one thread.

use super::CoreBench;
use perf_async::{Manager, Operation};
use std::hint::black_box;
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
    ]
}

fn set_up() -> (Runtime, Manager) {
    let runtime = Builder::new_current_thread().enable_time().build();
    let manager = Manager::builder().build();
    (runtime.expect("a runtime of one thread"), manager.expect("the defaults hold"))
}
