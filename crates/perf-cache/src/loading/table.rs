//! What loads need of the table of entries.

use super::start::Asked;
use crate::entry::Entry;
use crate::eviction::Leavers;
use crate::expiry::{State, look_closer};
use crate::inner::Inner;
use crate::shard::{Held, Shard};
use crate::slots::Look;
use crate::stats::Cause;
use crate::sync::Ordering;
use perf_core::Instant;
use std::hash::Hash;

impl<K: Hash + Eq, V: Clone> Inner<K, V> {
    /// The value that is kept beyond its time to live for the case that loading it anew fails; if
    /// there is one, that is counted.
    pub(super) fn kept(&self, hash: u64, key: &K) -> Option<V> {
        // Both run the caller's code: comparing with patterns, and cloning.
        let kept = |entry: &Entry<K, V>, era| {
            let cause = self.why_dead(entry, era)?;
            self.is_kept(entry, cause).then(|| entry.value.clone())
        };
        let shard = self.shard(hash);
        let found = self.readers.own().map(|own| self.protect(shard, own, hash, key));
        let value = match found {
            Some(Look::Live(entry)) => kept(&entry, entry.era()),
            Some(Look::Gone) => None,
            Some(Look::NoWord) | None => {
                let held = shard.lock();
                let slot = shard.find(&held, hash, key)?;
                let (entry, era) = (self.pin(shard, &held, slot)?, shard.slots.era(slot));
                drop(held);
                kept(&entry, era)
            }
        }?;
        shard.lock().counts.loading.stale_served += 1;
        Some(value)
    }

    /// A value for a caller whose time is up: an old one, or what came meanwhile. `is_late`: it
    /// waits no longer, with or without one. That it gave up is counted, once for each call.
    pub(super) fn instead(&self, asked: &mut Asked<V>, key: &K, is_late: bool) -> Option<V> {
        let hash = asked.hash;
        let peeked = self.peek(hash, key, |entry| entry.value.clone());
        let value = peeked.or_else(|| self.kept(hash, key));
        if (is_late || value.is_some()) && !std::mem::replace(&mut asked.gave_up, true) {
            self.shard(hash).lock().counts.loading.timed_out += 1;
        }
        value
    }

    /// Whether an entry that is an answer is to be loaded anew.
    pub(super) fn is_refresh_due(&self, entry: &Entry<K, V>) -> bool {
        entry.extra.as_ref().is_some_and(|extra| {
            look_closer(entry.look_at(), Some(&extra.life), &self.clock) == State::RefreshDue
        })
    }

    /// Lets nobody refresh an entry before then, for what it is worth: the last try has failed.
    pub(super) fn put_off_refresh(
        &self,
        shard: &Shard<K, V>,
        held: &Held<K, V>,
        hash: u64,
        key: &K,
        until: Instant,
    ) {
        let found =
            shard.find(held, hash, key).and_then(|slot| shard.slots.get(&held.ledger, slot));
        if let Some(entry) = found
            && let Some(extra) = &entry.extra
        {
            extra.life.put_off_refresh(until.as_nanos());
            // Relaxed: whoever sees the older instant looks closer once more.
            entry.look_at.store(extra.life.look_at(), Ordering::Relaxed);
        }
    }

    /// Takes out what there is for a key that has no value any more.
    pub(super) fn take_absent<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        hash: u64,
        key: &K,
        left: &mut Leavers<'a, K, V>,
    ) {
        if let Some(slot) = shard.find(held, hash, key) {
            self.remove_slot(shard, held, slot, Cause::Removed, left);
        }
    }
}
