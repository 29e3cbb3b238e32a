//! `bench counts`: counts instructions and allocations.

use crate::not_built_yet;
use perf_bench::Outcome;

/// What `bench counts` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs it.
pub(super) fn run(_arguments: Arguments) -> anyhow::Result<Outcome> {
    not_built_yet("counts")
}
