//! Marked places on a line: the greatest one, and how many lie below another.

/// A set of places from which the greatest one can be had.
///
/// A bit for each place, and above 64 words of bits a bit for each word that is not empty, up to
/// one word: O(log₆₄ n) for everything, n / 8 bytes.
#[derive(Debug)]
pub(super) struct Greatest {
    /// The places first, the single word last.
    levels: Vec<Vec<u64>>,
}

impl Greatest {
    pub(super) fn new(places: usize) -> Greatest {
        let mut levels = Vec::new();
        let mut words = places.div_ceil(64).max(1);
        loop {
            levels.push(vec![0; words]);
            if words == 1 {
                return Greatest { levels };
            }
            words = words.div_ceil(64);
        }
    }

    pub(super) fn insert(&mut self, place: usize) {
        let mut at = place;
        for level in &mut self.levels {
            let word = &mut level[at / 64];
            let was_empty = *word == 0;
            *word |= 1 << (at % 64);
            if !was_empty {
                return;
            }
            at /= 64;
        }
    }

    /// Takes a place out; `false` if it was not in.
    pub(super) fn remove(&mut self, place: usize) -> bool {
        if self.levels[0][place / 64] >> (place % 64) & 1 == 0 {
            return false;
        }
        let mut at = place;
        for level in &mut self.levels {
            let word = &mut level[at / 64];
            *word &= !(1 << (at % 64));
            if *word != 0 {
                break;
            }
            at /= 64;
        }
        true
    }

    pub(super) fn greatest(&self) -> Option<usize> {
        self.levels.iter().rev().try_fold(0, |at, level| {
            let word = level[at];
            (word != 0).then(|| at * 64 + 63 - word.leading_zeros() as usize)
        })
    }
}

/// A set of places of which can be told how many lie up to a place.
///
/// A bit for each place, and a Fenwick tree over the counts of 512 places each, so that the tree
/// stays in the nearest cache where the line is long: O(log n), n / 7 bytes.
///
/// Source: Fenwick, "A new data structure for cumulative frequency tables", Software: Practice and
/// Experience 1994.
#[derive(Debug)]
pub(super) struct Ranks {
    words: Vec<u64>,
    /// From 1 on, as the tree's arithmetic wants it.
    tree: Vec<u32>,
}

/// Words under one count: a line of the processor's cache.
const BLOCK: usize = 8;

impl Ranks {
    pub(super) fn new(places: usize) -> Ranks {
        let blocks = places.div_ceil(64 * BLOCK);
        Ranks { words: vec![0; blocks * BLOCK], tree: vec![0; blocks + 1] }
    }

    /// Puts a place in that is not in yet.
    pub(super) fn insert(&mut self, place: usize) {
        self.words[place / 64] |= 1 << (place % 64);
        let mut at = place / (64 * BLOCK) + 1;
        while let Some(count) = self.tree.get_mut(at) {
            *count += 1;
            at += at & at.wrapping_neg();
        }
    }

    /// Takes a place out that is in.
    pub(super) fn remove(&mut self, place: usize) {
        self.words[place / 64] &= !(1 << (place % 64));
        let mut at = place / (64 * BLOCK) + 1;
        while let Some(count) = self.tree.get_mut(at) {
            *count -= 1;
            at += at & at.wrapping_neg();
        }
    }

    /// How many places are in, up to and with this one.
    pub(super) fn up_to(&self, place: usize) -> u32 {
        let word = place / 64;
        let block = word / BLOCK;
        let whole: u32 = self.words[block * BLOCK..word].iter().map(|w| w.count_ones()).sum();
        let mut sum = whole + (self.words[word] << (63 - place % 64)).count_ones();
        let mut at = block;
        while at > 0 {
            sum += self.tree[at];
            at &= at - 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn both_agree_with_an_ordered_set(
            places in 1_usize..6_000,
            steps in prop::collection::vec(0_usize..6_000, 0..300),
        ) {
            let (mut greatest, mut ranks) = (Greatest::new(places), Ranks::new(places));
            let mut model = BTreeSet::new();
            for step in steps {
                let place = step % places;
                if model.insert(place) {
                    prop_assert!(!greatest.remove(place));
                    greatest.insert(place);
                    ranks.insert(place);
                } else {
                    model.remove(&place);
                    prop_assert!(greatest.remove(place));
                    ranks.remove(place);
                }
                prop_assert_eq!(greatest.greatest(), model.last().copied());
                for at in [0, place / 2, place, places - 1] {
                    prop_assert_eq!(ranks.up_to(at) as usize, model.range(..=at).count());
                }
            }
        }
    }
}
