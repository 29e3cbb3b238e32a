//! Which generation has the newest value of a key, in memory: so that a read asks one generation
//! and a miss none, and so that the counts are right.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// By the hash of a key. Two keys of one hash share a place: of those, one may not be found.
#[derive(Debug, Default)]
pub(super) struct Index {
    places: HashTable<Slot>,
    pub(super) pinned: u64,
    pub(super) pinned_bytes: u64,
    pub(super) live_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u64,
    place: Place,
}

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// [`PINNED`] for what is pinned.
    pub(super) generation: u32,
    /// Of key, header and value.
    pub(super) bytes: u32,
}

/// The number that is none of a generation.
pub(super) const PINNED: u32 = u32::MAX;

pub(super) fn hash_of(key: &[u8]) -> u64 {
    xxh3_64(key)
}

impl Index {
    pub(super) fn place(&self, hash: u64) -> Option<Place> {
        self.places.find(hash, |slot| slot.hash == hash).map(|slot| slot.place)
    }

    pub(super) fn set(&mut self, hash: u64, place: Place) {
        let slot = Slot { hash, place };
        match self.places.find_mut(hash, |slot| slot.hash == hash) {
            Some(old) => {
                let old = std::mem::replace(old, slot);
                self.count(old.place, false);
            }
            None => _ = self.places.insert_unique(hash, slot, |slot| slot.hash),
        }
        self.count(place, true);
    }

    pub(super) fn forget(&mut self, hash: u64) {
        if let Ok(slot) = self.places.find_entry(hash, |slot| slot.hash == hash) {
            let (slot, _) = slot.remove();
            self.count(slot.place, false);
        }
    }

    /// Forgets what lies in places like these, and says how many that were. Takes O(entries).
    pub(super) fn forget_all(&mut self, which: impl Fn(Place) -> bool) -> u64 {
        let before = self.places.len();
        let (pinned, pinned_bytes, live_bytes) =
            (&mut self.pinned, &mut self.pinned_bytes, &mut self.live_bytes);
        self.places.retain(|slot| {
            let bytes = u64::from(slot.place.bytes);
            let goes = which(slot.place);
            if goes {
                *live_bytes -= bytes;
                if slot.place.generation == PINNED {
                    *pinned -= 1;
                    *pinned_bytes -= bytes;
                }
            }
            !goes
        });
        (before - self.places.len()) as u64
    }

    pub(super) fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// Bytes of memory: 16 an entry and one for the table, and what is free in it.
    pub(super) fn memory(&self) -> u64 {
        self.places.allocation_size() as u64
    }

    fn count(&mut self, place: Place, comes: bool) {
        let change = |number: &mut u64, by: u64| {
            *number = if comes { *number + by } else { *number - by };
        };
        change(&mut self.live_bytes, u64::from(place.bytes));
        if place.generation == PINNED {
            change(&mut self.pinned, 1);
            change(&mut self.pinned_bytes, u64::from(place.bytes));
        }
    }
}
