//! What keeping a value takes: on what terms memory has it, and what it changes beyond.

use super::generations::Generations;
use super::held::{Held, STAMP_BYTES, Stamp};
use super::inner::{Core, millis};
use super::keys::{Action, KeyBytes, Terms as OuterTerms};
use super::options::{Strategy, TieredTerms, WritePolicy};
use super::outside::Change;
use crate::{Cache, CacheKey, Terms};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A value that is about to be kept.
pub(super) struct Planned<V> {
    value: V,
    stamp: Stamp,
    /// What memory is to know of it.
    terms: Terms,
    /// What it changes beyond memory.
    pub(super) changes: Vec<Change>,
}

impl<V> Planned<V> {
    /// As memory is to have it, with its place in the order of writes.
    pub(super) fn numbered(self, number: u64) -> (Held<V>, Terms) {
        let stamp = Arc::new(Stamp { number, ..self.stamp });
        (Held { value: self.value, stamp }, self.terms)
    }
}

impl<K, V> Core<K, V>
where
    K: Hash + Eq + Clone + CacheKey,
    V: Clone + 'static,
{
    /// What an entry has to say of its life in memory that lives so many milliseconds beyond it:
    /// nothing where memory keeps none longer.
    fn no_longer_than(&self, ttl: u64) -> Option<Duration> {
        let usual = self.memory.time_to_live().map_or(u64::MAX, millis);
        (self.has_outers() && ttl < usual).then(|| Duration::from_millis(ttl))
    }

    /// In memory tags go by their ids, since nothing else is known of those that come back.
    pub(super) fn tagged(&self, terms: Terms, tags: &[u64]) -> Terms {
        if tags.is_empty() { terms } else { terms.tags(tags.iter().map(|id| name_of(*id))) }
    }

    pub(super) fn weight(&self, key: &K, value: &V, raw_len: Option<u64>) -> u64 {
        let own = match (&self.weigher, raw_len, &self.sealer) {
            (Some(weigher), ..) => weigher(key, value),
            (None, Some(len), _) => len + Cache::<K, Held<V>>::ENTRY_OVERHEAD,
            (None, None, Some(sealer)) => sealer.len(value) + Cache::<K, Held<V>>::ENTRY_OVERHEAD,
            (None, None, None) => Cache::<K, Held<V>>::ENTRY_OVERHEAD,
        };
        own.saturating_add(STAMP_BYTES)
    }

    /// Thinks of everything that keeping a value takes. Runs the caller's code: not under a lock.
    pub(super) fn plan(
        &self,
        (hash, era): (u64, u64),
        key: &K,
        value: V,
        terms: TieredTerms,
    ) -> Planned<V> {
        let TieredTerms { terms, strategy, compress } = terms;
        let is_idle = terms.time_to_idle.is_some_and(|idle| idle != Duration::MAX);
        let strategy = if is_idle { Strategy::Memory } else { strategy };
        let now = self.now_ms();
        let outer_ttl = match self.outer_ttl.load(Ordering::Relaxed) {
            0 => u64::MAX,
            ttl => ttl,
        };
        let usual = match strategy {
            Strategy::Memory => self.memory.time_to_live().map_or(u64::MAX, millis),
            _ if !self.has_outers() => self.memory.time_to_live().map_or(u64::MAX, millis),
            _ => outer_ttl,
        };
        let ttl = terms.time_to_live.map_or(usual, millis);
        let tags = terms.tag_list().iter().map(|tag| Generations::id_of_tag(tag));
        let parents = terms.dependency_list().iter().map(|name| Generations::id_of_parent(name));
        let mut stamp = Stamp {
            hash,
            number: 0,
            era,
            written_at: now,
            expires_at: if ttl == u64::MAX { u64::MAX } else { now.saturating_add(ttl) },
            tags: tags.chain(parents).collect(),
            strategy,
            compress: compress.or(terms.is_compressed().then_some(true)),
            weight: 0,
            seen: 0,
            from: None,
        };
        // Before the value itself is.
        let seen = self.outside.volume.now();
        let (changes, raw_len) = self.changes(key, &value, &stamp);
        stamp.seen = if raw_len.is_some() { seen } else { 0 };
        stamp.weight = self.weight(key, &value, raw_len);
        let keeps = self.has_memory && strategy != Strategy::Disk && ttl > 0;
        let memory_terms = if keeps {
            let mut own = self.tagged(Terms::new(), &stamp.tags);
            own.time_to_live = terms.time_to_live.or_else(|| self.no_longer_than(ttl));
            own.time_to_idle = terms.time_to_idle;
            if let Some(after) = terms.refreshes_after() {
                own = own.refresh_after(after);
            }
            if let Some(another) = terms.stays_if_error() {
                own = own.stale_if_error(another);
            }
            own
        } else {
            Terms::new().time_to_live(Duration::ZERO)
        };
        Planned { value, stamp, terms: memory_terms, changes }
    }

    /// What keeping a value changes beyond memory, and how long the value is when encoded, if that
    /// came out.
    fn changes(&self, key: &K, value: &V, stamp: &Stamp) -> (Vec<Change>, Option<u64>) {
        let Some(sealer) = self.sealer.as_ref().filter(|_| self.has_outers()) else {
            return (Vec::new(), None);
        };
        let mut name = Vec::new();
        sealer.name(key, &mut name);
        let goes_out = match stamp.strategy {
            Strategy::Auto => self.write != WritePolicy::Aside || !self.has_memory,
            Strategy::Memory => false,
            Strategy::Disk => true,
        } && stamp.expires_at > stamp.written_at;
        let sealed = goes_out.then(|| sealer.seal(&name, value, stamp));
        let (action, raw_len) = match sealed {
            Some(Ok((bytes, raw_len))) => {
                (Action::Put(Arc::new(bytes), outer_terms(stamp)), Some(raw_len))
            }
            // What the tiers have for the key is older.
            Some(Err(_)) => {
                let outers = self.outside.outers.iter();
                outers.for_each(|outer| outer.counts.lost_unsealed.increment());
                (Action::Remove, None)
            }
            None => (Action::Remove, None),
        };
        let name = KeyBytes::from(name);
        let change = |tier| Change { tier, key: Arc::clone(&name), action: action.clone() };
        ((0..self.outside.outers.len()).map(change).collect(), raw_len)
    }
}

pub(super) fn outer_terms(stamp: &Stamp) -> OuterTerms {
    OuterTerms { expires_at: stamp.expires_at, written_at: stamp.written_at, pinned: false }
}

/// What a tag is called in memory.
pub(super) fn name_of(id: u64) -> String {
    format!("{id:016x}")
}
