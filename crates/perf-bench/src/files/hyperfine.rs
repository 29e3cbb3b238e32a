//! `hyperfine --export-json`: a command for each result, its times in seconds.

use super::FileError;
use crate::{Bench, Machine, Run};
use serde::Deserialize;
use std::collections::BTreeMap;
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
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

pub(super) fn read(path: &Path, text: &str) -> Result<Run, FileError> {
    let export: Export = serde_json::from_str(text).map_err(|e| FileError::of_json(path, &e))?;
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for timed in &export.results {
        *seen.entry(timed.command.clone()).or_default() += 1;
    }
    let mut run = Run::new(Machine::default());
    for Timed { mut command, times, exit_codes, parameters } in export.results {
        // One name may stand for several parameters, which are not runs of the same.
        if seen.get(&command).is_some_and(|n| *n > 1) && !parameters.is_empty() {
            let said: Vec<String> =
                parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
            command = format!("{command} [{}]", said.join(", "));
        }
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
