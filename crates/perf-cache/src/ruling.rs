//! The policy in charge of a shard.

use crate::policy::{Adaptive, Choice, Entries, Hits, Policy, PolicyKind, Slot, hand_over};

/// The default is called directly, others through their trait.
#[derive(Debug)]
pub(crate) enum Ruling {
    Adaptive(Adaptive),
    Other(Box<dyn Policy>),
}

impl Ruling {
    pub(crate) fn of(kind: PolicyKind, seed: u64) -> Ruling {
        match kind {
            PolicyKind::Adaptive => Ruling::Adaptive(Adaptive::new()),
            kind => Ruling::Other(kind.build(seed)),
        }
    }

    pub(crate) fn hits(&self) -> Hits {
        match self {
            Ruling::Adaptive(adaptive) => adaptive.hits(),
            Ruling::Other(policy) => policy.hits(),
        }
    }

    /// How many entries to expect in this shard and in the cache.
    pub(crate) fn expect(&mut self, entries: usize, in_all: usize) {
        match self {
            Ruling::Adaptive(adaptive) => adaptive.resize_as_part_of(entries, in_all),
            Ruling::Other(policy) => policy.set_capacity(entries),
        }
    }

    /// Takes over what was chosen for the whole cache.
    #[inline]
    pub(crate) fn choose(&mut self, choice: Choice) {
        if let Ruling::Adaptive(adaptive) = self {
            adaptive.choose(choice);
        }
    }

    #[inline]
    pub(crate) fn insert<E: Entries>(&mut self, slot: Slot, entries: &E) {
        match self {
            Ruling::Adaptive(adaptive) => adaptive.insert(slot, entries),
            Ruling::Other(policy) => policy.on_insert(slot, entries),
        }
    }

    #[inline]
    pub(crate) fn replace<E: Entries>(&mut self, old: Slot, new: Slot, entries: &E) {
        match self {
            Ruling::Adaptive(adaptive) => adaptive.replace(old, new, entries),
            Ruling::Other(policy) => policy.on_replace(old, new, entries),
        }
    }

    /// Whether an entry may get another value where it is: one hit more is all that comes of it.
    #[inline]
    pub(crate) const fn replaces_in_place(&self) -> bool {
        matches!(self, Ruling::Adaptive(_))
    }

    /// The entries that are likely to go next, as far as that is known at no cost.
    #[inline]
    pub(crate) fn next_two(&self) -> (Option<Slot>, Option<Slot>) {
        match self {
            Ruling::Adaptive(adaptive) => adaptive.next_two(),
            Ruling::Other(_) => (None, None),
        }
    }

    /// Has the processor fetch what is remembered of a hash.
    #[inline]
    pub(crate) fn foresee(&self, hash: u32) {
        if let Ruling::Adaptive(adaptive) = self {
            adaptive.foresee(hash);
        }
    }

    #[inline]
    pub(crate) fn remove<E: Entries>(&mut self, slot: Slot, entries: &E) {
        match self {
            Ruling::Adaptive(adaptive) => adaptive.remove(slot, entries),
            Ruling::Other(policy) => policy.on_remove(slot, entries),
        }
    }

    #[inline]
    pub(crate) fn victim<E: Entries>(&mut self, entries: &E) -> Option<Slot> {
        match self {
            Ruling::Adaptive(adaptive) => adaptive.evict(entries),
            Ruling::Other(policy) => policy.victim(entries),
        }
    }

    /// A hit that this policy wants to be told of.
    pub(crate) fn report<E: Entries>(&mut self, slot: Slot, entries: &E) {
        if let Ruling::Other(policy) = self
            && policy.hits() == Hits::Reported
        {
            policy.on_hit(slot, entries);
        }
    }

    /// Visits all entries, the next to go first as far as that is known.
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        match self {
            Ruling::Adaptive(adaptive) => adaptive.for_each(visit),
            Ruling::Other(policy) => policy.for_each(visit),
        }
    }

    /// Takes over from another. O(entries).
    pub(crate) fn succeed<E: Entries>(&mut self, before: &Ruling, entries: &E) {
        let before: &dyn Policy = match before {
            Ruling::Adaptive(adaptive) => adaptive,
            Ruling::Other(policy) => &**policy,
        };
        match self {
            Ruling::Adaptive(adaptive) => hand_over(before, adaptive, entries),
            Ruling::Other(policy) => hand_over(before, &mut **policy, entries),
        }
    }
}
