//! Recording through a handle, looking a handle up, and the page for Prometheus.

use super::{CoreBench, around, latencies};
use perf_analytics::{Outcome, Recorder, prometheus};
use perf_bench::repeat;
use perf_core::{Clock, Observe};
use std::hint::black_box;
use std::time::Duration;

pub(super) fn benches() -> Vec<CoreBench> {
    vec![
        CoreBench::new("analytics/record", "records through a handle, v1", || {
            let recorder = recorder();
            let handle = recorder.operation("query", &[("table", "users")]);
            let values = latencies(4_096);
            Box::new(move |iterations| {
                let mut sum = 0_u64;
                around(&values, iterations, |value| {
                    handle.record(Duration::from_nanos(black_box(*value)), Outcome::Success);
                    sum = sum.wrapping_add(*value);
                });
                sum
            })
        }),
        CoreBench::new("analytics/handle", "looks up one of 64 handles, v1", || {
            let recorder = recorder();
            let tables: Vec<String> = (0..64).map(|i| format!("table_{i}")).collect();
            Box::new(move |iterations| {
                around(&tables, iterations, |table| {
                    black_box(recorder.operation("query", &[("table", black_box(table))]));
                });
                iterations
            })
        }),
        CoreBench::new("analytics/prometheus_text", "writes 16 operations, v1", || {
            let recorder = recorder();
            for i in 0..16 {
                let handle = recorder.operation("query", &[("table", &format!("table_{i}"))]);
                for value in latencies(1_000) {
                    handle.record(Duration::from_nanos(value + i), Outcome::Success);
                }
            }
            Box::new(move |iterations| {
                repeat(iterations, || {
                    let mut text = prometheus::Text::new();
                    recorder.observe(&mut |signal| text.add(recorder.name(), &signal));
                    let text = text.finish();
                    assert!(text.contains("table_15"));
                    text.len() as u64
                })
            })
        })
        .answer_iterations(4),
    ]
}

fn recorder() -> Recorder {
    let (clock, _) = Clock::manual();
    Recorder::builder().name("bench").clock(clock).build()
}
