//! `perfkit bench db`.

use super::arguments::DbArguments;
use super::stop::Stop;
use super::{progress_line, publish};
use crate::failure::Failure;
use crate::output;
use perf_bench::{Database, DatabaseBuilder, DatabaseError, Synchronous};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub(super) fn run(arguments: &DbArguments) -> Result<(), Failure> {
    let database = settings(arguments).build().map_err(|error| refusal(&error))?;
    let files = files(&arguments.target);
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    output::prepare(arguments.output.html.as_deref(), &files)?;
    if arguments.synchronous == Some(Synchronous::Off) && files.iter().any(|file| file.exists()) {
        output::tell(
            "perfkit: with --synchronous off, a power cut during the run can break the whole file, its \
             other tables included",
        );
    }
    let stop = Stop::listen()?;
    let line = progress_line(1);
    let report = database
        .run_watched(&mut |progress| {
            line.set_length(progress.total.max(1));
            line.set_position(progress.done);
            line.set_prefix(format!("{}/{}", progress.number, progress.steps));
            let rate = progress.done as f64 / progress.elapsed.as_secs_f64().max(1e-3);
            line.set_message(format!("{}, {rate:.0}/s", progress.step.replace('_', " ")));
            if stop.wanted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .map_err(|error| refusal(&error))?;
    line.finish_and_clear();
    publish(&arguments.output, &report.document(), &report)?;
    if report.complete {
        return Ok(());
    }
    let why = if report.stopped {
        "it was stopped"
    } else if report.steps.iter().any(|step| step.failure.is_some()) {
        "a step failed"
    } else if report.check.as_ref().is_none_or(|check| check.failure.is_some()) {
        "the table is not as it was written"
    } else {
        "it was not cleaned up"
    };
    let left = report.left_behind.map(|left| format!(" ({left})")).unwrap_or_default();
    Err(Failure::failed(format!("{why}{left}; what was measured until then is above")))
}

fn is_url(target: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|start| target.starts_with(start))
}

/// The files of the database: its own and those that SQLite keeps beside it.
fn files(target: &str) -> Vec<PathBuf> {
    if is_url(target) {
        return Vec::new();
    }
    ["", "-wal", "-shm", "-journal"].map(|end| PathBuf::from(format!("{target}{end}"))).into()
}

fn settings(arguments: &DbArguments) -> DatabaseBuilder {
    let target = arguments.target.as_str();
    let mut database =
        if is_url(target) { Database::postgres(target) } else { Database::sqlite(target) }
            .rows(arguments.rows)
            .operations(arguments.operations)
            .concurrency(arguments.concurrency)
            .batch(arguments.batch)
            .value_size(usize::try_from(arguments.value_size.as_u64()).unwrap_or(usize::MAX))
            .range(arguments.range)
            .seed(arguments.seed)
            .retries(arguments.retries)
            .busy_timeout(arguments.busy_timeout.0)
            .step_limit(arguments.step_limit.0);
    if let Some(journal) = arguments.journal {
        database = database.journal(journal);
    }
    if let Some(synchronous) = arguments.synchronous {
        database = database.synchronous(synchronous);
    }
    database
}

fn refusal(error: &DatabaseError) -> Failure {
    if error.is_setting() {
        Failure::usage(error.to_string())
    } else {
        Failure::failed(error.to_string())
    }
}
