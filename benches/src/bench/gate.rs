//! `bench gate`: tells whether the working tree is slower than a base.
//!
//! What is counted comes first, since it repeats; then paired time; and what looks red in time is
//! measured once more with both sides linked in another order, since much of what repeats between
//! two builds is nothing but where their functions lie.

use crate::build::Workshop;
use crate::counts;
use crate::progress::Progress;
use crate::repository::{Base, Repository};
use crate::show::Show;
use crate::sides::{Pair, Sides, relink};
use crate::timing;
use crate::values::{percent, span};
use anyhow::{Context, Result};
use perf_bench::report::{Block, Document, Level, Section, Tone};
use perf_bench::{
    Callgrind, Compare, Comparison, CountsError, CountsLimits, CountsReport, MeasureCounts,
    Outcome, Rule, SubjectProgram,
};
use serde::Serialize;
use std::time::Duration;

/// What `bench gate` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The commit to compare with [default: where this branch left main; on main HEAD~1].
    base: Option<String>,
    /// Count only, measure no time.
    #[arg(long)]
    counts_only: bool,
    /// Smaller changes of time are no news.
    #[arg(long, default_value = "2%", value_parser = percent)]
    margin: f64,
    /// A loss that is red whatever the noise.
    #[arg(long, default_value = "20%", value_parser = percent)]
    hard: f64,
    /// Pairs of samples for each bench.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// Time for one measurement of all benches; without it each gets all its pairs.
    #[arg(long, value_parser = span)]
    time: Option<Duration>,
    /// Only benches whose name contains this.
    #[arg(long)]
    filter: Option<String>,
    #[command(flatten)]
    show: Show,
}

/// What the gate found.
#[derive(Debug, Serialize)]
struct Found {
    /// The base's commit.
    base: String,
    /// Why this one.
    base_is: String,
    /// The working tree's last commit.
    head: String,
    /// `pass`, `regression`, `inconclusive` or `tool failed`.
    outcome: &'static str,
    /// Instructions and allocations.
    counts: Option<CountsReport>,
    /// Paired time.
    time: Option<Comparison>,
    /// What the reader should know.
    notes: Vec<String>,
}

/// Runs it.
pub(super) fn run(arguments: Arguments) -> Result<Outcome> {
    let repository = Repository::here()?;
    let base = repository.base(arguments.base.as_deref())?;
    eprintln!("base: {} ({})", base.short(), base.why);
    let workshop = Workshop::open(repository.clone())?;
    let mut found = Found {
        base: base.commit.clone(),
        base_is: base.why.clone(),
        head: repository.head()?,
        outcome: "pass",
        counts: None,
        time: None,
        notes: Vec::new(),
    };
    let outcome = match Sides::prepare(&workshop, &repository, &base)? {
        Sides::Both(pair) => {
            let limits = counts::limits(&repository)?;
            judge(&workshop, &base, &pair, &limits, &arguments, &mut found)?
        }
        other => {
            found.notes.push(other.why_nothing(&base));
            Outcome::Pass
        }
    };
    found.outcome = word(outcome);
    let document = document(&found, &base, outcome);
    arguments.show.show_and_keep("gate", &found, &document, &repository)?;
    let counted = found.counts.iter().flat_map(|counts| &counts.judged);
    arguments.show.annotate(counted.chain(found.time.iter().flat_map(|time| &time.judged)));
    Ok(outcome)
}

fn judge(
    workshop: &Workshop,
    base: &Base,
    pair: &Pair,
    limits: &CountsLimits,
    arguments: &Arguments,
    found: &mut Found,
) -> Result<Outcome> {
    match count(pair, limits, arguments) {
        Ok(counts) => found.counts = Some(counts),
        Err(missing @ CountsError::ValgrindMissing) if !arguments.counts_only => {
            found.notes.push(format!("nothing was counted: {missing}"));
        }
        Err(error) => return Err(error).context("nothing could be counted"),
    }
    if !arguments.counts_only {
        found.time = Some(time(workshop, base, pair, arguments)?);
    }
    let counts = found.counts.as_ref().map(CountsReport::outcome);
    let time = found.time.as_ref().map(Comparison::outcome);
    Ok(counts.into_iter().chain(time).max().unwrap_or(Outcome::Pass))
}

fn time(
    workshop: &Workshop,
    base: &Base,
    pair: &Pair,
    arguments: &Arguments,
) -> Result<Comparison> {
    let rule = Rule::new().margin(arguments.margin).hard(arguments.hard);
    let mut settings = Compare::new().rule(rule).pairs(arguments.pairs.into()).time(arguments.time);
    if let Some(filter) = &arguments.filter {
        settings = settings.filter(filter);
    }
    let mut comparison = timing::compare(&settings, pair)?;
    timing::confirm(&mut comparison, &settings, &rule, |red| {
        eprintln!("red at first: {}; linking both sides in another order", red.join(", "));
        let again = relink(workshop, base, SEED)?;
        Ok([again.base, again.head].map(SubjectProgram::new))
    })?;
    Ok(comparison)
}

/// The link order of the confirmation.
const SEED: u32 = 1;

fn count(
    pair: &Pair,
    limits: &CountsLimits,
    arguments: &Arguments,
) -> Result<CountsReport, CountsError> {
    let mut measure = MeasureCounts::new(Callgrind::find()?);
    if let Some(filter) = &arguments.filter {
        measure = measure.filter(filter);
    }
    let progress = Progress::new("counting");
    measure.compare(
        &SubjectProgram::new(&pair.base),
        &SubjectProgram::new(&pair.head),
        limits,
        &|at| progress.at(at.done as u64, at.total as u64, at.bench),
    )
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "pass",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Regression => "regression",
        Outcome::ToolFailed => "tool failed",
    }
}

fn document(found: &Found, base: &Base, outcome: Outcome) -> Document {
    let head = found.head.get(..10).unwrap_or(&found.head);
    let subtitle = format!("working tree on {head}, base {} ({})", base.short(), base.why);
    let (tone, words) = match outcome {
        Outcome::Pass => (Tone::Good, "nothing got slower"),
        Outcome::Inconclusive => (Tone::Warn, "nothing is proven slower, but not all can be said"),
        Outcome::Regression => (Tone::Bad, "something got slower"),
        Outcome::ToolFailed => (Tone::Bad, "something failed"),
    };
    let mut document = Document::new("Gate", subtitle).verdict(tone, words);
    if !found.notes.is_empty() {
        let notes = found.notes.iter().map(|note| Block::Notice(Level::Info, note.clone()));
        document = document.section(Section::new("Notes", notes));
    }
    let counts = found.counts.iter().map(CountsReport::document);
    let parts = counts.chain(found.time.iter().map(Comparison::document));
    parts.flat_map(|part| part.sections).fold(document, Document::section)
}
