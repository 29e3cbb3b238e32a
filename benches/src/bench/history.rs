//! `bench history`: appends to the history and finds the commits at which it changed.

use crate::not_built_yet;
use perf_bench::Outcome;

/// What `bench history` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs it.
pub(super) fn run(_arguments: Arguments) -> anyhow::Result<Outcome> {
    not_built_yet("history")
}
