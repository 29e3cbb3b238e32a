//! Workloads and benchmark definitions, so that every measurement draws the same numbers.
//!
//! A [`Workload`] turns a seed into a row of numbers: keys of a cache, or values of a histogram.
//! A [`Definition`] names the workloads of one suite with their parameters, their seed and the
//! answers they must give. A trace of the real world is a workload too; it is read from the folder
//! that the environment variable `PERFKIT_TRACES` names and never copied here.
//!
//! [`core_benches`] are the benches that `cargo xtask bench` watches.
//!
//! ```
//! use perfkit_benches::Workload;
//! let hot = Workload::Zipf { keys: 1_000, exponent: 0.99 };
//! let keys: Vec<u64> = hot.numbers(7).unwrap().take(10_000).collect();
//! let again: Vec<u64> = hot.numbers(7).unwrap().take(10_000).collect();
//! assert_eq!(keys, again);
//! assert!(keys.iter().filter(|key| **key < 10).count() > 3_000); // Key 0 is the hottest.
//! ```

mod definition;
mod subjects;
mod trace;
mod workload;

pub use definition::{Definition, Expect, Named};
pub use perf_bench::trace::TraceFormat;
pub use subjects::{Body, CoreBench, core_benches};
pub use trace::{Request, TRACES, read_trace, trace_folder};
pub use workload::{Numbers, Workload};
