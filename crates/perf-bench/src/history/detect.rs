//! Series over the commits, and where they changed.

use super::{Entry, Figures, History, HistoryError, LeftOut};
use crate::Machine;
use perf_stats::{EDivisive, StatsError};
use serde::Serialize;
use std::collections::BTreeMap;

/// Which changes count.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Detect {
    /// The method with its window, p and least size.
    pub method: EDivisive,
    /// Only benches whose name contains this.
    pub filter: Option<String>,
}

/// The series of a history, with their changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HistoryReport {
    /// The series: those that became slower first, the worst of them before the others.
    pub series: Vec<Series>,
    /// How many runs were looked at.
    pub runs: usize,
    /// Lines that were not.
    pub left_out: LeftOut,
}

/// One measure of one bench on one machine over the commits.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Series {
    /// Name of the bench.
    pub bench: String,
    /// What is measured: `time`, `instructions`, `allocations` or `allocated_bytes`.
    pub measure: String,
    /// Unit of the values; empty where they are counts.
    pub unit: String,
    /// What the bench does, if it says so.
    pub work: Option<String>,
    /// [`Machine::key`] of the machine.
    pub machine: String,
    /// The values, oldest first.
    pub points: Vec<Point>,
    /// Where their level changed, oldest first.
    pub changes: Vec<Change>,
    /// Why there was no search for changes, if there was none.
    pub unsearched: Option<String>,
}

/// A value of a series.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Point {
    /// The commit.
    pub commit: String,
    /// When it was measured, in seconds since 1970, if known.
    pub at: Option<u64>,
    /// The median, or the count.
    pub value: f64,
    /// Where the median lies with 95 % confidence, if known.
    pub interval: Option<(f64, f64)>,
}

/// A change of level.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Index of the first point on the new level.
    pub index: usize,
    /// The last commit on the old level; the change lies after it...
    pub last: String,
    /// ...and at the latest in the first commit on the new one.
    pub first: String,
    /// Mean before.
    pub before: f64,
    /// Mean after.
    pub after: f64,
    /// `after / before`; above 1 is slower. None where it was zero before.
    pub ratio: Option<f64>,
    /// p of the test that the levels are one.
    pub p: f64,
    /// What else changed between the two runs: system, compiler.
    pub also: Vec<String>,
}

impl History {
    /// Looks for changes in every series.
    ///
    /// A series with fewer than three values, or one that cannot be computed with, is kept and
    /// says so.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] if a setting of the method is out of its range.
    pub fn detect(&self, how: &Detect) -> Result<HistoryReport, HistoryError> {
        // A flat row shows whether the settings are good for any.
        how.method.change_points(&[1.0; 3]).map_err(|e| HistoryError(e.to_string()))?;
        let mut series: BTreeMap<Key<'_>, Vec<(Point, &Machine)>> = BTreeMap::new();
        for entry in &self.entries {
            let machine = entry.machine.key();
            let wanted = |name: &str| how.filter.as_ref().is_none_or(|f| name.contains(f));
            for figures in entry.benches.iter().filter(|figures| wanted(&figures.name)) {
                for (measure, unit, value) in measures(figures) {
                    let key = Key {
                        bench: &figures.name,
                        measure,
                        unit,
                        work: figures.work.as_deref(),
                        machine: machine.clone(),
                    };
                    let point = point(entry, figures, measure, value);
                    series.entry(key).or_default().push((point, &entry.machine));
                }
            }
        }
        let mut series: Vec<Series> =
            series.into_iter().map(|(key, points)| key.series(points, &how.method)).collect();
        series.sort_by(|a, b| {
            let ((rank, size), (other_rank, other_size)) = (a.weight(), b.weight());
            rank.cmp(&other_rank).then(other_size.total_cmp(&size))
        });
        let (runs, left_out) = (self.entries.len(), self.left_out.clone());
        Ok(HistoryReport { series, runs, left_out })
    }
}

impl HistoryReport {
    /// Changes to slower that lie within the last `points` points of their series.
    pub fn recent_slowdowns(&self, points: usize) -> impl Iterator<Item = (&Series, &Change)> {
        self.series.iter().flat_map(move |series| {
            let recent = move |change: &&Change| {
                series.points.len() - change.index <= points && change.after > change.before
            };
            series.changes.iter().filter(recent).map(move |change| (series, change))
        })
    }
}

impl Series {
    /// The place in a report: slower ones, then faster ones, then unchanged ones, then those that
    /// were not searched; within each, by the size of the largest change.
    fn weight(&self) -> (u8, f64) {
        let size = |change: &Change| change.ratio.map_or(f64::MAX, f64::ln);
        let sizes = || self.changes.iter().map(size);
        if self.unsearched.is_some() {
            (3, 0.0)
        } else if self.changes.is_empty() {
            (2, 0.0)
        } else if sizes().any(|size| size > 0.0) {
            (0, sizes().fold(0.0, f64::max))
        } else {
            (1, -sizes().fold(0.0, f64::min))
        }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    bench: &'a str,
    measure: &'static str,
    unit: &'a str,
    work: Option<&'a str>,
    machine: String,
}

impl Key<'_> {
    fn series(self, points: Vec<(Point, &Machine)>, method: &EDivisive) -> Series {
        let (points, machines): (Vec<Point>, Vec<&Machine>) = points.into_iter().unzip();
        let values: Vec<f64> = points.iter().map(|point| point.value).collect();
        let (found, unsearched) = match method.change_points(&values) {
            Ok(found) => (found, None),
            Err(StatsError::TooFew { have, need }) => (
                Vec::new(),
                Some(format!("{have} runs so far, changes are looked for from {need}")),
            ),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let changes = found
            .into_iter()
            .map(|found| Change {
                index: found.index,
                last: points[found.index - 1].commit.clone(),
                first: points[found.index].commit.clone(),
                before: found.before,
                after: found.after,
                ratio: Some(found.ratio()).filter(|ratio| ratio.is_finite()),
                p: found.p,
                also: machines[found.index - 1].differences(machines[found.index]),
            })
            .collect();
        Series {
            bench: self.bench.to_owned(),
            measure: self.measure.to_owned(),
            unit: self.unit.to_owned(),
            work: self.work.map(str::to_owned),
            machine: self.machine,
            points,
            changes,
            unsearched,
        }
    }
}

fn measures(figures: &Figures) -> Vec<(&'static str, &str, f64)> {
    let mut measures = Vec::new();
    if let Some(median) = figures.median {
        measures.push(("time", figures.unit.as_deref().unwrap_or("ns"), median));
    }
    if let Some(counts) = figures.counts {
        measures.push(("instructions", "", counts.instructions));
        measures.push(("allocations", "", counts.allocations));
        measures.push(("allocated_bytes", "bytes", counts.allocated_bytes));
    }
    measures
}

fn point(entry: &Entry, figures: &Figures, measure: &str, value: f64) -> Point {
    let interval = figures.interval.filter(|_| measure == "time");
    Point { commit: entry.commit.clone(), at: entry.at, value, interval }
}

#[cfg(test)]
mod tests;
