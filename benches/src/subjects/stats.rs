//! The statistics that judge all the others.

use super::{CoreBench, SEED, latencies};
use crate::Workload;
use perf_bench::repeat;
use perf_stats::{Confidence, EDivisive, hodges_lehmann_ratio};
use std::hint::black_box;

pub(super) fn benches() -> Vec<CoreBench> {
    vec![
        CoreBench::new("stats/hodges_lehmann_ratio", "the ratio of 30 pairs, v1", || {
            let values: Vec<f64> = latencies(60).iter().map(|value| *value as f64).collect();
            Box::new(move |iterations| {
                let (base, head) = values.split_at(30);
                repeat(iterations, || {
                    let ratio = hodges_lehmann_ratio(black_box(base), head, Confidence::P99);
                    let ratio = ratio.expect("30 pairs are enough");
                    assert!(ratio.low < ratio.value && ratio.value < ratio.high);
                    (ratio.value * 1e6) as u64
                })
            })
        }),
        CoreBench::new("stats/change_points", "one change in 300 points, v1", || {
            let noise = Workload::Uniform { keys: 1_000 };
            let noise = noise.numbers(SEED).expect("the parameters stand here").take(300);
            let level = |i| if i < 150 { 100.0 } else { 110.0 };
            let series: Vec<f64> =
                noise.enumerate().map(|(i, n)| level(i) + n as f64 / 1_000.0).collect();
            let method = EDivisive { min_magnitude: 0.02, ..EDivisive::default() };
            Box::new(move |iterations| {
                repeat(iterations, || {
                    let found = method.change_points(black_box(&series));
                    let found = found.expect("every point is a number");
                    assert!(found.iter().any(|point| point.index == 150), "{found:?}");
                    found.iter().map(|point| point.index as u64).sum()
                })
            })
        })
        .answer_iterations(4),
    ]
}
