//! One value, looked for beyond this cache before it is made.
//!
//! The same single flight as that of all loads: who looks beyond does so as the leader of a load.
//! There may be no loader, and then looking may come to nothing, which is no failure and is not
//! remembered.

use super::flight::Load;
use super::leader::{Got, Leader, Made};
use super::scope::LeaderId;
use super::start::{Asked, Glance, Start};
use super::wait::{Patience, Timers, Waited};
use crate::Terms;
use crate::inner::Inner;
use std::future::Future;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;

/// What was found beyond, or made.
pub(crate) enum Sought<V, E> {
    Value(V, Terms),
    /// The loader says that there is none.
    Absent,
    Error(E),
    /// Nothing was found, and there is no loader.
    Nothing,
}

/// What a caller gets.
pub(crate) type Found<V, E> = Result<Option<V>, Arc<E>>;

impl<V, E> Sought<V, E> {
    fn made(self) -> Option<Made<V, E>> {
        Some(match self {
            Sought::Value(value, terms) => Made::Value(value, terms),
            Sought::Absent => Made::Absent,
            Sought::Error(error) => Made::Error(error),
            Sought::Nothing => return None,
        })
    }
}

/// What a call comes to before anything is sought: all of it but seeking and waiting, which threads
/// and tasks do each in their own way.
enum Step<'a, K, V, E> {
    Done(Found<V, E>),
    Join(Arc<Load<V>>),
    Lead(Lead<'a, K, V>),
}

/// A search that is to be made.
struct Lead<'a, K, V> {
    id: LeaderId,
    leader: Leader<&'a Inner<K, V>, K, V>,
    /// The value that is there, if it is only getting old.
    present: Option<V>,
}

impl<K: Hash + Eq + Clone, V: Clone> Lead<'_, K, V> {
    fn refreshes(&self) -> bool {
        self.present.is_some()
    }

    /// The search has come to this.
    fn end<E: Send + Sync + 'static>(self, key: K, sought: Sought<V, E>) -> Found<V, E> {
        let Lead { leader, present, .. } = self;
        match sought.made() {
            Some(made) => found(leader.finish(key, made).or(present)),
            None => {
                leader.withdraw();
                Ok(present)
            }
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Inner<K, V> {
    /// The value, or what `seek` or the load of another caller gave instead. `seek` is told whether
    /// there is a value meanwhile that is to be renewed.
    ///
    /// `missed`: the caller has looked already and found nothing, and whether that is counted.
    /// `takes_absent`: whether it has a use for the news that there is none.
    pub(crate) fn seek<E>(
        &self,
        hash: u64,
        key: K,
        (missed, takes_absent): (Option<bool>, bool),
        seek: impl FnOnce(&K, bool) -> Sought<V, E>,
    ) -> Found<V, E>
    where
        E: Send + Sync + 'static,
    {
        let mut asked = match self.glance_unless(missed, hash, &key) {
            Glance::Hit(value) => return Ok(Some(value)),
            glance => Asked::new(hash, glance),
        };
        let mut patience = Patience::new();
        loop {
            match self.step_out(&key, &mut asked, takes_absent) {
                Step::Done(found) => return found,
                Step::Lead(lead) => {
                    let sought = lead.id.run(|| seek(&key, lead.refreshes()));
                    return lead.end(key, sought);
                }
                Step::Join(running) => {
                    let waited = patience.wait(&running, &self.loading, &self.clock);
                    if let Some(got) = self.waited(&key, &mut asked, running, waited, takes_absent)
                    {
                        return found(got);
                    }
                }
            }
        }
    }

    /// The same for a search that is a future.
    pub(crate) async fn seek_async<E, F>(
        &self,
        hash: u64,
        key: K,
        (missed, takes_absent): (Option<bool>, bool),
        seek: impl FnOnce(K, bool) -> F,
    ) -> Found<V, E>
    where
        E: Send + Sync + 'static,
        F: Future<Output = Sought<V, E>>,
    {
        let mut asked = match self.glance_unless(missed, hash, &key) {
            Glance::Hit(value) => return Ok(Some(value)),
            glance => Asked::new(hash, glance),
        };
        let mut timers = Timers::new();
        loop {
            match self.step_out(&key, &mut asked, takes_absent) {
                Step::Done(found) => return found,
                Step::Lead(lead) => {
                    let seek = pin!(seek(key.clone(), lead.refreshes()));
                    let sought = lead.id.scope(seek).await;
                    return lead.end(key, sought);
                }
                Step::Join(running) => {
                    let waited: Waited<V> = timers.wait(&running, &self.loading).await;
                    if let Some(got) = self.waited(&key, &mut asked, running, waited, takes_absent)
                    {
                        return found(got);
                    }
                }
            }
        }
    }

    fn step_out<E: Send + Sync + 'static>(
        &self,
        key: &K,
        asked: &mut Asked<V>,
        takes_absent: bool,
    ) -> Step<'_, K, V, E> {
        loop {
            let (present, running) = match self.start(key, asked) {
                Start::Hit(value) => return Step::Done(Ok(Some(value))),
                Start::Refresh(value, running) => (Some(value), running),
                Start::Lead(running) => (None, running),
                Start::Join(running) => return Step::Join(running),
                Start::Refused(refusal, fence) => {
                    match self.refused(key, asked, &refusal, fence, takes_absent) {
                        Some(got) => return Step::Done(found(got)),
                        None => continue,
                    }
                }
            };
            let id = running.leader();
            let leader = Leader::new(self, asked.hash, running, present.is_some());
            return Step::Lead(Lead { id, leader, present });
        }
    }

    /// A look at memory, unless the caller has looked and missed; whether that was counted.
    fn glance_unless(&self, missed: Option<bool>, hash: u64, key: &K) -> Glance<V> {
        match missed {
            Some(true) => Glance::Counted,
            Some(false) => Glance::Miss,
            None => self.glance(hash, key),
        }
    }
}

fn found<V, E>(got: Got<V, E>) -> Found<V, E> {
    match got {
        Got::Value(value) => Ok(Some(value)),
        Got::Absent => Ok(None),
        Got::Failed(error) => Err(error),
    }
}
