//! Recording, reading and merging distributions; counting; patterns over keys.

use super::{CoreBench, around, latencies};
use perf_bench::repeat;
use perf_core::{Counter, Glob, Histogram, StripedHistogram};
use std::hint::black_box;

pub(super) fn benches() -> Vec<CoreBench> {
    vec![
        CoreBench::new("core/histogram_record", "records a log-normal latency, v1", || {
            let values = latencies(4_096);
            let mut histogram = Histogram::new();
            Box::new(move |iterations| {
                let (count, sum) = (histogram.count(), histogram.sum());
                around(&values, iterations, |value| histogram.record(black_box(*value)));
                assert_eq!(histogram.count() - count, iterations);
                (histogram.sum() - sum) as u64
            })
        }),
        CoreBench::new("core/striped_record", "records a log-normal latency, v1", || {
            let values = latencies(4_096);
            let histogram = StripedHistogram::new();
            Box::new(move |iterations| {
                let before = histogram.snapshot();
                around(&values, iterations, |value| histogram.record(black_box(*value)));
                let after = histogram.snapshot();
                assert_eq!(after.count() - before.count(), iterations);
                (after.sum() - before.sum()) as u64
            })
        }),
        CoreBench::new("core/histogram_quantile", "asks for four quantiles, v1", || {
            let histogram = filled(&latencies(100_000));
            Box::new(move |iterations| {
                repeat(iterations, || {
                    QUANTILES
                        .iter()
                        .map(|q| histogram.quantile(black_box(*q)).expect("it is filled"))
                        .fold(0, u64::wrapping_add)
                })
            })
        }),
        CoreBench::new("core/histogram_merge", "merges 16 histograms of 256 values, v1", || {
            let values = latencies(4_096);
            let parts: Vec<Histogram> = values.chunks(256).map(filled).collect();
            Box::new(move |iterations| {
                repeat(iterations, || {
                    let mut whole = Histogram::new();
                    parts.iter().for_each(|part| whole.merge(black_box(part)));
                    assert_eq!(whole.count(), 4_096);
                    whole.sum() as u64
                })
            })
        }),
        CoreBench::new("core/histogram_minus", "takes a former state away, v1", || {
            let values = latencies(8_192);
            let earlier = filled(&values[..4_096]);
            let later = filled(&values);
            Box::new(move |iterations| {
                repeat(iterations, || {
                    let window = later.minus(black_box(&earlier));
                    assert_eq!(window.count(), 4_096);
                    window.sum() as u64
                })
            })
        }),
        CoreBench::new("core/counter_add", "adds to a counter, v1", || {
            let counter = Counter::new();
            let values = latencies(1_024);
            Box::new(move |iterations| {
                let before = counter.get();
                around(&values, iterations, |value| counter.add(black_box(*value)));
                counter.get().wrapping_sub(before)
            })
        }),
        CoreBench::new("core/glob_match", "matches 8 keys against 4 patterns, v1", || {
            let globs = PATTERNS.map(|pattern| Glob::new(pattern).expect("it is a pattern"));
            Box::new(move |iterations| {
                repeat(iterations, || {
                    let mut matched = 0;
                    for key in black_box(KEYS) {
                        for glob in &globs {
                            matched += u64::from(glob.matches(key));
                        }
                    }
                    assert_eq!(matched, 7);
                    matched
                })
            })
        }),
    ]
}

fn filled(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];
const PATTERNS: [&str; 4] =
    ["user:[0-9]*:{name,mail}", "*session*", "/assets/*.{js,css}", "order:????:*:state"];
const KEYS: [&str; 8] = [
    "user:42:mail",
    "user:x:mail",
    "user:1234567:name",
    "web:session:7f3a9c",
    "/assets/app.8c2f.js",
    "/assets/style.css",
    "order:2026:11:21:state",
    "a key that nothing matches, though it is long: session",
];
