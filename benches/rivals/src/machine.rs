//! The machine: what two threads reach, and how much memory a process holds.

use crate::measure::{Bench, together};
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::process::Command;

/// Adds the row `alu/t2`: how much faster two threads of pure arithmetic are than one. Two is
/// what a quiet machine with two free cores gives; no subject can gain more.
pub(crate) fn add_arithmetic(bench: &mut Bench) -> Result<()> {
    let steps = if bench.quick { 20_000_000 } else { 100_000_000 };
    let work = |_| {
        (0..steps).fold(black_box(1_u64), |x, _| {
            (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(1)
        })
    };
    bench.measure(
        "alu/t2",
        "speedup",
        "x",
        &mut [(
            "machine",
            Box::new(move || {
                let (alone, one) = together(1, work)?;
                let (both, two) = together(2, work)?;
                ensure!(two == [one[0], one[0]], "two threads of arithmetic disagree");
                Ok(2.0 * alone.as_secs_f64() / both.as_secs_f64())
            }),
        )],
    )
}

/// What a fresh process says about its memory.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Resident {
    /// Bytes resident before and after.
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// How many things are alive in between.
    pub(crate) count: u64,
}

impl Resident {
    /// Reads memory, lets `fill` make things and say how many are there, and reads it again while
    /// they still live.
    pub(crate) fn of<T>(fill: impl FnOnce() -> (T, u64)) -> Result<Resident> {
        let before = resident_bytes()?;
        let (things, count) = fill();
        let after = resident_bytes()?;
        drop(black_box(things));
        Ok(Resident { before, after, count })
    }
}

/// Adds a row for what one thing takes, each repeat in a process of its own.
pub(crate) fn add_resident(
    bench: &mut Bench,
    suite: &str,
    case: &str,
    metric: &str,
    subjects: &[&str],
) -> Result<()> {
    let count = bench.parameter("resident")?;
    let mut measurements: Vec<(&str, crate::measure::Measurement<'_>)> = Vec::new();
    for subject in subjects {
        let measurement = move || {
            let seen = in_fresh_process(suite, subject, count)?;
            ensure!(
                seen.count as usize == count,
                "holds {} of {count} things; what it lost takes no memory",
                seen.count
            );
            Ok(seen.after.saturating_sub(seen.before) as f64 / seen.count as f64)
        };
        measurements.push((subject, Box::new(measurement)));
    }
    bench.measure(case, metric, "bytes", &mut measurements)
}

fn in_fresh_process(suite: &str, subject: &str, count: usize) -> Result<Resident> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let output = Command::new(own)
        .args(["--resident", suite, subject, &count.to_string()])
        .output()
        .context("cannot start this program again")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    serde_json::from_slice(&output.stdout).context("the fresh process said something else")
}

/// What `/proc/self/statm` says, in the kernel's own conversion from pages to kB.
fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")
        .context("memory is read from /proc/self/status, which only Linux has")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kb.context("/proc/self/status has no VmRSS")? * 1024)
}
