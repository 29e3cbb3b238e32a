//! `bench self-test`: tests the gate itself on real benches.
//!
//! Each run judges every bench twice as the gate does: once between two programs of one source,
//! which must stay green, and once with a slowdown injected into the second one, which must turn
//! red. In two runs of three the programs are linked in different orders, since a real change moves
//! the code of what it does not touch; a red bench is confirmed between two further orders.

mod judge;
mod tally;
mod verdict;

use crate::build::Workshop;
use crate::layouts::{LayoutNoise, Layouts};
use crate::repository::Repository;
use crate::show::{Show, write};
use crate::values::{percent, span};
use anyhow::{Context, Result};
use judge::Judge;
use perf_bench::{Compare, Machine, NoiseHistory, Outcome, Rule};
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tally::{Plan, Tally};

/// What `bench self-test` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How often everything is judged.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// The benches, separated by commas.
    #[arg(long, value_delimiter = ',', default_values_t = BENCHES.map(str::to_owned))]
    benches: Vec<String>,
    /// The slowdown that must be found.
    #[arg(long, default_value = "5%", value_parser = percent)]
    inject: f64,
    /// Pairs of samples for each judgement.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(10..))]
    pairs: u16,
    /// How long a sample takes.
    #[arg(long, default_value = "10ms", value_parser = span)]
    sample: Duration,
    /// In how many orders the program is linked.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(4..=16))]
    orders: u32,
    /// Counts only, two runs and one link order: a minute, for every change of this repository.
    #[arg(long)]
    short: bool,
    /// Write the result as JSON here, too.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    show: Show,
}

/// From a nanosecond to a microsecond. None on a runtime: their instructions wander by 2 % from
/// process to process, which leaves 5 % too close to the limit of 3 %.
const BENCHES: [&str; 9] = [
    "core/histogram_record",
    "core/striped_record",
    "core/histogram_quantile",
    "core/glob_match",
    "guard/breaker_call",
    "guard/backoff_delay",
    "cache/hit",
    "analytics/record",
    "http/hit",
];

/// What came out.
#[derive(Debug, Serialize)]
struct Tested {
    /// Where.
    machine: Machine,
    /// Of which commit.
    commit: Option<String>,
    /// How.
    plan: Plan,
    /// How much the link order alone moves each bench; empty where nothing was timed.
    layout: Vec<LayoutNoise>,
    /// How often each bench was judged what.
    tallies: Vec<Tally>,
    /// How long it took.
    seconds: f64,
    /// What the rule of this test demands and is not so.
    broken: Vec<String>,
}

/// Runs it.
pub(super) fn run(arguments: Arguments) -> Result<Outcome> {
    let start = Instant::now();
    let repository = Repository::here()?;
    let workshop = Workshop::open(repository.clone())?;
    let plan = Plan {
        runs: if arguments.short { arguments.runs.min(2) } else { arguments.runs },
        injected: arguments.inject,
        pairs: arguments.pairs,
        sample_ms: arguments.sample.as_secs_f64() * 1e3,
        orders: if arguments.short { 1 } else { arguments.orders },
        timed: !arguments.short,
    };
    let layouts = Layouts::build(&workshop, plan.orders)?;
    judge::check_names(&layouts.programs[0], &arguments.benches)?;
    let rule = Rule::new();
    let settings = Compare::new()
        .rule(rule)
        .only(arguments.benches.iter().cloned())
        .pairs(plan.pairs.into())
        .sample(arguments.sample)
        .even_identical(true);
    let (layout, records) =
        if plan.timed { layouts.noise(&settings)? } else { (Vec::new(), Vec::new()) };
    // Margins as the gate learns them.
    let learnt = NoiseHistory::of(records).margins();
    let judge = Judge {
        programs: &layouts.programs,
        injected: format!("{}%", plan.injected * 100.0),
        settings: settings.learnt(learnt),
        rule,
        timed: plan.timed,
    };

    let mut tallies: Vec<Tally> = arguments.benches.iter().map(|name| Tally::new(name)).collect();
    let begun = Instant::now();
    for number in 0..plan.runs {
        judge
            .run(number, &mut tallies)
            .with_context(|| format!("run {} of {} failed", number + 1, plan.runs))?;
        let (done, left) = (f64::from(number + 1), f64::from(plan.runs - number - 1));
        let left = begun.elapsed().mul_f64(left / done).as_secs_f64() / 60.0;
        eprintln!("run {done} of {} done, {left:.0} min left", plan.runs);
    }
    let broken = verdict::broken(&plan, &layout, &tallies);
    let tested = Tested {
        machine: Machine::here(),
        commit: repository.head().ok(),
        plan,
        layout,
        tallies,
        seconds: start.elapsed().as_secs_f64(),
        broken,
    };
    let document = verdict::document(&tested);
    arguments.show.show_and_keep("self-test", &tested, &document, &repository)?;
    if let Some(path) = &arguments.save {
        write(path, &serde_json::to_string_pretty(&tested).context("no JSON of the result")?)?;
    }
    Ok(if tested.broken.is_empty() { Outcome::Pass } else { Outcome::Regression })
}
