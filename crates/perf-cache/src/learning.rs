//! What a cache can learn from its use: what will be asked for next, and how long values hold.
//!
//! Everything here is an algorithm by itself: it has no thread and no clock of its own, draws no
//! random numbers, takes a bounded amount of memory, and the same calls give the same answers.
//!
//! [`Prefetch`] notices which keys are asked for after which, and names those that are worth loading
//! ahead, as long as enough of them are used. [`AdaptiveTtl`] estimates how often values change, and
//! gives each class of keys the time to live that loads least for a stated share of stale answers;
//! [`ByChange`] gives these times to the entries of a cache.

mod adaptive_ttl;
#[cfg(test)]
mod chance;
mod prefetch;

pub use adaptive_ttl::{
    AdaptiveTtl, AdaptiveTtlBuilder, AdaptiveTtlStats, ByChange, ClassTtl, Reload,
};
pub use prefetch::{Advice, Prefetch, PrefetchBuilder, PrefetchStats};
