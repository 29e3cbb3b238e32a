//! `bench run`: measures the subjects with criterion and keeps the samples.

use crate::not_built_yet;
use perf_bench::Outcome;

/// What `bench run` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs it.
pub(super) fn run(_arguments: Arguments) -> anyhow::Result<Outcome> {
    not_built_yet("run")
}
