//! Stores on disk, each set up as a cache would use it: nothing is synced to the device for each
//! put, values lie in files, what was handed over is read back and compared.

mod data;
mod mixed;
mod phases;
mod stores;

use crate::machine::Resident;
use crate::measure::Bench;
use anyhow::{Context, Result, bail, ensure};
use data::Data;
use phases::{Figures, Phases};
use std::collections::BTreeMap;
use std::path::PathBuf;
use stores::SUBJECTS;

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let folder = folder()?;
    for case in ["1k", "64k"] {
        if !bench.wants(case) {
            continue;
        }
        measure(bench, case, &folder)?;
    }
    if bench.wants("mixed") { mixed::measure(bench, &folder) } else { Ok(()) }
}

/// All subjects of one size of values, in turn, again and again.
fn measure(bench: &mut Bench, case: &str, folder: &std::path::Path) -> Result<()> {
    let sizes: BTreeMap<String, usize> = bench.definition.parameter(case)?;
    let size = |name: &str| sizes.get(name).copied().with_context(|| format!("no `{name}`"));
    let values = size(if bench.quick { "quick_values" } else { "values" })?;
    let data = Data::new(values, size("bytes")?, bench.definition.seed);
    let cold = bench.parameter("cold")?;
    let phases = Phases { data: &data, cold };
    let mut all = BTreeMap::<&str, Vec<Figures>>::new();
    let repeats = bench.parameter("repeats")?;
    for repeat in 0..repeats {
        for subject in SUBJECTS {
            bench.say(&format!("{case} {} {}/{repeats}", subject.name, repeat + 1), true);
            let room = tempfile::tempdir_in(folder).context("cannot make a folder")?;
            let figures = phases.measure(subject, room.path());
            let figures = figures.with_context(|| format!("{case}, {}", subject.name))?;
            all.entry(subject.name).or_default().push(figures);
        }
        let room = tempfile::tempdir_in(folder).context("cannot make a folder")?;
        all.entry("device").or_default().push(phases::device(&data, cold, room.path())?);
    }
    let order = SUBJECTS.iter().map(|subject| subject.name).chain(["device"]);
    for name in order {
        let rounds = &all[name];
        for (metric, unit) in Figures::METRICS {
            let values: Vec<f64> = rounds.iter().filter_map(|round| round.get(metric)).collect();
            if !values.is_empty() {
                bench.add(case, name, metric, unit, &values)?;
            }
        }
        if let Some(found) = rounds.iter().filter_map(|round| round.get("found")).reduce(f64::min) {
            // A store that forgets is something else; one rival is known to, and its row says so.
            ensure!(found == 1.0 || name == "foyer", "{case}, {name}: found {found} of all values");
        }
    }
    Ok(())
}

/// Where the stores lie: `PERFKIT_BENCH_DIR`, or the folder for temporary files.
fn folder() -> Result<PathBuf> {
    let folder =
        std::env::var_os("PERFKIT_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    std::fs::create_dir_all(&folder).with_context(|| {
        format!("cannot use {}; name another in PERFKIT_BENCH_DIR", folder.display())
    })?;
    Ok(folder)
}

/// The suite measures room on disk, not in memory.
pub(crate) fn resident(subject: &str, _count: usize) -> Result<Resident> {
    bail!("no subject `{subject}` of which memory is measured")
}
