//! `cargo xtask bench`: runs the benchmark programs in release builds.

use crate::command::{cargo, root};
use crate::{Exit, usage};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// What the program `perfkit-bench` can do. It knows its own flags; a word that is not here is
/// refused before anything is built.
pub(crate) const COMMANDS: [&str; 10] = [
    "run",
    "compare",
    "gate",
    "counts",
    "history",
    "noise",
    "report",
    "targets",
    "budget",
    "self-test",
];

/// Passes a command on to `perfkit-bench`, with its exit code.
pub(crate) fn program(args: &[&str]) -> Result<()> {
    let run = ["run", "--release", "--package", "perfkit-benches", "--bin", "perfkit-bench", "--"];
    passed_on(&[&run[..], args].concat())
}

/// The suites of `bench rivals`.
pub(crate) const SUITES: [&str; 4] = ["histogram", "memory", "disk", "async"];

/// Ours beside other libraries. The package lies outside the workspace, with its own lock file,
/// so that no rival ever enters a user's dependency graph.
pub(crate) fn rivals(args: &[&str]) -> Result<()> {
    if args.is_empty() {
        bail!(usage(format!("bench rivals needs a suite: {}", SUITES.join(", "))));
    }
    let manifest = root().join("benches/rivals/Cargo.toml");
    let manifest = manifest.to_string_lossy();
    let run = ["run", "--quiet", "--release", "--locked", "--manifest-path", &manifest, "--"];
    passed_on(&[&run[..], args].concat())
}

/// A cached hit through the whole gateway beside a bare axum handler with the same body.
pub(crate) fn stack(args: &[&str]) -> Result<()> {
    let run = ["run", "--quiet", "--release", "--package", "perfkit-cli"];
    let args: Vec<&str> = args
        .iter()
        .flat_map(|arg| match *arg {
            "--quick" => &QUICK[..],
            _ => std::slice::from_ref(arg),
        })
        .copied()
        .collect();
    passed_on(&[&run[..], &["--example", "stack_vs_axum", "--"], &args].concat())
}

/// Overwrites with reuse of keys for so many seconds: bounds hold, and memory stays flat.
pub(crate) fn soak(args: &[&str]) -> Result<()> {
    let seconds = match args {
        [] => "300",
        ["--seconds", seconds] if seconds.parse::<u32>().is_ok() => seconds,
        other => bail!(usage(format!("bench soak takes --seconds N, not `{}`", other.join(" ")))),
    };
    crate::command::run(
        soak_command().args(["--", "--nocapture"]).env("PERFKIT_SOAK_SECONDS", seconds),
    )
}

pub(crate) fn soak_command() -> Command {
    cargo(&["test", "--release", "--package", "perf-cache", "--test", "soak"])
}

/// Enough to see that it runs and that its answers are right.
const QUICK: [&str; 4] = ["--requests", "2000", "--rounds", "3"];

/// Relative paths in the arguments are the caller's, so this stays in the caller's folder.
fn passed_on(args: &[&str]) -> Result<()> {
    let mut command = cargo(args);
    if let Ok(here) = std::env::current_dir() {
        command.current_dir(here);
    }
    let status = command.status().context("cannot start cargo")?;
    match status.code() {
        Some(0) => Ok(()),
        // cargo's own code for a build that failed, and Rust's for a panic.
        Some(101) => Err(Exit::Code(1).into()),
        Some(code) => Err(Exit::Code(u8::try_from(code).unwrap_or(1)).into()),
        None => bail!("the benchmark was ended by a signal"),
    }
}
