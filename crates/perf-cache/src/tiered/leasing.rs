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
    /// Waits for what another process loads and stores just now, if one does.
    pub(super) async fn take_turn(&self, hash: u64, key: &K) -> Turn<V> {
        let (Some(time), Some(tier), Some(sealer)) =
            (self.lease, self.outside.shared, self.sealer.as_ref())
        else {
            return Turn::Loads(None);
        };
        let mut scratch = Scratch::take();
        sealer.name(key, &mut scratch.name);
        let name = KeyBytes::from(scratch.name.as_slice());
        let until = self.clock.now() + time;
        let (mut pause, mut has_waited) = (SHORTEST, false);
        loop {
            let lease = self.outside.lease(tier, &name, time).await;
            let leased = match lease {
                Ok(Lease::Taken) => None,
                // It may be that it was given.
                Ok(Lease::Held) | Err(TierError::TimedOut { .. }) => {
                    Some(Leased::new(&self.outside, tier, &name))
                }
                Err(_) => return Turn::Loads(None),
            };
            if leased.is_none() && !has_waited {
                has_waited = true;
                self.leases.taken.increment();
            }
            if lease.is_ok() {
                // Whoever had it may have stored the value since this was last looked for.
                let found = self.fetch_from(tier, (hash, key), &mut scratch, None).await;
                if let Some((held, terms)) = found {
                    if has_waited {
                        self.leases.spared.increment();
                    }
                    return Turn::Found(held, terms);
                }
            }
            let now = self.clock.now();
            if leased.is_some() || now >= until || self.outside.is_closed() {
                return Turn::Loads(leased);
            }
            // Kept by nobody: it is over when its time is.
            let at = (now + pause).min(until);
            let _ = Promise::<()>::new().wait(Some(at), &self.outside.timers).await;
            pause = (pause * 2).min(LONGEST);
        }
    }
}

/// What comes of asking who is to load.
pub(super) enum Turn<V> {
    /// Another process has.
    Found(Held<V>, Terms),
    /// The caller is.
    Loads(Option<Leased>),
}

/// The lease of a key, which is over when this goes: however a load ends.
#[derive(Debug)]
pub(super) struct Leased {
    outside: Arc<Outside>,
    tier: usize,
    key: Option<KeyBytes>,
}

impl Leased {
    fn new(outside: &Arc<Outside>, tier: usize, key: &KeyBytes) -> Leased {
        Leased { outside: Arc::clone(outside), tier, key: Some(Arc::clone(key)) }
    }

    /// It is over when its time is.
    pub(super) fn stays(mut self) {
        self.key = None;
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let (own, tier) = (Arc::clone(&self.outside), self.tier);
        // Nobody waits for it. Where it cannot be done, the lease is over when its time is.
        let _ = self.outside.pool.submit(Box::new(move || {
            let _ = own.outers[tier]
                .call(None, |tier| tier.shared().map_or(Ok(()), |shared| shared.release(&key)));
        }));
    }
}

impl Outside {
    /// Asks the tier who is to load a key.
    async fn lease(
        self: &Arc<Outside>,
        tier: usize,
        key: &KeyBytes,
        time: Duration,
    ) -> Result<Lease, TierError> {
        let outer = &self.outers[tier];
        if outer.is_passed_by() {
            return Err(TierError::PassedBy { tier: outer.name() });
        }
        let (attempt, promise) = (Arc::<Attempt>::default(), Promise::new());
        let (own, of_it, told) = (Arc::clone(self), Arc::clone(&attempt), Arc::clone(&promise));
        let key = Arc::clone(key);
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
