//! Repeats, interleaved across subjects, so that noise of the machine falls on all alike.

use crate::arguments::Options;
use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use perfkit_benches::Definition;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// One result.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) suite: String,
    pub(crate) case: String,
    pub(crate) subject: String,
    pub(crate) metric: String,
    /// The median of the repeats.
    pub(crate) value: f64,
    pub(crate) unit: String,
    pub(crate) repeats: usize,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// One measurement of one subject: does the work, checks the answer, answers the figure.
pub(crate) type Measurement<'a> = Box<dyn FnMut() -> Result<f64> + 'a>;

/// A running suite.
pub(crate) struct Bench {
    pub(crate) definition: Definition,
    pub(crate) quick: bool,
    suite: &'static str,
    only: Option<String>,
    rows: Vec<Row>,
    progress: ProgressBar,
    started: Instant,
}

impl Bench {
    pub(crate) fn new(suite: &'static str, options: &Options) -> Result<Bench> {
        let progress = ProgressBar::new_spinner();
        progress.set_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}")?);
        progress.enable_steady_tick(Duration::from_millis(120));
        Ok(Bench {
            definition: Definition::load(suite)?,
            quick: options.quick,
            suite,
            only: options.only.clone(),
            rows: Vec::new(),
            progress,
            started: Instant::now(),
        })
    }

    /// A parameter of the definition; a quick run takes `quick_<name>` where there is one.
    pub(crate) fn parameter(&self, name: &str) -> Result<usize> {
        let quick = format!("quick_{name}");
        let has_quick = self.quick && self.definition.parameters.contains_key(&quick);
        self.definition.parameter(if has_quick { &quick } else { name })
    }

    pub(crate) fn wants(&self, case: &str) -> bool {
        self.only.as_ref().is_none_or(|only| case.contains(only.as_str()))
    }

    /// Measures all subjects of a case in turn, again and again, after one round that does not
    /// count; quotes medians.
    pub(crate) fn measure(
        &mut self,
        case: &str,
        metric: &str,
        unit: &str,
        subjects: &mut [(&str, Measurement<'_>)],
    ) -> Result<()> {
        if !self.wants(case) {
            return Ok(());
        }
        let repeats = self.parameter("repeats")?;
        let mut figures = vec![Vec::with_capacity(repeats); subjects.len()];
        for repeat in 0..=repeats {
            for ((subject, measurement), figures) in subjects.iter_mut().zip(&mut figures) {
                self.say(&format!("{case} {subject} {repeat}/{repeats}"), repeat == 0);
                let figure = measurement().with_context(|| format!("{case}, {subject}"))?;
                if repeat > 0 {
                    figures.push(figure);
                }
            }
        }
        for ((subject, _), figures) in subjects.iter().zip(&figures) {
            self.add(case, subject, metric, unit, figures)?;
        }
        Ok(())
    }

    /// Adds a row for figures measured elsewhere.
    pub(crate) fn add(
        &mut self,
        case: &str,
        subject: &str,
        metric: &str,
        unit: &str,
        figures: &[f64],
    ) -> Result<()> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else {
            anyhow::bail!("{case}, {subject}: no repeats, ask for at least one");
        };
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        };
        self.rows.push(Row {
            suite: self.suite.to_owned(),
            case: case.to_owned(),
            subject: subject.to_owned(),
            metric: metric.to_owned(),
            value: round(median),
            unit: unit.to_owned(),
            repeats: sorted.len(),
            min: round(*min),
            max: round(*max),
        });
        Ok(())
    }

    /// Shows what is going on: a line that changes, or where there is no terminal, one per step.
    pub(crate) fn say(&self, what: &str, step: bool) {
        if std::io::stderr().is_terminal() {
            self.progress.set_message(what.to_owned());
        } else if step {
            eprintln!("{:>4} s  {what}", self.started.elapsed().as_secs());
        }
    }

    /// All rows, by case in the order measured.
    pub(crate) fn finish(self) -> Vec<Row> {
        self.progress.finish_and_clear();
        let mut order = BTreeMap::new();
        for row in &self.rows {
            let next = order.len();
            order.entry(row.case.clone()).or_insert(next);
        }
        let mut rows = self.rows;
        rows.sort_by_key(|row| order[&row.case]);
        rows
    }
}

/// Runs `work` once on each of `threads` threads, started together. Answers the wall time from the
/// first start to the last end, and what each thread answered.
pub(crate) fn together<T: Send>(
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Result<(Duration, Vec<T>)> {
    ensure!(threads > 0, "no threads to run on, ask for at least one");
    let barrier = Barrier::new(threads);
    let run = |thread| {
        barrier.wait();
        let start = Instant::now();
        let answer = work(thread);
        (start, Instant::now(), answer)
    };
    let done: Vec<_> = std::thread::scope(|scope| {
        let run = &run;
        let others: Vec<_> = (1..threads).map(|t| scope.spawn(move || run(t))).collect();
        let mut done = vec![Ok(run(0))];
        done.extend(others.into_iter().map(|thread| thread.join()));
        done
    })
    .into_iter()
    .collect::<std::thread::Result<_>>()
    .map_err(|_| anyhow::anyhow!("a measuring thread panicked"))?;
    let start = done.iter().map(|(start, _, _)| *start).min();
    let end = done.iter().map(|(_, end, _)| *end).max();
    let (start, end) = start.zip(end).context("there is at least one thread")?;
    Ok((end - start, done.into_iter().map(|(_, _, answer)| answer).collect()))
}

/// Four digits: more would be noise.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_four_digits() {
        assert_eq!((round(1234.56), round(0.012_345_6), round(0.0)), (1235.0, 0.01235, 0.0));
    }

    #[test]
    fn every_thread_answers() {
        let (_, mut answers) = together(3, |thread| thread * 2).unwrap();
        answers.sort_unstable();
        assert_eq!(answers, [0, 2, 4]);
        assert!(together(0, |_| ()).is_err());
    }
}
