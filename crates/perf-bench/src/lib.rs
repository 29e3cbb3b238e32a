//! Tells whether a change made a program slower, and drives servers and databases to see what they
//! bear.

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
