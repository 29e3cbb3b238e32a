//! `bench counts`: counts instructions and allocations, and keeps them in a file beside the code.
//!
//! The gate counts base and head anew. What is kept here is history that shows in a diff.

use crate::build::{Order, Workshop};
use crate::progress::Progress;
use crate::repository::Repository;
use crate::show::{Show, write};
use anyhow::{Context, Result, bail};
use perf_bench::{
    Callgrind, Compared, Counted, CountsLimits, CountsRecord, CountsReport, Difference, Machine,
    MeasureCounts, Outcome, SubjectProgram,
};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// What `bench counts` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Only benches whose name contains this.
    filter: Option<String>,
    /// Keep what was counted in benches/records/counts.json.
    #[arg(long)]
    update: bool,
    /// Write the counts as a run, for `bench history append`.
    #[arg(long, value_name = "FILE")]
    run: Option<PathBuf>,
    #[command(flatten)]
    show: Show,
}

/// Where counts are kept, below the repository's root.
const RECORD: &str = "benches/records/counts.json";

/// Where benches have limits of their own, below the repository's root.
const LIMITS: &str = "benches/counts.toml";

/// How the program is built.
const BUILT: &str = "optimised, one unit a crate, default features";

/// Runs it.
pub(super) fn run(arguments: Arguments) -> Result<Outcome> {
    let callgrind = Callgrind::find()?;
    let repository = Repository::here()?;
    let (limits, record) = (limits(&repository)?, record(&repository)?);
    // Held to the end: another comparison would replace the program.
    let workshop = Workshop::open(repository.clone())?;
    let program = workshop.head(Order::Usual)?;
    let filter = arguments.filter.as_deref();
    let mut measure = MeasureCounts::new(callgrind).features(BUILT);
    if let Some(filter) = filter {
        measure = measure.filter(filter);
    }
    if let Some(record) = &record {
        measure = measure.iterations(record.iterations());
    }
    let progress = Progress::new("counting");
    let counted = measure.measure(&SubjectProgram::new(program), &|at| {
        progress.at(at.done as u64, at.total as u64, at.bench);
    })?;
    drop(progress);
    let mut report = judge(record.as_ref(), &counted, &limits, filter);
    let complete = counted.is_complete();
    if let Some(path) = &arguments.run {
        let mut run = counted.run(Machine::here());
        run.commit = repository.head().ok();
        run.at = SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs());
        write(path, &run.to_json())?;
    }
    if arguments.update && complete {
        update(&repository, record, counted, filter)?;
        report.notes.push(format!("Kept in {RECORD}."));
    }
    arguments.show.show_and_keep("counts", &report, &report.document(), &repository)?;
    if arguments.update && !complete {
        bail!("{RECORD} stays as it is, since some benches failed");
    }
    // Whoever updates the record has seen the change and means it.
    Ok(if arguments.update { Outcome::Pass } else { report.outcome() })
}

/// Judges by the record, if there is one that was made in the same surroundings.
fn judge(
    record: Option<&CountsRecord>,
    here: &Counted,
    limits: &CountsLimits,
    filter: Option<&str>,
) -> CountsReport {
    let compared = record.map(|record| record.against(here, limits, filter));
    let mut alone = CountsReport::judge(&Counted::default(), here, limits);
    match compared {
        Some(Compared::Judged(report)) => return *report,
        Some(Compared::Elsewhere(differences)) => alone.notes.push(format!(
            "Not compared with {RECORD}, whose surroundings were others: {}.",
            listed(&differences)
        )),
        None => alone.notes.push(format!("There is no {RECORD} yet, so all is new.")),
    }
    alone
}

fn update(
    repository: &Repository,
    record: Option<CountsRecord>,
    counted: Counted,
    filter: Option<&str>,
) -> Result<()> {
    let record = match record {
        None => CountsRecord::new(counted),
        Some(mut record) => {
            if let Err(differences) = record.update(counted, filter) {
                bail!(
                    "{RECORD} was made in other surroundings ({}): update all of it, without a \
                     filter",
                    listed(&differences)
                );
            }
            record
        }
    };
    write(&repository.root().join(RECORD), &record.to_json())
}

fn listed(differences: &[Difference]) -> String {
    let differences: Vec<String> = differences.iter().map(Difference::to_string).collect();
    differences.join("; ")
}

/// The record, if there is one. One that cannot be read is an error, not a new start.
fn record(repository: &Repository) -> Result<Option<CountsRecord>> {
    let Some(text) = read(repository, RECORD)? else { return Ok(None) };
    let record = CountsRecord::read(&text).with_context(|| format!("cannot read {RECORD}"))?;
    Ok(Some(record))
}

/// How much more each bench may cost.
pub(super) fn limits(repository: &Repository) -> Result<CountsLimits> {
    match read(repository, LIMITS)? {
        Some(text) => toml::from_str(&text).with_context(|| format!("cannot read {LIMITS}")),
        None => Ok(CountsLimits::default()),
    }
}

fn read(repository: &Repository, file: &str) -> Result<Option<String>> {
    match std::fs::read_to_string(repository.root().join(file)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {file}")),
    }
}
