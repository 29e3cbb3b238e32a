//! `bench history`: appends to the history and finds the commits at which it changed.

mod branch;

use crate::repository::Repository;
use crate::show::{Show, store_folder};
use crate::usage;
use crate::values::percent;
use anyhow::{Context, Result};
use branch::Branch;
use perf_bench::history::{self, Entry, History, HistoryReport};
use perf_bench::{CountsRecord, Machine, Outcome, Run};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What `bench history` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Appends a run to the history.
    ///
    /// On a branch, the run becomes a commit made beside the working tree, which is not touched;
    /// push it yourself. What another process appends meanwhile is kept.
    Append(Append),
    /// Finds the commits at which the level of a bench changed.
    ///
    /// Exits with 0 whatever it finds, for the past cannot be undone; with `--recent` it exits
    /// with 3 where something got slower within the last runs.
    Detect(Detect),
}

#[derive(Debug, clap::Args)]
struct Append {
    /// The run, as `bench run` keeps it [default: the last one], or a record of counts that was
    /// made on this machine, as `bench counts` keeps it.
    run: Option<PathBuf>,
    /// The commit that was measured, where the file does not say.
    #[arg(long)]
    commit: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
struct Detect {
    #[command(flatten)]
    place: Place,
    /// Only benches whose name contains this.
    #[arg(long)]
    filter: Option<String>,
    /// How many runs are looked at together.
    #[arg(long, default_value_t = 30)]
    window: usize,
    /// How likely a change that is none may be.
    #[arg(long, default_value_t = 0.001)]
    p: f64,
    /// The least change that counts.
    #[arg(long, value_name = "PER CENT", default_value = "1%", value_parser = percent)]
    min_change: f64,
    /// Exit with 3 where something got slower within the last N runs.
    #[arg(long, value_name = "N")]
    recent: Option<usize>,
    #[command(flatten)]
    show: Show,
}

/// Where the history lies.
#[derive(Debug, clap::Args)]
struct Place {
    /// The history is this file.
    #[arg(long, conflicts_with = "branch")]
    file: Option<PathBuf>,
    /// The history is `history.jsonl` on this branch, which has nothing in common with the others.
    #[arg(long, default_value = "bench-data")]
    branch: String,
}

/// Runs it.
pub(super) fn run(arguments: Arguments) -> Result<Outcome> {
    match arguments.command {
        Command::Append(arguments) => append(&arguments),
        Command::Detect(arguments) => detect(&arguments),
    }
}

fn append(arguments: &Append) -> Result<Outcome> {
    let file = &match &arguments.run {
        Some(file) => file.clone(),
        None => last_run()?,
    };
    let mut run = read(file)?;
    if arguments.commit.is_some() {
        run.commit.clone_from(&arguments.commit);
    }
    if run.commit.is_none() {
        return Err(usage(format!("{} names no commit, add --commit", file.display())));
    }
    let entry = Entry::of(&run).with_context(|| file.display().to_string())?;
    let where_to = match &arguments.place.file {
        Some(file) => {
            History::append(file, &entry)
                .with_context(|| format!("cannot append to {}", file.display()))?;
            file.display().to_string()
        }
        None => {
            let branch = arguments.place.branch()?;
            let commit = branch.append(&entry)?;
            let name = branch.name();
            format!("branch {name} as {commit:.10}, share it by `git push origin {name}`")
        }
    };
    let benches = match entry.benches.len() {
        1 => "1 bench".to_owned(),
        n => format!("{n} benches"),
    };
    let left_out = match run.benches.len() - entry.benches.len() {
        0 => String::new(),
        n => format!(" ({n} without figures left out)"),
    };
    writeln!(
        std::io::stdout(),
        "appended {benches}{left_out} of {:.10} to {where_to}",
        entry.commit
    )?;
    Ok(Outcome::Pass)
}

fn last_run() -> Result<PathBuf> {
    let file = store_folder(&Repository::here()?)?.join("last").join("run.json");
    if file.exists() {
        return Ok(file);
    }
    Err(usage("nothing was measured yet: `bench run` first, or name a RUN".to_owned()))
}

fn read(file: &Path) -> Result<Run> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let run = match CountsRecord::read(&text) {
        // Only counts say what they depend on besides the code.
        Ok(record) => Ok(record.counted().run(Machine::here())),
        Err(_) => Run::read(&text),
    };
    run.with_context(|| file.display().to_string())
}

fn detect(arguments: &Detect) -> Result<Outcome> {
    let Some(history) = arguments.place.read()? else {
        let branch = &arguments.place.branch;
        eprintln!("no history on branch {branch} yet: `bench history append RUN.json` begins it");
        return Ok(Outcome::Inconclusive);
    };
    let mut how = history::Detect::default();
    how.method.window = arguments.window;
    how.method.p = arguments.p;
    how.method.min_magnitude = arguments.min_change;
    how.filter.clone_from(&arguments.filter);
    let report = history.detect(&how).map_err(|error| usage(error.to_string()))?;
    match Repository::here() {
        Ok(here) => {
            arguments.show.show_and_keep("history", &report, &report.document(), &here)?;
        }
        // A file needs no repository around it; then there is no place to keep the report either.
        Err(_) => arguments.show.show(&report, &report.document())?,
    }
    Ok(outcome(&report, arguments.recent))
}

fn outcome(report: &HistoryReport, recent: Option<usize>) -> Outcome {
    match recent.and_then(|recent| report.recent_slowdowns(recent).next()) {
        Some(_) => Outcome::Regression,
        None => Outcome::Pass,
    }
}

impl Place {
    fn branch(&self) -> Result<Branch> {
        let here = Repository::here()
            .context("a history on a branch needs a repository around it, or name a --file")?;
        Branch::new(here.root(), &self.branch)
    }

    /// `None` if nothing was ever appended. A file that was named must be there.
    fn read(&self) -> Result<Option<History>> {
        let unreadable = |file: &Path| format!("cannot read {}", file.display());
        match &self.file {
            Some(file) => Ok(Some(History::load(file).with_context(|| unreadable(file))?)),
            None => match self.branch()?.read()? {
                Some(text) => Ok(Some(History::read(text.as_slice())?)),
                None => Ok(None),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Told {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn the_nightly_job_is_red_where_something_got_worse() {
        let workflow = concat!(env!("CARGO_MANIFEST_DIR"), "/../.github/workflows/bench.yml");
        let workflow = std::fs::read_to_string(workflow).unwrap();
        let told = workflow.split("cargo xtask bench history ").filter_map(|rest| {
            let line = rest.lines().next()?;
            line.starts_with("detect").then(|| line.split_whitespace())
        });
        let told: Vec<Arguments> = told
            .map(|words| Told::parse_from(["history"].into_iter().chain(words)).arguments)
            .collect();
        let [Arguments { command: Command::Detect(detect) }] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(detect.recent, Some(3));
    }
}
