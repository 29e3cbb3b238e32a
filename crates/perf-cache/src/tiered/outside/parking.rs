//! What could not be done and is to be tried again.

use super::super::promise::lock;
use super::super::tier::TierError;
use super::Outside;
use perf_core::Instant;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Outside {
    pub(super) fn park(self: &Arc<Outside>, hash: u64, tier: usize) {
        let mut parked = lock(&self.parked);
        if !parked.contains_recently(hash, tier) {
            parked.push_back((hash, tier));
        }
        if parked.len() <= MAX_PARKED {
            return;
        }
        let all = std::mem::take(&mut *parked);
        drop(parked);
        self.give_up(all);
    }

    /// Too much could not be removed: nothing that is beyond memory now is answered any more.
    fn give_up(self: &Arc<Outside>, parked: VecDeque<(u64, usize)>) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
        // Its record may not be stored just now: then it is parked in the place of all these.
        let queue = |records| self.queue_records(records);
        let (number, begun) = self.generations.invalidate_all(queue);
        self.generations.settle(number);
        for (hash, tier) in parked {
            let mut keys = self.stripe(hash);
            let refused = keys.give_up(hash, tier);
            self.forget_idle(&mut keys, hash);
            drop(keys);
            self.behind.take(refused.freed);
            let closed = TierError::PassedBy { tier: self.outers[tier].name() };
            refused.waiters.iter().for_each(|waiter| _ = waiter.keep(Err(closed.clone())));
        }
        // Sets out and does not wait.
        drop(begun);
    }

    pub(super) fn unpark(&self, tier: usize) -> Option<(u64, usize)> {
        let mut parked = lock(&self.parked);
        let at = parked.iter().take(RETRIES).position(|(_, of)| *of == tier)?;
        parked.remove(at)
    }

    /// Tries again what could not be done, once, as long as the tiers answer and there is time.
    pub(in crate::tiered) fn retry_parked(self: &Arc<Outside>, until: Instant) {
        let mut all = std::mem::take(&mut *lock(&self.parked));
        let mut hung = vec![false; self.outers.len()];
        while let Some((hash, tier)) = all.pop_front() {
            if hung[tier] || self.clock.now() >= until {
                lock(&self.parked).push_back((hash, tier));
                continue;
            }
            match self.hand_over(hash, tier) {
                None => {}
                Some(Ok(waiting)) => hung[tier] = !self.await_carried(tier, waiting, until),
                Some(Err(_)) => {
                    hung[tier] = true;
                    lock(&self.parked).push_back((hash, tier));
                }
            }
        }
    }
}

trait Recently {
    fn contains_recently(&self, hash: u64, tier: usize) -> bool;
}

impl Recently for VecDeque<(u64, usize)> {
    /// Whether it is among the last: most that is parked twice is so at once.
    fn contains_recently(&self, hash: u64, tier: usize) -> bool {
        self.iter().rev().take(RETRIES).any(|parked| *parked == (hash, tier))
    }
}

/// Keys that wait for a tier to be well.
const MAX_PARKED: usize = 16_384;
/// Parked keys that are tried again after something went well.
pub(super) const RETRIES: usize = 8;
