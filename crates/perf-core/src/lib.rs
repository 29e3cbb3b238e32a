//! The words that every perfkit crate shares, and nothing else.
//!
//! A component reports [`Signal`]s through [`Observe`] and exposes [`Knob`]s through [`Tune`].
//! An engine that knows only these two traits can watch it, turn its knobs, measure whether that
//! helped, and undo what did not. [`Clock`] brings time in from outside, so that tests never sleep;
//! [`Histogram`], [`StripedHistogram`] and [`Counter`] hold what is measured; [`Glob`] names groups
//! of keys; [`Priority`], [`Ratio`] and [`ByteSize`] are values that cannot be wrong.
//!
//! No I/O, no threads, no async. Not a metrics façade: nothing is pushed anywhere.
//!
//! ```
//! use perf_core::{ByteSize, Clock, Histogram};
//! use std::time::Duration;
//!
//! let (clock, hand) = Clock::manual();
//! let start = clock.now();
//! hand.advance(Duration::from_millis(3));
//!
//! let mut latency = Histogram::new();
//! latency.record_duration(clock.now() - start);
//! assert_eq!(latency.count(), 1);
//! assert_eq!(latency.max(), Some(3_000_000)); // nanoseconds
//! assert_eq!("512MiB".parse::<ByteSize>().unwrap().as_u64(), 512 << 20);
//! ```
//!
//! # Features
//!
//! - `serde`: the value types serialize and deserialize (off by default).

mod bucket;
mod bytesize;
mod clock;
mod config;
mod contract;
mod counter;
mod glob;
mod histogram;
mod knob;
mod priority;
mod ratio;
mod signal;
mod stripe;
mod striped;

pub use bucket::Bucket;
pub use bytesize::{ByteSize, ParseByteSizeError};
pub use clock::{Clock, Instant, ManualClock};
pub use config::ConfigError;
pub use contract::assert_tune_contract;
pub use counter::Counter;
pub use glob::{Glob, ParseGlobError};
pub use histogram::Histogram;
pub use knob::{Bounds, Direction, Effect, Knob, KnobError, KnobId, KnobValue, Tune, Turn, Turned};
pub use priority::Priority;
pub use ratio::{OutOfRange, Ratio};
pub use signal::{Component, Observe, Reading, Signal, Unit};
pub use stripe::Stripes;
pub use striped::StripedHistogram;
