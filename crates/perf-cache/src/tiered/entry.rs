//! A value with what is known of it.

use super::held::Held;
use super::inner::Core;
use super::options::Strategy;
use crate::CacheKey;
use std::hash::Hash;
use std::time::{Duration, SystemTime};

/// A value of a tiered cache with what is known of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TieredEntry<V> {
    /// The value.
    pub value: V,
    /// The tier that answered: `memory`, or the [name](super::OuterTier::name) of another. `None`
    /// if it came from the load of another caller.
    pub tier: Option<&'static str>,
    /// When it was put in or loaded.
    pub written_at: SystemTime,
    /// How long ago that is.
    pub age: Duration,
    /// What is left of its life in the tier that keeps it longest; `None` for ever.
    pub time_to_live: Option<Duration>,
    /// Whether it is to be renewed by the next caller who has a loader.
    pub is_stale: bool,
    /// Where it is kept.
    pub strategy: Strategy,
}

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    /// One that was in memory, or was found beyond it.
    pub(super) fn describe(&self, found: Result<Held<V>, Held<V>>) -> TieredEntry<V> {
        let was_near = found.is_ok();
        let (Ok(held) | Err(held)) = found;
        let stamp = &held.stamp;
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let (now, written_at) = (self.clock.wall(), at(stamp.written_at));
        let age = now.duration_since(written_at).unwrap_or_default();
        let name = |tier: usize| self.outside.outers[tier].name();
        TieredEntry {
            tier: if was_near { Some("memory") } else { stamp.from.map(name) },
            written_at,
            age,
            time_to_live: (stamp.expires_at != u64::MAX)
                .then(|| at(stamp.expires_at).duration_since(now).unwrap_or_default()),
            is_stale: self.refresh_point(stamp).is_some_and(|point| age >= point),
            strategy: stamp.strategy,
            value: held.value,
        }
    }
}
