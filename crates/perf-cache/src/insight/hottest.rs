//! The keys that are hit most, from every so many'th hit.

/// Counts hashes in a fixed number of places: what was counted often stays.
///
/// Each count is at most by the smallest count of all too high. O(places) for each hit that is
/// recorded, which is why it is given a sample of them; 12 KiB.
///
/// Source: Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k Elements
/// in Data Streams", ICDT 2005 (Space-Saving).
#[derive(Debug)]
pub(super) struct Hottest {
    hashes: Vec<u64>,
    counts: Vec<u32>,
    recorded: u32,
}

impl Hottest {
    pub(super) const fn new() -> Hottest {
        Hottest { hashes: Vec::new(), counts: Vec::new(), recorded: 0 }
    }

    pub(super) fn record(&mut self, hash: u64) {
        self.recorded += 1;
        if self.recorded == FADE_AFTER {
            self.recorded = 0;
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
        if let Some(place) = self.hashes.iter().position(|h| *h == hash) {
            self.counts[place] += 1;
        } else if self.hashes.len() < PLACES {
            self.hashes.push(hash);
            self.counts.push(1);
        } else if let Some((place, count)) = self.counts.iter().enumerate().min_by_key(|p| p.1) {
            let count = count + 1;
            self.hashes[place] = hash;
            self.counts[place] = count;
        }
    }

    /// Hashes with their counts, the most frequent first.
    pub(super) fn top(&self) -> Vec<(u64, u32)> {
        let both = self.hashes.iter().copied().zip(self.counts.iter().copied());
        let mut top: Vec<_> = both.collect();
        top.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        top
    }
}

const PLACES: usize = 1_024;
/// Halving then lets keys go that were hot once.
const FADE_AFTER: u32 = 64 * PLACES as u32;

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
        assert_eq!(top[2], 1);
    }
}
