//! Tells whether a change made a program slower, with an interval and an exit code, and drives
//! servers and databases to see what they bear.
//!
//! ```
//! use perf_bench::{Outcome, Paired, Rule, Verdict};
//!
//! // Nanoseconds an iteration, the n-th of the head taken right after the n-th of the base.
//! let base = [101.0, 99.5, 100.2, 103.1, 100.7, 99.9, 100.4, 101.8, 100.1, 99.7, 100.9, 100.3];
//! let head = base.map(|ns| ns * 1.06);
//! let judged = Rule::new().judge(&Paired::new("parse/small", &base, &head));
//! assert_eq!(judged.verdict, Verdict::Regress); // beyond the margin of 2 %
//!
//! let same = Rule::new().judge(&Paired::new("parse/small", &base, &base));
//! assert_eq!(same.verdict, Verdict::Same);
//! assert_eq!(Outcome::Regression.exit_code(false), 3);
//! ```
//!
//! # Which piece for what
//!
//! | Question | Piece | Feature |
//! |---|---|---|
//! | is this build slower than that one? | [`Subjects`] in the program, [`Compare`] and [`Rule`] beside it | |
//! | does it execute more instructions, allocate more? | [`MeasureCounts`] (needs Valgrind), [`CountingAllocator`] | |
//! | are these files of criterion, hyperfine or CSV slower? | [`files`] | |
//! | since which commit? | [`history`] | |
//! | how much does this machine differ from itself? | [`NoiseStore`], [`Environment`] | |
//! | what does a server bear? | `load` | `load`, with `system` for processor and memory beside it |
//! | what does a database bear? | `Database` | `sqlite`, `bundled-sqlite`, `postgres` |
//! | does it keep its limits? | `budget` | `budget` |
//! | what was asked of a cache? | `trace` | `trace` |
//! | all of it in one table | [`suite`] | |
//! | as a page, markdown, a terminal's table | [`report`] | |
//!
//! # When not to use it
//!
//! To find out *where* the time goes: that is a profiler's work. For a first look at a function
//! while writing it, criterion or divan are quicker to set up, and [`files`] reads criterion's
//! samples afterwards.
//!
//! # Cost
//!
//! A comparison takes about 1.5 s a bench (30 pairs of 20 ms a side) and as much again for what
//! looks red; counting takes some 50 times as long as the iterations it counts. The counting
//! allocator costs one relaxed load a call while it is off. The sender of `load` keeps one core busy
//! from 100 µs before each request.

mod allocator;
#[cfg(feature = "budget")]
pub mod budget;
mod compare;
mod counts;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod database;
pub mod files;
pub mod history;
#[cfg(feature = "load")]
pub mod load;
mod machine;
mod noise;
mod outcome;
pub mod report;
mod rule;
mod samples;
mod subject;
pub mod suite;
#[cfg(feature = "system")]
pub mod system;
#[cfg(feature = "trace")]
pub mod trace;
mod verdict;

pub use allocator::{Allocations, CountingAllocator, allocations_during};
pub use compare::{Compare, CompareError, Comparison, ProgramError, Progress, SubjectProgram};
pub use counts::{
    Callgrind, Compared, Counted, CountedBench, CountsEnvironment, CountsError, CountsLimits,
    CountsProgress, CountsRecord, CountsReport, Difference, Limit, LimitOfBench, MeasureCounts,
};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use database::{
    Database, DatabaseBuilder, DatabaseCheck, DatabaseError, DatabaseLatency, DatabaseMix,
    DatabaseProgress, DatabaseReport, DatabaseSettings, DatabaseStep, Journal, Synchronous,
};
pub use machine::Machine;
pub use noise::{
    BenchNoise, Environment, NoiseError, NoiseHistory, NoiseKind, NoiseRecord, NoiseStore,
};
pub use outcome::Outcome;
pub use rule::{Paired, Rule};
pub use samples::{Bench, Counts, FORMAT, ReadError, Run};
pub use subject::{
    CountedRegion, Injection, InjectionError, ListedSubject, PROTOCOL, Subject, Subjects, repeat,
};
pub use verdict::{Judged, Verdict};
