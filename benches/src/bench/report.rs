//! `bench report`: writes what was measured last as a page.

use crate::not_built_yet;
use perf_bench::Outcome;

/// What `bench report` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs it.
pub(super) fn run(_arguments: Arguments) -> anyhow::Result<Outcome> {
    not_built_yet("report")
}
