//! Who runs a loader, and how a load ends.

use super::flight::{Load, Outcome};
use super::negatives::Refusal;
use crate::Refusal as Fenced;
use crate::Terms;
use crate::inner::{Incoming, Inner, Origin};
use crate::load::Ended;
use perf_core::Instant;
use std::any::Any;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;

/// What a loader answered.
pub(super) enum Made<V, E> {
    Value(V, Terms),
    Absent,
    Error(E),
}

impl<V, E> From<Result<(V, Terms), E>> for Made<V, E> {
    fn from(answer: Result<(V, Terms), E>) -> Made<V, E> {
        match answer {
            Ok((value, terms)) => Made::Value(value, terms),
            Err(error) => Made::Error(error),
        }
    }
}

/// What a caller gets.
pub(super) enum Got<V, E> {
    Value(V),
    Absent,
    Failed(Arc<E>),
}

/// The right and the duty to end a load. Dropped without having ended it, by a panic or because a
/// future was cancelled, it lets somebody else try.
pub(super) struct Leader<I, K, V>
where
    I: Deref<Target = Inner<K, V>>,
{
    inner: I,
    hash: u64,
    load: Arc<Load<V>>,
    started: Instant,
    /// Whether there is a value meanwhile.
    refreshes: bool,
    /// The claim has ended and the load is counted.
    ended: bool,
    /// All who wait know.
    settled: bool,
}

impl<I, K, V> Leader<I, K, V>
where
    I: Deref<Target = Inner<K, V>>,
{
    pub(super) fn new(inner: I, hash: u64, load: Arc<Load<V>>, refreshes: bool) -> Leader<I, K, V> {
        let started = inner.clock.now();
        Leader { inner, hash, load, started, refreshes, ended: false, settled: false }
    }

    /// Gives the load back before its loader has run: it was none.
    pub(super) fn withdraw(mut self) {
        let inner = &*self.inner;
        let mut held = inner.shard(self.hash).lock();
        let claim = held.loads.end(self.hash, &self.load);
        held.counts.loading.refreshes_skipped += u64::from(self.refreshes);
        drop(held);
        drop(claim);
        self.ended = true;
    }

    /// Ends the claim of a load whose loader did not come to its end, and counts it.
    fn abandon(&mut self) {
        self.ended = true;
        let mut held = self.inner.shard(self.hash).lock();
        let claim = held.loads.end(self.hash, &self.load);
        held.counts.loads += 1;
        held.counts.load_failures += 1;
        held.counts.loading.abandoned += 1;
        drop(held);
        drop(claim);
    }

    /// Whether somebody may wait. Once the claim has ended, nobody new can.
    fn has_waiters(&self) -> bool {
        Arc::strong_count(&self.load) > 1
    }

    fn settle(&mut self, outcome: impl FnOnce() -> Outcome<V>) {
        let outcome = self.has_waiters().then(outcome);
        self.settled = true;
        if let Some(outcome) = outcome {
            self.load.settle(outcome);
        }
    }
}

impl<I, K, V> Leader<I, K, V>
where
    I: Deref<Target = Inner<K, V>>,
    K: Hash + Eq + Clone,
    V: Clone,
{
    /// Ends the load with what its loader answered.
    pub(super) fn finish<E>(mut self, key: K, made: Made<V, E>) -> Got<V, E>
    where
        E: Send + Sync + 'static,
    {
        match made {
            Made::Value(value, terms) => {
                let refused = self.publish(key, value.clone(), terms).err();
                // The claim has ended, so those who wait are all there.
                self.settle(|| match refused {
                    // Who asked after the key itself was invalidated did not find this load.
                    Some(Fenced::Tag | Fenced::Pattern | Fenced::Dependency) => {
                        Outcome::Outdated(value.clone())
                    }
                    _ => Outcome::Value(value.clone()),
                });
                Got::Value(value)
            }
            Made::Absent => {
                self.refuse(Refusal::Absent);
                self.settle(|| Outcome::Absent);
                Got::Absent
            }
            Made::Error(error) => self.fail(&key, Arc::new(error)),
        }
    }

    /// The same for an error that is shared already.
    pub(super) fn fail<E>(mut self, key: &K, error: Arc<E>) -> Got<V, E>
    where
        E: Send + Sync + 'static,
    {
        let shared: Arc<dyn Any + Send + Sync> = Arc::clone(&error) as _;
        self.refuse(Refusal::Error(Arc::clone(&shared)));
        self.settle(|| Outcome::Failed(shared));
        self.inner.loading.tell(key, &*error);
        match self.inner.kept(self.hash, key) {
            Some(value) => Got::Value(value),
            None => Got::Failed(error),
        }
    }

    fn publish(&mut self, key: K, value: V, terms: Terms) -> Result<(), Fenced> {
        let took = self.inner.clock.now() - self.started;
        if self.refreshes {
            // Before the claim ends: who sees that nothing loads any more finds it counted.
            self.inner.shard(self.hash).lock().counts.loading.refreshes += 1;
        }
        let origin = Origin::Load(&self.load, took);
        let put = self.inner.put(self.hash, Incoming { key, value, terms }, &origin);
        self.ended = true;
        put
    }

    /// Ends the claim of a load that gave no value, and remembers why, if it still had its claim.
    fn refuse(&mut self, refusal: Refusal) {
        let inner = &*self.inner;
        let now = inner.clock.now();
        let failed = matches!(refusal, Refusal::Error(_));
        let mut gone = Vec::new();
        let mut left = inner.leavers();
        let mut unused = None;
        let shard = inner.shard(self.hash);
        let mut held = shard.lock();
        held.counts.loads += 1;
        held.counts.load_failures += u64::from(failed);
        held.counts.loading.refreshes += u64::from(self.refreshes);
        held.counts.load_duration.record_duration(now - self.started);
        if let Some(key) = held.loads.end(self.hash, &self.load).and_then(Ended::into_key) {
            if !failed {
                inner.take_absent(shard, &mut held, self.hash, &key, &mut left);
            } else if self.refreshes {
                let until = now + inner.loading.between_refreshes();
                inner.put_off_refresh(shard, &held, self.hash, &key, until);
            }
            if inner.loading.negative_ttl.is_zero() {
                unused = Some((key, refusal));
            } else {
                let until = (now + inner.loading.negative_ttl).as_nanos();
                let times = (now.as_nanos(), until);
                let negatives = held.loads.negatives_mut();
                let dropped = negatives.remember(
                    self.hash,
                    key,
                    (refusal, self.load.fence()),
                    times,
                    &mut gone,
                );
                held.counts.loading.negatives_dropped += dropped;
            }
        }
        drop(held);
        self.ended = true;
        drop((unused, gone));
        inner.see_off(left);
    }
}

impl<I, K, V> Drop for Leader<I, K, V>
where
    I: Deref<Target = Inner<K, V>>,
{
    fn drop(&mut self) {
        if !self.ended {
            self.abandon();
        }
        if !self.settled {
            self.load.settle(Outcome::Abandoned);
        }
    }
}
