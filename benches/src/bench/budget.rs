//! `bench budget`: holds what was measured against perf-budget.toml.

use crate::not_built_yet;
use perf_bench::Outcome;

/// What `bench budget` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs it.
pub(super) fn run(_arguments: Arguments) -> anyhow::Result<Outcome> {
    not_built_yet("budget")
}
