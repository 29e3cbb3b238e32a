//! Measurements of other tools: criterion's directories, hyperfine's JSON, CSV of samples, and our
//! own [`Run`].
//!
//! What a file is, its content says, not its name. criterion's format is not documented; read are
//! `benchmark.json` and `sample.json` as 0.5 to 0.8 write them.

mod criterion;
mod csv;
mod document;
mod enough;
mod error;
mod gate;
mod hyperfine;

pub use error::FileError;
pub use gate::FileComparison;

use crate::{Bench, Machine, Run};
use perf_stats::median;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Files larger than this are no measurements.
const LARGEST: u64 = 256 << 20;
/// Files of one directory that are read.
const FILES: usize = 10_000;
/// Values of one bench that are kept, over all files.
const SAMPLES: usize = 1_000_000;

/// What wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A directory of criterion.
    Criterion,
    /// Our own JSON.
    Run,
    /// `hyperfine --export-json`.
    Hyperfine,
    /// CSV of samples.
    Csv,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Criterion => "criterion",
            Kind::Run => "perfkit",
            Kind::Hyperfine => "hyperfine",
            Kind::Csv => "CSV",
        })
    }
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Measurements {
    /// Where they were read from.
    pub path: PathBuf,
    /// What wrote them.
    pub kinds: Vec<Kind>,
    /// Where they were measured, if the files say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
    /// Files that hold measurements.
    pub files: usize,
    /// The benches by name.
    pub benches: BTreeMap<String, Measured>,
    /// `false` when a run ended half way.
    pub complete: bool,
}

/// One bench, over all files that have it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Measured {
    /// Unit of the samples; times are in `ns` whatever the file has them in.
    pub unit: String,
    /// What it does, if the file says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work: Option<String>,
    /// All samples of all files.
    #[serde(skip)]
    pub samples: Vec<f64>,
    /// The middle value of each file.
    pub runs: Vec<f64>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Measurements {
    /// Reads a file, or all files of a directory.
    ///
    /// Several files of one directory are several runs of the same benches. Of a directory of
    /// criterion the newest figures are read, or those of the baseline `NAME` if the path ends in
    /// `@NAME`.
    ///
    /// # Errors
    ///
    /// [`FileError`] if the path is not there, or a file cannot be read as measurements or was
    /// written by a newer version; it names the file, the line and what to do.
    pub fn read(path: &Path) -> Result<Measurements, FileError> {
        let (place, baseline) = split(path);
        let mut measurements = Measurements::none(path);
        let about = fs::metadata(&place).map_err(|e| FileError::of_io(&place, &e))?;
        if !about.is_dir() {
            if baseline.is_some() {
                let what = "is a file, and a baseline `@NAME` is read of a criterion directory";
                return Err(FileError::new(&place, None, what));
            }
            measurements.add(read_file(&place)?);
            return Ok(measurements);
        }
        if criterion::is_one(&place)? {
            measurements.add(criterion::read(&place, baseline.as_deref())?);
            return Ok(measurements);
        }
        let mut files: Vec<PathBuf> = fs::read_dir(&place)
            .map_err(|e| FileError::of_io(&place, &e))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|p| p.extension().is_some_and(|e| e == "json" || e == "csv") && p.is_file())
            .collect();
        files.sort();
        if files.len() > FILES {
            let what = format!("has {} files, at most {FILES} are read", files.len());
            return Err(FileError::new(&place, None, &what));
        }
        if files.is_empty() {
            let what = "holds no measurements: neither benches of criterion nor *.json or *.csv";
            return Err(FileError::new(&place, None, what));
        }
        for file in files {
            measurements.add(read_file(&file)?);
        }
        Ok(measurements)
    }

    /// No measurements, as of a base that is not there yet.
    #[must_use]
    pub fn none(path: &Path) -> Measurements {
        Measurements {
            path: path.to_owned(),
            kinds: Vec::new(),
            machine: None,
            files: 0,
            benches: BTreeMap::new(),
            complete: true,
        }
    }

    /// Keeps the benches whose name contains `part`.
    pub fn retain(&mut self, part: &str) {
        self.benches.retain(|name, _| name.contains(part));
    }

    fn add(&mut self, (kind, run): (Kind, Run)) {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        self.files += 1;
        self.complete &= run.complete;
        if self.machine.is_none() && run.machine != Machine::default() {
            self.machine = Some(run.machine);
        }
        for bench in run.benches {
            let Bench { name, work, unit, samples, failure, .. } = bench;
            let (unit, scale) = in_nanoseconds(&unit);
            let measured = self.benches.entry(name).or_insert_with(|| Measured {
                unit: unit.clone(),
                work: work.clone(),
                ..Measured::default()
            });
            if measured.unit != unit {
                let why = format!("its files are in {} and in {unit}", measured.unit);
                measured.failure.get_or_insert(why);
            } else if measured.work != work {
                let why = "its files are of different work under one name".to_owned();
                measured.failure.get_or_insert(why);
            }
            let room = SAMPLES.saturating_sub(measured.samples.len());
            let scaled: Vec<f64> = samples.into_iter().take(room).map(|v| v * scale).collect();
            measured.runs.extend(median(&scaled).ok());
            measured.samples.extend(scaled);
            measured.failure = measured.failure.take().or(failure);
        }
    }
}

/// Takes `@NAME` off the end, unless the path is there as it is written.
fn split(path: &Path) -> (PathBuf, Option<String>) {
    let text = path.to_string_lossy();
    match text.rsplit_once('@') {
        Some((place, name))
            if !name.contains(['/', '\\']) && !name.is_empty() && !path.exists() =>
        {
            (PathBuf::from(place), Some(name.to_owned()))
        }
        _ => (path.to_owned(), None),
    }
}

/// Times become nanoseconds; other units stay.
fn in_nanoseconds(unit: &str) -> (String, f64) {
    let scale = match unit.trim() {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" | "sec" | "seconds" => 1e9,
        "m" | "min" => 60e9,
        other => return (other.to_owned(), 1.0),
    };
    ("ns".to_owned(), scale)
}

fn text_of(path: &Path) -> Result<String, FileError> {
    let mut file = File::open(path).map_err(|e| FileError::of_io(path, &e))?;
    let mut bytes = Vec::new();
    let read = file.by_ref().take(LARGEST + 1).read_to_end(&mut bytes);
    read.map_err(|e| FileError::of_io(path, &e))?;
    if bytes.len() as u64 > LARGEST {
        return Err(FileError::new(path, None, "is larger than 256 MiB, split it"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        FileError::new(path, Some(line), "is not text in UTF-8, export it as JSON or CSV")
    })
}

fn read_file(path: &Path) -> Result<(Kind, Run), FileError> {
    let text = text_of(path)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match text.trim_start().chars().next() {
        None => Err(FileError::new(path, None, "is empty, measure again")),
        Some('{') => read_json(path, text),
        Some('[') => Err(unknown(path)),
        Some(_) => Ok((Kind::Csv, csv::read(path, text)?)),
    }
}

fn read_json(path: &Path, text: &str) -> Result<(Kind, Run), FileError> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| FileError::of_json(path, &e))?;
    if value.get("format").is_some() {
        let run = Run::read(text).map_err(|e| FileError::new(path, None, &e.to_string()))?;
        return Ok((Kind::Run, run));
    }
    if value.get("results").is_some() {
        return Ok((Kind::Hyperfine, hyperfine::read(path, text)?));
    }
    if value.get("iters").is_some() && value.get("times").is_some() {
        let bench = criterion::sample(path, text, None)?;
        let mut run = Run::new(Machine::default());
        run.benches.push(bench);
        return Ok((Kind::Criterion, run));
    }
    Err(unknown(path))
}

fn unknown(path: &Path) -> FileError {
    let what = "is JSON of none of the kinds that are known: a run of perfkit (`format`), \
                `hyperfine --export-json` (`results`), a sample of criterion (`iters`, `times`)";
    FileError::new(path, None, what)
}

#[cfg(test)]
mod tests;
