//! What a lookup that may load comes to, decided in one holding of the lock.

use super::flight::Load;
use super::negatives::Refusal;
use super::scope::LeaderId;
use crate::inner::Inner;
use crate::invalidation::{Fence, Seen};
use crate::lookup::Lookup;
use crate::shard::Held;
use equivalent::Equivalent;
use std::hash::Hash;
use std::sync::Arc;

/// One call, however often it has to come back.
pub(crate) struct Asked<V> {
    pub(super) hash: u64,
    /// Who leads, once somebody has to.
    leader: Option<LeaderId>,
    /// What it saw at first: one call is one lookup.
    glance: Option<Glance<V>>,
    /// Whether the answer of an earlier load that gave no value is of no use to it.
    pub(super) ignores_refusals: bool,
    /// The invalidations that there had been when it asked last.
    pub(super) fence: Fence,
    /// The load that it waited for too long.
    pub(super) late: Option<Arc<Load<V>>>,
    /// Whether it is counted among those whose time was up.
    pub(super) gave_up: bool,
}

/// What a lookup without a lock has found.
pub(super) enum Glance<V> {
    Hit(V),
    /// A value that is to be loaded anew.
    Due(V),
    /// Nothing, which is still to be counted.
    Miss,
    /// Nothing, and it is counted.
    Counted,
}

pub(super) enum Start<V> {
    Hit(V),
    /// A value, and the right and the duty to load it anew.
    Refresh(V, Arc<Load<V>>),
    /// The last load said that there is none, or failed, and that is not to be tried again yet.
    Refused(Refusal, Fence),
    /// Nobody is at it: the caller loads.
    Lead(Arc<Load<V>>),
    /// Somebody is: the caller waits.
    Join(Arc<Load<V>>),
}

impl<V> Asked<V> {
    pub(super) fn new(hash: u64, glance: Glance<V>) -> Asked<V> {
        let (glance, fence) = (Some(glance), Fence::default());
        let (ignores_refusals, late, gave_up) = (false, None, false);
        Asked { hash, leader: None, glance, ignores_refusals, fence, late, gave_up }
    }

    /// Whether there is a value, which is to be loaded anew.
    pub(crate) const fn has_value(&self) -> bool {
        matches!(self.glance, Some(Glance::Due(_)))
    }

    /// By one who may lead several loads.
    pub(super) fn by(leader: LeaderId, hash: u64, glance: Glance<V>) -> Asked<V> {
        Asked { leader: Some(leader), ..Asked::new(hash, glance) }
    }

    fn load(&mut self, fence: Fence) -> Arc<Load<V>> {
        self.fence = fence;
        Arc::new(Load::new(*self.leader.get_or_insert_with(LeaderId::new), fence))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Inner<K, V> {
    /// Looks for the value only, which is all that most calls need.
    #[inline]
    pub(super) fn glance<Q>(&self, hash: u64, key: &Q) -> Glance<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        match self.look_up(hash, key, false) {
            Lookup::Hit(entry) if self.is_refresh_due(&entry) => Glance::Due(entry.value.clone()),
            Lookup::Hit(entry) => Glance::Hit(entry.value.clone()),
            Lookup::Miss => Glance::Miss,
            // Whether it is due is seen under the lock.
            Lookup::Locked => match self.read_locked(hash, key, V::clone) {
                Some(value) if self.loading.shapes_terms() => Glance::Due(value),
                Some(value) => Glance::Hit(value),
                None => Glance::Counted,
            },
        }
    }

    /// Finds the value, the load in flight or the refusal, or begins a load.
    ///
    /// # Panics
    ///
    /// If the caller is the loader of the load in flight.
    pub(super) fn start(&self, key: &K, asked: &mut Asked<V>) -> Start<V> {
        let first = match asked.glance.take() {
            Some(Glance::Hit(value)) => return Start::Hit(value),
            Some(Glance::Due(value)) => return self.refresh(key, asked, value),
            Some(Glance::Miss) => 1,
            Some(Glance::Counted) | None => 0,
        };
        loop {
            if let Some(start) = self.begin(key, asked, first) {
                return start;
            }
            // Somebody has put a value in, which is not to be cloned under the lock.
            if let Some(value) = self.peek(asked.hash, key, |entry| entry.value.clone()) {
                self.shard(asked.hash).lock().counts.hits += first;
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
        let mut forgotten = None;
        let (mut held, found) = self.lock_and_find(shard, hash, key);
        if let Some(Seen { slot, dead }) = found {
            self.remove_unless_kept(shard, &mut held, slot, dead?, &mut left);
        }
        let late = asked.late.take();
        ended = late.as_ref().and_then(|late| held.loads.end(hash, late));
        held.counts.misses += first;
        let now = || self.clock.now().as_nanos();
        let start = if let Some(running) = held.loads.find(hash, key).cloned() {
            held.counts.joins += first;
            Start::Join(running)
        } else if !asked.ignores_refusals
            && let Some((refusal, fence)) = held.loads.negatives().find(hash, key, now)
        {
            held.counts.loading.negative_hits += first;
            Start::Refused(refusal, fence)
        } else {
            held.loads.add(hash, own, Arc::clone(&load));
            // What this load gives is newer.
            forgotten = held.loads.negatives_mut().forget(hash, key);
            Start::Lead(load)
        };
        drop(held);
        drop((ended, forgotten));
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
        let is_wanted = |held: &Held<K, V>| {
            let found = shard.find(held, hash, key);
            let entry = found.and_then(|slot| shard.slots.get(&held.ledger, slot));
            entry.is_some_and(|entry| self.is_refresh_due(entry))
                && held.loads.find(hash, key).is_none()
        };
        // Asked twice, since most who come find somebody at it, and need no key and no load.
        if !is_wanted(&shard.lock()) {
            return Start::Hit(value);
        }
        let own = key.clone();
        let load = asked.load(self.invalidations.fence());
        let mut held = shard.lock();
        if is_wanted(&held) {
            held.loads.add(hash, own, Arc::clone(&load));
            return Start::Refresh(value, load);
        }
        drop(held);
        Start::Hit(value)
    }
}
