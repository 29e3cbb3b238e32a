//! Rows as a table for people and as JSON for records.

use crate::measure::Row;
use anyhow::{Context, Result};
use std::io::Write;
use std::path::Path;

/// A line on standard output.
pub(crate) fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{line}").context("cannot write to standard output")
}

/// The rows as a table, a block for each case, with what each subject takes relative to ours.
pub(crate) fn table(suite: &str, rows: &[Row]) -> Result<()> {
    let mut lines =
        vec![["case", "subject", "metric", "median", "min", "max", "to ours"].map(str::to_owned)];
    for row in rows {
        let first = lines.last().is_none_or(|above| above[0] != row.case);
        if first && lines.len() > 1 {
            lines.push(Default::default());
        }
        let ours = rows.iter().find(|own| {
            OURS.contains(&own.subject.as_str()) && own.case == row.case && own.metric == row.metric
        });
        lines.push([
            row.case.clone(),
            row.subject.clone(),
            row.metric.clone(),
            figure(row.value),
            figure(row.min),
            figure(row.max),
            ours.map_or(String::new(), |own| format!("{:.2}", row.value / own.value)),
        ]);
    }
    say(&format!("{suite}: medians of {} interleaved repeats; {}", repeats(rows), versions()))?;
    say(&machine())?;
    let mut widths = [0; COLUMNS];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.len().max(*width);
        }
    }
    for line in &lines {
        let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < NAMES { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        say(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

const COLUMNS: usize = 7;
/// How many columns, from the left, hold names.
const NAMES: usize = 3;

/// Writes the rows as a JSON array.
pub(crate) fn json(path: &Path, rows: &[Row]) -> Result<()> {
    let text = serde_json::to_string_pretty(rows)? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

const OURS: [&str; 3] = ["perf-async", "perf-core", "perf-cache"];

fn repeats(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.repeats).max().unwrap_or(0)
}

fn figure(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// The subjects with their versions, the newest where a rival brings an older one along, from the
/// lock file that this program was built from.
fn versions() -> String {
    let locked = |name: &str| {
        let after = LOCK.rsplit_once(&format!("name = \"{name}\"\nversion = \""))?.1;
        Some(format!("{name} {}", after.split('"').next()?))
    };
    SUBJECTS.iter().filter_map(|name| locked(name)).collect::<Vec<_>>().join(", ")
}

const LOCK: &str = include_str!("../Cargo.lock");
const SUBJECTS: [&str; 14] = [
    "perf-async",
    "perf-core",
    "perf-cache",
    "hdrhistogram",
    "sketches-ddsketch",
    "metrics",
    "metrics-util",
    "moka",
    "quick_cache",
    "foyer-memory",
    "lru",
    "slab",
    "tokio",
    "tower",
];

fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = model.map_or("unknown processor", |(_, model)| model);
    format!("{model}, {cores} cores, kernel {}", read("/proc/sys/kernel/osrelease").trim())
}
