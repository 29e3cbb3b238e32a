//! `bench targets`: the figures a user was promised, with load, target, measured value and verdict.

use crate::not_built_yet;
use perf_bench::Outcome;

/// What `bench targets` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs it.
pub(super) fn run(_arguments: Arguments) -> anyhow::Result<Outcome> {
    not_built_yet("targets")
}
