//! The database section: a new SQLite file, made and removed.

use super::{Better, Context, Figure, Section, SectionFailure, Spread};
use crate::database::{Database, DatabaseLatency};
use std::ops::ControlFlow;
use std::path::PathBuf;

/// CRUD of SQLite in a file that is made for the run.
#[derive(Clone, Debug)]
pub struct DatabaseSection {
    folder: PathBuf,
}

impl DatabaseSection {
    /// In this folder, which must lie on the disk in question.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> DatabaseSection {
        DatabaseSection { folder: folder.into() }
    }
}

impl Section for DatabaseSection {
    fn name(&self) -> &str {
        "database"
    }

    fn run(&mut self, context: &mut Context<'_>) -> Result<(), SectionFailure> {
        let name = format!("perfkit-bench-{}.db", std::process::id());
        let database = Database::sqlite(self.folder.join(name))
            .rows(context.size(20_000, 2_000))
            .operations(context.size(5_000, 500))
            .concurrency(2)
            .build()
            .map_err(SectionFailure::failed)?;
        let report = database
            .run_watched(&mut |progress| match context.doing(progress.step) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
            .map_err(SectionFailure::failed)?;
        if report.stopped {
            return Err(SectionFailure::Stopped);
        }
        let stated: Vec<String> =
            report.stated.iter().take(2).map(|(name, value)| format!("{name} {value}")).collect();
        let mut errors = 0;
        for step in &report.steps {
            let label = step.name.replace('_', " ");
            if let Some(latency) = &step.latency {
                let mut figure = Figure::new(
                    step.name.clone(),
                    format!("{label}, one operation"),
                    latency.p50 as f64,
                    "ns",
                    Better::Lower,
                );
                figure.spread = Some(spread(latency));
                context.keep(figure);
            }
            context.checked(step.operations);
            errors += step.errors.values().sum::<u64>();
        }
        for (step, id, label) in [
            ("insert_single", "insert_rate", "rows inserted singly"),
            ("insert_batch", "insert_batch_rate", "rows inserted in batches"),
            ("mixed", "mixed_rate", "mixed operations"),
        ] {
            if let Some(step) = report.step(step).filter(|step| step.operations > 0) {
                let rate = if id == "mixed_rate" { step.per_second } else { step.rows_per_second };
                context.keep(Figure::new(id, label, rate, "/s", Better::Higher));
            }
        }
        let operations: u64 = report.steps.iter().map(|step| step.operations).sum();
        let share = errors as f64 / (operations + errors).max(1) as f64;
        let label = "tries that found the database busy";
        context.keep(Figure::new("busy_share", label, share, "fraction", Better::Lower));
        context.note(format!("{} with 2 connections, {}", report.engine, stated.join(", ")));
        let failures = report.steps.iter().filter_map(|step| step.failure.as_ref());
        let unread = report.check.as_ref().and_then(|check| check.failure.as_ref());
        match failures.chain(unread).chain(&report.left_behind).next() {
            Some(failure) => Err(SectionFailure::failed(failure)),
            None => Ok(()),
        }
    }
}

fn spread(latency: &DatabaseLatency) -> Spread {
    Spread {
        values: latency.count,
        calls: 1,
        p50: latency.p50 as f64,
        p95: latency.p95 as f64,
        p99: latency.p99 as f64,
        max: latency.max as f64,
        buckets: latency.buckets.iter().map(|&(a, b, n)| (a as f64, b as f64, n)).collect(),
    }
}
