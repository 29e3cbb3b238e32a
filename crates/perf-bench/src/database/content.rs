//! Keys and values that follow from a seed, so that every row read back can be checked.

/// A row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Its key.
    pub(super) key: i64,
    /// How often it was updated.
    pub(super) version: i32,
    /// What follows from the two.
    pub(super) value: Vec<u8>,
}

/// What rows hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    seed: u64,
    value_size: usize,
}

impl Content {
    pub(super) fn new(seed: u64, value_size: usize) -> Content {
        Content { seed: mix(seed), value_size }
    }

    /// The key of the row with this number: spread over all integers, each once.
    pub(super) fn key(&self, number: u64) -> i64 {
        // `mix` and the addition are bijections, so no two numbers share a key.
        mix(number.wrapping_add(self.seed)).cast_signed()
    }

    /// Makes the row with this key and version.
    pub(super) fn fill(&self, row: &mut Row, key: i64, version: i32) {
        row.key = key;
        row.version = version;
        row.value.clear();
        let mut state = start(key, version);
        while row.value.len() < self.value_size {
            let bytes = next(&mut state).to_le_bytes();
            let left = self.value_size - row.value.len();
            row.value.extend_from_slice(&bytes[..left.min(8)]);
        }
    }

    /// Whether the value is the one that belongs to key and version.
    pub(super) fn is_right(&self, row: &Row) -> bool {
        let mut state = start(row.key, row.version);
        row.value.len() == self.value_size
            && row.value.chunks(8).all(|chunk| next(&mut state).to_le_bytes().starts_with(chunk))
    }
}

fn start(key: i64, version: i32) -> u64 {
    key.cast_unsigned() ^ mix(u64::from(version.cast_unsigned()) + 1)
}

/// A small random source. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014 (SplitMix64).
pub(super) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mix(*state)
}

/// A number below `bound`, which is not 0.
pub(super) fn below(state: &mut u64, bound: u64) -> u64 {
    // The bias is at most bound / 2^64: nobody sees it.
    ((u128::from(next(state)) * u128::from(bound)) >> 64) as u64
}

pub(super) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_differ_and_follow_from_the_seed() {
        let content = Content::new(7, 20);
        let keys: HashSet<i64> = (0..10_000).map(|n| content.key(n)).collect();
        assert_eq!(keys.len(), 10_000);
        assert_eq!(content.key(3), Content::new(7, 1).key(3));
        assert_ne!(content.key(3), Content::new(8, 20).key(3));
    }

    #[test]
    fn a_changed_byte_or_length_is_seen() {
        for size in [1, 8, 13, 100] {
            let content = Content::new(1, size);
            let mut row = Row::default();
            content.fill(&mut row, -5, 3);
            assert_eq!(row.value.len(), size);
            assert!(content.is_right(&row));
            for change in [
                |row: &mut Row| row.value[0] ^= 1,
                |row: &mut Row| row.version += 1,
                |row: &mut Row| row.key += 1,
                |row: &mut Row| row.value.push(0),
            ] {
                let mut wrong = row.clone();
                change(&mut wrong);
                assert!(!content.is_right(&wrong), "{wrong:?}");
            }
        }
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut state = 9;
        assert!((0..1_000).all(|_| below(&mut state, 7) < 7));
    }
}
