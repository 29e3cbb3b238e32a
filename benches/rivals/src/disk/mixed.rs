//! Memory over disk, read through by a popularity that outgrows memory.

use super::data::Data;
use super::stores::{TIERED, Tiers};
use crate::measure::Bench;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Of a hundred operations, so many are insertions.
const INSERTIONS: u64 = 5;

pub(super) fn measure(bench: &mut Bench, folder: &Path) -> Result<()> {
    let count = bench.parameter("operations")?;
    let keys = bench.definition.numbers("mixed", count)?;
    let data = Data::new(1, 1 << 10, bench.definition.seed);
    let repeats = bench.parameter("repeats")?;
    let mut figures = BTreeMap::<(&str, &str), Vec<f64>>::new();
    for (name, open) in TIERED {
        bench.say(&format!("mixed {name}: filling"), true);
        let room = tempfile::tempdir_in(folder).context("cannot make a folder")?;
        let mut tiers = open(room.path())?;
        drive(&mut *tiers, &data, &keys)?;
        for repeat in 0..repeats {
            bench.say(&format!("mixed {name} {}/{repeats}", repeat + 1), true);
            let done = drive(&mut *tiers, &data, &keys)?;
            for (metric, value) in done {
                figures.entry((name, metric)).or_default().push(value);
            }
        }
        tiers.close()?;
    }
    for (name, _) in TIERED {
        for (metric, unit) in
            [("ops_per_s", "1/s"), ("p50_us", "us"), ("p99_us", "us"), ("hit_ratio", "ratio")]
        {
            bench.add("mixed", name, metric, unit, &figures[&(*name, metric)])?;
        }
    }
    Ok(())
}

/// Goes through the list once. What the harness itself does is not part of the time.
fn drive(tiers: &mut dyn Tiers, data: &Data, keys: &[u64]) -> Result<[(&'static str, f64); 4]> {
    let (mut value, mut found) = (Vec::new(), Vec::new());
    let mut took = Vec::with_capacity(keys.len());
    let (mut gets, mut hits) = (0_u64, 0_u64);
    for (at, &key) in (0_u64..).zip(keys) {
        let number = u32::try_from(key)?;
        let is_insertion = at % 100 < INSERTIONS;
        // What it takes to find the value out is no business of a cache.
        data.value(number, &mut value);
        let start = Instant::now();
        if is_insertion {
            tiers.insert(key, &value)?;
        } else {
            found.clear();
            gets += 1;
            if tiers.get(key, &mut found)? {
                hits += 1;
            } else {
                tiers.insert(key, &value)?;
                found.clone_from(&value);
            }
        }
        took.push(start.elapsed().as_secs_f64() * 1e6);
        ensure!(is_insertion || found == value, "value {key} is not the one that belongs to it");
    }
    let total: f64 = took.iter().sum();
    took.sort_by(f64::total_cmp);
    let quantile = |q: f64| took[((took.len() - 1) as f64 * q) as usize];
    Ok([
        ("ops_per_s", took.len() as f64 / total * 1e6),
        ("p50_us", quantile(0.5)),
        ("p99_us", quantile(0.99)),
        ("hit_ratio", hits as f64 / gets as f64),
    ])
}
