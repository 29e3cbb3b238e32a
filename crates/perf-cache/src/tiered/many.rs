//! Many keys at once.

use super::TieredCache;
use super::gathering::Gather;
use super::held::Held;
use super::promise::block_on;
use crate::CacheKey;
use equivalent::Equivalent;
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::pin::Pin;
use std::task::Poll;

impl<K, V> TieredCache<K, V>
where
    K: Hash + Eq + Clone + CacheKey + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What [`get`](TieredCache::get) answers for each of these keys, in their order. Tiers that have
    /// to wait do so for 64 keys at a time; one that [answers many at
    /// once](super::OuterTier::fetches_many) is asked for them in one call.
    #[doc(alias = "get_all")]
    #[doc(alias = "mget")]
    pub fn get_many<'k, Q>(&self, keys: impl IntoIterator<Item = &'k Q>) -> Vec<Option<V>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized + 'k,
    {
        block_on(self.get_many_async(keys))
    }

    /// Like [`get_many`](TieredCache::get_many), for tasks on any runtime.
    pub async fn get_many_async<'k, Q>(
        &self,
        keys: impl IntoIterator<Item = &'k Q>,
    ) -> Vec<Option<V>>
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized + 'k,
    {
        let mut found = Vec::new();
        let mut far = Vec::new();
        for (at, key) in keys.into_iter().enumerate() {
            match self.core.glance(key, Held::to_value) {
                Ok(value) => found.push(Some(value)),
                Err(missed) => {
                    found.push(None);
                    far.push((at, key, missed));
                }
            }
        }
        let at_once = self.core.outside.pool.max_queued().min(AT_ONCE);
        for some in far.chunks(at_once) {
            let gather = Gather::default();
            let seeking = some
                .iter()
                .map(|(_, key, missed)| self.core.seek_missed(*key, *missed, Some(&gather)));
            let values = all(seeking, || gather.send(&self.core.outside));
            for ((at, ..), value) in some.iter().zip(values.await) {
                found[*at] = value.map(Held::into_value);
            }
        }
        found
    }
}

/// What all of these come to. When all of them have come as far as they do, `then`.
async fn all<F: Future>(futures: impl Iterator<Item = F>, then: impl Fn()) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut answers: Vec<_> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, answer) in running.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *answer = Some(ready);
            }
        }
        then();
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

/// Keys that are looked for at the same time.
const AT_ONCE: usize = 64;
