//! Taking what a cache holds out, and putting it back.

use crate::entry::Entry;
use crate::expiry::remaining;
use crate::inner::{Incoming, Inner, Origin};
use crate::invalidation::Name;
use crate::policy::Slot;
use crate::slots::Look;
use crate::{Cache, Terms};
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> Cache<K, V, S> {
    /// Clones of all entries, coldest first, each with the terms to put it back on: what is left of
    /// its time to live and to idle, tags, dependencies. Feeding them to
    /// [`restore`](Cache::restore) leaves the hottest where there is not room for all.
    ///
    /// Which entries there are is settled when this is called, one shard after the other; an entry
    /// that leaves before its turn is passed by. 16 bytes for each entry until the iterator ends;
    /// keys and values are cloned as it goes, outside of the locks.
    ///
    /// ```
    /// use perf_cache::Cache;
    ///
    /// let cache: Cache<u64, String> = Cache::builder().max_entries(100).build()?;
    /// cache.insert(1, "one".into());
    /// let saved: Vec<_> = cache.snapshot().collect();
    ///
    /// let later: Cache<u64, String> = Cache::builder().max_entries(100).build()?;
    /// assert_eq!(later.restore(saved), 1);
    /// assert_eq!(later.get(&1).as_deref(), Some("one"));
    /// # Ok::<(), perf_cache::ConfigError>(())
    /// ```
    pub fn snapshot(&self) -> impl Iterator<Item = (K, V, Terms)> + '_ {
        let order = self.inner.coldest_first().into_iter();
        order.filter_map(|place| self.inner.take_picture(place))
    }

    /// Puts entries in, each on its terms, and answers how many went in. What the cache holds
    /// already stays, what is being loaded takes the place of what is restored, expired entries stay
    /// out, and the bounds hold as ever.
    ///
    /// What happened between the snapshot and this is for the caller to account for: time that
    /// passed by [`Terms::aged`], invalidations by leaving out what they covered.
    pub fn restore(&self, entries: impl IntoIterator<Item = (K, V, Terms)>) -> u64 {
        let mut restored = 0;
        for (key, value, terms) in entries {
            let hash = self.hash(&key);
            let incoming = Incoming { key, value, terms };
            restored += u64::from(self.inner.put(hash, incoming, &Origin::Restored).is_ok());
        }
        restored
    }
}

/// Where an entry lies, and how many of its shard are hotter.
#[derive(Clone, Copy, Debug)]
struct Place {
    hotter: u32,
    shard: u32,
    slot: Slot,
    tag: u32,
}

impl<K, V> Inner<K, V> {
    /// Shards know the order of their own entries only, so those that lie equally far from the hot
    /// end of theirs count as equals.
    fn coldest_first(&self) -> Vec<Place> {
        let mut order = Vec::new();
        for (index, shard) in (0..).zip(&self.shards) {
            let from = order.len();
            let held = shard.lock();
            held.policy.for_each(&mut |slot| {
                let tag = shard.slots.tag(slot);
                order.push(Place { hotter: 0, shard: index, slot, tag });
            });
            drop(held);
            for (hotter, place) in (0..).zip(order[from..].iter_mut().rev()) {
                place.hotter = hotter;
            }
        }
        // Stable: the shards take turns.
        order.sort_by_key(|place| std::cmp::Reverse(place.hotter));
        order
    }

    fn take_picture(&self, place: Place) -> Option<(K, V, Terms)>
    where
        K: Clone,
        V: Clone,
    {
        let shard = &self.shards[place.shard as usize];
        let picture = |entry: &Entry<K, V>, era| {
            let terms = self.terms_of(entry, era)?;
            Some((entry.key.clone(), entry.value.clone(), terms))
        };
        if let Some(record) = self.readers.own() {
            match shard.slots.protect(place.slot, place.tag, &self.readers, record) {
                Look::Live(entry) => return picture(&entry, entry.era()),
                Look::Gone => return None,
                Look::NoWord => {}
            }
        }
        let held = shard.lock();
        // In the slot may be another entry by now.
        let is_it = shard.slots.tag(place.slot) == place.tag;
        let entry = self.pin(shard, &held, place.slot).filter(|_| is_it)?;
        let era = shard.slots.era(place.slot);
        drop(held);
        picture(&entry, era)
    }

    /// On which terms an entry would be put in again to live as long as it will; `None` if it is
    /// dead.
    fn terms_of(&self, entry: &Entry<K, V>, era: u32) -> Option<Terms> {
        if self.why_dead(entry, era).is_some() {
            return None;
        }
        let for_ever = |left: Option<Duration>| left.unwrap_or(Duration::MAX);
        let Some(extra) = entry.extra.as_deref() else {
            let left = for_ever(remaining(entry.look_at(), &self.clock));
            return Some(Terms::new().time_to_live(left).time_to_idle(Duration::MAX));
        };
        let mut terms = extra.life.terms(&self.clock).compressed(extra.usage.is_compressed());
        for name in extra.marks.names() {
            terms = match name {
                Name::Tag(tag) => terms.tags([&**tag]),
                Name::Parent(parent) => terms.depends_on([&**parent]),
                Name::Namespace(_) => terms,
            };
        }
        Some(terms)
    }
}
