//! Stages: named, timed, summed up at the end.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// A run of stages. The first line of each is its name, the last lines of the run are a table.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    done: Vec<(String, Duration, Outcome)>,
}

#[derive(Debug)]
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Stages {
    /// Runs a stage; a failure is kept for the summary, and the next stages still run.
    pub(crate) fn run(&mut self, name: &str, stage: impl FnOnce() -> Result<()>) {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = match stage() {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                eprintln!("error: {error:#}");
                Outcome::Failed(format!("{error:#}"))
            }
        };
        self.done.push((name.to_owned(), start.elapsed(), outcome));
    }

    /// Notes a stage that this machine cannot run, and why.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        self.done.push((name.to_owned(), Duration::ZERO, Outcome::Skipped(why.to_owned())));
    }

    /// How many stages were skipped.
    pub(crate) fn skipped(&self) -> usize {
        self.done.iter().filter(|(_, _, o)| matches!(o, Outcome::Skipped(_))).count()
    }

    /// How many stages failed.
    pub(crate) fn failed(&self) -> usize {
        self.done.iter().filter(|(_, _, o)| matches!(o, Outcome::Failed(_))).count()
    }

    /// Prints the table of stages.
    pub(crate) fn print(&self) {
        println!("\n== summary");
        for (name, took, outcome) in &self.done {
            let (word, why) = match outcome {
                Outcome::Passed => ("passed", ""),
                Outcome::Failed(why) => ("FAILED", why.as_str()),
                Outcome::Skipped(why) => ("skipped", why.as_str()),
            };
            println!("  {word:7} {:>7.1} s  {name}{}{why}", took.as_secs_f64(), gap(why));
        }
        let total: Duration = self.done.iter().map(|(_, took, _)| *took).sum();
        println!("  {:7} {:>7.1} s", "total", total.as_secs_f64());
    }

    /// An error that names the stages that failed.
    pub(crate) fn verdict(&self) -> Result<()> {
        let failed: Vec<&str> = self
            .done
            .iter()
            .filter(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_)))
            .map(|(name, _, _)| name.as_str())
            .collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}

fn gap(why: &str) -> &'static str {
    if why.is_empty() { "" } else { ": " }
}
