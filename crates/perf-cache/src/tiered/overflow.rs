//! What memory lets go of, on its way down.
//!
//! Not to a tier that other processes use: nobody keeps in memory which changes there had been when a
//! value was read. Such a tier has been given it at once.

use super::held::{Held, Sealer, Stamp};
use super::inner::{TextOf, wall_ms};
use super::keys::{Action, KeyBytes};
use super::options::Strategy;
use super::outside::{Change, Outside};
use super::planning::outer_terms;
use super::scratch::Scratch;
use super::shared::Since;
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
        let leaving = Leaving { outside: Arc::clone(&self.outside), hash: held.stamp.hash };
        if self.outside.is_prompt() {
            self.store(key, held);
            return;
        }
        let (own, key, held) = (Arc::clone(self), key.clone(), held.clone());
        let work = Box::new(move || {
            let _leaving = leaving;
            own.store(&key, &held);
        });
        if self.outside.pool.submit(work).is_err() {
            let own = self.outside.own_tiers();
            own.for_each(|tier| self.outside.outers[tier].counts.lost_busy.increment());
        }
    }
}

/// A value that has left memory, until it is stored or will never be: also where a key or a codec
/// panics.
struct Leaving {
    outside: Arc<Outside>,
    hash: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.outside.has_left(self.hash);
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
        let misses = |tier: &usize| {
            !stamp.choice.is_out_of(*tier) && self.outside.misses(stamp.hash, *tier, &scratch.name)
        };
        let mut missing = self.outside.own_tiers().filter(misses).peekable();
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
            let at = (stamp.number, Since::default());
            if let Some(begun) = self.outside.offer(stamp.hash, at, vec![change]) {
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

#[cfg(test)]
mod tests {
    use crate::codec::RawBytes;
    use crate::tiered::WritePolicy;
    use crate::{Cache, CacheKey, TieredCache};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Cannot be encoded for a while.
    #[derive(Clone, Debug)]
    struct Fragile {
        number: u32,
        breaks: Arc<AtomicBool>,
    }

    impl PartialEq for Fragile {
        fn eq(&self, other: &Fragile) -> bool {
            self.number == other.number
        }
    }

    impl Eq for Fragile {}

    impl std::hash::Hash for Fragile {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            self.number.hash(state);
        }
    }

    impl CacheKey for Fragile {
        fn encode(&self, into: &mut Vec<u8>) {
            assert!(!self.breaks.load(Ordering::Relaxed), "told to");
            self.number.encode(into);
        }
    }

    #[test]
    fn a_key_that_panics_on_its_way_down_is_forgotten_like_any_other() {
        let directory = tempfile::tempdir().unwrap();
        let cache = TieredCache::<Fragile, Vec<u8>>::builder()
            .memory(Cache::builder().max_entries(4).insight(false))
            .disk_at(directory.path())
            .codec(RawBytes)
            .write(WritePolicy::Aside)
            .build()
            .unwrap();
        let breaks = Arc::<AtomicBool>::default();
        let fragile = |number| Fragile { number, breaks: Arc::clone(&breaks) };
        let sound = |number| Fragile { number, breaks: Arc::default() };
        (0..4).for_each(|number| cache.insert(fragile(number), vec![1]));
        breaks.store(true, Ordering::Relaxed);
        (4..40).for_each(|number| cache.insert(sound(number), vec![1]));
        (0..4).for_each(|number| cache.insert(sound(number), vec![2]));
        assert_eq!(cache.core.outside.busy_keys(), 0);
        assert_eq!(cache.get(&sound(3)), Some(vec![2]));
    }
}
