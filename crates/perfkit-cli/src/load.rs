//! `perfkit load`: loads a server over HTTP and tells what it bears.

mod arguments;
mod budget;
mod progress;

pub(crate) use arguments::LoadArguments;

use crate::failure::Failure;
use crate::output;
use crate::signals::Signals;
use perf_bench::Outcome;
use perf_bench::budget::BudgetReport;
use perf_bench::load::{Load, LoadError, LoadErrorKind, LoadProgress, LoadReport};
use progress::Progress;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

pub(crate) fn run(arguments: &LoadArguments) -> Result<ExitCode, Failure> {
    let load = arguments.config().and_then(Load::new).map_err(|error| refusal(&error))?;
    let budget = arguments.budget.as_deref().map(budget::read).transpose()?;
    let inputs: Vec<&Path> = arguments.budget.as_deref().into_iter().collect();
    output::prepare(arguments.html.as_deref(), &inputs)?;
    let report = watch(load)?;
    let mut document = report.document();
    let kept = budget.map(|budget| budget::check(&budget, &report));
    if let Some(kept) = &kept {
        budget::add(&mut document, kept);
    }
    let json = arguments.json.then(|| budget::json(&report, kept.as_ref())).transpose()?;
    output::publish(&document, arguments.html.as_deref(), json.as_deref(), WIDTH)?;
    let outcome = report.outcome().max(kept.as_ref().map_or(Outcome::Pass, BudgetReport::outcome));
    if outcome == Outcome::ToolFailed {
        return Err(Failure::failed(if report.is_unanswered() {
            "the target answered nothing; the report names the failures"
        } else {
            "the target stopped answering; what was measured until then is in the report"
        }));
    }
    Ok(ExitCode::from(outcome.exit_code(arguments.strict)))
}

const WIDTH: usize = 100;

/// Runs the load on a thread of its own and shows how far it is, until it ends or Ctrl-C ends it.
fn watch(load: Load) -> Result<LoadReport, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("no runtime: {error}")))?;
    let seen = Arc::new(LoadProgress::new());
    let told = Arc::clone(&seen);
    let (ended, mut end) = tokio::sync::oneshot::channel();
    runtime.block_on(async {
        let mut signals = Signals::new()
            .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))?;
        let thread = std::thread::Builder::new()
            .name("perfkit-load".to_owned())
            .spawn(move || {
                // The receiver waits until this thread has ended.
                let _ = ended.send(load.run(&told));
            })
            .map_err(|error| Failure::failed(format!("no thread for the load: {error}")))?;
        let mut progress = Progress::new();
        let mut tick = tokio::time::interval(Duration::from_millis(250));
        let report = loop {
            tokio::select! {
                report = &mut end => break report,
                _ = signals.next() => seen.stop(),
                _ = tick.tick() => progress.show(&seen.snapshot()),
            }
        };
        progress.end();
        if thread.join().is_err() {
            return Err(Failure::failed("the load ended in a panic"));
        }
        match report {
            Ok(report) => report.map_err(|error| refusal(&error)),
            Err(_) => Err(Failure::failed("the load ended without a report")),
        }
    })
}

fn refusal(error: &LoadError) -> Failure {
    match error.kind() {
        LoadErrorKind::Usage => Failure::usage(error.to_string()),
        _ => Failure::failed(error.to_string()),
    }
}
