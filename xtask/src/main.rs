//! Drives tests, checks and benchmarks: `cargo xtask --help`.
//!
//! Depends on no crate of the workspace, so that it builds in seconds. Every stage is timed and
//! printed; what a machine lacks is named with its reason, never skipped in silence.

// A program for people at a terminal.
#![expect(clippy::print_stdout, reason = "stage names and summaries are its output")]

mod bench;
mod check;
mod command;
mod features;
mod release;
mod setup;
mod stage;
mod test;
mod tidy;

use anyhow::{Result, bail};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test  [--setup] [--require-all]
                 runs every test this machine can run and lists what it skipped and why;
                 --setup installs first what is missing, --require-all skips nothing
  setup [--yes]  says what the fuller tests need and why, and installs it
  check          format, clippy, tidy, docs, each feature alone (no tests)
  ci    [--setup] [--require-all]
                 check, then test: what has to pass before a change lands
  tidy           arrows between crates, file sizes, docs, words
  bench run [FILTER] [--quick]
                 measures the subjects with criterion and keeps the samples
  bench compare [BASE] [--pairs 30] [--time 60s]
                 the working tree beside BASE, interleaved
  bench gate [BASE] [--counts-only] [--margin 2%] [--hard 20%] [--strict]
                 is the working tree slower than BASE? Counts, then time, then a rebuild
  bench counts | history append|detect | noise | report | targets | budget | self-test
                 each says more with --help
  bench rivals SUITE [--quick] [--json FILE]
                 ours beside other libraries, in one process; `bench rivals --list` lists the suites
  bench soak [--seconds 300]
                 memory caches under overwrites that reuse keys: weight within its bound,
                 resident memory flat
  bench stack [--quick] [--requests N] [--rounds N] [--json]
                 a cached hit through the whole gateway beside a bare axum handler
  release [VERSION | patch | minor | major] [--skip-checks]
                 checks and prints what a release would do, changes nothing;
                 --execute raises the version, moves the changelog, commits and tags,
                 --publish publishes after a question [--yes] [--registry NAME]

Exit codes: 0 passed, 1 failed, 2 wrong usage; of a benchmark also 3 something got worse,
4 the noise allows no answer (with --strict, else 0).
Build products go where CARGO_TARGET_DIR says.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [] | ["help" | "--help" | "-h", ..] => {
            println!("{HELP}");
            Ok(())
        }
        ["test", flags @ ..] => test_flags(flags).and_then(|(setup, all)| test::run(setup, all)),
        ["ci", flags @ ..] => test_flags(flags).and_then(|(setup, all)| {
            check::run()?;
            test::run(setup, all)
        }),
        ["setup"] => setup::run(false),
        ["setup", "--yes"] => setup::run(true),
        ["check"] => check::run(),
        ["tidy"] => tidy::run(),
        ["release", rest @ ..] => release::run(rest),
        ["bench", "rivals", rest @ ..] => bench::rivals(rest),
        ["bench", "soak", rest @ ..] => bench::soak(rest),
        ["bench", "stack", rest @ ..] => bench::stack(rest),
        ["bench", command, ..] if bench::COMMANDS.contains(command) => bench::program(&words[1..]),
        other => Err(usage(format!("unknown command `{}`", other.join(" ")))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.downcast_ref::<Exit>() {
                Some(Exit::Usage(_)) => {
                    eprintln!("\n{HELP}");
                    ExitCode::from(2)
                }
                Some(Exit::Code(code)) => ExitCode::from(*code),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn test_flags(flags: &[&str]) -> Result<(bool, bool)> {
    let (mut setup, mut all) = (false, false);
    for flag in flags {
        match *flag {
            "--setup" => setup = true,
            "--require-all" => all = true,
            other => bail!(usage(format!("unknown flag `{other}`"))),
        }
    }
    Ok((setup, all))
}

/// An error that asks for an exit code of its own.
#[derive(Debug)]
enum Exit {
    /// The command line was wrong: 2.
    Usage(String),
    /// A program that we ran answered this.
    Code(u8),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Usage(problem) => f.write_str(problem),
            Exit::Code(code) => write!(f, "the program exited with {code}"),
        }
    }
}

impl std::error::Error for Exit {}

fn usage(problem: String) -> anyhow::Error {
    Exit::Usage(problem).into()
}
