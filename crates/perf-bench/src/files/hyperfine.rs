//! `hyperfine --export-json`: a command for each result, its times in seconds.

use super::FileError;
use crate::{Bench, Machine, Run};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Export {
    results: Vec<Timed>,
}

#[derive(Deserialize)]
struct Timed {
    command: String,
    times: Option<Vec<f64>>,
    #[serde(default)]
    exit_codes: Vec<Option<i32>>,
}

pub(super) fn read(path: &Path, text: &str) -> Result<Run, FileError> {
    let export: Export = serde_json::from_str(text).map_err(|e| FileError::of_json(path, &e))?;
    let mut run = Run::new(Machine::default());
    for Timed { command, times, exit_codes } in export.results {
        let Some(times) = times else {
            let what = format!("has no `times` of `{command}`, take hyperfine 1.11 or newer");
            return Err(FileError::new(path, None, &what));
        };
        let failed = exit_codes.iter().filter(|code| **code != Some(0)).count();
        let mut bench = Bench::new(command, times);
        "s".clone_into(&mut bench.unit);
        if failed > 0 {
            bench.failure = Some(format!("{failed} of {} runs failed", exit_codes.len()));
        }
        run.benches.push(bench);
    }
    Ok(run)
}
