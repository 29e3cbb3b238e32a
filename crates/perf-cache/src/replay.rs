//! What a cache would have hit: recorded requests against policies, sizes and the optimum.
//!
//! Everything here is a pure function of a [`Trace`]. A trace numbers its keys once; what follows
//! works on these numbers and hashes no key again: [`simulate()`] runs any [`Policy`](crate::policy::Policy)
//! at one size, [`Optimal`] tells what no policy can beat, [`Curve`] what least recently used would
//! hit at every size at once, and [`recommend`] reads a size and a policy out of the results.
//! All of them may run at once on threads of the caller's.
//!
//! ```
//! use perf_cache::replay::{Curve, Optimal, Trace};
//!
//! let mut trace = Trace::new();
//! for request in 0..1_000_u64 {
//!     trace.push(request % 100)?; // a loop over a hundred keys
//! }
//! let (curve, optimal) = (Curve::exact(&trace), Optimal::new(&trace));
//! assert_eq!(curve.hit_ratio(99), 0.0); // the oldest key is always the next one
//! assert_eq!(curve.hit_ratio(100), 0.9);
//! assert!(optimal.hit_ratio(50) > 0.4);
//! # Ok::<(), perf_cache::replay::TraceFull>(())
//! ```

mod advice;
mod curve;
mod marks;
mod optimal;
mod simulate;
#[cfg(test)]
mod tests;
mod trace;

pub use advice::{Measured, Recommendation, recommend};
pub use curve::Curve;
pub use optimal::Optimal;
pub(crate) use simulate::{PARTS, hits_by_part};
pub use simulate::{Replayed, ReplayedAhead, Room, simulate, simulate_ahead, simulate_kind};
pub use trace::{Key, Trace, TraceFull};
