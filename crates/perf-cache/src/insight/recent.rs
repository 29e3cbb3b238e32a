//! Keys that were looked at a moment ago.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The last few keys that were looked at, each by its hash in a place that the hash chooses.
/// Readers look without a lock, and write only now and then: a key that is hit all the time is found
/// here by all threads at once.
///
/// All places are vacated after as many additions as there are places. So a key comes through again
/// before much else was used: what is not seen of it would be a hit in any cache.
#[derive(Debug)]
pub(super) struct Recent {
    places: [Place; PLACES],
    added: AtomicU32,
}

#[derive(Debug)]
struct Place {
    /// Zero: vacant.
    hash: AtomicU64,
    /// How often it was found here.
    found: AtomicU32,
}

impl Recent {
    pub(super) const fn new() -> Recent {
        let places =
            [const { Place { hash: AtomicU64::new(0), found: AtomicU32::new(0) } }; PLACES];
        Recent { places, added: AtomicU32::new(0) }
    }

    /// Whether a key is here. Every sixteenth turn that is counted, for all sixteen.
    pub(super) fn has(&self, hash: u64, turn: u64) -> bool {
        let place = &self.places[hash as usize % PLACES];
        // Relaxed, here and below: nothing hangs on it but a count.
        if place.hash.load(Ordering::Relaxed) != hash {
            return false;
        }
        if turn.is_multiple_of(COUNTED_ONE_IN) {
            place.found.fetch_add(COUNTED_ONE_IN as u32, Ordering::Relaxed);
        }
        true
    }

    /// Adds a key, by one caller at a time. Tells of those that make way how often they were found.
    pub(super) fn add(&self, hash: u64, mut found: impl FnMut(u64, u32)) {
        let added = self.added.load(Ordering::Relaxed) + 1;
        if added as usize == PLACES {
            self.added.store(0, Ordering::Relaxed);
            self.places.iter().for_each(|place| place.set(0, &mut found));
        } else {
            self.added.store(added, Ordering::Relaxed);
        }
        self.places[hash as usize % PLACES].set(hash, &mut found);
    }

    pub(super) fn clear(&self) {
        self.places.iter().for_each(|place| place.set(0, &mut |_, _| ()));
    }
}

impl Place {
    fn set(&self, hash: u64, found: &mut impl FnMut(u64, u32)) {
        let before = self.hash.swap(hash, Ordering::Relaxed);
        let times = self.found.swap(0, Ordering::Relaxed);
        if before != 0 && times > 0 {
            found(before, times);
        }
    }
}

const PLACES: usize = 16;
const COUNTED_ONE_IN: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_until_sixteen_others_came() {
        let (recent, mut told) = (Recent::new(), Vec::new());
        recent.add(5, |_, _| ());
        (0..64).for_each(|turn| assert!(recent.has(5, turn)));
        assert!(!recent.has(5 + 16, 0), "another key in the same place");
        (0..15).for_each(|n| recent.add(100 + n, |hash, found| told.push((hash, found))));
        assert!(!recent.has(5, 0));
        assert_eq!(told, [(5, 64)]);
    }
}
