//! Loads that nobody has asked for.

use super::leader::{Leader, Made};
use super::scope::LeaderId;
use super::start::{Asked, Glance, Start};
use crate::Terms;
use crate::inner::Inner;
use std::future::Future;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;

impl<K: Hash + Eq + Clone, V: Clone> Inner<K, V> {
    /// Loads a value, unless there is one, somebody is at it, or the last load failed and is not to
    /// be tried again yet: then `None`; else whether that gave one. Whoever asks meanwhile waits for
    /// this load, as for any other. Counts no lookup.
    pub(crate) fn load_unasked<E>(
        self: &Arc<Self>,
        hash: u64,
        key: &K,
        load: impl FnOnce() -> Result<(V, Terms), E>,
    ) -> Option<bool>
    where
        E: Send + Sync + 'static,
    {
        let (id, leader) = self.lead_unasked(hash, key)?;
        Some(finish(leader, key, id.run(load)))
    }

    /// The same for a loader that is a future.
    pub(crate) async fn load_unasked_async<E>(
        self: &Arc<Self>,
        hash: u64,
        key: &K,
        load: impl Future<Output = Result<(V, Terms), E>>,
    ) -> Option<bool>
    where
        E: Send + Sync + 'static,
    {
        let (id, leader) = self.lead_unasked(hash, key)?;
        Some(finish(leader, key, id.scope(pin!(load)).await))
    }

    fn lead_unasked(self: &Arc<Self>, hash: u64, key: &K) -> Option<(LeaderId, Lead<K, V>)> {
        // First, since it may be a loader further up on this thread, which must not find itself.
        if self.shard(hash).lock().loads.find(hash, key).is_some() {
            return None;
        }
        let mut asked = Asked::new(hash, Glance::Counted);
        match self.start(key, &mut asked) {
            Start::Lead(running) => {
                let id = running.leader();
                Some((id, Leader::new(Arc::clone(self), hash, running, false)))
            }
            _ => None,
        }
    }
}

type Lead<K, V> = Leader<Arc<Inner<K, V>>, K, V>;

fn finish<K, V, E>(leader: Lead<K, V>, key: &K, made: Result<(V, Terms), E>) -> bool
where
    K: Hash + Eq + Clone,
    V: Clone,
    E: Send + Sync + 'static,
{
    let is_value = made.is_ok();
    leader.finish(key.clone(), Made::from(made));
    is_value
}
