//! `bench compare`: compares the working tree with a base, interleaved, and prints the ratios.

use crate::not_built_yet;
use perf_bench::Outcome;

/// What `bench compare` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs it.
pub(super) fn run(_arguments: Arguments) -> anyhow::Result<Outcome> {
    not_built_yet("compare")
}
