//! `bench targets`: the figures a user was promised, with load, target, measured value and verdict.

mod definition;
mod verdict;

use crate::product::{Effort, Figures, Product};
use crate::show::Show;
use definition::Target;
use perf_bench::{Machine, Outcome};
use std::path::PathBuf;
use verdict::Report;

/// What `bench targets` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only targets whose id contains this.
    filter: Option<String>,
    /// Measure this program instead of building the release.
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Just enough to see that it works; the figures are rough.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    show: Show,
}

/// Runs it.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    let mut targets = Target::all()?;
    if let Some(filter) = &arguments.filter {
        targets.retain(|target| target.id.contains(filter.as_str()));
        if targets.is_empty() {
            return Err(crate::usage(format!("no target's id contains `{filter}`")));
        }
    }
    let product = Product::new(arguments.program.as_deref())?;
    let figures = Figures::measure(&product, Effort::new(arguments.quick))?;
    let report = Report::new(&targets, &figures, Machine::here());
    arguments.show.show(&report, &report.document())?;
    Ok(report.outcome())
}
