//! What a lookup that may load comes to, decided in one holding of the lock.

use super::flight::Load;
use super::negatives::Refusal;
use super::scope::LeaderId;
use crate::inner::Inner;
use crate::invalidation::Fence;
use crate::lookup::Lookup;
use std::hash::Hash;
use std::sync::Arc;

/// One call, however often it has to come back.
pub(super) struct Asked<V> {
    pub(super) hash: u64,
    /// Who leads, once somebody has to.
    leader: Option<LeaderId>,
    /// Whether this is the first time that it asks: one call is one lookup.
    first: bool,
    /// Whether the answer of an earlier load that gave no value is of no use to it.
    pub(super) ignores_refusals: bool,
    /// The load that it waited for too long.
    pub(super) late: Option<Arc<Load<V>>>,
}

pub(super) enum Start<V> {
    Hit(V),
    /// A value, and the right and the duty to load it anew.
    Refresh(V, Arc<Load<V>>),
    /// The last load said that there is none, or failed, and that is not to be tried again yet.
    Refused(Refusal),
    /// Nobody is at it: the caller loads.
    Lead(Arc<Load<V>>),
    /// Somebody is: the caller waits.
    Join(Arc<Load<V>>),
}

impl<V> Asked<V> {
    pub(super) const fn new(hash: u64) -> Asked<V> {
        Asked { hash, leader: None, first: true, ignores_refusals: false, late: None }
    }

    /// By one who may lead several loads.
    pub(super) fn by(leader: LeaderId, hash: u64) -> Asked<V> {
        Asked { leader: Some(leader), ..Asked::new(hash) }
    }

    fn load(&mut self, fence: Fence) -> Arc<Load<V>> {
        Arc::new(Load::new(*self.leader.get_or_insert_with(LeaderId::new), fence))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Inner<K, V> {
    /// Finds the value, the load in flight or the refusal, or begins a load.
    ///
    /// # Panics
    ///
    /// If the caller is the loader of the load in flight.
    pub(super) fn start(&self, key: &K, asked: &mut Asked<V>) -> Start<V> {
        let hash = asked.hash;
        let mut first = std::mem::replace(&mut asked.first, false);
        if first {
            match self.look_up_first(hash, key) {
                Lookup::Hit(entry) => {
                    let value = entry.value.clone();
                    if !self.is_refresh_due(&entry) {
                        return Start::Hit(value);
                    }
                    drop(entry);
                    return self.refresh(key, asked, value);
                }
                Lookup::Miss => {}
                Lookup::Locked => {
                    if let Some(value) = self.read_locked(hash, key, V::clone) {
                        return self.refresh(key, asked, value);
                    }
                    // That has counted it.
                    first = false;
                }
            }
        }
        loop {
            if let Some(start) = self.begin(key, asked, u64::from(first)) {
                return start;
            }
            // Somebody has put a value in, which is not to be cloned under the lock.
            if let Some(value) = self.peek(hash, key, |entry| entry.value.clone()) {
                self.shard(hash).lock().counts.hits += u64::from(first);
                return Start::Hit(value);
            }
        }
    }

    /// Begins a load, or finds what stands in its way; `None` if that is a value.
    fn begin(&self, key: &K, asked: &mut Asked<V>, first: u64) -> Option<Start<V>> {
        let hash = asked.hash;
        let shard = self.shard(hash);
        // The caller's code, as is what is dropped: not under the lock.
        let own = key.clone();
        let mut left = self.leavers();
        let load = asked.load(self.invalidations.fence());
        let ended;
        let mut held = shard.lock();
        if let Some(slot) = shard.find(&held, hash, key)
            && let Some(entry) = shard.slots.get(&held.ledger, slot)
        {
            let cause = self.why_dead(entry, shard.slots.era(slot))?;
            if !self.is_kept(entry, cause) {
                self.remove_slot(shard, &mut held, slot, cause, &mut left);
            }
        }
        let late = asked.late.take();
        ended = late.as_ref().and_then(|late| held.loads.end(hash, late));
        held.counts.misses += first;
        let now = || self.clock.now().as_nanos();
        let start = if let Some(running) = held.loads.find(hash, key).cloned() {
            held.counts.joins += first;
            Start::Join(running)
        } else if !asked.ignores_refusals
            && let Some(refusal) = held.loads.negatives().find(hash, key, now)
        {
            held.counts.loading.negative_hits += first;
            Start::Refused(refusal)
        } else {
            held.loads.add(hash, own, Arc::clone(&load));
            Start::Lead(load)
        };
        drop(held);
        drop(ended);
        self.see_off(left);
        if let Start::Join(running) = &start
            && running.leader().is_running_here()
        {
            panic!("a loader asks for the very key that it loads: it would wait for itself");
        }
        Some(start)
    }

    /// Begins to load a value anew that has been found, if that is due and nobody is at it.
    fn refresh(&self, key: &K, asked: &mut Asked<V>, value: V) -> Start<V> {
        let hash = asked.hash;
        let shard = self.shard(hash);
        let own = key.clone();
        let load = asked.load(self.invalidations.fence());
        let mut held = shard.lock();
        let found = shard.find(&held, hash, key);
        let entry = found.and_then(|slot| shard.slots.get(&held.ledger, slot));
        let is_due = entry.is_some_and(|entry| self.is_refresh_due(entry));
        if is_due && held.loads.find(hash, key).is_none() {
            held.loads.add(hash, own, Arc::clone(&load));
            return Start::Refresh(value, load);
        }
        drop(held);
        Start::Hit(value)
    }
}
