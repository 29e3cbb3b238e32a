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
use std::io::IsTerminal;

pub(crate) fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    match &arguments.command {
        BenchCommand::Db(arguments) => db::run(arguments),
        BenchCommand::Suite(arguments) => suite::run(arguments),
    }
}

/// Hands out a result: on standard output, as a page, and in the summary of a CI job.
fn publish(
    arguments: &OutputArguments,
    document: &Document,
    result: &impl serde::Serialize,
) -> Result<(), Failure> {
    let json = arguments.json.then(|| serde_json::to_string_pretty(result)).transpose();
    let json =
        json.map_err(|error| Failure::failed(format!("the result cannot be written: {error}")))?;
    output::publish(document, arguments.html.as_deref(), json.as_deref(), WIDTH)
}

const WIDTH: usize = 100;

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
