//! `perfkit bench suite`.

use super::arguments::SuiteArguments;
use super::gateway::GatewaySection;
use super::stop::Stop;
use super::{progress_line, publish};
use crate::failure::Failure;
use crate::output;
use perf_bench::suite::DatabaseSection;
use perf_engine::DiskSection;
use std::ops::ControlFlow;

pub(super) fn run(arguments: &SuiteArguments) -> Result<(), Failure> {
    if let Some(origin) = arguments.origin.as_ref().filter(|origin| !origin.is_dir()) {
        return Err(Failure::usage(format!("--origin {} is no folder", origin.display())));
    }
    let folder = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    if !folder.is_dir() {
        return Err(Failure::usage(format!("--folder {} is no folder", folder.display())));
    }
    let only: Vec<&str> = arguments.only.iter().map(String::as_str).collect();
    let suite = perf_engine::benchmark()
        .section(GatewaySection::new(arguments.origin.clone()))
        .section(DiskSection::new(&folder))
        .section(DatabaseSection::new(folder))
        .quick(arguments.quick)
        .only(&only)
        .map_err(|error| Failure::usage(error.to_string()))?;
    output::prepare(arguments.output.html.as_deref(), &[])?;
    let stop = Stop::listen()?;
    let line = progress_line(1);
    let report = suite.run_watched(&mut |progress| {
        line.set_length(progress.sections as u64);
        line.set_position(progress.number as u64 - 1);
        line.set_prefix(progress.section.clone());
        line.set_message(progress.doing.clone());
        if stop.wanted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    line.finish_and_clear();
    publish(&arguments.output, &report.document(), &report)?;
    if report.complete {
        return Ok(());
    }
    let failed: Vec<&str> = report
        .sections
        .iter()
        .filter(|section| section.failure.is_some())
        .map(|section| section.name.as_str())
        .collect();
    Err(Failure::failed(format!("not complete: {}; what was measured is above", failed.join(", "))))
}
