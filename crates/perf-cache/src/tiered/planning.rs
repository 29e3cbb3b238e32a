//! What keeping a value takes: on what terms memory has it, and what it changes beyond.

use super::choosing::{Choice, KeptOut, is_too_large};
use super::generations::Generations;
use super::held::{Held, STAMP_BYTES, Stamp};
use super::inner::{Core, millis};
use super::keys::{Action, KeyBytes, Terms as OuterTerms};
use super::options::{Strategy, TierKind, TieredTerms, WritePolicy};
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

    /// Thinks of everything that keeping a value takes, which a loader took so long to make, if one
    /// did. Runs the caller's code: not under a lock.
    pub(super) fn plan(
        &self,
        (hash, era): (u64, u64),
        key: &K,
        value: V,
        terms: TieredTerms,
        made_in: Option<Duration>,
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
            choice: Choice::default(),
        };
        if strategy == Strategy::Auto
            && let (Some(lately), Some(made_in)) = (&self.lately, made_in)
        {
            stamp.choice = Choice::made(made_in, lately.note(hash));
        }
        for tier in 0..self.outside.outers.len() {
            if self.kept_out(&stamp, stamp.choice, tier).is_some() {
                stamp.choice.keeps_out_of(tier);
            }
        }
        // Before the value itself is.
        let seen = self.outside.volume.now();
        let (changes, raw_len) = self.changes(key, &value, &stamp);
        // What is in a shared tier alone is to be stored in the others when memory lets go of it.
        let is_out = self.write != WritePolicy::Aside || !self.has_memory;
        stamp.seen = if raw_len.is_some() && is_out { seen } else { 0 };
        stamp.weight = self.weight(key, &value, raw_len);
        if self.is_better_on_disk(&stamp, &changes) {
            stamp.choice.keeps_from_memory();
        }
        let is_near = strategy.is_near() && !stamp.choice.is_out_of_memory();
        let keeps = self.has_memory && is_near && ttl > 0;
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
        let waits =
            stamp.strategy == Strategy::Auto && self.write == WritePolicy::Aside && self.has_memory;
        let tiers = 0..self.outside.outers.len();
        let takes = |tier: &usize| {
            // What memory lets go of does not go to a shared tier: it is there from the start.
            (!waits || Some(*tier) == self.outside.shared)
                && self.kept_out(stamp, stamp.choice, *tier).is_none()
        };
        let takers: Vec<usize> = match stamp.expires_at <= stamp.written_at {
            true => Vec::new(),
            false => tiers.clone().filter(takes).collect(),
        };
        let sealed = (!takers.is_empty()).then(|| sealer.seal(&name, value, stamp));
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
        let action = |tier| match takers.contains(&tier) {
            true => action.clone(),
            false => Action::Remove,
        };
        let change = |tier| Change { tier, key: Arc::clone(&name), action: action(tier) };
        (tiers.map(change).collect(), raw_len)
    }

    /// Why a value is not to be in a tier beyond memory, if it is not.
    pub(super) fn kept_out(&self, stamp: &Stamp, choice: Choice, tier: usize) -> Option<KeptOut> {
        let outer = &self.outside.outers[tier];
        if self.lately.is_none() && stamp.strategy == Strategy::Auto {
            return None;
        }
        let life = (stamp.expires_at != u64::MAX)
            .then(|| Duration::from_millis(stamp.expires_at.saturating_sub(stamp.written_at)));
        KeptOut::judge((outer.tier.kind(), &outer.trip), stamp.strategy, life, choice)
    }

    /// Whether a value that is loaded stays out of memory for now: it is large, rare, and about to be
    /// on disk.
    fn is_better_on_disk(&self, stamp: &Stamp, changes: &[Change]) -> bool {
        let goes_to_disk = |change: &Change| {
            let outer = &self.outside.outers[change.tier];
            let has_room = || {
                let behind = &self.outside.behind;
                !behind.is_on() || behind.has_room(change.action.len())
            };
            matches!(change.action, Action::Put(..))
                && outer.tier.kind() == TierKind::Disk
                && !outer.is_passed_by()
                && has_room()
        };
        self.has_memory
            && stamp.strategy == Strategy::Auto
            && stamp.choice.is_rare()
            && is_too_large(stamp.weight, self.memory.capacity().bytes)
            && changes.iter().any(goes_to_disk)
    }

    /// Whether a value that was found beyond memory and was asked for so often stays out of memory
    /// for now: it is large, rare, and on disk.
    pub(super) fn waits_for_another_use(&self, stamp: &Stamp, asked: Option<u8>) -> bool {
        let is_on_disk =
            stamp.from.is_some_and(|tier| self.outside.outers[tier].tier.kind() == TierKind::Disk);
        stamp.strategy == Strategy::Auto
            && asked.is_some_and(|asked| asked <= 1)
            && is_on_disk
            && is_too_large(stamp.weight, self.memory.capacity().bytes)
    }
}

pub(super) fn outer_terms(stamp: &Stamp) -> OuterTerms {
    OuterTerms {
        expires_at: stamp.expires_at,
        written_at: stamp.written_at,
        pinned: false,
        since: None,
    }
}

/// What a tag is called in memory.
pub(super) fn name_of(id: u64) -> String {
    format!("{id:016x}")
}
