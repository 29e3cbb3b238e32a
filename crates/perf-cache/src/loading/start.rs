//! What a lookup that may load comes to, decided in one holding of the lock.

use super::flight::Load;
use super::negatives::Refusal;
use super::scope::LeaderId;
use crate::inner::Inner;
use crate::lookup::Lookup;
use crate::shard::Held;
use std::hash::Hash;
use std::sync::Arc;

/// One call, however often it has to come back.
pub(super) struct Asked<V> {
    pub(super) hash: u64,
    /// Who will lead, if anybody must.
    pub(super) leader: LeaderId,
    /// Whether this is the first time that it asks: one call is one lookup.
    first: bool,
    /// Whether the answer of an earlier load that gave no value is of no use to it.
    pub(super) ignores_refusals: bool,
    /// The load that it waited for too long.
    pub(super) late: Option<Arc<Load<V>>>,
}

pub(super) enum Start<V> {
    Hit(V),
    #[expect(dead_code, reason = "until the entries of the table have lives")]
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
    pub(super) fn new(hash: u64) -> Asked<V> {
        Asked::by(LeaderId::new(), hash)
    }

    /// By one who may lead several loads.
    pub(super) const fn by(leader: LeaderId, hash: u64) -> Asked<V> {
        Asked { hash, leader, first: true, ignores_refusals: false, late: None }
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
        let first = std::mem::replace(&mut asked.first, false);
        if first && let Lookup::Hit(entry) = self.look_up_first(hash, key) {
            return Start::Hit(entry.value.clone());
        }
        let shard = self.shard(hash);
        // Dropped after the lock, which is declared later.
        let mut left = self.leavers();
        let late = asked.late.take();
        let ended;
        let mut held = shard.lock();
        let found = self.look_up_locked(shard, &mut held, hash, key, &mut left, V::clone);
        if first {
            match found {
                Some(_) => held.counts.hits += 1,
                None => held.counts.misses += 1,
            }
        }
        if let Some(value) = found {
            drop(held);
            self.see_off(left);
            return Start::Hit(value);
        }
        ended = late.as_ref().and_then(|late| held.loads.end(hash, late));
        let start = self.begin(&mut held, key, asked, u64::from(first));
        drop(held);
        drop(ended);
        self.see_off(left);
        let Some(start) = start else {
            panic!("a loader asks for the very key that it loads: it would wait for itself")
        };
        start
    }

    /// What is to be done about a value that is not there; `None`: the caller is loading it.
    fn begin(
        &self,
        held: &mut Held<K, V>,
        key: &K,
        asked: &Asked<V>,
        first: u64,
    ) -> Option<Start<V>> {
        let hash = asked.hash;
        if let Some(load) = held.loads.find(hash, key).cloned() {
            if load.leader().is_running_here() {
                return None;
            }
            held.counts.joins += first;
            return Some(Start::Join(load));
        }
        if !asked.ignores_refusals {
            let now = || self.clock.now().as_nanos();
            if let Some(refusal) = held.loads.negatives().find(hash, key, now) {
                held.counts.loading.negative_hits += first;
                return Some(Start::Refused(refusal));
            }
        }
        let load = Arc::new(Load::new(asked.leader));
        held.loads.add(hash, key.clone(), Arc::clone(&load));
        Some(Start::Lead(load))
    }
}
