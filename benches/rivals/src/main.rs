//! Other libraries and ours in one program, with the repeats of all subjects interleaved.
//!
//! `cargo xtask bench rivals SUITE [--quick] [--json FILE]` runs a suite: an aligned table on
//! standard output, progress on standard error, and the rows as JSON where asked. Every answer is
//! checked; a wrong one ends the program with an error.

mod arguments;
mod disk;
mod histogram;
mod machine;
mod measure;
mod memory;
mod operations;
mod report;

use anyhow::{Context, Result};
use arguments::{Command, Options};
use measure::Bench;
use std::process::ExitCode;

/// A suite: its name, how to run it, and how one subject of it fills a fresh process.
struct Suite {
    name: &'static str,
    run: fn(&mut Bench) -> Result<()>,
    resident: fn(subject: &str, count: usize) -> Result<machine::Resident>,
}

const SUITES: [Suite; 4] = [
    Suite { name: "async", run: operations::run, resident: operations::resident },
    Suite { name: "disk", run: disk::run, resident: disk::resident },
    Suite { name: "histogram", run: histogram::run, resident: histogram::resident },
    Suite { name: "memory", run: memory::run, resident: memory::resident },
];

fn main() -> ExitCode {
    let result = match arguments::parse(std::env::args().skip(1)) {
        Ok(Command::List) => report::say(&names("\n")),
        Ok(Command::Run(options)) => run(&options),
        Ok(Command::Resident { suite, subject, count }) => resident(&suite, &subject, count),
        Err(problem) => {
            eprintln!("{problem}; the suites are: {}", names(", "));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn names(between: &str) -> String {
    SUITES.map(|suite| suite.name).join(between)
}

fn suite(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name == name)
}

fn run(options: &Options) -> Result<()> {
    let suite = suite(&options.suite).context("the arguments have been checked")?;
    let mut bench = Bench::new(suite.name, options)?;
    (suite.run)(&mut bench)?;
    let rows = bench.finish();
    report::table(suite.name, &rows)?;
    match &options.json {
        Some(path) => report::json(path, &rows),
        None => Ok(()),
    }
}

/// What the fresh process does whose memory is measured: one line of JSON on standard output.
fn resident(name: &str, subject: &str, count: usize) -> Result<()> {
    let suite = suite(name).with_context(|| format!("no suite `{name}`"))?;
    report::say(&serde_json::to_string(&(suite.resident)(subject, count)?)?)
}
