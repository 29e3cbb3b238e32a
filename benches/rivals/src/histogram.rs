//! Recording, reading and merging distributions, and counting.

mod plain;
mod shared;

use crate::machine::{Resident, add_arithmetic, add_resident};
use crate::measure::{Bench, Measurement, together};
use anyhow::{Result, bail, ensure};
use plain::{DdSketch, Hdr, Ours, Plain};
use shared::Shared;
use std::hint::black_box;
use std::time::Instant;

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let values = bench.definition.numbers("latency", bench.parameter("values")?)?;
    add_arithmetic(bench)?;
    let recorded: &mut [(&str, Measurement<'_>)] = &mut [
        ("perf-core", Box::new(|| record::<Ours>(&values))),
        ("hdrhistogram", Box::new(|| record::<Hdr>(&values))),
        ("sketches-ddsketch", Box::new(|| record::<DdSketch>(&values))),
    ];
    bench.measure("record/plain/t1", "ns_per_record", "ns", recorded)?;

    for threads in bench.definition.parameter::<Vec<usize>>("threads")? {
        let values = &values;
        let recorded: &mut [(&str, Measurement<'_>)] = &mut [
            ("perf-core", Box::new(move || share::<shared::Ours>(values, threads))),
            ("mutex-hdrhistogram", Box::new(move || share::<shared::Locked<Hdr>>(values, threads))),
            ("sync-hdrhistogram", Box::new(move || share::<shared::SyncHdr>(values, threads))),
            (
                "mutex-ddsketch",
                Box::new(move || share::<shared::Locked<DdSketch>>(values, threads)),
            ),
            ("metrics", Box::new(move || share::<shared::Metrics>(values, threads))),
        ];
        bench.measure(&format!("record/shared/t{threads}"), "ns_per_record", "ns", recorded)?;
    }

    let (mut ours, mut hdr, mut sketch) = (of::<Ours>(&values), of(&values), of(&values));
    let mut sorted = values.clone();
    sorted.sort_unstable();
    let asked: &mut [(&str, Measurement<'_>)] = &mut [
        ("perf-core", Box::new(|| ask::<Ours>(&mut ours, &sorted))),
        ("hdrhistogram", Box::new(|| ask::<Hdr>(&mut hdr, &sorted))),
        ("sketches-ddsketch", Box::new(|| ask::<DdSketch>(&mut sketch, &sorted))),
    ];
    bench.measure("quantile", "ns_per_quantile", "ns", asked)?;

    let merged: &mut [(&str, Measurement<'_>)] = &mut [
        ("perf-core", merge::<Ours>(&values)),
        ("hdrhistogram", merge::<Hdr>(&values)),
        ("sketches-ddsketch", merge::<DdSketch>(&values)),
    ];
    bench.measure("merge", "ns_per_merge", "ns", merged)?;

    for threads in bench.definition.parameter::<Vec<usize>>("threads")? {
        let adds = values.len() * 10;
        let counted: &mut [(&str, Measurement<'_>)] = &mut [
            ("perf-core", Box::new(move || shared::count_ours(adds, threads))),
            ("std-atomic", Box::new(move || shared::count_atomic(adds, threads))),
            ("metrics", Box::new(move || shared::count_metrics(adds, threads))),
        ];
        bench.measure(&format!("counter/t{threads}"), "ns_per_add", "ns", counted)?;
    }

    let resident = ["perf-core", "hdrhistogram", "sketches-ddsketch"];
    add_resident(bench, "histogram", "latency/resident", "bytes_per_histogram", &resident)
}

/// Many histograms of the same latencies, alive at once.
pub(crate) fn resident(subject: &str, count: usize) -> Result<Resident> {
    let definition = perfkit_benches::Definition::load("histogram")?;
    let values = definition.numbers("latency", VALUES_EACH)?;
    fn fill<P: Plain>(values: &[u64], count: usize) -> Result<Resident> {
        Resident::of(|| {
            let all: Vec<P> = (0..count).map(|_| of(values)).collect();
            let full = all.iter().filter(|p| p.count() == values.len() as u64).count();
            (all, full as u64)
        })
    }
    match subject {
        "perf-core" => fill::<Ours>(&values, count),
        "hdrhistogram" => fill::<Hdr>(&values, count),
        "sketches-ddsketch" => fill::<DdSketch>(&values, count),
        other => bail!("no subject `{other}`"),
    }
}

const VALUES_EACH: usize = 1_000;

fn of<P: Plain>(values: &[u64]) -> P {
    let mut histogram = P::default();
    values.iter().for_each(|value| histogram.record(*value));
    histogram
}

fn record<P: Plain>(values: &[u64]) -> Result<f64> {
    let start = Instant::now();
    let histogram = black_box(of::<P>(values));
    let elapsed = start.elapsed();
    ensure!(histogram.count() == values.len() as u64, "counted {}", histogram.count());
    let exact: u128 = values.iter().map(|value| u128::from(*value)).sum();
    if let Some(sum) = histogram.sum() {
        ensure!((sum / exact as f64 - 1.0).abs() < 1e-9, "sum {sum}, not {exact}");
    }
    Ok(elapsed.as_nanos() as f64 / values.len() as f64)
}

/// What one record costs the thread that does it: wall time over the records of one thread.
fn share<S: Shared>(values: &[u64], threads: usize) -> Result<f64> {
    let mut shared = S::default();
    let (wall, _) = together(threads, |_| {
        let mut write = shared.writer();
        values.iter().for_each(|value| write(*value));
    })?;
    let counted = shared.count();
    ensure!(counted == (values.len() * threads) as u64, "counted {counted}");
    Ok(wall.as_nanos() as f64 / values.len() as f64)
}

fn ask<P: Plain>(histogram: &mut P, sorted: &[u64]) -> Result<f64> {
    for q in QUANTILES {
        let exact = sorted[((q * sorted.len() as f64).ceil() as usize).max(1) - 1] as f64;
        let answer = histogram.quantile(q);
        let off = (answer / exact - 1.0).abs();
        ensure!(off <= P::ERROR, "quantile {q} is {answer}, not {exact}: {:.2} % off", off * 100.0);
    }
    let start = Instant::now();
    for _ in 0..ASKED {
        for q in QUANTILES {
            black_box(histogram.quantile(black_box(q)));
        }
    }
    Ok(start.elapsed().as_nanos() as f64 / (ASKED * QUANTILES.len()) as f64)
}

const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];
const ASKED: usize = 500;

/// Merges the histograms of many parts into one.
fn merge<'a, P: Plain + 'a>(values: &'a [u64]) -> Measurement<'a> {
    let parts: Vec<P> = values.chunks(values.len() / PARTS).map(of).collect();
    Box::new(move || {
        let start = Instant::now();
        let mut whole = P::default();
        parts.iter().for_each(|part| whole.merge(part));
        let elapsed = start.elapsed();
        ensure!(whole.count() == values.len() as u64, "counted {} in all", whole.count());
        Ok(elapsed.as_nanos() as f64 / parts.len() as f64)
    })
}

const PARTS: usize = 500;
