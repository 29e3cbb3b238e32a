//! What a cache can learn from its use: what will be asked for next, and how long values hold.
//!
//! [`Prefetch`] and [`AdaptiveTtl`] are algorithms by themselves: they have no thread and no clock of
//! their own, draw no random numbers, take a bounded amount of memory, and the same calls give the
//! same answers. The others bring them to a cache.
//!
//! [`Prefetch`] notices which keys are asked for after which, and names those that are worth loading
//! ahead, as long as enough of them are used; [`Prefetching`] is a cache with a loader that loads
//! them. [`AdaptiveTtl`] estimates how often values change, and
//! gives each class of keys the time to live that loads least for a stated share of stale answers;
//! [`ByChange`] gives these times to the entries of a cache, and
//! [`CacheBuilder::adaptive_ttl`](crate::CacheBuilder::adaptive_ttl) makes one that knows of it.

mod adaptive_ttl;
#[cfg(test)]
mod chance;
mod prefetch;
mod prefetching;

pub use adaptive_ttl::{
    AdaptiveTtl, AdaptiveTtlBuilder, AdaptiveTtlStats, ByChange, ClassTtl, LearnedTtl, Reload,
};
pub(crate) use adaptive_ttl::{Learned, LearnedRule};
pub use prefetch::{Advice, Prefetch, PrefetchBuilder, PrefetchStats};
pub use prefetching::{Prefetching, PrefetchingBuilder};
