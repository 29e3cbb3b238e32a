//! Writes a report with one of everything, to look at: `cargo run -p perf-bench --example report`.

use perf_bench::report::{
    Axis, Block, Chart, Document, Group, IntervalRow, Level, Line, Mark, Scale, Section, Table,
    Tone, figure,
};
use std::io::{self, Write};

fn main() -> io::Result<()> {
    let document = Document::new(
        "cache: promote on the second hit",
        "3f2c1ab against main (9e8d7c6), 30 pairs, Intel Xeon E5-2680 v4, 8 cores, Linux 6.8, \
         2026-01-15 14:03 UTC",
    )
    .verdict(Tone::Bad, "2 of 48 benches are slower")
    .section(comparison())
    .section(distributions())
    .section(history())
    .section(load())
    .section(Section::new("What could not be measured", []));
    match std::env::args().nth(1).as_deref() {
        Some("markdown") => io::stdout().write_all(document.markdown().as_bytes()),
        Some("terminal") => io::stdout().write_all(document.terminal(100, true).as_bytes()),
        Some(file) => std::fs::write(file, document.html()),
        None => io::stdout().write_all(document.html().as_bytes()),
    }
}

fn comparison() -> Section {
    let rows = [
        ("cache/get_with/insert_after_eviction_of_a_large_entry", 1.124, 1.108, 1.139, Tone::Bad),
        ("engine/plan", 1.052, 1.041, 1.063, Tone::Bad),
        ("histogram/merge", 1.021, 0.981, 1.074, Tone::Warn),
        ("cache/hit", 0.941, 0.932, 0.953, Tone::Good),
        ("render/scroll", 1.003, 0.995, 1.011, Tone::Quiet),
        ("async/spawn_wide", 1.31, 0.92, 2.4, Tone::Warn),
    ];
    let mut table = Table::new(["bench", "base >", "head >", "change >", "verdict", "why"]);
    for (i, (name, value, ..)) in rows.iter().enumerate() {
        let base = 12.4 * 10_f64.powi(i as i32);
        let (tone, verdict) = match rows[i].4 {
            Tone::Bad => (Tone::Bad, "regress"),
            Tone::Good => (Tone::Good, "improve"),
            Tone::Warn => (Tone::Warn, "inconclusive"),
            _ => (Tone::Quiet, "same"),
        };
        table.push([
            ((*name).to_owned(), Tone::Plain),
            (figure(base, "ns"), Tone::Plain),
            (figure(base * value, "ns"), Tone::Plain),
            (figure(*value, "ratio"), tone),
            (verdict.to_owned(), tone),
            (
                "the whole interval lies beyond the margin of 2 %, on both builds".into(),
                Tone::Quiet,
            ),
        ]);
    }
    table.note = Some("42 benches are unchanged.".into());
    let estimates = rows.map(|(label, value, low, high, tone)| IntervalRow {
        label: label.into(),
        value,
        low,
        high,
        tone,
    });
    Section::new(
        "Time",
        [
            Block::Facts(vec![
                ("Slower".into(), "2".into(), Tone::Bad),
                ("Faster".into(), "1".into(), Tone::Good),
                ("Inconclusive".into(), "2".into(), Tone::Warn),
                ("Unchanged".into(), "43".into(), Tone::Plain),
                ("Instructions, all benches".into(), "+0.4 %".into(), Tone::Plain),
            ]),
            Block::Notice(
                Level::Warning,
                "The machine was busy: 14 % of the time went to others.".into(),
            ),
            Block::Chart(Chart::Intervals {
                title: "Head against base".into(),
                x: Axis::new("change in time per call, with its 99 % interval", "ratio"),
                reference: 1.0,
                margin: Some((0.98, 1.02)),
                rows: estimates.to_vec(),
            }),
            Block::Table(table),
            Block::Folded(
                "42 unchanged".into(),
                vec![Block::Text("cache/miss, cache/expire, cache/weigh …".into())],
            ),
        ],
    )
}

/// A bell of samples, drawn without randomness.
fn samples(middle: f64, spread: f64, n: usize) -> Vec<f64> {
    let at = |i: usize| (i as f64 + 0.5) / n as f64;
    (0..n).map(|i| middle + spread * (at(i) / (1.0 - at(i))).ln()).collect()
}

fn distributions() -> Section {
    let latency = (0..200).map(|i| {
        let low = 20_000.0 * 1.04_f64.powi(i);
        let bell = |at: f64, wide: f64| (-((low.ln() - at.ln()) / wide).powi(2)).exp();
        (low, low * 1.04, 1e5 * bell(1.2e5, 0.4) + 900.0 * bell(4e6, 0.7))
    });
    Section::new(
        "Distributions",
        [
            Block::Chart(Chart::Distribution {
                title: "engine/plan".into(),
                x: Axis::new("time per call", "ns"),
                groups: vec![
                    Group::of("base", &samples(1250.0, 9.0, 30)),
                    Group::of("head", &samples(1310.0, 12.0, 30)),
                ],
                marks: vec![],
            }),
            Block::Chart(Chart::Distribution {
                title: "Latency".into(),
                x: Axis::new("from the intended start to the last byte", "ns")
                    .scale(Scale::Logarithmic),
                groups: vec![Group::new("latency", latency)],
                marks: vec![
                    Mark::new(1.2e5, "p50 120 µs", Tone::Plain),
                    Mark::new(1.9e5, "p95 190 µs", Tone::Plain),
                    Mark::new(3.1e6, "p99 3.10 ms", Tone::Warn),
                    Mark::new(8.8e6, "p99.9 8.80 ms", Tone::Bad),
                ],
            }),
            Block::Chart(Chart::Lines {
                title: "Latency by quantile".into(),
                x: Axis::new("quantile", "").scale(Scale::Nines),
                y: Axis::new("latency", "ns").scale(Scale::Logarithmic),
                lines: vec![
                    Line::new(
                        "from the intended start",
                        (0..400).map(|i| {
                            let q = 1.0 - 10_f64.powf(-f64::from(i) / 100.0);
                            (q, 1e5 * (1.0 + 40.0 * q.powi(60)) / (1.0 - q).powf(0.15))
                        }),
                    ),
                    Line::new(
                        "from sending",
                        (0..400).map(|i| {
                            let q = 1.0 - 10_f64.powf(-f64::from(i) / 100.0);
                            (q, 1e5 / (1.0 - q).powf(0.2))
                        }),
                    ),
                ],
                marks: vec![],
            }),
        ],
    )
}

fn history() -> Section {
    let names: Vec<String> = (0..60).map(|i| format!("{:07x}", 0x9e_3779 * (i + 7))).collect();
    let value = |i: usize| {
        let level = if i < 22 {
            100.0
        } else if i < 45 {
            104.0
        } else {
            97.0
        };
        level + ((i * 7919) % 13) as f64 * 0.12
    };
    Section::new(
        "History",
        [Block::Chart(Chart::Lines {
            title: "cache/hit over the last 60 commits".into(),
            x: Axis::new("commit", "").named(names),
            y: Axis::new("time per call", "ns").scale(Scale::Fitted),
            lines: vec![Line::new("cache/hit", (0..60).map(|i| (i as f64, value(i))))],
            marks: vec![
                Mark::new(22.0, "d9e2f11: +4.0 %", Tone::Bad),
                Mark::new(45.0, "77aa0c3: −6.7 %", Tone::Good),
            ],
        })],
    )
}

fn load() -> Section {
    let noon = 1_768_485_600.0;
    let wave = |i: usize, k: f64| (i as f64 / k).sin();
    let over_time = |scale: f64, gap: bool| {
        (0..3600).map(move |i| {
            let stall = if (2000..2040).contains(&i) { 30.0 } else { 1.0 };
            let y = scale * (3.0 + wave(i, 300.0) + 0.3 * wave(i, 7.0)) * stall;
            (noon + i as f64, if gap && (900..1100).contains(&i) { f64::NAN } else { y })
        })
    };
    Section::new(
        "Load",
        [
            Block::Chart(Chart::Lines {
                title: "Response time".into(),
                x: Axis::new("time of day, UTC", "unix"),
                y: Axis::new("from the intended start", "ns").scale(Scale::Logarithmic),
                lines: vec![
                    Line::new("p50", over_time(40_000.0, true)),
                    Line::new("p95", over_time(110_000.0, true)),
                    Line::new("p99", over_time(400_000.0, true)),
                ],
                marks: vec![Mark::new(noon + 2000.0, "stall", Tone::Warn)],
            }),
            Block::Chart(Chart::Lines {
                title: "Throughput".into(),
                x: Axis::new("since the start", "s"),
                y: Axis::new("answers", "/s"),
                lines: vec![Line::new(
                    "answers",
                    (0..600).map(|i| (f64::from(i), 30_000.0 + 900.0 * wave(i as usize, 9.0))),
                )],
                marks: vec![],
            }),
            Block::Chart(Chart::Lines {
                title: "Memory".into(),
                x: Axis::new("since the start", "s"),
                y: Axis::new("resident", "bytes"),
                lines: ["server", "load generator"]
                    .into_iter()
                    .zip([6e7, 2e7])
                    .map(|(name, size)| {
                        Line::new(
                            name,
                            (0..60).map(|i| (f64::from(i), size * (1.0 + f64::from(i) / 90.0))),
                        )
                    })
                    .collect(),
                marks: vec![],
            }),
            Block::Chart(Chart::Lines {
                title: "Errors".into(),
                x: Axis::new("since the start", "s"),
                y: Axis::new("errors", "/s"),
                lines: vec![],
                marks: vec![],
            }),
        ],
    )
}
