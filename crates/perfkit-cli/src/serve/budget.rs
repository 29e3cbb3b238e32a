//! The budget of a server that runs: routes, memory and start-up, each time somebody looks.

use crate::failure::Failure;
use perf_bench::budget::{Budget, BudgetVerdict, Figure, Kind, Measured};
use perf_bench::report::figure;
use perf_server::{BudgetRow, Seen};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Holds what was seen against a budget.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    budget: Arc<Budget>,
    start_up: Arc<OnceLock<Duration>>,
}

impl Judge {
    /// Reads the budget before anything listens.
    pub(super) fn read(file: &Path) -> Result<Judge, Failure> {
        let budget = Budget::load(file).map_err(|error| Failure::usage(error.to_string()))?;
        if !budget.limits().iter().any(|limit| is_seen(limit.kind())) {
            return Err(Failure::usage(format!(
                "budget `{}` limits nothing that a server shows; add a route, memory or start-up",
                file.display()
            )));
        }
        Ok(Judge { budget: Arc::new(budget), start_up: Arc::default() })
    }

    /// Notes how long the start took; the first time counts.
    pub(super) fn started(&self, took: Duration) {
        let _ = self.start_up.set(took);
    }

    /// The limits as they stand now, worst first.
    pub(super) fn rows(&self, seen: &Seen) -> Vec<BudgetRow> {
        let mut measured = Measured::new();
        for route in &seen.routes {
            measured = measured
                .route(&route.name, Figure::P50, route.p50)
                .route(&route.name, Figure::P95, route.p95)
                .route(&route.name, Figure::P99, route.p99)
                .route(&route.name, Figure::Errors, route.errors)
                .route(&route.name, Figure::Response, route.response)
                .route(&route.name, Figure::FirstByte, route.first_byte.unwrap_or(f64::NAN));
        }
        measured =
            measured.with(Kind::Memory, "", Figure::Resident, seen.resident.unwrap_or(f64::NAN));
        if let Some(took) = self.start_up.get() {
            measured = measured.start_up(*took);
        }
        let report = self.budget.check(&measured);
        report.rows.into_iter().filter(|row| is_seen(row.kind)).map(shown).collect()
    }
}

/// Bundles and single operations are for CI: a running server does not show them.
fn is_seen(kind: Kind) -> bool {
    matches!(kind, Kind::Route | Kind::Memory | Kind::StartUp)
}

fn shown(row: perf_bench::budget::BudgetRow) -> BudgetRow {
    let what = match row.note.as_str() {
        "" => row.what,
        note => format!("{} ({note})", row.what),
    };
    BudgetRow {
        limit_display: figure(row.limit, &row.unit),
        measured_display: figure(row.measured.unwrap_or(f64::NAN), &row.unit),
        what,
        unit: row.unit,
        limit: row.limit,
        measured: row.measured,
        room: row.room,
        verdict: match row.verdict {
            BudgetVerdict::Broken => "broken",
            BudgetVerdict::Tight => "tight",
            BudgetVerdict::Within => "within",
            _ => "not_measured",
        }
        .to_owned(),
    }
}
