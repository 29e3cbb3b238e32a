//! `bench gate`: tells whether the working tree is slower than a base.
//!
//! What is counted comes first, since it repeats; then paired time; and what looks red in time is
//! measured once more with both sides linked in another order, since much of what repeats between
//! two builds is nothing but where their functions lie.

use crate::build::Workshop;
use crate::counts;
use crate::progress::Progress;
use crate::repository::{Base, Repository};
use crate::show::{Show, now, store_folder};
use crate::sides::{Pair, Sides, relink};
use crate::timing;
use crate::values::{percent, span};
use anyhow::{Context, Result};
use perf_bench::report::{Block, Document, Level, Section, Tone};
use perf_bench::{
    Callgrind, Compare, Comparison, CountsError, CountsLimits, CountsReport, Environment, Judged,
    Machine, MeasureCounts, NoiseKind, NoiseRecord, NoiseStore, Outcome, Rule, SubjectProgram,
};
use serde::Serialize;
use std::collections::HashSet;
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
    /// What disturbed the machine, if time was measured.
    environment: Option<Environment>,
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
        environment: None,
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
        let time = time(workshop, base, pair, arguments, found)?;
        found.time = Some(time);
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
    found: &mut Found,
) -> Result<Comparison> {
    let machine = Machine::here();
    let store = NoiseStore::new(store_folder(workshop.repository())?);
    let learnt = store.read(&machine)?.margins();
    let rule = Rule::new().margin(arguments.margin).hard(arguments.hard);
    let mut settings =
        Compare::new().rule(rule).pairs(arguments.pairs.into()).time(arguments.time).learnt(learnt);
    if let Some(filter) = &arguments.filter {
        settings = settings.filter(filter);
    }
    let environment = Environment::check(WATCHED);
    let mut comparison = timing::compare(&settings, pair)?;
    let equal = found.counts.as_ref().map(equal_counts).unwrap_or_default();
    if environment.is_quiet() {
        // Equal counts make this a comparison of a bench with itself: it teaches for nothing.
        let mut records = NoiseRecord::of(&comparison, NoiseKind::SameCounts, now());
        records.retain(|record| equal.contains(record.bench.as_str()));
        store.append(&machine, &records)?;
    }
    comparison.doubt(&rule, &environment.reasons());
    timing::confirm(&mut comparison, &settings, &rule, |red| {
        eprintln!("red at first: {}; linking both sides in another order", red.join(", "));
        let again = relink(workshop, base, SEED)?;
        Ok([again.base, again.head].map(SubjectProgram::new))
    })?;
    found.environment = Some(environment);
    Ok(comparison)
}

/// Benches whose counts are all the same on both sides.
fn equal_counts(counts: &CountsReport) -> HashSet<&str> {
    let is_equal = |judged: &&Judged| judged.base.is_some() && judged.base == judged.head;
    let (equal, moved): (Vec<_>, Vec<_>) = counts.judged.iter().partition(is_equal);
    let moved: HashSet<&str> = moved.iter().map(|judged| judged.bench.as_str()).collect();
    let equal = equal.iter().map(|judged| judged.bench.as_str());
    equal.filter(|bench| !moved.contains(bench)).collect()
}

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
    parts.flat_map(|part| part.sections).fold(document, Document::section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf_bench::{Counted, Verdict};

    #[test]
    fn only_benches_whose_every_count_is_equal_teach_the_noise() {
        let empty: Counted = serde_json::from_str(EMPTY).unwrap();
        let mut report = CountsReport::judge(&empty, &empty, &CountsLimits::default());
        for (bench, measure, base, head) in [
            ("a", "instructions", 5.0, 5.0),
            ("a", "allocations", 1.0, 1.0),
            ("b", "instructions", 5.0, 5.0),
            ("b", "allocations", 1.0, 2.0),
        ] {
            let mut judged = Judged::new(bench, measure, Verdict::Same);
            (judged.base, judged.head) = (Some(base), Some(head));
            report.judged.push(judged);
        }
        assert_eq!(equal_counts(&report), HashSet::from(["a"]));
    }

    const EMPTY: &str = r#"{"environment": {}, "benches": []}"#;
}
