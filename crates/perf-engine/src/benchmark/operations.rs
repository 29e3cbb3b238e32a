//! The manager of asynchronous operations.

use perf_async::{Manager, Operation};
use perf_bench::suite::{Context, SectionFailure};
use std::time::Instant;

pub(super) struct Section;

impl perf_bench::suite::Section for Section {
    fn name(&self) -> &str {
        "operations"
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure> {
        let runtime = super::runtime()?;
        let manager = Manager::builder().build().map_err(SectionFailure::failed)?;
        let before = manager.stats().completed;
        let mut ran = 0;
        context.time_batches("run", "run an operation at once, with its value", |calls| {
            runtime.block_on(async {
                let begin = Instant::now();
                for n in 0..calls {
                    let value = manager.run(Operation::infallible("add", async move { n + 1 }));
                    if value.await.map_err(SectionFailure::failed)? != n + 1 {
                        return Err(SectionFailure::Wrong("n + 1 is answered".to_owned()));
                    }
                }
                ran += calls;
                Ok(begin.elapsed())
            })
        })?;
        let completed = manager.stats().completed - before;
        context.check(completed == ran, "every operation is counted as completed")?;

        context.time_batches("submit_and_wait", "submit an operation and await it", |calls| {
            runtime.block_on(async {
                let begin = Instant::now();
                for n in 0..calls {
                    let operation = Operation::infallible("add", async move { n + 1 });
                    let handle = manager.submit(operation).map_err(SectionFailure::failed)?;
                    if handle.await.map_err(SectionFailure::failed)? != n + 1 {
                        return Err(SectionFailure::Wrong("n + 1 is answered".to_owned()));
                    }
                }
                Ok(begin.elapsed())
            })
        })?;
        context.checked(ran);
        queue(context, &runtime)
    }
}

/// What it costs to queue behind an operation that does not end.
fn queue(
    context: &mut Context<'_>,
    runtime: &tokio::runtime::Runtime,
) -> Result<(), SectionFailure> {
    let mut lost = 0;
    context.time_batches("queue", "queue an operation behind others", |calls| {
        runtime.block_on(async {
            let manager = Manager::builder()
                .max_concurrent(1)
                .queue_limit(usize::try_from(calls).unwrap_or(usize::MAX))
                .build()
                .map_err(SectionFailure::failed)?;
            let blocking = Operation::infallible("block", std::future::pending::<()>());
            let blocker = manager.submit(blocking).map_err(SectionFailure::failed)?;
            tokio::task::yield_now().await;
            let mut waiting = Vec::with_capacity(calls as usize);
            let begin = Instant::now();
            for n in 0..calls {
                let operation = Operation::infallible("add", async move { n });
                waiting.push(manager.submit(operation).map_err(SectionFailure::failed)?);
            }
            let took = begin.elapsed();
            lost += calls.abs_diff(manager.pending_count() as u64);
            manager.cancel(blocker.id());
            for (n, handle) in (0..).zip(waiting) {
                lost += u64::from(handle.await.map_err(SectionFailure::failed)? != n);
            }
            Ok(took)
        })
    })?;
    context.check(lost == 0, "what was queued waits, and runs once there is room")
}
