//! Recording through a handle, looking a handle up, and the page for Prometheus.

use super::{CoreBench, around, latencies};
use perf_analytics::{Outcome, Recorder, prometheus};
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
        CoreBench::new("analytics/prometheus_text", "writes 16 operations, v2", || {
            // The order in which a recorder's map hands its names out, and with it the work of
            // sorting them, is another in every process: by a per cent with one recorder, by a
            // third of that with several in turn.
            let recorders: Vec<Recorder> = (0..8).map(|_| recorder_of_16()).collect();
            Box::new(move |iterations| {
                let mut length = 0;
                around(&recorders, iterations, |recorder| {
                    let mut text = prometheus::Text::new();
                    recorder.observe(&mut |signal| text.add(recorder.name(), &signal));
                    let text = text.finish();
                    assert!(text.contains("table_15"));
                    length += text.len() as u64;
                });
                length
            })
        })
        .answer_iterations(4),
    ]
}

fn recorder_of_16() -> Recorder {
    let recorder = recorder();
    let values = latencies(1_000);
    for i in 0..16 {
        let handle = recorder.operation("query", &[("table", &format!("table_{i}"))]);
        for value in &values {
            handle.record(Duration::from_nanos(value + i), Outcome::Success);
        }
    }
    recorder
}

fn recorder() -> Recorder {
    let (clock, _) = Clock::manual();
    Recorder::builder().name("bench").clock(clock).build()
}
