//! One value, made by the caller where it is missing.

use super::flight::{Load, Outcome};
use super::leader::{Got, Leader, Made};
use super::negatives::Refusal;
use super::start::{Asked, Glance, Start};
use super::wait::{Patience, Timers, Waited};
use crate::inner::Inner;
use crate::invalidation::Fence;
use std::any::Any;
use std::future::Future;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;

impl<K: Hash + Eq + Clone, V: Clone> Inner<K, V> {
    /// The value, or what `load` or the load of another caller answered instead. Answers that the
    /// caller has no use for, such as an error of another type, make it load by itself.
    #[inline]
    pub(super) fn ask<E>(
        &self,
        hash: u64,
        key: K,
        takes_absent: bool,
        load: impl FnOnce() -> Made<V, E>,
    ) -> Got<V, E>
    where
        E: Send + Sync + 'static,
    {
        match self.glance(hash, &key) {
            Glance::Hit(value) => Got::Value(value),
            glance => self.ask_further(Asked::new(hash, glance), key, takes_absent, load),
        }
    }

    /// The same for one who has looked already and found no value.
    #[inline(never)]
    pub(super) fn ask_further<E>(
        &self,
        mut asked: Asked<V>,
        key: K,
        takes_absent: bool,
        load: impl FnOnce() -> Made<V, E>,
    ) -> Got<V, E>
    where
        E: Send + Sync + 'static,
    {
        let mut patience = Patience::new();
        loop {
            let got = match self.start(&key, &mut asked) {
                Start::Hit(value) => return Got::Value(value),
                Start::Refresh(value, running) => {
                    let id = running.leader();
                    let leader = Leader::new(self, asked.hash, running, true);
                    let made = id.run(load);
                    return leader.finish(key, made).or(Some(value));
                }
                Start::Lead(running) => {
                    let id = running.leader();
                    let leader = Leader::new(self, asked.hash, running, false);
                    let made = id.run(load);
                    return leader.finish(key, made);
                }
                Start::Refused(refusal, fence) => {
                    self.refused(&key, &mut asked, &refusal, fence, takes_absent)
                }
                Start::Join(running) => {
                    let waited = patience.wait(&running, &self.loading, &self.clock);
                    self.waited(&key, &mut asked, running, waited, takes_absent)
                }
            };
            if let Some(got) = got {
                return got;
            }
        }
    }

    /// The same for a loader that is a future.
    pub(super) async fn ask_async<E>(
        &self,
        hash: u64,
        key: K,
        takes_absent: bool,
        load: impl Future<Output = Made<V, E>>,
    ) -> Got<V, E>
    where
        E: Send + Sync + 'static,
    {
        match self.glance(hash, &key) {
            Glance::Hit(value) => Got::Value(value),
            glance => {
                self.ask_further_async(Asked::new(hash, glance), key, takes_absent, load).await
            }
        }
    }

    /// The same for one who has looked already and found no value.
    pub(super) async fn ask_further_async<E>(
        &self,
        mut asked: Asked<V>,
        key: K,
        takes_absent: bool,
        load: impl Future<Output = Made<V, E>>,
    ) -> Got<V, E>
    where
        E: Send + Sync + 'static,
    {
        let load = pin!(load);
        let mut timers = Timers::new();
        loop {
            let got = match self.start(&key, &mut asked) {
                Start::Hit(value) => return Got::Value(value),
                Start::Refresh(value, running) => {
                    let id = running.leader();
                    let leader = Leader::new(self, asked.hash, running, true);
                    let made = id.scope(load).await;
                    return leader.finish(key, made).or(Some(value));
                }
                Start::Lead(running) => {
                    let id = running.leader();
                    let leader = Leader::new(self, asked.hash, running, false);
                    let made = id.scope(load).await;
                    return leader.finish(key, made);
                }
                Start::Refused(refusal, fence) => {
                    self.refused(&key, &mut asked, &refusal, fence, takes_absent)
                }
                Start::Join(running) => {
                    let waited = timers.wait(&running, &self.loading).await;
                    self.waited(&key, &mut asked, running, waited, takes_absent)
                }
            };
            if let Some(got) = got {
                return got;
            }
        }
    }

    /// What a wait means for the caller; `None`: ask again.
    pub(super) fn waited<E>(
        &self,
        key: &K,
        asked: &mut Asked<V>,
        running: Arc<Load<V>>,
        waited: Waited<V>,
        takes_absent: bool,
    ) -> Option<Got<V, E>>
    where
        E: Send + Sync + 'static,
    {
        match waited {
            Waited::Ended(outcome) => self.answer(key, asked, &running, &outcome, takes_absent),
            Waited::Soft => self.instead(asked, key, false).map(Got::Value),
            Waited::Late => {
                let value = self.instead(asked, key, true);
                asked.late = Some(running);
                value.map(Got::Value)
            }
        }
    }

    /// What a load that somebody else ran means for the caller; `None`: nothing.
    pub(super) fn answer<E>(
        &self,
        key: &K,
        asked: &Asked<V>,
        running: &Load<V>,
        outcome: &Outcome<V>,
        takes_absent: bool,
    ) -> Option<Got<V, E>>
    where
        E: Send + Sync + 'static,
    {
        match outcome {
            // It may be older than what the caller knows to have changed, also where it was let in:
            // the invalidation may have come between that and the end of the load. Then the entry
            // is dead, which is seen by asking again.
            Outcome::Value(value) | Outcome::Outdated(value) => {
                (asked.fence == running.fence()).then(|| Got::Value(value.clone()))
            }
            Outcome::Absent => {
                let is_taken =
                    takes_absent && !self.invalidations.is_outdated(key, running.fence());
                is_taken.then_some(Got::Absent)
            }
            Outcome::Failed(error) => self.failed(key, asked.hash, error),
            Outcome::Abandoned => None,
        }
    }

    /// What a remembered refusal means for the caller; `None`: nothing, and it must not get it again.
    pub(super) fn refused<E>(
        &self,
        key: &K,
        asked: &mut Asked<V>,
        refusal: &Refusal,
        fence: Fence,
        takes_absent: bool,
    ) -> Option<Got<V, E>>
    where
        E: Send + Sync + 'static,
    {
        let got = match refusal {
            _ if self.invalidations.is_outdated(key, fence) => None,
            Refusal::Absent => takes_absent.then_some(Got::Absent),
            Refusal::Error(error) => self.failed(key, asked.hash, error),
        };
        asked.ignores_refusals = got.is_none();
        got
    }

    /// An old value, or the error if it is of the caller's type.
    fn failed<E>(&self, key: &K, hash: u64, error: &Arc<dyn Any + Send + Sync>) -> Option<Got<V, E>>
    where
        E: Send + Sync + 'static,
    {
        match self.kept(hash, key) {
            Some(value) => Some(Got::Value(value)),
            None => Arc::clone(error).downcast().ok().map(Got::Failed),
        }
    }
}

impl<V, E> Got<V, E> {
    /// The value that was there before, where a refresh gave an error.
    pub(super) fn or(self, present: Option<V>) -> Got<V, E> {
        match (self, present) {
            (Got::Failed(_), Some(value)) => Got::Value(value),
            (got, _) => got,
        }
    }
}
