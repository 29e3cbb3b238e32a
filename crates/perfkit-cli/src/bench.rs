//! `perfkit bench`: what a database bears, and what the parts of perfkit take on this machine.

mod arguments;
mod db;
mod gateway;
mod site;
mod stop;
mod suite;

pub(crate) use arguments::BenchArguments;

use crate::failure::Failure;
use crate::output;
use arguments::{BenchCommand, OutputArguments};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perf_bench::report::Document;
use std::fs;
use std::io::{IsTerminal, Write};

pub(crate) fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    match &arguments.command {
        BenchCommand::Db(arguments) => db::run(arguments),
        BenchCommand::Suite(arguments) => suite::run(arguments),
    }
}

/// Sees that the report can be written, before the work rather than after it.
fn prepare(arguments: &OutputArguments) -> Result<(), Failure> {
    let Some(path) = &arguments.html else { return Ok(()) };
    fs::write(path, "")
        .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))
}

/// Hands out a result: on standard output, as a page, and in the summary of a CI job.
fn publish(
    arguments: &OutputArguments,
    document: &Document,
    result: &impl serde::Serialize,
) -> Result<(), Failure> {
    if let Some(path) = &arguments.html {
        fs::write(path, document.html()).map_err(|error| {
            Failure::failed(format!("{} cannot be written: {error}", path.display()))
        })?;
        output::tell(&format!("Report in {}", path.display()));
    }
    if arguments.json {
        let json = serde_json::to_string_pretty(result)
            .map_err(|error| Failure::failed(format!("the result cannot be written: {error}")))?;
        output::print(&format!("{json}\n"))?;
    } else {
        let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        output::print(&document.terminal(WIDTH, color))?;
    }
    summarize(document);
    Ok(())
}

const WIDTH: usize = 100;

/// Appends to the summary of a CI job, where there is one. Its loss is no failure of the run.
fn summarize(document: &Document) {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else { return };
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(document.markdown().as_bytes())) {
        output::tell(&format!("the summary cannot be written: {error}"));
    }
}

/// A line on standard error that says how far it is, where somebody can see it.
fn progress_line(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix} {bar:24} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
