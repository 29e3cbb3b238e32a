//! `bench self-test`: tests the gate itself: equal programs stay green, slower ones turn red.

use crate::not_built_yet;
use perf_bench::Outcome;

/// What `bench self-test` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Runs it.
pub(super) fn run(_arguments: Arguments) -> anyhow::Result<Outcome> {
    not_built_yet("self-test")
}
