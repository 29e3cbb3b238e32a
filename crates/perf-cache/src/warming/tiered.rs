//! Warming a cache of tiers.

use super::{WarmReport, WarmUp, Warmed};
use crate::tiered::TieredTerms;
use crate::{CacheKey, TieredCache};
use perf_core::Clock;
use std::cell::Cell;
use std::hash::Hash;

impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Brings keys to memory before they are asked for, in their order: from the nearest tier that has
    /// them, which counts as [`Warmed::Skipped`], or from `load`. Each counts as a lookup. See
    /// [`warming`](crate::warming).
    pub fn warm<E, T>(
        &self,
        up: &WarmUp,
        keys: impl IntoIterator<Item = K, IntoIter: Send>,
        load: impl Fn(&K) -> Result<(V, T), E> + Sync,
    ) -> WarmReport
    where
        E: Send + Sync + 'static,
        T: Into<TieredTerms>,
    {
        up.run(&Clock::system(), keys, |key| {
            let (ran, own) = (Cell::new(false), key.clone());
            let got = self.try_get_with_terms(key, || {
                ran.set(true);
                load(&own)
            });
            match (got, ran.get()) {
                (Err(_), _) => Warmed::Failed,
                (Ok(_), true) => Warmed::Loaded,
                (Ok(_), false) => Warmed::Skipped,
            }
        })
    }
}
