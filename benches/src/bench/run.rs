//! `bench run`: measures the subjects with criterion and keeps the samples.
//!
//! Criterion measures and this reads its raw samples: what it thinks of a former run of its own
//! takes no part, so its folder is ours and is emptied first.

use crate::build::{Workshop, cargo, target_folder};
use crate::repository::Repository;
use crate::show::{Show, now, write};
use crate::usage;
use anyhow::{Context, Result, bail};
use perf_bench::report::{
    Axis, Block, Chart, Document, Group, Level, Mark, Section, Table, Tone, figure,
};
use perf_bench::{Bench, Machine, Outcome, Run};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What `bench run` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only benches whose name contains this.
    filter: Option<String>,
    /// Fewer and shorter samples: to see that it runs, not to compare.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    show: Show,
}

/// Runs it.
pub(super) fn run(arguments: Arguments) -> Result<Outcome> {
    let repository = Repository::here()?;
    // Its lock keeps a second run from emptying the folder of this one.
    let _workshop = Workshop::open(repository.clone())?;
    let folder = target_folder(repository.root())?.join("perf");
    let home = folder.join("criterion");
    if home.exists() {
        std::fs::remove_dir_all(&home)
            .with_context(|| format!("cannot empty {}", home.display()))?;
    }
    std::fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;

    let finished = criterion(&repository, &home, &arguments)?;
    let mut run = Run::new(Machine::here());
    run.commit = repository.head().ok();
    run.at = Some(now());
    run.complete = finished;
    run.benches = read(&home)?;
    let path = folder.join("run.json");
    write(&path, &run.to_json())?;
    if run.benches.is_empty() {
        if !finished {
            bail!("nothing was measured: the benches do not build, or ended at once");
        }
        let filter = arguments.filter.as_deref().unwrap_or_default();
        bail!(usage(format!("no bench has `{filter}` in its name")));
    }
    arguments.show.show_and_keep("run", &run, &document(&run), &repository)?;
    eprintln!("samples: {}", path.display());
    Ok(if finished { Outcome::Pass } else { Outcome::ToolFailed })
}

/// Runs criterion; answers whether it ended well. What it had measured until then is there anyway.
fn criterion(repository: &Repository, home: &Path, arguments: &Arguments) -> Result<bool> {
    let mut command = cargo(repository.root());
    command.args(["bench", "--package", "perfkit-benches", "--bench", "subjects", "--"]);
    command.args(["--noplot"]);
    command.args(if arguments.quick { QUICK } else { USUAL });
    command.args(&arguments.filter);
    command.env("CRITERION_HOME", home).stdin(Stdio::null());
    // Its own account of the run is no result of ours.
    command.stdout(std::io::stderr());
    let status = command.status().context("cannot start cargo")?;
    if !status.success() {
        eprintln!("error: the benches ended early: {status}");
    }
    Ok(status.success())
}

const USUAL: [&str; 6] = ["--sample-size", "60", "--warm-up-time", "1", "--measurement-time", "3"];
const QUICK: [&str; 6] =
    ["--sample-size", "10", "--warm-up-time", "0.05", "--measurement-time", "0.1"];

/// The raw samples under criterion's folder, by name.
fn read(home: &Path) -> Result<Vec<Bench>> {
    let mut benches = Vec::new();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot list {}", folder.display()))?;
        let inside: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        if folder.file_name().is_some_and(|name| name == "new") {
            benches.extend(samples(&folder)?);
        } else {
            folders.extend(inside.into_iter().filter(|path| path.is_dir()));
        }
    }
    benches.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(benches)
}

/// The samples of one bench; none if criterion was ended before it wrote them.
fn samples(folder: &Path) -> Result<Option<Bench>> {
    #[derive(Deserialize)]
    struct Sample {
        iters: Vec<f64>,
        times: Vec<f64>,
    }
    #[derive(Deserialize)]
    struct Named {
        full_id: String,
    }
    let read = |name: &str| std::fs::read_to_string(folder.join(name));
    let (Ok(sample), Ok(named)) = (read("sample.json"), read("benchmark.json")) else {
        return Ok(None);
    };
    let broken = || format!("criterion's files in {} are not as expected", folder.display());
    let sample: Sample = serde_json::from_str(&sample).with_context(broken)?;
    let named: Named = serde_json::from_str(&named).with_context(broken)?;
    let each = sample.times.iter().zip(&sample.iters).map(|(time, iterations)| time / iterations);
    Ok(Some(Bench::new(named.full_id, each.collect())))
}

fn document(run: &Run) -> Document {
    let mut table = Table::new(["bench", "median>", "p10>", "p90>", "samples>"]);
    let mut blocks = Vec::new();
    if !run.complete {
        let words = "The run ended early; what it had measured until then stands here.";
        blocks.push(Block::Notice(Level::Warning, words.to_owned()));
    }
    let mut charts = Vec::new();
    for bench in &run.benches {
        let at = |q| perf_stats::quantile(&bench.samples, q).unwrap_or(f64::NAN);
        let shown = |q| (figure(at(q), &bench.unit), Tone::Plain);
        table.push([
            (bench.name.clone(), Tone::Plain),
            shown(0.5),
            shown(0.1),
            shown(0.9),
            (bench.samples.len().to_string(), Tone::Quiet),
        ]);
        charts.push(Block::Chart(Chart::Distribution {
            title: bench.name.clone(),
            x: Axis::new("time per iteration", &*bench.unit),
            groups: vec![Group::of("samples", &bench.samples)],
            marks: vec![Mark::new(at(0.5), "median", Tone::Plain)],
        }));
    }
    blocks.push(Block::Table(table));
    let commit = run.commit.as_deref().unwrap_or("unknown");
    let subtitle =
        format!("commit {}; {}", commit.get(..10).unwrap_or(commit), run.machine.summary());
    Document::new("Run", subtitle).section(Section::new("Time per iteration", blocks)).section(
        Section::new("Distributions", [Block::Folded("All distributions".to_owned(), charts)]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_times_by_iterations_and_half_written_ones_are_left_out() {
        let home = tempfile::tempdir().unwrap();
        let whole = home.path().join("core_record/new");
        let half = home.path().join("core_other/new");
        std::fs::create_dir_all(&whole).unwrap();
        std::fs::create_dir_all(&half).unwrap();
        let sample = r#"{"sampling_mode":"Linear","iters":[10.0,20.0],"times":[50.0,120.0]}"#;
        std::fs::write(whole.join("sample.json"), sample).unwrap();
        std::fs::write(whole.join("benchmark.json"), r#"{"full_id":"core/record"}"#).unwrap();
        std::fs::write(half.join("benchmark.json"), r#"{"full_id":"core/other"}"#).unwrap();
        let benches = read(home.path()).unwrap();
        assert_eq!(benches, [Bench::new("core/record", vec![5.0, 6.0])]);
    }
}
