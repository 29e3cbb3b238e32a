//! Counts instead of times: a bench's instructions, under Callgrind, and its allocations.
//!
//! Instructions and allocations are the same from run to run where the program's seeds are fixed,
//! on a busy shared machine as on a quiet one, so a gate can trust a change of a few per cent
//! after a single run. They do not see caches, locks or waiting: time remains the second judge.
//!
//! Only the iterations are counted, not the set-up: collection is switched on at the entry of the
//! function `perfkit_counted_region` and off at its end. Only the thread that runs the function is
//! seen, so benches of several threads are skipped.
//!
//! Source: Weidendorfer, Kowarschik and Trinitis, "A tool suite for simulation based analysis of
//! memory access behavior", ICCS 2004 (Callgrind).

mod bounded;
mod callgrind;
mod counted;
mod environment;
mod error;
mod judge;
mod limits;
mod measure;
mod program;
mod record;
mod report;

pub use callgrind::Callgrind;
pub use counted::{Counted, CountedBench};
pub use environment::{CountsEnvironment, Difference};
pub use error::CountsError;
pub use limits::{CountsLimits, Limit, LimitOfBench};
pub use measure::{CountsProgress, MeasureCounts};
pub use record::{Compared, CountsRecord};
pub use report::CountsReport;
