//! Any entry, by chance.

use super::{Entries, Hits, Policy, Slot};

/// Evicts any entry, each with the same chance.
///
/// No order of keys can make it fail entirely. A baseline for the others.
///
/// Eight bytes an entry. Hits cost nothing, evicting one entry and taking in another about 8 ns.
#[derive(Debug)]
pub struct Random {
    held: Vec<Slot>,
    /// For each slot where it lies in `held`.
    places: Vec<u32>,
    state: u64,
}

impl Random {
    /// Holds nothing. The same seed chooses the same entries after the same calls.
    #[must_use]
    pub const fn new(seed: u64) -> Random {
        Random { held: Vec::new(), places: Vec::new(), state: seed }
    }

    fn put(&mut self, slot: Slot, place: u32) {
        if slot.index() >= self.places.len() {
            self.places.resize(slot.index() + 1, ABSENT);
        }
        self.places[slot.index()] = place;
        self.held[place as usize] = slot;
    }

    /// Takes the slot at a place out; the last takes its place.
    fn take(&mut self, place: u32) -> Slot {
        let slot = self.held.swap_remove(place as usize);
        if let Some(&moved) = self.held.get(place as usize) {
            self.places[moved.index()] = place;
        }
        self.places[slot.index()] = ABSENT;
        slot
    }

    fn place(&self, slot: Slot) -> Option<u32> {
        self.places.get(slot.index()).copied().filter(|&place| place != ABSENT)
    }

    /// SplitMix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
    /// OOPSLA 2014.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

impl Policy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn hits(&self) -> Hits {
        Hits::Ignored
    }

    fn set_capacity(&mut self, _: usize) {}

    fn on_insert(&mut self, slot: Slot, _: &dyn Entries) {
        let place = self.held.len() as u32;
        self.held.push(slot);
        self.put(slot, place);
    }

    fn on_remove(&mut self, slot: Slot, _: &dyn Entries) {
        if let Some(place) = self.place(slot) {
            self.take(place);
        }
    }

    fn on_replace(&mut self, old: Slot, new: Slot, _: &dyn Entries) {
        if let Some(place) = self.place(old) {
            self.places[old.index()] = ABSENT;
            self.put(new, place);
        }
    }

    fn victim(&mut self, _: &dyn Entries) -> Option<Slot> {
        // The upper half of a product is uniform where the number of choices is small against 2^64.
        let chosen = (u128::from(self.next()) * self.held.len() as u128) >> 64;
        (!self.held.is_empty()).then(|| self.take(chosen as u32))
    }

    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        self.held.iter().copied().for_each(visit);
    }
}

const ABSENT: u32 = u32::MAX;
