//! `bench compare`: the working tree beside a base, and by how much each bench differs.
//!
//! Nothing is confirmed here and nothing fails for being slow: that is what `bench gate` does.

use crate::build::Workshop;
use crate::repository::Repository;
use crate::show::{Show, store_folder};
use crate::sides::{Sides, check_filter};
use crate::timing;
use crate::values::{percent, span};
use anyhow::Result;
use perf_bench::report::{Document, Tone};
use perf_bench::{Compare, Environment, Machine, NoiseStore, Outcome, Rule};
use std::time::Duration;

/// What `bench compare` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The commit to compare with [default: where this branch left main; on main HEAD~1].
    base: Option<String>,
    /// Pairs of samples for each bench.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// Time for all of it; samples get shorter, then fewer.
    #[arg(long, default_value = "60s", value_parser = span)]
    time: Duration,
    /// Smaller changes are no news.
    #[arg(long, default_value = "2%", value_parser = percent)]
    margin: f64,
    /// Only benches whose name contains this.
    #[arg(long)]
    filter: Option<String>,
    #[command(flatten)]
    show: Show,
}

/// Runs it.
pub(super) fn run(arguments: Arguments) -> Result<Outcome> {
    let repository = Repository::here()?;
    let base = repository.base(arguments.base.as_deref())?;
    eprintln!("base: {} ({})", base.short(), base.why);
    let workshop = Workshop::open(repository.clone())?;
    let pair = match Sides::prepare(&workshop, &repository, &base)? {
        Sides::Both(pair) => pair,
        other => {
            let words = other.why_nothing(&base);
            let document =
                Document::new("Comparison", base.why.clone()).verdict(Tone::Good, &words);
            let value = serde_json::json!({ "base": base.commit, "note": words });
            arguments.show.show_and_keep("compare", &value, &document, &repository)?;
            return Ok(Outcome::Pass);
        }
    };
    check_filter(&pair, arguments.filter.as_deref())?;
    let learnt = NoiseStore::new(store_folder(&repository)?).read(&Machine::here())?;
    let mut settings = Compare::new()
        .learnt(learnt.margins())
        .rule(Rule::new().margin(arguments.margin))
        .pairs(arguments.pairs.into())
        .time(Some(arguments.time));
    if let Some(filter) = arguments.filter {
        settings = settings.filter(filter);
    }
    let environment = Environment::check(WATCHED);
    let mut comparison = timing::compare(&settings, &pair)?;
    if !environment.is_quiet() {
        let reasons = environment.reasons().join(", ");
        comparison.notes.push(format!("the machine is noisy: {reasons}"));
    }
    comparison.base.commit = Some(base.commit.clone());
    comparison.head.commit = repository.head().ok();
    let document = comparison.document().section(learnt.section());
    arguments.show.show_and_keep("compare", &comparison, &document, &repository)?;
    Ok(match comparison.outcome() {
        Outcome::ToolFailed => Outcome::ToolFailed,
        _ => Outcome::Pass,
    })
}

/// How long the machine is watched before it is trusted.
const WATCHED: Duration = Duration::from_secs(1);
