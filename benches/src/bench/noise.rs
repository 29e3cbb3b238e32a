//! `bench noise`: how quiet the machine is, and how much the link order alone moves each bench.
//!
//! What it finds is kept per machine; the gate takes its margins from there.

use crate::build::{Workshop, can_shuffle};
use crate::layouts::{LayoutNoise, Layouts};
use crate::repository::Repository;
use crate::show::{Show, store_folder};
use crate::usage;
use anyhow::{Result, bail};
use perf_bench::report::{Block, Document, Level, Section, Table, Tone};
use perf_bench::{Compare, Environment, Machine, NoiseStore, Outcome};
use std::time::Duration;

/// What `bench noise` can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// In how many orders the program is linked.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(4..=16))]
    orders: u32,
    /// Pairs of samples for each order.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(10..))]
    pairs: u16,
    /// Only benches whose name contains this.
    #[arg(long)]
    filter: Option<String>,
    #[command(flatten)]
    show: Show,
}

/// Runs it.
pub(super) fn run(arguments: Arguments) -> Result<Outcome> {
    let repository = Repository::here()?;
    let workshop = Workshop::open(repository.clone())?;
    let layouts = Layouts::build(&workshop, arguments.orders)?;
    let mut settings = Compare::new().pairs(arguments.pairs.into()).even_identical(true);
    if let Some(filter) = &arguments.filter {
        settings = settings.filter(filter);
    }
    let environment = Environment::check(Duration::from_secs(2));
    let (noise, records) = layouts.noise(&settings)?;
    if noise.is_empty() {
        let filter = arguments.filter.as_deref().unwrap_or_default();
        bail!(usage(format!("no bench has `{filter}` in its name")));
    }
    let machine = Machine::here();
    let store = NoiseStore::new(store_folder(&repository)?);
    if environment.is_quiet() {
        store.append(&machine, &records)?;
    }
    let history = store.read(&machine)?;
    let mut sections = environment.document().sections;
    sections.push(section(&noise, environment.is_quiet()));
    sections.push(history.section());
    let subtitle = format!(
        "{} link orders, {} pairs each; {}",
        arguments.orders,
        arguments.pairs,
        machine.summary()
    );
    let document = sections.into_iter().fold(Document::new("Noise", subtitle), Document::section);
    let value = serde_json::json!({ "environment": environment, "layout": noise });
    arguments.show.show_and_keep("noise", &value, &document, &repository)?;
    Ok(if environment.is_quiet() { Outcome::Pass } else { Outcome::Inconclusive })
}

fn section(noise: &[LayoutNoise], kept: bool) -> Section {
    let mut table = Table::new(["bench", "layout sigma>", "margin>", "orders over the usual one"]);
    for row in noise {
        let ratios: Vec<String> =
            row.ratios.iter().skip(1).map(|ratio| format!("{ratio:.3}")).collect();
        let tone = if row.margin > Some(0.02) { Tone::Warn } else { Tone::Plain };
        table.push([
            (row.bench.clone(), Tone::Plain),
            (share(row.sigma), tone),
            (share(row.margin), tone),
            (ratios.join("  "), Tone::Quiet),
        ]);
    }
    table.note = Some(
        "The same source, linked in several orders: sigma is the standard deviation of the \
         logarithm of the time without the error of measuring, the margin what the gate learns \
         from it."
            .to_owned(),
    );
    let mut blocks = Vec::new();
    if !can_shuffle() {
        let words = "This linker takes no order, so the programs were compiled in another number \
                     of parts instead.";
        blocks.push(Block::Notice(Level::Info, words.to_owned()));
    }
    if !kept {
        let words = "The machine is noisy, so nothing of this was kept.";
        blocks.push(Block::Notice(Level::Warning, words.to_owned()));
    }
    blocks.push(Block::Table(table));
    Section::new("Link order", blocks)
}

/// A share for people.
fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.2} %", value * 100.0))
}
