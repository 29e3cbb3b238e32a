//! A cache without keys and values, to see what a policy would have hit.

use super::switch::hand_over;
use super::{Entries, Hits, Policy, Slot};
use std::cell::Cell;

/// Runs a policy over accesses to numbered keys, as a cache of one shard that takes in each key it
/// misses.
///
/// Keys are dense numbers from zero on, which index arrays: nothing is hashed. Four bytes for each
/// key and 24 for each entry, besides what the policy takes.
///
/// ```
/// use perf_cache::policy::{Lru, Simulation};
///
/// let mut lru = Simulation::new(Lru::new(), 2);
/// let hits = [0, 1, 0, 2, 0, 1].map(|key| lru.access(key, key, 1));
/// assert_eq!(hits, [false, false, true, false, true, false]);
/// ```
#[derive(Debug)]
pub struct Simulation<P> {
    policy: P,
    hits: Hits,
    table: Table,
    /// For each key where its entry lies.
    slots: Vec<u32>,
    vacant: Vec<u32>,
    capacity: u64,
    /// As the policy was told.
    expected: usize,
    weight: u64,
}

impl<P: Policy> Simulation<P> {
    /// A cache of entries that weigh `capacity` together. The policy learns that as the number of
    /// entries; see [`expect_entries`](Simulation::expect_entries).
    #[must_use]
    pub fn new(mut policy: P, capacity: u64) -> Simulation<P> {
        let expected = usize::try_from(capacity).unwrap_or(usize::MAX);
        policy.set_capacity(expected);
        let hits = policy.hits();
        let table = Table { entries: Vec::new() };
        let (slots, vacant) = (Vec::new(), Vec::new());
        Simulation { policy, hits, table, slots, vacant, capacity, expected, weight: 0 }
    }

    /// Tells the policy how many entries there will be when it is full, where they do not weigh 1
    /// each.
    #[must_use]
    pub fn expect_entries(mut self, entries: usize) -> Simulation<P> {
        self.expected = entries;
        self.policy.set_capacity(entries);
        self.hits = self.policy.hits();
        self
    }

    /// Looks a key up and takes it in if it is missing. Answers whether it was there.
    ///
    /// `hash` stands for the key in ghost lists and should be well mixed. `weight` counts when the
    /// entry is taken in; what is heavier than the capacity is not. O(1), amortized.
    #[inline]
    pub fn access(&mut self, key: u32, hash: u32, weight: u64) -> bool {
        if let Some(&slot) = self.slots.get(key as usize).filter(|&&slot| slot != NONE) {
            let slot = Slot::new(slot);
            match self.hits {
                Hits::Ignored => {}
                Hits::Counted(most) => {
                    let hits = &self.table.entries[slot.index()].hits;
                    hits.set((hits.get() + 1).min(most));
                }
                Hits::Reported => self.policy.on_hit(slot, &self.table),
            }
            return true;
        }
        if weight <= self.capacity {
            self.insert(key, hash, weight);
        }
        false
    }

    /// Takes a key out and answers whether it was there.
    pub fn remove(&mut self, key: u32) -> bool {
        let Some(slot) = self.slots.get_mut(key as usize).filter(|slot| **slot != NONE) else {
            return false;
        };
        let slot = Slot::new(std::mem::replace(slot, NONE));
        self.policy.on_remove(slot, &self.table);
        self.release(slot);
        true
    }

    /// Goes on with another policy and the same entries, as a cache does whose policy is changed
    /// while it is in use. O(entries).
    #[must_use]
    pub fn switch_to<Q: Policy>(self, mut policy: Q) -> Simulation<Q> {
        let Simulation { policy: old, table, slots, vacant, capacity, expected, weight, .. } = self;
        policy.set_capacity(expected);
        hand_over(&old, &mut policy, &table);
        let hits = policy.hits();
        Simulation { policy, hits, table, slots, vacant, capacity, expected, weight }
    }

    /// Whether a key is there. Not a use.
    #[must_use]
    pub fn contains(&self, key: u32) -> bool {
        self.slots.get(key as usize).is_some_and(|&slot| slot != NONE)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.entries.len() - self.vacant.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the entries weigh.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &P {
        &self.policy
    }

    /// The policy, to turn it.
    pub const fn policy_mut(&mut self) -> &mut P {
        &mut self.policy
    }

    fn insert(&mut self, key: u32, hash: u32, weight: u64) {
        while weight > self.capacity - self.weight {
            // A policy that answers none while it holds some leaves no room.
            let Some(victim) = self.policy.victim(&self.table) else { return };
            self.slots[self.table.entries[victim.index()].key as usize] = NONE;
            self.release(victim);
        }
        self.weight += weight;
        let entry = Entry { key, hash, weight, hits: Cell::new(0) };
        let slot = if let Some(slot) = self.vacant.pop() {
            self.table.entries[slot as usize] = entry;
            slot
        } else {
            self.table.entries.push(entry);
            self.table.entries.len() as u32 - 1
        };
        if key as usize >= self.slots.len() {
            self.slots.resize(key as usize + 1, NONE);
        }
        self.slots[key as usize] = slot;
        self.policy.on_insert(Slot::new(slot), &self.table);
    }

    fn release(&mut self, slot: Slot) {
        self.weight -= self.table.entries[slot.index()].weight;
        self.vacant.push(slot.as_u32());
    }
}

#[derive(Debug)]
struct Table {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    key: u32,
    hash: u32,
    weight: u64,
    hits: Cell<u8>,
}

impl Entries for Table {
    #[inline]
    fn hits(&self, slot: Slot) -> u8 {
        self.entries[slot.index()].hits.get()
    }

    #[inline]
    fn set_hits(&self, slot: Slot, hits: u8) {
        self.entries[slot.index()].hits.set(hits);
    }

    #[inline]
    fn hash(&self, slot: Slot) -> u32 {
        self.entries[slot.index()].hash
    }

    #[inline]
    fn weight(&self, slot: Slot) -> u64 {
        self.entries[slot.index()].weight
    }
}

const NONE: u32 = u32::MAX;
