//! What could not be done and is tried again: when its tier has had some time, and after whatever
//! goes well there.

use super::super::promise::lock;
use super::super::tier::TierError;
use super::Outside;
use super::carrying::Driven;
use hashbrown::HashSet;
use perf_core::Instant;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Wake, Waker};

/// The keys, by their hashes, for which something is to be done in one tier that could not be.
#[derive(Debug, Default)]
pub(super) struct Parked {
    waiting: Mutex<Waiting>,
    /// How many these are: most who ask are to find none.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Who waits longest is first.
    queue: VecDeque<u64>,
    known: HashSet<u64>,
    /// Whether somebody is going to try again, or is at it.
    is_set: bool,
}

impl Parked {
    pub(super) fn len(&self) -> usize {
        // Relaxed: a number to show, and to see whether it is worth looking.
        self.count.load(Ordering::Relaxed)
    }

    /// One more; whether somebody has to be set to try again.
    fn add(&self, hash: u64) -> bool {
        let mut waiting = lock(&self.waiting);
        if waiting.known.insert(hash) {
            waiting.queue.push_back(hash);
        }
        self.count.store(waiting.queue.len(), Ordering::Relaxed);
        !std::mem::replace(&mut waiting.is_set, true)
    }

    fn take(&self) -> Option<u64> {
        if self.len() == 0 {
            return None;
        }
        let mut waiting = lock(&self.waiting);
        let hash = waiting.queue.pop_front()?;
        waiting.known.remove(&hash);
        self.count.store(waiting.queue.len(), Ordering::Relaxed);
        Some(hash)
    }

    fn take_all(&self) -> VecDeque<u64> {
        let mut waiting = lock(&self.waiting);
        waiting.known.clear();
        self.count.store(0, Ordering::Relaxed);
        std::mem::take(&mut waiting.queue)
    }

    /// Who has tried again goes; whether somebody has to follow.
    fn leave(&self) -> bool {
        let mut waiting = lock(&self.waiting);
        waiting.is_set = !waiting.queue.is_empty();
        waiting.is_set
    }
}

/// Has it tried again when its time has come.
struct Retry {
    outside: Weak<Outside>,
    tier: usize,
}

impl Wake for Retry {
    fn wake(self: Arc<Self>) {
        let Some(outside) = self.outside.upgrade() else { return };
        let (own, tier) = (Arc::clone(&outside), self.tier);
        if outside.pool.submit(Box::new(move || own.retry(tier))).is_err() {
            outside.retry_later(tier);
        }
    }
}

impl Outside {
    /// What could not be done and waits for the tiers to be well.
    pub(in crate::tiered) fn parked(&self) -> usize {
        self.parked.iter().map(Parked::len).sum()
    }

    pub(super) fn park(self: &Arc<Outside>, hash: u64, tier: usize) {
        let parked = &self.parked[tier];
        if parked.add(hash) {
            self.retry_later(tier);
        }
        if parked.len() > MAX_PARKED {
            self.give_up(tier, parked.take_all());
        }
    }

    /// One of those that wait for a tier, the longest first.
    pub(super) fn unpark(&self, tier: usize) -> Option<u64> {
        self.parked[tier].take()
    }

    /// When the breaker of the tier would let a call through.
    fn retry_later(self: &Arc<Outside>, tier: usize) {
        let retry = Retry { outside: Arc::downgrade(self), tier };
        let at = self.clock.now() + self.outers[tier].retry_after;
        self.timers.wake_at(at, &Waker::from(Arc::new(retry)));
    }

    /// Tries some of what waits for a tier again. A tier that hangs keeps this thread, and no other.
    fn retry(self: &Arc<Outside>, tier: usize) {
        let mut goes_well = !self.is_closed();
        for _ in 0..AT_ONCE {
            if !goes_well {
                break;
            }
            let Some(hash) = self.unpark(tier) else { break };
            goes_well = self.drive_one(hash, tier, None) != Driven::Badly;
        }
        if !self.parked[tier].leave() || self.is_closed() {
            return;
        }
        let own = Arc::clone(self);
        let next = Box::new(move || own.retry(tier));
        if !goes_well || self.pool.submit(next).is_err() {
            self.retry_later(tier);
        }
    }

    /// Too much could not be removed: nothing that is beyond memory now is answered any more.
    fn give_up(self: &Arc<Outside>, tier: usize, parked: VecDeque<u64>) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
        // Its record may not be stored just now: then it is parked in the place of all these.
        let queue = |records| self.queue_records(records);
        let (number, begun) = self.generations.invalidate_all(queue);
        self.generations.settle(number);
        if Some(tier) == self.shared {
            // Before they are forgotten: until it is told, nothing is answered from there.
            self.end_everywhere();
        }
        for hash in parked {
            self.forget_due(hash, tier, &TierError::PassedBy { tier: self.outers[tier].name() });
        }
        // Sets out and does not wait.
        drop(begun);
    }

    /// Tries again what could not be done, once, as long as the tiers answer and there is time.
    pub(in crate::tiered) fn retry_parked(self: &Arc<Outside>, until: Instant) {
        for tier in 0..self.outers.len() {
            let mut all = self.parked[tier].take_all();
            while let Some(hash) = all.pop_front() {
                let is_done = self.clock.now() < until
                    && match self.hand_over(hash, tier) {
                        None => true,
                        Some(Ok(waiting)) => self.await_carried(tier, waiting, until),
                        Some(Err(_)) => false,
                    };
                if !is_done {
                    // Whatever follows would wait for the same.
                    all.push_front(hash);
                    all.into_iter().for_each(|hash| _ = self.parked[tier].add(hash));
                    break;
                }
            }
        }
    }
}

/// Keys that wait for a tier to be well.
const MAX_PARKED: usize = 16_384;
/// Keys that are tried again in one go.
const AT_ONCE: usize = 256;
