//! One value, looked for beyond this cache before it is made.
//!
//! The same single flight as that of all loads: who looks beyond does so as the leader of a load.
//! There may be no loader, and then looking may come to nothing, which is no failure and is not
//! remembered.

use super::leader::{Got, Leader, Made};
use super::start::{Asked, Glance, Start};
use super::wait::{Patience, Timers, Waited};
use crate::Terms;
use crate::inner::Inner;
use std::future::Future;
use std::hash::Hash;
use std::pin::pin;

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
pub(crate) type Found<V, E> = Result<Option<V>, std::sync::Arc<E>>;

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
            let got = match self.start(&key, &mut asked) {
                Start::Hit(value) => return Ok(Some(value)),
                Start::Refresh(value, running) => {
                    let id = running.leader();
                    let leader = Leader::new(self, asked.hash, running, true);
                    let Some(made) = id.run(|| seek(&key, true)).made() else {
                        leader.withdraw();
                        return Ok(Some(value));
                    };
                    return found(leader.finish(key, made).or(Some(value)));
                }
                Start::Lead(running) => {
                    let id = running.leader();
                    let leader = Leader::new(self, asked.hash, running, false);
                    let Some(made) = id.run(|| seek(&key, false)).made() else {
                        leader.withdraw();
                        return Ok(None);
                    };
                    return found(leader.finish(key, made));
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
                return found(got);
            }
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
            let got = match self.start(&key, &mut asked) {
                Start::Hit(value) => return Ok(Some(value)),
                Start::Refresh(value, running) => {
                    let id = running.leader();
                    let leader = Leader::new(self, asked.hash, running, true);
                    let seek = pin!(seek(key.clone(), true));
                    let Some(made) = id.scope(seek).await.made() else {
                        leader.withdraw();
                        return Ok(Some(value));
                    };
                    return found(leader.finish(key, made).or(Some(value)));
                }
                Start::Lead(running) => {
                    let id = running.leader();
                    let leader = Leader::new(self, asked.hash, running, false);
                    let seek = pin!(seek(key.clone(), false));
                    let Some(made) = id.scope(seek).await.made() else {
                        leader.withdraw();
                        return Ok(None);
                    };
                    return found(leader.finish(key, made));
                }
                Start::Refused(refusal, fence) => {
                    self.refused(&key, &mut asked, &refusal, fence, takes_absent)
                }
                Start::Join(running) => {
                    let waited: Waited<V> = timers.wait(&running, &self.loading).await;
                    self.waited(&key, &mut asked, running, waited, takes_absent)
                }
            };
            if let Some(got) = got {
                return found(got);
            }
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
