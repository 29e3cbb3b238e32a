//! `bench budget`: holds what was measured against perf-budget.toml.

use crate::product::{self, Effort, Figures, Product};
use crate::show::Show;
use crate::usage;
use perf_bench::Outcome;
use perf_bench::budget::{Budget, Figure, Kind, Limit, Measured};
use std::path::PathBuf;

/// What `bench budget` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The limits [default: benches/perf-budget.toml].
    file: Option<PathBuf>,
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
    let file =
        arguments.file.unwrap_or_else(|| product::repository().join("benches/perf-budget.toml"));
    let budget = Budget::load(&file).map_err(|error| usage(error.to_string()))?;
    let product = Product::new(arguments.program.as_deref())?;
    let figures = Figures::measure(&product, Effort::new(arguments.quick))?;
    let measured = budget
        .limits()
        .iter()
        .fold(Measured::new(), |measured, limit| add(measured, limit, &figures));
    let report = budget.check(&measured);
    arguments.show.show(&report, &report.document())?;
    Ok(report.outcome())
}

/// Adds what the limit is about, if it was measured.
fn add(measured: Measured, limit: &Limit, figures: &Figures) -> Measured {
    let (kind, name, figure) = (limit.kind(), limit.name(), limit.figure());
    let found = match (kind, figure) {
        (Kind::Route, _) => figures.get(&format!("{name}/{}", figure.name())),
        (Kind::Operation, _) => figures.get(name),
        (Kind::Bundle, Figure::Raw) if name == "program" => figures.get("program/size"),
        (Kind::Bundle, _) => figures.get(&format!("{name}/{}", figure.name())),
        (Kind::Memory, _) => figures.get("program/resident"),
        (Kind::StartUp, _) => figures.get("program/start-up"),
        _ => None,
    };
    match found {
        Some(value) => measured.with(kind, name, figure, value),
        None => measured,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_of_this_project_is_sound() {
        let text = include_str!("../../perf-budget.toml");
        let budget = Budget::read(text).unwrap();
        assert!(budget.limits().len() > 10);
    }

    #[test]
    fn figures_find_their_limits() {
        let mut figures = Figures::default();
        figures.set("page/p95", 2e6);
        figures.set("program/size", 9e6);
        figures.set("program/start-up", f64::NAN);
        let budget = Budget::read(
            "[[route]]\nroute = \"page\"\np95 = \"1ms\"\n[[bundle]]\nbundle = \"program\"\n\
             raw = \"10MB\"\n[start-up]\ntime = \"1s\"",
        )
        .unwrap();
        let measured =
            budget.limits().iter().fold(Measured::new(), |m, limit| add(m, limit, &figures));
        let rows = budget.check(&measured).rows;
        let found: Vec<Option<f64>> = rows.iter().map(|row| row.measured).collect();
        assert_eq!(found, [Some(2e6), None, Some(9e6)]);
    }
}
