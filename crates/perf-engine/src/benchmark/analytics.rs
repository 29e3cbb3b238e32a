//! Recording and asking.

use perf_analytics::{Outcome, Recorder};
use perf_bench::suite::{Context, SectionFailure};
use std::time::Duration;

pub(super) struct Section;

impl perf_bench::suite::Section for Section {
    fn name(&self) -> &str {
        "analytics"
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure> {
        let recorder = Recorder::builder().name("benchmark").build();
        let operation = recorder.operation("checkout", &[("paid", "card")]);
        let mut recorded = 0_u64;
        context.time("record", "record through a handle", |n| {
            recorded += 1;
            operation.record(Duration::from_nanos(1_000_000 + n % 1_000), Outcome::Success);
        })?;
        context.time("record_by_name", "record a metric by name and tags", |n| {
            recorder.record_metric("basket", (n % 100) as f64, &[("shop", "north")]);
        })?;

        let hour = Duration::from_secs(3_600);
        let metrics = recorder.metrics("checkout", hour);
        let count = metrics.as_ref().map_or(0, |metrics| metrics.count);
        context.check(count == recorded, "everything that was recorded is counted")?;
        context.time("query", "ask for an operation's metrics of an hour", |_| {
            recorder.metrics("checkout", hour)
        })
    }
}
