//! Taking out what callers point at, and walking through all entries.

use crate::entry::Entry;
use crate::inner::Inner;
use crate::invalidation::Seen;
use crate::policy::Slot;
use crate::shard::{Held, Shard};
use crate::slots::{Look, Pinned};
use crate::stats::Cause;
use equivalent::Equivalent;

impl<K, V> Inner<K, V> {
    /// What `answer` makes of the entry of a key, if that is alive. Counts nothing, notes nothing,
    /// and leaves what is dead where it is.
    pub(crate) fn peek<Q, R>(
        &self,
        hash: u64,
        key: &Q,
        answer: impl FnOnce(&Entry<K, V>) -> R,
    ) -> Option<R>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let shard = self.shard(hash);
        let found = self.readers.own().map(|own| self.protect(shard, own, hash, key));
        match found {
            Some(Look::Live(entry)) => {
                self.why_dead(&entry, entry.era()).is_none().then(|| answer(&entry))
            }
            Some(Look::Gone) => None,
            Some(Look::NoWord) | None => {
                let held = shard.lock();
                let slot = shard.find(&held, hash, key)?;
                let (entry, era) = (self.pin(shard, &held, slot)?, shard.slots.era(slot));
                drop(held);
                self.why_dead(&entry, era).is_none().then(|| answer(&entry))
            }
        }
    }

    /// Removes an entry and answers a clone of its value, unless it was dead. Ends the claim of
    /// what is loading for the key.
    pub(crate) fn remove<Q>(&self, hash: u64, key: &Q) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
        V: Clone,
    {
        let shard = self.shard(hash);
        let mut left = self.leavers();
        let ended;
        let (mut held, found) = self.lock_and_find(shard, hash, key);
        ended = held.loads.detach(hash, key);
        let kept = found.and_then(|Seen { slot, dead }| {
            // To be cloned after the lock.
            let kept = if dead.is_none() { self.pin(shard, &held, slot) } else { None };
            let cause = dead.unwrap_or(Cause::Removed);
            self.remove_slot(shard, &mut held, slot, cause, &mut left);
            kept
        });
        drop(held);
        drop(ended);
        let value = kept.as_ref().map(|entry| entry.value.clone());
        drop(kept);
        let some = left.count > 0;
        self.see_off(left);
        if some {
            self.reclaim_soon(shard);
        }
        value
    }

    /// Evicts the entry of a key, if there is one. What is loading for the key goes on.
    pub(crate) fn evict<Q>(&self, hash: u64, key: &Q)
    where
        Q: Equivalent<K> + ?Sized,
    {
        let shard = self.shard(hash);
        let mut left = self.leavers();
        let (mut held, found) = self.lock_and_find(shard, hash, key);
        if let Some(Seen { slot, dead }) = found {
            self.remove_slot(shard, &mut held, slot, dead.unwrap_or(Cause::Size), &mut left);
        }
        drop(held);
        self.see_off(left);
    }

    /// What the entry of a key weighs, if there is one, dead or alive.
    pub(crate) fn weight_of<Q>(&self, hash: u64, key: &Q) -> Option<u64>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let shard = self.shard(hash);
        let held = shard.lock();
        let slot = shard.find(&held, hash, key)?;
        Some(held.weights.get(slot))
    }

    /// Removes what `keep` does not want, and answers how many entries that were.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> u64 {
        let mut removed = 0;
        for shard in &self.shards {
            let ended = shard.lock().loads.detach_all();
            drop(ended);
            for slot in (0..shard.slots.used()).map(Slot::new) {
                removed += u64::from(self.retain_one(shard, slot, &mut keep));
            }
        }
        if removed > 0 {
            self.reclaim();
        }
        removed
    }

    /// Whether that entry has been removed.
    fn retain_one(
        &self,
        shard: &Shard<K, V>,
        slot: Slot,
        keep: &mut impl FnMut(&K, &V) -> bool,
    ) -> bool {
        let Some(tag) = shard.slots.live_tag(slot) else { return false };
        let mut left = self.leavers();
        let own = self.readers.own();
        match own.map(|own| shard.slots.protect(slot, tag, &self.readers, own)) {
            Some(Look::Live(entry)) => {
                if keep(&entry.key, &entry.value) {
                    return false;
                }
                let mut held = shard.lock();
                // Who overtook us has removed it, and counted why.
                if entry.is_live() {
                    self.remove_slot(shard, &mut held, slot, Cause::Removed, &mut left);
                }
            }
            Some(Look::Gone) => return false,
            Some(Look::NoWord) | None => {
                let held = shard.lock();
                let Some(entry) = self.pin(shard, &held, slot) else { return false };
                drop(held);
                if keep(&entry.key, &entry.value) {
                    return false;
                }
                let mut held = shard.lock();
                if entry.is_live() {
                    self.remove_slot(shard, &mut held, slot, Cause::Removed, &mut left);
                }
            }
        }
        let removed = left.count > 0;
        self.see_off(left);
        removed
    }

    /// What `answer` makes of the entry in a slot, if there is one that is alive.
    pub(crate) fn at<R>(
        &self,
        shard: &Shard<K, V>,
        slot: Slot,
        answer: impl FnOnce(&Entry<K, V>) -> R,
    ) -> Option<R> {
        let look = |entry: &Entry<K, V>, era| self.why_dead(entry, era).is_none();
        self.whatever_at(shard, slot, |entry, era| look(entry, era).then(|| answer(entry)))?
    }

    /// What `answer` makes of the entry in a slot, dead or alive, and of its era.
    pub(crate) fn whatever_at<R>(
        &self,
        shard: &Shard<K, V>,
        slot: Slot,
        answer: impl FnOnce(&Entry<K, V>, u32) -> R,
    ) -> Option<R> {
        let tag = shard.slots.live_tag(slot)?;
        let own = self.readers.own();
        match own.map(|own| shard.slots.protect(slot, tag, &self.readers, own)) {
            Some(Look::Live(entry)) => Some(answer(&entry, entry.era())),
            Some(Look::Gone) => None,
            Some(Look::NoWord) | None => {
                let held = shard.lock();
                let (entry, era) = (self.pin(shard, &held, slot)?, shard.slots.era(slot));
                drop(held);
                Some(answer(&entry, era))
            }
        }
    }

    /// Keeps an entry to be looked at without the lock, for a thread that has no word for it.
    pub(crate) fn pin<'a>(
        &'a self,
        shard: &'a Shard<K, V>,
        held: &Held<K, V>,
        slot: Slot,
    ) -> Option<Pinned<'a, K, V>> {
        shard.slots.pin(&held.ledger, slot, &self.readers)
    }
}
