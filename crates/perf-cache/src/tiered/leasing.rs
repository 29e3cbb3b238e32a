//! One load for all processes that share a tier, as far as that goes.

use super::held::Held;
use super::inner::Core;
use super::keys::KeyBytes;
use super::outer::Attempt;
use super::outside::Outside;
use super::promise::Promise;
use super::scratch::Scratch;
use super::shared::Lease;
use super::tier::TierError;
use crate::{CacheKey, Terms};
use perf_core::Counter;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

/// What came of asking who is to load.
#[derive(Debug, Default)]
pub(super) struct LeaseCounts {
    /// Loads that another process made, or was to make.
    pub(super) taken: Counter,
    /// Those of them whose value came.
    pub(super) spared: Counter,
}

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    /// What another process loads and stores just now, if one does. `None`: the caller is to load.
    pub(super) async fn await_other(&self, hash: u64, key: &K) -> Option<(Held<V>, Terms)> {
        let (time, tier, sealer) = (self.lease?, self.outside.shared?, self.sealer.as_ref()?);
        let mut scratch = Scratch::take();
        sealer.name(key, &mut scratch.name);
        let name = KeyBytes::from(scratch.name.as_slice());
        if !matches!(self.outside.lease(tier, name, time).await, Ok(Lease::Taken)) {
            return None;
        }
        self.leases.taken.increment();
        let until = self.clock.now() + time;
        let mut pause = SHORTEST;
        loop {
            let now = self.clock.now();
            if now >= until || self.outside.is_closed() {
                return None;
            }
            // Kept by nobody: it is over when its time is.
            let at = (now + pause).min(until);
            let _ = Promise::<()>::new().wait(Some(at), &self.outside.timers).await;
            if let Some(found) = self.fetch_from(tier, (hash, key), &mut scratch, None).await {
                self.leases.spared.increment();
                return Some(found);
            }
            pause = (pause * 2).min(LONGEST);
        }
    }
}

impl Outside {
    /// Asks the tier who is to load a key.
    async fn lease(
        self: &Arc<Outside>,
        tier: usize,
        key: KeyBytes,
        time: Duration,
    ) -> Result<Lease, TierError> {
        let outer = &self.outers[tier];
        if outer.is_passed_by() {
            return Err(TierError::PassedBy { tier: outer.name() });
        }
        let (attempt, promise) = (Arc::<Attempt>::default(), Promise::new());
        let (own, of_it, told) = (Arc::clone(self), Arc::clone(&attempt), Arc::clone(&promise));
        let work = Box::new(move || {
            let lease = own.outers[tier].call(Some(&of_it), |tier| {
                tier.shared().map_or(Ok(Lease::Held), |shared| shared.lease(&key, time))
            });
            told.keep(lease);
        });
        if self.pool.submit(work).is_err() {
            return Err(TierError::Busy { tier: outer.name() });
        }
        match promise.wait(Some(outer.deadline()), &self.timers).await {
            Some(lease) => lease,
            None => Err(outer.time_out(&attempt)),
        }
    }
}

/// Between two looks for what another process loads.
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(50);
