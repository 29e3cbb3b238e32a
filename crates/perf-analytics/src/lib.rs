//! Measurements of a running program: recorded through handles, kept as exact windows in memory,
//! answered for any span, exported as Prometheus text and JSON.
//!
//! [`Recorder`] times operations with tags and answers [`Metrics`] for any window.
//! [`History`] keeps windows of any component's signals: counts, rates, levels and true quantiles
//! over any span and any set of series, never an average of averages. [`ProcessMonitor`] reports
//! this process. [`prometheus`] and [`json`] write what was measured.
//!
//! ```
//! use perf_analytics::{Recorder, prometheus};
//! use perf_core::{Clock, Observe};
//! use std::time::Duration;
//!
//! let (clock, hand) = Clock::manual();
//! let recorder = Recorder::builder().name("shop").clock(clock).build();
//!
//! let checkout = recorder.operation("checkout", &[("paid", "card")]); // once, then keep it
//! for millis in [12, 18, 240] {
//!     let mut timing = checkout.start();
//!     hand.advance(Duration::from_millis(millis));
//!     if millis > 200 {
//!         timing.fail();
//!     }
//! }
//!
//! let metrics = recorder.metrics("checkout", Duration::from_secs(3600)).unwrap();
//! assert_eq!((metrics.count, metrics.errors, metrics.mean_ms), (3, 1, Some(90.0)));
//!
//! let mut text = prometheus::Text::new();
//! recorder.observe(&mut |signal| text.add(recorder.name(), &signal));
//! let count = r#"perfkit_operation_duration_seconds_count{component="shop",operation="checkout",paid="card"} 3"#;
//! assert!(text.finish().contains(count));
//! ```
//!
//! # When not to use it
//!
//! - The measurements must outlive the process: scrape the Prometheus text into a server that
//!   keeps them. Nothing here touches a disk.
//! - A single number that is printed at the end: [`perf_core::Histogram`] is enough.
//! - Call stacks and spans: use `tracing` and a profiler.
//!
//! # Cost
//!
//! Recording through a handle takes about 10 ns, a guard two clock readings more; looking a handle
//! up by name and tags 0.15 µs. Everything is bounded and what does not fit is counted: series,
//! open traces, events, bytes of windows. [`History`] says what a series costs; an operation in a
//! [`Recorder`] adds about 2 KiB, and more for each thread that records it.

mod history;
mod process;
mod recorder;
mod seconds;
mod signal;

pub mod json;
pub mod prometheus;

pub use history::{History, HistoryConfig, HistoryStats, Kind, Points, Select, SeriesInfo, Span};
pub use process::ProcessMonitor;
pub use recorder::{
    Guard, Metrics, OperationHandle, Outcome, Overflow, RecordedEvent, Recorder, RecorderBuilder,
    Severity, TraceId,
};
pub use signal::{OwnedReading, OwnedSignal};

/// Few cases and a fixed seed, so that a run takes a second and repeats.
#[cfg(test)]
fn test_cases() -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, RngSeed};
    let rng_seed = RngSeed::Fixed(20_261_121);
    Config { cases: 128, rng_seed, failure_persistence: None, ..Config::default() }
}
