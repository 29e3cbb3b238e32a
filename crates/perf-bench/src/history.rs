//! A bench over the commits: one line of JSON for each run, and the commits at which it changed.
//!
//! A gate that compares two commits cannot see creep: three per cent, four times over. Change
//! points over the whole history do ([`perf_stats::EDivisive`]), and name the commits.
//!
//! ```
//! use perf_bench::history::{Detect, Entry, History};
//! use perf_bench::{Bench, Machine, Run};
//!
//! let mut lines = String::new();
//! for commit in 0..40 {
//!     let slower = if commit < 25 { 1.0 } else { 1.08 };
//!     let samples = (0..9).map(|i| slower * (100.0 + f64::from((commit * 7 + i) % 5)));
//!     let mut run = Run::new(Machine::default());
//!     run.commit = Some(format!("c{commit}"));
//!     run.benches.push(Bench::new("cache/get", samples.collect()));
//!     lines += &Entry::of(&run)?.to_line();
//! }
//!
//! let history = History::read(lines.as_bytes())?;
//! let report = history.detect(&Detect::default())?;
//! let change = &report.series[0].changes[0];
//! assert_eq!((change.last.as_str(), change.first.as_str()), ("c24", "c25"));
//! assert!((change.ratio.unwrap() - 1.08).abs() < 0.01);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Lines are only ever appended. Lines that cannot be read, such as half of one after a crash, and
//! lines of a newer format are left out and counted, never an error. Figures of different machines
//! or targets, and of benches whose work changed, are series of their own. Another compiler or
//! kernel begins no new series, since what it costs is worth knowing: a change that coincides with
//! one says so. So does a change between two runs of one commit, which is not the code's.

mod detect;
mod entry;
mod read;
mod report;

pub use detect::{Change, Detect, HistoryReport, Point, Series};
pub use entry::{Entry, FORMAT, Figures};
pub use read::{History, LeftOut};

use std::fmt;

/// Why a run cannot go into the history, or a history not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryError(String);

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for HistoryError {}
