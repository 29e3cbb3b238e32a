//! What a run has found.

use super::DatabaseSettings;
use super::engine::Engine;
use super::step::{Kind, Step};
use super::work::Tally;
use crate::Machine;
use crate::report::{
    Axis, Block, Chart, Document, Group, Level, Mark, Scale, Section, Table, Tone, figure,
};
#[cfg(feature = "system")]
use crate::system::Samples;
use perf_core::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a [`Database`](crate::Database) run has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DatabaseReport {
    /// Version of this format, 1.
    pub format: u32,
    /// Name and version of the database.
    pub engine: String,
    /// Where it is, without a password.
    pub place: String,
    /// When it began, in seconds since 1970.
    pub at: Option<u64>,
    /// Where it was measured.
    #[serde(default)]
    pub machine: Machine,
    /// What was asked for.
    pub settings: DatabaseSettings,
    /// The database's own settings that the figures depend on, as it states them.
    pub stated: Vec<(String, String)>,
    /// Whether every step ran to its end, the table was found as it had to be, and nothing of the
    /// run was left behind.
    pub complete: bool,
    /// Whether it was ended early by whoever watched.
    pub stopped: bool,
    /// The steps, in order; also those that failed or did not run.
    pub steps: Vec<DatabaseStep>,
    /// The whole table read back at the end; `None` when that was not possible.
    pub check: Option<DatabaseCheck>,
    /// What could not be removed or set back at the end, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_behind: Option<String>,
    /// How long it took altogether.
    pub seconds: f64,
    /// What the user should know.
    pub notices: Vec<String>,
    /// Processor and memory during the run, where they could be sampled.
    #[cfg(feature = "system")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Samples>,
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DatabaseStep {
    /// `insert_single`, `insert_batch`, `read_point`, `read_range`, `update`, `mixed` or `delete`.
    pub name: String,
    /// Operations that were answered.
    pub operations: u64,
    /// Rows written or read by them.
    pub rows: u64,
    /// From the first thread's start to the last one's end.
    pub seconds: f64,
    /// Operations a second, all threads together.
    pub per_second: f64,
    /// Rows a second, all threads together.
    pub rows_per_second: f64,
    /// Time of an operation, tries and waiting for locks included; `None` without operations.
    pub latency: Option<DatabaseLatency>,
    /// The mixed step by kind of operation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, DatabaseLatency>,
    /// Tries after the first one.
    pub retries: u64,
    /// Operations that found the database busy at every try.
    pub given_up: u64,
    /// Errors by the database's own name for them, those of repeated tries included.
    pub errors: BTreeMap<String, u64>,
    /// Whether its time was over before everything was done.
    pub cut: bool,
    /// Why it failed, if it did. What is above was measured before.
    pub failure: Option<String>,
}

/// How long operations took, in nanoseconds; quantiles are at most 1.1 % off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DatabaseLatency {
    /// Operations.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: u64,
    /// 95 % are not longer.
    pub p95: u64,
    /// 99 % are not longer.
    pub p99: u64,
    /// 99.9 % are not longer.
    pub p999: u64,
    /// The longest.
    pub max: u64,
    /// The distribution as (low, high, count).
    pub buckets: Vec<(u64, u64, u64)>,
}

/// The whole table, read back at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DatabaseCheck {
    /// Rows that must be there.
    pub expected: u64,
    /// Rows that the database counts.
    pub counted: u64,
    /// Rows read and found as they were written.
    pub read_back: u64,
    /// What is wrong, if anything.
    pub failure: Option<String>,
}

impl DatabaseReport {
    pub(super) fn new(engine: &dyn Engine, settings: &DatabaseSettings) -> DatabaseReport {
        DatabaseReport {
            format: 1,
            engine: engine.name(),
            place: engine.place(),
            at: None,
            machine: Machine::here(),
            settings: settings.clone(),
            stated: engine.stated(),
            complete: false,
            stopped: false,
            steps: Vec::new(),
            check: None,
            left_behind: None,
            seconds: 0.0,
            notices: Vec::new(),
            #[cfg(feature = "system")]
            system: None,
        }
    }

    /// A step by its name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<&DatabaseStep> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The report to be drawn.
    #[must_use]
    pub fn document(&self) -> Document {
        let settings = &self.settings;
        let subtitle = format!(
            "{}: {} rows of {} bytes, {} at a time, seed {}; {}",
            self.place,
            settings.rows,
            settings.value_size,
            plural(settings.concurrency, "connection"),
            settings.seed,
            self.machine.summary(),
        );
        let (tone, words) = if self.complete {
            (Tone::Good, "complete, every answer right")
        } else if self.stopped {
            (Tone::Warn, "stopped early")
        } else {
            (Tone::Bad, "not complete")
        };
        let mut document = Document::new(format!("{} under load", self.engine), subtitle)
            .verdict(tone, words)
            .section(self.operations())
            .section(self.distributions());
        #[cfg(feature = "system")]
        if let Some(samples) = &self.system {
            document = document.section(Section::new("System", samples.blocks()));
        }
        document = document.section(self.conditions());
        document
    }

    fn operations(&self) -> Section {
        let mut blocks: Vec<Block> = Vec::new();
        for step in &self.steps {
            if let Some(failure) = &step.failure {
                let text = format!("{}: {failure}", words(&step.name));
                blocks.push(Block::Notice(Level::Error, text));
            } else if step.cut && step.operations > 0 && !self.stopped {
                let text = format!("{}: its time was over before all was done", words(&step.name));
                blocks.push(Block::Notice(Level::Warning, text));
            }
        }
        if let Some(failure) = self.check.as_ref().and_then(|check| check.failure.as_ref()) {
            blocks.push(Block::Notice(Level::Error, format!("reading back: {failure}")));
        }
        if let Some(left) = &self.left_behind {
            blocks.push(Block::Notice(Level::Error, format!("cleaning up: {left}")));
        }
        blocks.push(Block::Table(self.table()));
        if let Some(check) = &self.check {
            blocks.push(Block::Text(format!(
                "Every answer was checked; at the end {} of {} rows were read back as written.",
                check.read_back, check.expected
            )));
        }
        blocks.extend(self.errors().map(Block::Table));
        Section::new("Operations", blocks)
    }

    fn table(&self) -> Table {
        let head = ["operation", "per second>", "rows/s>", "p50>", "p95>", "p99>", "max>", "n>"];
        let mut table = Table::new(head);
        for step in &self.steps {
            let tone = if step.failure.is_some() { Tone::Bad } else { Tone::Plain };
            let mut row = vec![(words(&step.name), tone)];
            if let Some(latency) = &step.latency {
                row.push((figure(step.per_second, ""), Tone::Plain));
                row.push((figure(step.rows_per_second, ""), Tone::Quiet));
                row.extend(latency.cells());
            } else {
                row.extend(vec![("–".to_owned(), Tone::Quiet); head.len() - 1]);
            }
            table.push(row);
            for (kind, latency) in &step.parts {
                let mut row = vec![(format!("mixed: {kind}"), Tone::Quiet)];
                row.extend(vec![(String::new(), Tone::Quiet); 2]);
                row.extend(latency.cells());
                table.push(row);
            }
        }
        table.note = Some(
            "Times are of single operations (of whole batches in `insert batch`), tries and \
             waiting for locks included; rates include making and checking the values."
                .to_owned(),
        );
        table
    }

    fn errors(&self) -> Option<Table> {
        let mut table = Table::new(["operation", "error", "times>", "tried again>", "given up>"]);
        for step in &self.steps {
            for (kind, n) in &step.errors {
                let cells = [words(&step.name), kind.clone(), n.to_string()];
                let more = [step.retries.to_string(), step.given_up.to_string()];
                table.push(cells.into_iter().chain(more).map(|cell| (cell, Tone::Warn)));
            }
        }
        (!table.rows.is_empty()).then_some(table)
    }

    fn distributions(&self) -> Section {
        let charts = self.steps.iter().filter_map(|step| {
            let latency = step.latency.as_ref()?;
            let buckets = latency.buckets.iter().map(|&(a, b, n)| (a as f64, b as f64, n as f64));
            Some(Block::Chart(Chart::Distribution {
                title: words(&step.name),
                x: Axis::new("time of an operation", "ns").scale(Scale::Logarithmic),
                groups: vec![Group::new(words(&step.name), buckets)],
                marks: vec![
                    Mark::new(latency.p50 as f64, "p50", Tone::Plain),
                    Mark::new(latency.p99 as f64, "p99", Tone::Warn),
                ],
            }))
        });
        Section::new("Distribution of latencies", charts)
    }

    fn conditions(&self) -> Section {
        let settings = &self.settings;
        let mut table = Table::new(["setting", "value>"]);
        let numbers = [
            ("rows", settings.rows),
            ("operations of a step", settings.operations),
            ("connections", settings.concurrency as u64),
            ("rows in a batch", settings.batch as u64),
            ("rows in a range", settings.range as u64),
            ("bytes in a value", settings.value_size as u64),
            ("retries", u64::from(settings.retries)),
            ("seed", settings.seed),
        ];
        for (name, value) in numbers {
            table.push([(name.to_owned(), Tone::Plain), (value.to_string(), Tone::Plain)]);
        }
        for (name, value) in &self.stated {
            table.push([(name.clone(), Tone::Plain), (value.clone(), Tone::Plain)]);
        }
        let mut blocks = vec![Block::Table(table)];
        let notices = self.notices.iter();
        blocks.extend(notices.map(|text| Block::Notice(Level::Info, text.clone())));
        Section::new("Conditions", blocks)
    }
}

impl DatabaseStep {
    pub(super) fn new(step: Step, tally: &Tally) -> DatabaseStep {
        let seconds = tally.span.map_or(0.0, |(begin, end)| (end - begin).as_secs_f64());
        let operations = tally.latency.count();
        let rate = |n: u64| if seconds > 0.0 { n as f64 / seconds } else { 0.0 };
        let parts = Kind::ALL.into_iter().zip(&tally.parts).filter_map(|(kind, latency)| {
            Some((kind.name().to_owned(), DatabaseLatency::of(latency)?))
        });
        let nothing = operations == 0 && tally.given_up > 0;
        let failure = tally.failure.clone().or_else(|| {
            nothing.then(|| "the database was busy at every try of every operation".to_owned())
        });
        DatabaseStep {
            name: step.name().to_owned(),
            operations,
            rows: tally.rows,
            seconds,
            per_second: rate(operations),
            rows_per_second: rate(tally.rows),
            latency: DatabaseLatency::of(&tally.latency),
            parts: parts.collect(),
            retries: tally.retries,
            given_up: tally.given_up,
            errors: tally.errors.clone(),
            cut: tally.cut,
            failure,
        }
    }

    /// A step after one that failed.
    pub(super) fn not_run(step: Step) -> DatabaseStep {
        DatabaseStep { name: step.name().to_owned(), cut: true, ..DatabaseStep::default() }
    }
}

impl DatabaseLatency {
    /// `None` of an empty histogram.
    fn of(histogram: &Histogram) -> Option<DatabaseLatency> {
        let q = |q| histogram.quantile(q);
        Some(DatabaseLatency {
            count: histogram.count(),
            mean: histogram.mean()?,
            p50: q(0.5)?,
            p95: q(0.95)?,
            p99: q(0.99)?,
            p999: q(0.999)?,
            max: histogram.max()?,
            buckets: histogram.buckets().map(|b| (b.low, b.high, b.count)).collect(),
        })
    }

    fn cells(&self) -> Vec<(String, Tone)> {
        let mut cells: Vec<(String, Tone)> =
            [self.p50, self.p95, self.p99].map(|ns| (figure(ns as f64, "ns"), Tone::Plain)).into();
        cells.push((figure(self.max as f64, "ns"), Tone::Quiet));
        cells.push((self.count.to_string(), Tone::Quiet));
        cells
    }
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
