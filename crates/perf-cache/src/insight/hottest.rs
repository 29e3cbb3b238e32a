//! The keys that are hit most, from every so many'th hit.

use super::shards::mix;

/// Counts hashes in a fixed number of places: what was counted often stays.
///
/// A hash that has no place takes that of the least of the eight that it may lie in, and goes on
/// from its count; so each count is too high by that at most. O(1); 12 KiB.
///
/// Source: Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k Elements
/// in Data Streams", ICDT 2005 (Space-Saving), in sets of eight.
#[derive(Debug)]
pub(super) struct Hottest {
    sets: Vec<Set>,
    recorded: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Set {
    hashes: [u64; WAYS],
    /// Zero: vacant.
    counts: [u32; WAYS],
}

impl Hottest {
    pub(super) const fn new() -> Hottest {
        Hottest { sets: Vec::new(), recorded: 0 }
    }

    pub(super) fn record(&mut self, hash: u64) {
        if self.sets.is_empty() {
            self.sets.resize(SETS, Set::default());
        }
        self.recorded += 1;
        if self.recorded == FADE_AFTER {
            self.recorded = 0;
            self.sets.iter_mut().flat_map(|set| &mut set.counts).for_each(|count| *count /= 2);
        }
        let set = &mut self.sets[mix(hash) as usize % SETS];
        let mut place = 0;
        for way in 0..WAYS {
            if set.counts[way] != 0 && set.hashes[way] == hash {
                set.counts[way] += 1;
                return;
            }
            if set.counts[way] < set.counts[place] {
                place = way;
            }
        }
        set.hashes[place] = hash;
        set.counts[place] += 1;
    }

    /// Hashes with their counts, the most frequent first.
    pub(super) fn top(&self) -> Vec<(u64, u32)> {
        let both = self.sets.iter().flat_map(|set| set.hashes.into_iter().zip(set.counts));
        let mut top: Vec<_> = both.filter(|(_, count)| *count > 0).collect();
        top.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        top
    }
}

const SETS: usize = 128;
const WAYS: usize = 8;
/// Halving then lets keys go that were hot once.
const FADE_AFTER: u32 = 64 * (SETS * WAYS) as u32;

#[cfg(test)]
mod tests {
    use super::super::tests::zipf;
    use super::*;

    #[test]
    fn the_hottest_are_found_among_many() {
        let mut hottest = Hottest::new();
        let mut draw = zipf(20_000, 0.99, 3);
        for _ in 0..30_000 {
            hottest.record(draw());
        }
        let top: Vec<u64> = hottest.top().into_iter().take(10).map(|(hash, _)| hash).collect();
        let found = (0..10).filter(|rank| top.contains(rank)).count();
        assert!(found >= 9, "{top:?}");
        assert_eq!(top[0], 0);
    }

    #[test]
    fn who_was_hot_long_ago_makes_way() {
        let mut hottest = Hottest::new();
        (0..FADE_AFTER).for_each(|_| hottest.record(1));
        (0..3 * FADE_AFTER).for_each(|n| hottest.record(if n % 2 == 0 { 2 } else { 3 }));
        let top: Vec<u64> = hottest.top().into_iter().map(|(hash, _)| hash).collect();
        assert!(top[..2].iter().all(|hash| [2, 3].contains(hash)), "{top:?}");
    }
}
