//! What a cache can learn from its use: what will be asked for next.
//!
//! Everything here is an algorithm by itself: it has no thread and no clock of its own, draws no
//! random numbers, takes a bounded amount of memory, and the same calls give the same answers.
//!
//! [`Prefetch`] notices which keys are asked for after which, and names those that are worth loading
//! ahead, as long as enough of them are used.

mod prefetch;

pub use prefetch::{Advice, Prefetch, PrefetchBuilder, PrefetchStats};
