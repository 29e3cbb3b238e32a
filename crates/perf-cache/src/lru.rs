//! The eviction policy: least recently used.
//!
//! Entries lie in a slab and are linked by 32-bit indices, newest to oldest; a table of indices
//! finds them by hash. An entry keeps its hash, so nothing is ever hashed twice. The links lie apart
//! from the entries: a use changes those of both neighbours, and eight bytes for each entry stay in
//! the processor's cache where whole entries do not.
//!
//! Everything that knows the policy is in this file: the rest of the crate finds, touches, inserts
//! and removes entries by [`Id`] and asks for the next victim.

use hashbrown::HashTable;
use std::borrow::Borrow;
use std::num::NonZeroU64;

/// Where an entry lies, until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(u32);

/// Entries in order of use. Bounds are the caller's business.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    table: HashTable<u32>,
    slots: Vec<Slot<K, V>>,
    /// One for each slot.
    links: Vec<Links>,
    /// First of the vacant slots, which are linked through `older`.
    vacant: u32,
    newest: u32,
    oldest: u32,
}

#[derive(Debug)]
struct Slot<K, V> {
    hash: u64,
    entry: Option<Entry<K, V>>,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    newer: u32,
    older: u32,
}

/// What is kept for a key.
#[derive(Debug)]
pub(crate) struct Entry<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) weight: u64,
    /// When it expires, in nanoseconds of the cache's clock. Its zero marks a vacant slot.
    pub(crate) deadline: NonZeroU64,
}

impl<K, V> Lru<K, V> {
    pub(crate) const fn new() -> Lru<K, V> {
        Lru {
            table: HashTable::new(),
            slots: Vec::new(),
            links: Vec::new(),
            vacant: NONE,
            newest: NONE,
            oldest: NONE,
        }
    }

    /// Puts in an entry whose key is not there, as the most recently used.
    pub(crate) fn insert(&mut self, hash: u64, entry: Entry<K, V>) -> Id {
        let slot = Slot { hash, entry: Some(entry) };
        let id = self.vacant;
        let id = if id == NONE {
            let id =
                u32::try_from(self.slots.len()).expect("a shard holds fewer than 2^32 entries");
            self.slots.push(slot);
            self.links.push(Links { newer: NONE, older: NONE });
            id
        } else {
            self.vacant = self.links[id as usize].older;
            self.slots[id as usize] = slot;
            id
        };
        self.table.insert_unique(hash, id, |&id| self.slots[id as usize].hash);
        self.link_newest(id);
        Id(id)
    }

    /// Puts another value in the place of this one, as the most recently used, and answers the old.
    pub(crate) fn replace(&mut self, id: Id, entry: Entry<K, V>) -> Entry<K, V> {
        self.touch(id);
        std::mem::replace(self.get_mut(id), entry)
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, Id(id): Id) -> Entry<K, V> {
        self.unlink(id);
        let slot = &mut self.slots[id as usize];
        let entry = slot.entry.take().expect("an id names an entry until it is removed");
        self.links[id as usize].older = self.vacant;
        self.vacant = id;
        if let Ok(found) = self.table.find_entry(slot.hash, |&other| other == id) {
            found.remove();
        }
        entry
    }

    /// Marks an entry as the most recently used.
    #[inline]
    pub(crate) fn touch(&mut self, Id(id): Id) {
        if self.newest != id {
            self.unlink(id);
            self.link_newest(id);
        }
    }

    /// The entry that is to go next.
    pub(crate) fn victim(&self) -> Option<Id> {
        (self.oldest != NONE).then_some(Id(self.oldest))
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    #[inline]
    pub(crate) fn get(&self, Id(id): Id) -> &Entry<K, V> {
        self.slots[id as usize].entry.as_ref().expect("an id names an entry until it is removed")
    }

    fn get_mut(&mut self, Id(id): Id) -> &mut Entry<K, V> {
        self.slots[id as usize].entry.as_mut().expect("an id names an entry until it is removed")
    }

    /// How many places there are to walk through with [`at`](Lru::at), vacant ones included.
    pub(crate) fn places(&self) -> usize {
        self.slots.len()
    }

    /// The entry at a place, if there is one.
    pub(crate) fn at(&self, place: usize) -> Option<(Id, &Entry<K, V>)> {
        let entry = self.slots.get(place)?.entry.as_ref()?;
        Some((Id(u32::try_from(place).ok()?), entry))
    }

    #[inline]
    fn unlink(&mut self, id: u32) {
        let Links { newer, older } = self.links[id as usize];
        match newer {
            NONE => self.newest = older,
            _ => self.links[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            _ => self.links[older as usize].newer = newer,
        }
    }

    #[inline]
    fn link_newest(&mut self, id: u32) {
        let second = std::mem::replace(&mut self.newest, id);
        match second {
            NONE => self.oldest = id,
            _ => self.links[second as usize].newer = id,
        }
        self.links[id as usize] = Links { newer: NONE, older: second };
    }
}

impl<K, V> Lru<K, V> {
    /// Finds the entry of a key.
    #[inline]
    pub(crate) fn find<Q>(&self, hash: u64, key: &Q) -> Option<Id>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let is_it = |&id: &u32| {
            self.slots[id as usize].entry.as_ref().is_some_and(|entry| entry.key.borrow() == key)
        };
        self.table.find(hash, is_it).copied().map(Id)
    }
}

/// Bytes that one entry takes here beside what key and value own elsewhere: its slot and links, its
/// share of the table, and nothing for growth.
pub(crate) const fn entry_overhead<K, V>() -> usize {
    size_of::<Slot<K, V>>() + size_of::<Links>() + 2 * size_of::<u32>()
}

/// No slot.
const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: u8) -> Entry<u8, u8> {
        Entry { key, value: key, weight: 1, deadline: NonZeroU64::MAX }
    }

    #[test]
    fn places_are_used_again() {
        let mut lru = Lru::new();
        for round in 0..10 {
            let ids: Vec<_> = (0..8).map(|key| lru.insert(u64::from(key), entry(key))).collect();
            assert_eq!((lru.len(), lru.places()), (8, 8), "round {round}");
            for (key, id) in (0..).zip(ids) {
                assert_eq!(lru.remove(id).key, key);
            }
        }
        assert_eq!(lru.victim(), None);
    }

    #[test]
    fn keys_of_the_same_hash_are_told_apart() {
        let mut lru = Lru::new();
        let ids: Vec<_> = (0..50).map(|key| lru.insert(7, entry(key))).collect();
        lru.remove(ids[20]);
        assert_eq!(lru.find(7, &20), None);
        assert!((0..50).filter(|key| *key != 20).all(|key| lru.find(7, &key).is_some()));
    }

    #[test]
    fn a_slot_has_no_room_to_spare() {
        assert_eq!(entry_overhead::<u64, u64>(), 56);
    }
}
