//! A load run held against the routes of a `perf-budget.toml`.

use crate::failure::Failure;
use perf_bench::Outcome;
use perf_bench::budget::{Budget, BudgetReport, BudgetVerdict, Figure, Kind, Measured};
use perf_bench::load::{LoadReport, VoidCause};
use perf_bench::report::{Block, Document, Section};
use std::path::Path;

/// Reads the limits on routes before anything is sent.
pub(super) fn read(file: &Path) -> Result<Budget, Failure> {
    let budget = Budget::load(file).map_err(|error| Failure::usage(error.to_string()))?;
    let routes = budget.only(Kind::Route);
    if routes.limits().is_empty() {
        return Err(Failure::usage(format!(
            "budget `{}` limits no route; add a [[route]] with the name of a request, or `all`",
            file.display()
        )));
    }
    Ok(routes)
}

/// Holds a run against it: each kind of request by its name, and all of them as `all`.
pub(super) fn check(budget: &Budget, report: &LoadReport) -> BudgetReport {
    let figures = &report.figures;
    let mut measured = Measured::new();
    // A void run says nothing of the target's latency, and one that ended early too little; but for
    // want of connections the latency from sending is the least that it can be.
    let believed = report.void.is_none() && figures.latency.count > 0;
    let bounded = report.void_cause == Some(VoidCause::Connections);
    let latency = if bounded { &figures.latency_from_sending } else { &figures.latency };
    let single = figures.requests.len() == 1;
    let whole = std::iter::once("all")
        .chain(figures.requests.iter().filter(|_| single).map(|request| request.name.as_str()));
    for name in whole {
        measured = measured.route(name, Figure::Errors, figures.error_ratio);
        if figures.answered > 0 {
            let mean = figures.body_bytes as f64 / figures.answered as f64;
            measured = measured.route(name, Figure::Response, mean);
        }
        if believed || (bounded && latency.count > 0) {
            measured = measured
                .route(name, Figure::P50, latency.p50)
                .route(name, Figure::P95, latency.p95)
                .route(name, Figure::P99, latency.p99);
        }
    }
    for request in figures.requests.iter().filter(|request| !single && request.ended > 0) {
        let name = request.name.as_str();
        measured =
            measured.route(name, Figure::Errors, request.failed as f64 / request.ended as f64);
        if request.answered > 0 {
            let mean = request.body_bytes as f64 / request.answered as f64;
            measured = measured.route(name, Figure::Response, mean);
        }
        if believed {
            measured = measured
                .route(name, Figure::P50, request.p50)
                .route(name, Figure::P95, request.p95)
                .route(name, Figure::P99, request.p99);
        }
    }
    let mut kept = budget.check(&measured);
    if bounded {
        bound(&mut kept);
    }
    kept
}

/// Of a lower bound only what it breaks is known.
fn bound(kept: &mut BudgetReport) {
    let latencies = [Figure::P50, Figure::P95, Figure::P99];
    for row in kept.rows.iter_mut().filter(|row| latencies.contains(&row.figure)) {
        if row.verdict == BudgetVerdict::Broken {
            row.note = "at least, from sending: the run was short of connections".to_owned();
        } else {
            (row.measured, row.room, row.verdict) = (None, None, BudgetVerdict::NotMeasured);
        }
    }
    kept.rows.sort_by_key(|row| row.verdict);
}

/// Adds the table to the report.
pub(super) fn add(document: &mut Document, report: &BudgetReport) {
    let section =
        Section { title: "Budget".to_owned(), blocks: vec![Block::Table(report.table())] };
    document.sections.insert(0, section);
    // Never green over a limit that is broken or was not measured.
    if report.outcome() != Outcome::Pass {
        document.verdict = report.document().verdict;
    }
}

/// The report's JSON with the budget's in it.
pub(super) fn json(report: &LoadReport, budget: Option<&BudgetReport>) -> Result<String, Failure> {
    let Some(budget) = budget else { return Ok(report.to_json()) };
    let failed = |error| Failure::failed(format!("no JSON of the report: {error}"));
    let mut whole = serde_json::to_value(report).map_err(failed)?;
    whole["budget"] = serde_json::to_value(budget).map_err(failed)?;
    serde_json::to_string_pretty(&whole).map_err(failed)
}
