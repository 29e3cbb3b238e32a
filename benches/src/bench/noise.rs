//! `bench noise`: looks at how quiet the machine is and how much the layout of the code matters.

use crate::not_built_yet;
use perf_bench::Outcome;

/// What `bench noise` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs it.
pub(super) fn run(_arguments: Arguments) -> anyhow::Result<Outcome> {
    not_built_yet("noise")
}
