//! `cargo xtask bench`: whether a change made a program slower.
//!
//! One file for each subcommand, with its `Arguments` and a `run` that answers an [`Outcome`]. What
//! the subcommands print on stdout is their result; progress and errors go to stderr.

mod budget;
mod build;
mod compare;
mod counts;
mod gate;
mod history;
mod layouts;
mod noise;
mod product;
mod progress;
mod report;
mod repository;
mod run;
mod self_test;
mod show;
mod sides;
mod targets;
mod timing;
mod values;

use clap::Parser;
use perf_bench::Outcome;
use std::process::ExitCode;

/// Measures, compares and gates.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Exit with 4 where the noise allows no answer, instead of 0.
    #[arg(long, global = true)]
    strict: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Measures the subjects with criterion and keeps the samples.
    Run(run::Arguments),
    /// Compares the working tree with a base, interleaved, and prints the ratios.
    Compare(compare::Arguments),
    /// Tells whether the working tree is slower than a base: counts, time, confirmation.
    Gate(gate::Arguments),
    /// Counts instructions and allocations.
    Counts(counts::Arguments),
    /// Appends to the history and finds the commits at which it changed.
    History(history::Arguments),
    /// Looks at how quiet the machine is and how much the layout of the code matters.
    Noise(noise::Arguments),
    /// Writes what was measured last as a page.
    Report(report::Arguments),
    /// The figures a user was promised, with load, target, measured value and verdict.
    Targets(targets::Arguments),
    /// Holds what was measured against perf-budget.toml.
    Budget(budget::Arguments),
    /// Tests the gate itself: equal programs stay green, slower ones turn red.
    SelfTest(self_test::Arguments),
}

const EXIT_CODES: &str = "\
Exit codes: 0 passed, 1 a tool failed, 2 wrong usage, 3 something got worse, 4 the noise allows no \
answer (0 without --strict).";

fn main() -> ExitCode {
    let Arguments { command, strict } = Arguments::parse();
    let outcome = match command {
        Command::Run(arguments) => run::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Gate(arguments) => gate::run(arguments),
        Command::Counts(arguments) => counts::run(arguments),
        Command::History(arguments) => history::run(arguments),
        Command::Noise(arguments) => noise::run(arguments),
        Command::Report(arguments) => report::run(arguments),
        Command::Targets(arguments) => targets::run(arguments),
        Command::Budget(arguments) => budget::run(arguments),
        Command::SelfTest(arguments) => self_test::run(arguments),
    };
    match outcome {
        Ok(outcome) => ExitCode::from(outcome.exit_code(strict)),
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref::<Usage>() {
                Some(_) => ExitCode::from(2),
                None => ExitCode::from(Outcome::ToolFailed.exit_code(strict)),
            }
        }
    }
}

/// An error for which whoever typed the command line is to blame: exit code 2.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// An error of wrong usage.
fn usage(problem: impl Into<String>) -> anyhow::Error {
    Usage(problem.into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}
