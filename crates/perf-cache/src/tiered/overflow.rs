//! What memory lets go of, on its way down.

use super::held::{Held, Sealer, Stamp};
use super::inner::{TextOf, wall_ms};
use super::keys::{Action, KeyBytes};
use super::options::Strategy;
use super::outside::{Change, Outside};
use super::planning::outer_terms;
use super::scratch::Scratch;
use crate::CacheKey;
use crate::listener::Heir;
use perf_core::Clock;
use std::sync::{Arc, OnceLock};

/// What takes over what memory lets go of.
pub(super) struct Overflow<K, V> {
    pub(super) outside: Arc<Outside>,
    pub(super) sealer: Arc<Sealer<V>>,
    pub(super) text: Arc<OnceLock<TextOf<K>>>,
    pub(super) clock: Clock,
}

impl<K, V> Heir<K, Held<V>> for Arc<Overflow<K, V>>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Whether a tier may lack what memory lets go of. In most cases none does: it was read from
    /// there, or written there, not long ago.
    fn wants(&self, held: &Held<V>) -> bool {
        let stamp = &held.stamp;
        let wants = stamp.strategy == Strategy::Auto && self.outside.volume.may_lack(stamp.seen);
        if wants {
            self.outside.leaves(stamp.hash);
        }
        wants
    }

    fn take_over(&self, key: &K, held: &Held<V>) {
        let hash = held.stamp.hash;
        if self.outside.is_prompt() {
            self.store(key, held);
            self.outside.has_left(hash);
            return;
        }
        let (own, key, held) = (Arc::clone(self), key.clone(), held.clone());
        let work = Box::new(move || {
            own.store(&key, &held);
            own.outside.has_left(hash);
        });
        if self.outside.pool.submit(work).is_err() {
            self.outside.outers.iter().for_each(|outer| outer.counts.lost_busy.increment());
            self.outside.has_left(hash);
        }
    }
}

impl<K: CacheKey, V: 'static> Overflow<K, V> {
    fn store(&self, key: &K, held: &Held<V>) {
        let stamp = &held.stamp;
        if self.outside.is_closed() {
            return;
        }
        let mut scratch = Scratch::take();
        self.sealer.name(key, &mut scratch.name);
        // One that is there is as new as this or newer: mostly so where values are written through.
        let misses = |tier: &usize| self.outside.misses(stamp.hash, *tier, &scratch.name);
        let mut missing = (0..self.outside.outers.len()).filter(misses).peekable();
        if missing.peek().is_none() || self.is_over(key, stamp) {
            return;
        }
        let Ok((bytes, _)) = self.sealer.seal(&scratch.name, &held.value, stamp) else {
            missing.for_each(|tier| self.outside.outers[tier].counts.lost_unsealed.increment());
            return;
        };
        let (name, bytes) = (KeyBytes::from(scratch.name.as_slice()), Arc::new(bytes));
        for tier in missing {
            let action = Action::Put(Arc::clone(&bytes), outer_terms(stamp));
            let change = Change { tier, key: Arc::clone(&name), action };
            if let Some(begun) = self.outside.offer(stamp.hash, stamp.number, vec![change]) {
                self.outside.outers[tier].counts.overflowed.increment();
                // Sets out and does not wait.
                drop(begun);
            }
        }
    }

    /// Whether it has ended or was invalidated.
    fn is_over(&self, key: &K, stamp: &Stamp) -> bool {
        let text = || self.text.get().map(|text| text(key));
        let tags = stamp.tags.iter().copied();
        stamp.expires_at <= wall_ms(&self.clock)
            || self.outside.generations.are_past(stamp.era, tags, text)
    }
}
