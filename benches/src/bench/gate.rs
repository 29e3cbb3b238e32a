//! `bench gate`: tells whether the working tree is slower than a base: counts, time, confirmation.

use crate::not_built_yet;
use perf_bench::Outcome;

/// What `bench gate` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs it.
pub(super) fn run(_arguments: Arguments) -> anyhow::Result<Outcome> {
    not_built_yet("gate")
}
