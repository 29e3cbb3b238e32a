//! What a suite has found.

use super::{Better, Figure, Recommendation};
use crate::Machine;
use crate::report::{
    Axis, Block, Chart, Document, Group, Level, Scale, Section, Table, Tone, figure,
};
#[cfg(feature = "system")]
use crate::system::Samples;
use serde::{Deserialize, Serialize};

/// What a suite has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SuiteReport {
    /// Version of this format, 1.
    pub format: u32,
    /// When it began, in seconds since 1970.
    pub at: Option<u64>,
    /// Where it was measured.
    #[serde(default)]
    pub machine: Machine,
    /// Whether it was a quick run, with less certain figures.
    pub quick: bool,
    /// Whether every section ran to its end.
    pub complete: bool,
    /// Whether it was ended early by whoever watched.
    pub stopped: bool,
    /// The sections, in order; also those that failed or did not run.
    pub sections: Vec<SectionReport>,
    /// What follows from the figures.
    pub recommendations: Vec<Recommendation>,
    /// How long it took altogether.
    pub seconds: f64,
    /// Processor and memory during the run, where they could be sampled.
    #[cfg(feature = "system")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Samples>,
}

/// What a section has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SectionReport {
    /// Its name.
    pub name: String,
    /// Its figures.
    pub figures: Vec<Figure>,
    /// Answers that were checked and right.
    pub checked: u64,
    /// What the reader should know.
    pub notes: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// Why it failed, if it did. Its figures were measured before.
    pub failure: Option<String>,
}

impl SuiteReport {
    /// The figure with this id, such as `cache/lookup`.
    #[must_use]
    pub fn figure(&self, id: &str) -> Option<&Figure> {
        self.sections.iter().flat_map(|section| &section.figures).find(|figure| figure.id == id)
    }

    /// The report to be drawn.
    #[must_use]
    pub fn document(&self) -> Document {
        let failed = self.sections.iter().filter(|section| section.failure.is_some()).count();
        let (tone, words) = if self.stopped {
            (Tone::Warn, "stopped early".to_owned())
        } else if failed > 0 {
            (Tone::Bad, format!("{failed} of {} sections failed", self.sections.len()))
        } else {
            let checked: u64 = self.sections.iter().map(|section| section.checked).sum();
            (Tone::Good, format!("complete, {checked} answers checked"))
        };
        let mut subtitle = self.machine.summary();
        if self.quick {
            subtitle.push_str("; a quick run, its figures are less certain");
        }
        let mut document = Document::new("Performance benchmark", subtitle).verdict(tone, words);
        #[cfg(feature = "system")]
        if let Some(doubt) = self.system.as_ref().and_then(doubt) {
            let notice = Block::Notice(Level::Warning, doubt);
            document = document.section(Section::new("Conditions", [notice]));
        }
        if !self.recommendations.is_empty() {
            document = document.section(self.advice());
        }
        for section in &self.sections {
            document = document.section(section.drawn());
        }
        #[cfg(feature = "system")]
        if let Some(samples) = &self.system {
            document = document.section(Section::new("System", samples.blocks()));
        }
        document
    }

    fn advice(&self) -> Section {
        let mut table = Table::new(["recommendation", "because"]);
        for Recommendation { advice, evidence, .. } in &self.recommendations {
            let because = evidence.join("; ");
            table.push([(advice.clone(), Tone::Plain), (because, Tone::Quiet)]);
        }
        Section::new("Recommendations", [Block::Table(table)])
    }
}

impl SectionReport {
    fn drawn(&self) -> Section {
        let mut blocks = Vec::new();
        if let Some(failure) = &self.failure {
            blocks.push(Block::Notice(Level::Error, failure.clone()));
        }
        if !self.figures.is_empty() {
            blocks.push(Block::Table(self.table()));
        }
        blocks.extend(self.chart());
        blocks.extend(self.notes.iter().cloned().map(Block::Text));
        Section::new(self.name.clone(), blocks)
    }

    fn table(&self) -> Table {
        let mut table = Table::new(["figure", "value>", "p95>", "p99>", "better", "taken"]);
        for Figure { label, value, unit, better, spread, note, .. } in &self.figures {
            let shown = |value: f64| (figure(value, unit), Tone::Plain);
            let (p95, p99, mut taken) = match spread {
                Some(s) if s.calls > 1 => {
                    (shown(s.p95), shown(s.p99), format!("{} × {} calls", s.values, s.calls))
                }
                Some(s) => (shown(s.p95), shown(s.p99), format!("{} calls", s.values)),
                None => ((String::new(), Tone::Quiet), (String::new(), Tone::Quiet), String::new()),
            };
            if let Some(note) = note {
                taken = if taken.is_empty() { note.clone() } else { format!("{taken}; {note}") };
            }
            let better = match better {
                Better::Lower => "lower",
                Better::Higher => "higher",
                Better::Neither => "",
            };
            table.push([
                (label.clone(), Tone::Plain),
                shown(*value),
                p95,
                p99,
                (better.to_owned(), Tone::Quiet),
                (taken, Tone::Quiet),
            ]);
        }
        let batched = |figure: &Figure| figure.spread.as_ref().is_some_and(|s| s.calls > 1);
        if self.figures.iter().any(batched) {
            let note = "p95 and p99 of `n × m calls` are those of the means of n batches: how \
                        steady it is.";
            table.note = Some(note.to_owned());
        }
        table
    }

    /// How the times of the section spread.
    fn chart(&self) -> Option<Block> {
        let times = self.figures.iter().filter(|figure| figure.unit == "ns");
        let groups: Vec<Group> = times
            .filter_map(|figure| {
                let spread = figure.spread.as_ref().filter(|spread| !spread.buckets.is_empty())?;
                let buckets = spread.buckets.iter().map(|&(a, b, n)| (a, b, n as f64));
                Some(Group::new(figure.label.clone(), buckets))
            })
            .collect();
        (!groups.is_empty()).then(|| {
            Block::Chart(Chart::Distribution {
                title: "Times".to_owned(),
                x: Axis::new("time of a call", "ns").scale(Scale::Logarithmic),
                groups,
                marks: Vec::new(),
            })
        })
    }
}

/// What other work on the machine makes of the figures.
#[cfg(feature = "system")]
fn doubt(samples: &Samples) -> Option<String> {
    let machine: f64 = samples.machine.iter().map(|sample| sample.busy_cores).sum();
    let machine = machine / samples.machine.len().max(1) as f64;
    let own = samples.processes.first()?.mean_cores()?;
    // The suite's own gateway takes its part of the rest.
    (machine - own > 0.5 * samples.cores as f64).then(|| {
        format!(
            "{machine:.1} of {} cores were busy, {own:.1} of them with this process: times and \
             tails are doubtful, measure on a quiet machine",
            samples.cores
        )
    })
}
