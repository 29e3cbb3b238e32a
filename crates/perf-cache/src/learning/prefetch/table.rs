//! Which keys followed which.

use hashbrown::HashMap;
use std::array;
use std::hash::Hash;

/// For each of a bounded number of keys, the few that followed it most often.
///
/// The keys lie in a ring; who comes in new takes the place of the next one that was not asked for
/// again since the hand last passed it (second chance), so that keys of a scan, which come once,
/// leave before those that come again. O(1), amortized.
#[derive(Debug)]
pub(super) struct Successors<K> {
    rows: Vec<Row<K>>,
    places: HashMap<K, u32>,
    most: usize,
    hand: usize,
    pub(super) replaced: u64,
}

#[derive(Debug)]
struct Row<K> {
    key: K,
    /// Whether it was asked for since the hand passed.
    again: bool,
    /// How often something was asked for after it; fades with the counts.
    followed: u16,
    next: [Option<(K, u16)>; WIDTH],
}

impl<K> Successors<K> {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}

impl<K: Clone + Eq + Hash> Successors<K> {
    pub(super) fn new(most: usize) -> Successors<K> {
        Successors { rows: Vec::new(), places: HashMap::new(), most, hand: 0, replaced: 0 }
    }

    /// Notes that `next` was asked for after `key`; for each request that is done once with the key
    /// before it (`at_once`), which confidences relate to. O(1), amortized.
    pub(super) fn followed(&mut self, key: &K, next: &K, at_once: bool) {
        let at = self.row_of(key);
        let row = &mut self.rows[at];
        if at_once {
            if row.followed == FADES_AT {
                row.followed /= 2;
                row.next.iter_mut().flatten().for_each(|(_, count)| *count /= 2);
            }
            row.followed += 1;
        }
        if let Some((_, count)) = row.next.iter_mut().flatten().find(|(known, _)| known == next) {
            *count = (*count + 1).min(row.followed);
            return;
        }
        // The least frequent makes way, but only when the newcomers have used up its count: what
        // is frequent stays, as in Misra and Gries, "Finding repeated elements", 1982.
        let Some(least) = row.next.iter_mut().min_by_key(|one| one.as_ref().map(|o| o.1)) else {
            return;
        };
        match least {
            Some((_, count)) if *count > 1 => *count -= 1,
            least => *least = Some((next.clone(), 1)),
        }
    }

    /// What followed the key more than once, with the share of the times in which it did.
    pub(super) fn after(&self, key: &K) -> impl Iterator<Item = (&K, f64)> {
        let row = self.places.get(key).map(|&at| &self.rows[at as usize]);
        row.into_iter().flat_map(|row| {
            let known = row.next.iter().flatten().filter(|(_, count)| *count > 1);
            known.map(|(key, count)| (key, f64::from(*count) / f64::from(row.followed.max(1))))
        })
    }

    fn row_of(&mut self, key: &K) -> usize {
        if let Some(&at) = self.places.get(key) {
            self.rows[at as usize].again = true;
            return at as usize;
        }
        let row =
            Row { key: key.clone(), again: false, followed: 0, next: array::from_fn(|_| None) };
        let at = if self.rows.len() < self.most {
            self.rows.push(row);
            self.rows.len() - 1
        } else {
            let at = self.pass();
            self.places.remove(&self.rows[at].key);
            self.rows[at] = row;
            self.replaced += 1;
            at
        };
        self.places.insert(key.clone(), at as u32);
        at
    }

    /// The next place whose key was not asked for again. Ends, for each that was loses its mark.
    fn pass(&mut self) -> usize {
        loop {
            let at = self.hand;
            self.hand = (at + 1) % self.rows.len();
            if !std::mem::take(&mut self.rows[at].again) {
                return at;
            }
        }
    }
}

/// Successors that are known of a key.
const WIDTH: usize = 4;
/// At so many trials all counts are halved, so that what was gives way to what is.
const FADES_AT: u16 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// For each key how often it was followed, and by what how often, by the rules above.
    #[derive(Default)]
    struct Model(Vec<(u8, u16, Counts)>);

    type Counts = Vec<(u8, u16)>;

    impl Model {
        fn followed(&mut self, key: u8, next: u8, at_once: bool) {
            let at = self.0.iter().position(|row| row.0 == key).unwrap_or_else(|| {
                self.0.push((key, 0, Vec::new()));
                self.0.len() - 1
            });
            let (_, followed, known) = &mut self.0[at];
            if at_once {
                if *followed == FADES_AT {
                    *followed /= 2;
                    known.iter_mut().for_each(|one| one.1 /= 2);
                }
                *followed += 1;
            }
            if let Some(one) = known.iter_mut().find(|one| one.0 == next) {
                one.1 = (one.1 + 1).min(*followed);
            } else if known.len() < WIDTH {
                known.push((next, 1));
            } else {
                let least = known.iter().map(|one| one.1).min().unwrap();
                let one = known.iter_mut().find(|one| one.1 == least).unwrap();
                if least > 1 { one.1 -= 1 } else { *one = (next, 1) }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 64, rng_seed: proptest::test_runner::RngSeed::Fixed(0x5cc), ..Default::default()
        })]

        #[test]
        fn counts_as_a_list_does(
            pairs in prop::collection::vec((0_u8..6, 0_u8..9, any::<bool>()), 0..900),
        ) {
            let (mut table, mut model) = (Successors::new(8), Model::default());
            for (key, next, at_once) in pairs {
                table.followed(&key, &next, at_once);
                model.followed(key, next, at_once);
                let known: Vec<(u8, f64)> = table.after(&key).map(|(k, c)| (*k, c)).collect();
                let row = model.0.iter().find(|row| row.0 == key).unwrap();
                let wanted: Vec<(u8, f64)> = row.2.iter()
                    .filter(|one| one.1 > 1)
                    .map(|one| (one.0, f64::from(one.1) / f64::from(row.1.max(1))))
                    .collect();
                prop_assert_eq!(known, wanted);
            }
        }

        #[test]
        fn rows_stay_within_their_bound(
            most in 2_usize..9,
            pairs in prop::collection::vec((0_u8..40, 0_u8..9), 0..300),
        ) {
            let mut table = Successors::new(most);
            for (key, next) in pairs {
                table.followed(&key, &next, true);
                prop_assert!(table.rows.len() <= most);
                prop_assert_eq!(table.rows.len(), table.places.len());
                for (at, row) in table.rows.iter().enumerate() {
                    prop_assert_eq!(table.places.get(&row.key), Some(&(at as u32)));
                }
            }
        }
    }

    #[test]
    fn what_comes_again_outlives_what_comes_once() {
        let mut table = Successors::new(8);
        for round in 0_u32..100 {
            (0..2).for_each(|_| table.followed(&0, &1, true));
            (0..4).for_each(|n| table.followed(&(1_000 + 4 * round + n), &1, true));
        }
        assert!(table.after(&0).any(|(next, confidence)| *next == 1 && confidence == 1.0));
        assert!(table.replaced > 300);
    }

    #[test]
    fn a_row_takes_what_the_page_says() {
        // A place in the map is key and number, a byte, and up to eight sevenths of room.
        let place = (size_of::<(u64, u32)>() + 1) * 8 / 7;
        assert_eq!(size_of::<Row<u64>>() + place, 131);
    }
}
