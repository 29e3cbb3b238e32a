//! Drives an HTTP server and tells what it bears.
//!
//! ```no_run
//! use perf_bench::load::{Load, LoadConfig, LoadProgress};
//! use std::sync::Arc;
//!
//! let load = Load::new(LoadConfig::new("http://127.0.0.1:8080/"))?;
//! let report = load.run(&Arc::new(LoadProgress::new()))?;
//! println!("p99 {} ns at {} answers/s", report.figures.latency.p99, report.figures.rate);
//! # Ok::<(), perf_bench::load::LoadError>(())
//! ```
//!
//! Requests arrive in the *open* form unless users are asked for: at their own times, whatever the
//! target does, and latency counts from the time a request was to leave. A generator that waits for
//! answers before it asks again sends less to a stalled target and hides the stall (*coordinated
//! omission*); both latencies are reported.
//!
//! A run is *void* when more than 1 % of its requests left later than max(1 ms, 10 % of the median)
//! after their time: then its figures are the generator's. All of it runs on one thread, which
//! waits busily for the last 100 µs before each request (2 ms where timers are coarse), so its
//! processor share says nothing of the load.
//!
//! Source: Schroeder, Wierman and Harchol-Balter, "Open Versus Closed: A Cautionary Tale",
//! NSDI 2006.

mod config;
mod descriptors;
mod document;
mod engine;
mod error;
mod figures;
mod objective;
mod plan;
mod progress;
mod record;
mod report;
mod run;
mod scenario;
mod schedule;
mod stress;
#[cfg(feature = "system")]
mod system;
mod target;
mod trend;
mod void;
mod windows;
pub mod wire;

pub use config::{Form, LoadConfig, RequestSpec, Stress};
pub use error::{LoadError, LoadErrorKind};
pub use figures::Distribution;
pub use objective::{ObjectiveOutcome, Objectives};
pub use progress::{LoadProgress, LoadSnapshot};
pub use record::Failure;
pub use report::{FailureCount, LoadEnd, LoadFigures, LoadReport, LoadWindow, RequestFigures};
pub use run::Load;
pub use schedule::{Arrival, Jitter, Schedule};
pub use stress::{StressReport, StressStep};
pub use trend::{Drift, DriftVerdict, Trend};
pub use void::VoidCause;
