//! `target/criterion`: a directory for each bench, in it one for each baseline, in it
//! `benchmark.json` (the name) and `sample.json` (times and iterations).

use super::{FILES, FileError, Kind, text_of};
use crate::{Bench, Machine, Run};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

#[derive(Deserialize)]
struct Benchmark {
    full_id: Option<String>,
    title: Option<String>,
}

/// Groups, functions and parameters make three levels; a bench directory may lie deeper.
const DEPTH: usize = 8;

/// Whether a directory holds benches of criterion.
pub(super) fn is_one(place: &Path) -> Result<bool, FileError> {
    let mut found = Vec::new();
    walk(place, None, 0, 1, &mut found)?;
    Ok(!found.is_empty())
}

/// The newest figures of all benches, or those of one baseline.
pub(super) fn read(place: &Path, baseline: Option<&str>) -> Result<(Kind, Run), FileError> {
    let mut found = Vec::new();
    walk(place, baseline, 0, FILES, &mut found)?;
    if let (Some(name), true) = (baseline, found.is_empty()) {
        let what = format!(
            "has no baseline `{name}`; make it with `cargo bench -- --save-baseline {name}`"
        );
        return Err(FileError::new(place, None, &what));
    }
    found.sort();
    let mut run = Run::new(Machine::default());
    for folder in found {
        let path = folder.join("sample.json");
        run.benches.push(sample(&path, &text_of(&path)?, Some(place))?);
    }
    Ok((Kind::Criterion, run))
}

/// Collects the folders that hold a `sample.json`: of each bench the baseline asked for, else
/// `new`, else `base`. Baselines without one, as caches leave them behind, are passed over.
fn walk(
    place: &Path,
    baseline: Option<&str>,
    depth: usize,
    most: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), FileError> {
    let entries = fs::read_dir(place).map_err(|e| FileError::of_io(place, &e))?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect();
    folders.sort();
    let has_sample = |folder: &&PathBuf| folder.join("sample.json").is_file();
    let named = |name: &str| {
        folders.iter().filter(has_sample).find(|f| f.file_name().is_some_and(|n| n == name))
    };
    match baseline {
        Some(name) => found.extend(named(name).cloned()),
        None => found.extend(named("new").or_else(|| named("base")).cloned()),
    }
    if found.len() >= most || depth >= DEPTH {
        return Ok(());
    }
    for folder in folders.iter().filter(|f| !has_sample(f)) {
        walk(folder, baseline, depth + 1, most, found)?;
        if found.len() >= most {
            break;
        }
    }
    Ok(())
}

/// One bench from its `sample.json`, with the name that stands beside it.
pub(super) fn sample(path: &Path, text: &str, root: Option<&Path>) -> Result<Bench, FileError> {
    let sample: Sample = serde_json::from_str(text).map_err(|e| FileError::of_json(path, &e))?;
    if sample.iters.len() != sample.times.len() {
        let what = format!(
            "has {} times for {} iterations; criterion 0.5 to 0.8 writes as many of both: measure \
             again, or use one of these versions",
            sample.times.len(),
            sample.iters.len()
        );
        return Err(FileError::new(path, None, &what));
    }
    let samples = sample.times.iter().zip(&sample.iters).map(|(time, n)| time / n).collect();
    Ok(Bench::new(name(path, root)?, samples))
}

/// The full id, as criterion prints it; where it is missing, the path.
fn name(path: &Path, root: Option<&Path>) -> Result<String, FileError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = folder.join("benchmark.json");
    if beside.is_file() {
        let text = text_of(&beside)?;
        let benchmark: Benchmark =
            serde_json::from_str(&text).map_err(|e| FileError::of_json(&beside, &e))?;
        if let Some(name) = benchmark.full_id.or(benchmark.title).filter(|n| !n.is_empty()) {
            return Ok(name);
        }
    }
    let bench = folder.parent().filter(|b| !b.as_os_str().is_empty()).unwrap_or(folder);
    let bench = root
        .and_then(|root| bench.strip_prefix(root).ok())
        .unwrap_or_else(|| Path::new(bench.file_name().unwrap_or(path.as_os_str())));
    Ok(bench.to_string_lossy().replace('\\', "/"))
}
