//! One line of the history.

use super::HistoryError;
use crate::{Bench, Counts, Machine, Run};
use perf_stats::{Confidence, StatsError, median, median_interval};
use serde::{Deserialize, Serialize};

/// Version of the lines that this crate writes. It reads this one and older ones.
pub const FORMAT: u32 = 1;

/// A run as the history keeps it: the figures without the samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// The commit that was measured.
    pub commit: String,
    /// When, in seconds since 1970, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// Where.
    #[serde(default)]
    pub machine: Machine,
    /// `false` when the run ended half way.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub complete: bool,
    /// What was found of each bench; those that failed are not here.
    pub benches: Vec<Figures>,
}

/// One bench of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figures {
    /// Name of the bench.
    pub name: String,
    /// What it does; another work under one name starts another series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<String>,
    /// Unit of `median` and its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The middle of the samples, if there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median: Option<f64>,
    /// Where the median lies with 95 % confidence; needs six samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// How many samples.
    #[serde(default)]
    pub samples: usize,
    /// What was counted, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
}

impl Entry {
    /// The figures of a run.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if the run names no commit, no bench of it was measured, or a sample is
    /// not a finite number.
    pub fn of(run: &Run) -> Result<Entry, HistoryError> {
        let Some(commit) = run.commit.clone().filter(|commit| !commit.trim().is_empty()) else {
            return Err(HistoryError("the run names no commit, say which one it is of".to_owned()));
        };
        let mut benches = Vec::new();
        for bench in run.benches.iter().filter(|bench| bench.failure.is_none()) {
            benches.extend(Figures::of(bench)?);
        }
        if benches.is_empty() {
            let benches = run.benches.len();
            return Err(HistoryError(format!(
                "none of the run's {benches} benches was measured, there is nothing to keep"
            )));
        }
        let (machine, at, complete) = (run.machine.clone(), run.at, run.complete);
        Ok(Entry { format: FORMAT, commit, at, machine, complete, benches })
    }

    /// As a line of JSON, with its end.
    ///
    /// # Panics
    ///
    /// Never: plain values with string keys serialize.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut line =
            serde_json::to_string(self).expect("plain values with string keys serialize");
        line.push('\n');
        line
    }
}

impl Figures {
    /// `None` if nothing was measured or counted.
    fn of(bench: &Bench) -> Result<Option<Figures>, HistoryError> {
        if bench.samples.is_empty() && bench.counts.is_none() {
            return Ok(None);
        }
        if let Some(Counts { instructions, allocations, allocated_bytes }) = bench.counts
            && ![instructions, allocations, allocated_bytes].iter().all(|n| n.is_finite())
        {
            let name = &bench.name;
            return Err(HistoryError(format!("a count of {name} is no number, count it again")));
        }
        let refuse = |error: StatsError| {
            HistoryError(format!("the samples of {} make no median: {error}", bench.name))
        };
        let mut figures = Figures {
            name: bench.name.clone(),
            work: bench.work.clone(),
            samples: bench.samples.len(),
            counts: bench.counts,
            ..Figures::default()
        };
        if !bench.samples.is_empty() {
            figures.unit = Some(bench.unit.clone());
            figures.median = Some(median(&bench.samples).map_err(refuse)?);
            // Too few samples have a median all the same.
            figures.interval = median_interval(&bench.samples, Confidence::P95)
                .ok()
                .map(|interval| (interval.low, interval.high));
        }
        Ok(Some(figures))
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(benches: Vec<Bench>) -> Run {
        let mut run = Run::new(Machine::default());
        run.commit = Some("abc".to_owned());
        run.benches = benches;
        run
    }

    #[test]
    fn an_entry_survives_its_line() {
        let mut counted = Bench::new("counted", Vec::new());
        counted.counts = Some(Counts { instructions: 12.5, ..Counts::default() });
        let benches = vec![Bench::new("a", vec![3.0, 1.0, 2.0]), counted];
        let entry = Entry::of(&run(benches)).unwrap();
        assert_eq!(entry.benches[0].median, Some(2.0));
        assert_eq!(entry.benches[0].interval, None);
        assert_eq!(entry.benches[1].median, None);
        let line = entry.to_line();
        assert!(line.ends_with("}\n") && line.lines().count() == 1);
        assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), entry);
    }

    #[test]
    fn the_interval_needs_six_samples() {
        let samples = (1..=6).map(f64::from).collect();
        let entry = Entry::of(&run(vec![Bench::new("a", samples)])).unwrap();
        assert_eq!(entry.benches[0].interval, Some((1.0, 6.0)));
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let say = |run: &Run| Entry::of(run).unwrap_err().to_string();
        let mut nameless = run(vec![Bench::new("a", vec![1.0])]);
        nameless.commit = None;
        assert_eq!(say(&nameless), "the run names no commit, say which one it is of");
        assert!(say(&run(Vec::new())).starts_with("none of the run's 0 benches"));
        let mut failed = Bench::new("a", vec![1.0]);
        failed.failure = Some("it broke".to_owned());
        assert!(say(&run(vec![failed])).starts_with("none of the run's 1 benches"));
        let mut uncounted = Bench::new("a", Vec::new());
        uncounted.counts = Some(Counts { instructions: f64::NAN, ..Counts::default() });
        assert_eq!(say(&run(vec![uncounted])), "a count of a is no number, count it again");
        let error = say(&run(vec![Bench::new("a", vec![1.0, f64::NAN])]));
        assert!(error.contains("samples of a") && error.contains("value 1 is NaN"), "{error}");
    }
}
