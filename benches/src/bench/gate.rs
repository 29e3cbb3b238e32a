//! `bench gate`: tells whether the working tree is slower than a base.
//!
//! What is counted comes first, since it repeats; then paired time; and what looks red in time is
//! measured once more with both sides linked in another order, since much of what repeats between
//! two builds is nothing but where their functions lie.

use crate::build::Workshop;
use crate::progress::Progress;
use crate::repository::{Base, Repository};
use crate::show::Show;
use crate::sides::{Pair, Sides};
use crate::values::percent;
use anyhow::{Context, Result};
use perf_bench::report::{Block, Document, Level, Section, Tone};
use perf_bench::{
    Callgrind, CountsError, CountsLimits, CountsProgram, CountsReport, MeasureCounts, Outcome,
};
use serde::Serialize;

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
        notes: Vec::new(),
    };
    let outcome = match Sides::prepare(&workshop, &repository, &base)? {
        Sides::WordsOnly { files } => {
            found.notes.push(words_only(files));
            Outcome::Pass
        }
        Sides::Identical => {
            found.notes.push(IDENTICAL.to_owned());
            Outcome::Pass
        }
        Sides::HeadOnly => {
            found.notes.push(format!(
                "The base {} has no program of benches, so all of them are new.",
                base.short()
            ));
            Outcome::Pass
        }
        Sides::Both(pair) => judge(&pair, &arguments, &mut found)?,
    };
    found.outcome = word(outcome);
    let document = document(&found, &base, outcome);
    arguments.show.show_and_keep("gate", &found, &document, &repository)?;
    if let Some(counts) = &found.counts {
        arguments.show.annotate(&counts.judged);
    }
    Ok(outcome)
}

fn judge(pair: &Pair, arguments: &Arguments, found: &mut Found) -> Result<Outcome> {
    let mut outcome = Outcome::Pass;
    match count(pair, arguments) {
        Ok(counts) => {
            outcome = outcome.max(counts.outcome());
            found.counts = Some(counts);
        }
        Err(missing @ CountsError::ValgrindMissing) if !arguments.counts_only => {
            found.notes.push(format!("Nothing was counted: {missing}."));
        }
        Err(error) => return Err(error).context("nothing could be counted"),
    }
    Ok(outcome)
}

fn count(pair: &Pair, arguments: &Arguments) -> Result<CountsReport, CountsError> {
    let mut measure = MeasureCounts::new(Callgrind::find()?);
    if let Some(filter) = &arguments.filter {
        measure = measure.filter(filter);
    }
    let progress = Progress::new("counting");
    measure.compare(
        &CountsProgram::new(&pair.base),
        &CountsProgram::new(&pair.head),
        &CountsLimits::default(),
        &|at| progress.at(at.done as u64, at.total as u64, at.bench),
    )
}

/// Why a change of words needs no measurement.
pub(super) fn words_only(files: usize) -> String {
    match files {
        0 => "Nothing differs from the base.".to_owned(),
        _ => format!("Only words differ from the base ({files} files), nothing that is built."),
    }
}

/// Why equal programs need no measurement.
pub(super) const IDENTICAL: &str = "The two programs are byte for byte the same.";

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
    let sections = found.counts.iter().flat_map(|counts| counts.document().sections);
    sections.fold(document, Document::section)
}
