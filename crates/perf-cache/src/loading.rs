//! Values that are made where they are missing, once for all who ask.
//!
//! A call looks for the value, for a load in flight and for a refusal in one holding of the lock
//! (`start`), and then leads a load, waits for one, or has its answer. Who leads runs the loader and
//! ends the load (`leader`); all else are faces: one value or many, a function or a future, the
//! caller's own thread or a spawner's.

mod ahead;
mod counts;
mod error;
mod faces;
mod fetch;
pub(crate) mod flight;
#[cfg(feature = "macros")]
pub(crate) mod glanced;
mod leader;
mod many;
pub(crate) mod negatives;
mod options;
#[cfg(feature = "tiered")]
mod outer;
pub(crate) mod scope;
mod single;
mod spawn;
mod start;
mod table;
mod wait;

pub(crate) use counts::LoadCounts;
pub use error::{LoadError, LoadFailure};
pub(crate) use options::LoadOptions;
pub use options::RefreshAfter;
#[cfg(feature = "tiered")]
pub(crate) use outer::{Found, Sought};
pub use spawn::{Spawn, Threads, Work};
