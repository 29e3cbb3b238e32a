//! `bench gate`: tells whether the working tree is slower than a base.
//!
//! What is counted comes first, since it repeats; then paired time; and what looks red in time is
//! measured once more with both sides linked in another order, since much of what repeats between
//! two builds is nothing but where their functions lie.

use crate::build::Workshop;
use crate::counts;
use crate::progress::Progress;
use crate::repository::{Base, Repository};
use crate::show::{Show, store_folder};
use crate::sides::{Pair, Sides, check_filter, relink};
use crate::timing;
use crate::values::{percent, span};
use anyhow::Result;
use perf_bench::report::{Block, Document, Level, Section, Tone};
use perf_bench::{
    Callgrind, Compare, Comparison, CountsError, CountsLimits, CountsReport, Environment, Machine,
    MeasureCounts, NoiseHistory, NoiseStore, Outcome, Rule, SubjectProgram,
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
    /// A loss that is red on a noisy machine too, and however many benches there are.
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
    /// What disturbed the machine, if time was measured.
    environment: Option<Environment>,
    /// Paired time.
    time: Option<Comparison>,
    /// What each bench has differed by on this machine without a change.
    #[serde(skip)]
    learnt: NoiseHistory,
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
        environment: None,
        time: None,
        learnt: NoiseHistory::default(),
        notes: Vec::new(),
    };
    let outcome = match Sides::prepare(&workshop, &repository, &base)? {
        Sides::Both(pair) => {
            check_filter(&pair, arguments.filter.as_deref())?;
            let limits = counts::limits(&repository)?;
            judge(&workshop, &base, &pair, &limits, &arguments, &mut found)
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

/// A stage that fails takes nothing from what the others found.
fn judge(
    workshop: &Workshop,
    base: &Base,
    pair: &Pair,
    limits: &CountsLimits,
    arguments: &Arguments,
    found: &mut Found,
) -> Outcome {
    let counted = match count(pair, limits, arguments) {
        Ok(counts) => found.counts.insert(counts).outcome(),
        Err(error) => {
            found.notes.push(format!("nothing was counted: {error}"));
            let timed_instead =
                matches!(error, CountsError::ValgrindMissing) && !arguments.counts_only;
            if timed_instead { Outcome::Inconclusive } else { Outcome::ToolFailed }
        }
    };
    if arguments.counts_only {
        return counted;
    }
    let timed = time(workshop, base, pair, arguments, found).unwrap_or_else(|error| {
        found.notes.push(format!("time is not judged to the end: {error:#}"));
        Outcome::ToolFailed
    });
    counted.max(timed)
}

fn time(
    workshop: &Workshop,
    base: &Base,
    pair: &Pair,
    arguments: &Arguments,
    found: &mut Found,
) -> Result<Outcome> {
    found.learnt = NoiseStore::new(store_folder(workshop.repository())?).read(&Machine::here())?;
    let rule = Rule::new().margin(arguments.margin).hard(arguments.hard);
    let mut settings = Compare::new()
        .rule(rule)
        .pairs(arguments.pairs.into())
        .time(arguments.time)
        .learnt(found.learnt.margins());
    if found.learnt.records.is_empty() {
        found.notes.push(NOTHING_LEARNT.to_owned());
    }
    if let Some(filter) = &arguments.filter {
        settings = settings.filter(filter);
    }
    let environment = found.environment.insert(Environment::check(WATCHED));
    let mut first = timing::compare(&settings, pair)?;
    first.doubt(&rule, &environment.reasons());
    // Kept before anything else can fail.
    let comparison = found.time.insert(first);
    timing::confirm(comparison, &settings, &rule, |red| {
        eprintln!("red at first: {}; linking both sides in another order", red.join(", "));
        let again = relink(workshop, base, SEED)?;
        Ok([again.base, again.head].map(SubjectProgram::new))
    })?;
    Ok(comparison.outcome())
}

const NOTHING_LEARNT: &str = "nothing is known yet of the noise on this machine, so each bench has \
                              the asked margin: `cargo xtask bench noise` measures it";

/// How long the machine is watched before it is trusted.
const WATCHED: Duration = Duration::from_secs(1);

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
    if let Some(noisy) = found.environment.as_ref().filter(|environment| !environment.is_quiet()) {
        let sections = noisy.document().sections;
        document = sections.into_iter().fold(document, Document::section);
    }
    let counts = found.counts.iter().map(CountsReport::document);
    let parts = counts.chain(found.time.iter().map(Comparison::document));
    document = parts.flat_map(|part| part.sections).fold(document, Document::section);
    if found.time.is_some() && !found.learnt.records.is_empty() {
        document = document.section(found.learnt.section());
    }
    document
}
