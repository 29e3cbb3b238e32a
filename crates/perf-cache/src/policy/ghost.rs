//! What left lately, remembered by hash alone.
//!
//! A ghost entry is four bytes: sixteen bits of its hash and the time of its insertion, counted in
//! insertions. It is of the list as long as no more than `capacity` others came after it, so nothing
//! needs to be unlinked; what is too old is overwritten. Sixteen entries make a bucket, one line of
//! the processor's cache, and half as many lanes again as entries keep most buckets from flowing
//! over: of the last `capacity` hashes about one in eighty is forgotten early, and that among the
//! oldest. A hash that never came
//! is taken for one that did about once in six thousand times.
//!
//! Source: Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache eviction",
//! SOSP 2023, section 4.2 (fingerprint and time in a table with buckets).

/// The hashes of the last `capacity` insertions, each until it is removed.
///
/// All calls cost O(1) but for [`set_capacity`](Ghost::set_capacity). Six bytes for each place, and
/// up to twelve after the capacity was raised.
#[derive(Debug, Default)]
pub(crate) struct Ghost {
    /// Buckets one after the other, from `offset` on. A lane is zero, or a fingerprint above a stamp.
    lanes: Vec<u32>,
    /// How many lanes come before the first that begins a line of the processor's cache.
    offset: usize,
    buckets: u32,
    capacity: usize,
    /// Insertions so far. Stamps are its lower bits after a shift by `grain`.
    clock: u64,
    grain: u32,
    /// The lane that is looked at next for being too old.
    sweep: usize,
}

impl Ghost {
    /// Remembers nothing until it gets a capacity.
    pub(crate) fn new() -> Ghost {
        Ghost::default()
    }

    /// Changes how long hashes are remembered.
    ///
    /// What is younger than the new bound stays. Free of cost while the table serves, which it does
    /// from a quarter of what it was made for; else O(capacity). Before the first insertion there is
    /// no table: a bound that is never reached costs nothing.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        let capacity = capacity.min(MAX_CAPACITY);
        self.capacity = capacity;
        if self.buckets == 0 {
            return;
        }
        let lanes = capacity + capacity / 2;
        let have = self.buckets as usize * LANES;
        let buckets = buckets_for(capacity);
        if lanes > have {
            // Doubled, the parts of the range of hashes nest, and nothing flows over.
            let old = self.buckets as usize;
            self.rebuild(old * buckets.div_ceil(old).next_power_of_two());
        } else if lanes.saturating_mul(4) < have {
            self.rebuild(buckets);
        }
    }

    /// Remembers a hash; one that is remembered already becomes the youngest.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u32) {
        if self.buckets == 0 {
            if self.capacity == 0 {
                return;
            }
            self.rebuild(buckets_for(self.capacity));
        }
        self.sweep_one();
        let now = u32::from(self.now());
        let (bucket, fingerprint) = self.place(hash);
        let (mut same, mut free) = (0u32, 0u32);
        for (i, &lane) in (0..).zip(self.bucket(bucket)) {
            same |= u32::from(lane >> 16 == fingerprint) << i;
            free |= u32::from(lane == 0) << i;
        }
        let best = if same != 0 { same } else { free };
        let lane = if best != 0 { best.trailing_zeros() as usize } else { self.oldest(bucket) };
        let at = bucket + lane;
        self.lanes[at] = fingerprint << 16 | now;
        self.clock += 1;
    }

    /// The lane of a full bucket that was written first.
    #[cold]
    fn oldest(&self, bucket: usize) -> usize {
        let now = self.now();
        let lanes = self.bucket(bucket).iter().enumerate();
        lanes.max_by_key(|(_, lane)| now.wrapping_sub(**lane as u16)).map_or(0, |(lane, _)| lane)
    }

    /// Forgets a hash and answers whether it was remembered.
    #[inline]
    pub(crate) fn remove(&mut self, hash: u32) -> bool {
        let found = self.find(hash);
        if let Some((at, _)) = found {
            self.lanes[at] = 0;
        }
        found.is_some()
    }

    /// Forgets a hash and answers how many insertions ago it was inserted, 1 for the last, to one
    /// part in ten thousand.
    #[inline]
    pub(crate) fn take(&mut self, hash: u32) -> Option<u64> {
        let (at, age) = self.find(hash)?;
        self.lanes[at] = 0;
        Some((u64::from(age) << self.grain).max(1))
    }

    /// As [`take`](Ghost::take), but it stays.
    #[cfg(test)]
    pub(crate) fn age(&self, hash: u32) -> Option<u64> {
        self.find(hash).map(|(_, age)| (u64::from(age) << self.grain).max(1))
    }

    #[inline]
    fn find(&self, hash: u32) -> Option<(usize, u32)> {
        if self.buckets == 0 {
            return None;
        }
        let (now, window) = (self.now(), self.window());
        let (bucket, fingerprint) = self.place(hash);
        let mut same = 0u32;
        for (i, &lane) in (0..).zip(self.bucket(bucket)) {
            same |= u32::from(lane >> 16 == fingerprint) << i;
        }
        if same == 0 {
            return None;
        }
        let i = same.trailing_zeros() as usize;
        let age = u32::from(now.wrapping_sub(self.lanes[bucket + i] as u16));
        (age <= window).then_some((bucket + i, age))
    }

    /// Frees a lane if what is in it is too old, before its stamp comes round again.
    #[inline]
    fn sweep_one(&mut self) {
        let (now, window) = (self.now(), self.window());
        let lane = &mut self.lanes[self.offset + self.sweep];
        if u32::from(now.wrapping_sub(*lane as u16)) > window {
            *lane = 0;
        }
        self.sweep += 1;
        if self.sweep == self.buckets as usize * LANES {
            self.sweep = 0;
        }
    }

    #[inline]
    fn now(&self) -> u16 {
        (self.clock >> self.grain) as u16
    }

    #[inline]
    fn window(&self) -> u32 {
        (self.capacity >> self.grain) as u32
    }

    /// Where the bucket of a hash begins, and the fingerprint, which is never zero.
    #[inline]
    fn place(&self, hash: u32) -> (usize, u32) {
        // Whoever chose the shard by some bits of the hash left the others: mixed, so that neither
        // bucket nor fingerprint rest on those.
        let mixed = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let bucket = ((mixed >> 32) * u64::from(self.buckets)) >> 32;
        let fingerprint = (mixed as u32 & 0xffff).max(1);
        (self.offset + bucket as usize * LANES, fingerprint)
    }

    #[inline]
    fn bucket(&self, at: usize) -> &[u32; LANES] {
        self.lanes[at..].first_chunk().expect("a bucket is whole")
    }

    /// Moves to another number of buckets.
    ///
    /// A lane does not tell the whole hash, only in which part of the range of hashes it lies. So it
    /// goes to each bucket that has a share of that part: one too many is as harmless as two hashes
    /// of the same fingerprint, and gone as soon.
    fn rebuild(&mut self, buckets: usize) {
        let old = std::mem::take(&mut self.lanes);
        let (old_offset, old_buckets) = (self.offset, self.buckets as usize);
        let (old_now, old_grain) = (self.now(), self.grain);
        self.lanes = vec![0; if buckets == 0 { 0 } else { (buckets + 1) * LANES }];
        self.offset = self.lanes.as_ptr().align_offset(LANES * size_of::<u32>()).min(LANES);
        self.buckets = u32::try_from(buckets).expect("the capacity is bounded");
        self.grain = (buckets * LANES).max(1).ilog2().saturating_sub(GRAIN_LANES);
        self.sweep = 0;
        if old_buckets == 0 {
            return;
        }
        let (now, window) = (self.now(), self.window());
        for bucket in 0..buckets {
            let from = bucket * old_buckets / buckets;
            let to = ((bucket + 1) * old_buckets).div_ceil(buckets);
            let lanes = &old[old_offset + from * LANES..old_offset + to * LANES];
            let mut kept: Vec<_> = lanes.iter().filter(|&&lane| lane != 0).collect();
            kept.sort_by_key(|&&lane| (lane >> 16, old_now.wrapping_sub(lane as u16)));
            kept.dedup_by_key(|lane| **lane >> 16);
            kept.sort_by_key(|&&lane| old_now.wrapping_sub(lane as u16));
            let places = self.offset + bucket * LANES..;
            for (at, &lane) in places.zip(kept.into_iter().take(LANES)) {
                let age = u64::from(old_now.wrapping_sub(lane as u16)) << old_grain >> self.grain;
                if age <= u64::from(window) {
                    self.lanes[at] = lane & 0xffff_0000 | u32::from(now.wrapping_sub(age as u16));
                }
            }
        }
    }
}

/// Half as many lanes again as entries.
const fn buckets_for(capacity: usize) -> usize {
    (capacity + capacity / 2).div_ceil(LANES)
}

/// In a bucket: one line of the processor's cache.
const LANES: usize = 16;
/// With more lanes than two to this, a stamp stands for more than one insertion. The list is then at
/// most 2^16 / 3 stamps long, and a sweep takes 2^15 of them: none comes round unseen.
const GRAIN_LANES: u32 = 14;
/// Enough for twenty gigabytes of ghosts.
const MAX_CAPACITY: usize = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngSeed};

    fn mix(n: u32) -> u32 {
        (u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }

    proptest! {
        #![proptest_config(Config { rng_seed: RngSeed::Fixed(4), cases: 200, ..Config::default() })]

        /// Up to ten, nothing flows over: the newest so many, exactly.
        #[test]
        fn a_small_list_is_exact(
            capacity in 1usize..=10,
            steps in prop::collection::vec((any::<bool>(), 0u32..20), 0..400),
        ) {
            let mut ghost = Ghost::new();
            ghost.set_capacity(capacity);
            // Hash and number of its insertion.
            let (mut model, mut clock) = (Vec::<(u32, usize)>::new(), 0);
            for (insert, n) in steps {
                let old = model.iter().position(|&(m, at)| m == n && clock - at <= capacity);
                let age = old.map(|i| (clock - model[i].1) as u64);
                prop_assert_eq!(ghost.age(mix(n)), age);
                model.retain(|&(m, _)| m != n);
                if insert {
                    ghost.insert(mix(n));
                    model.push((n, clock));
                    clock += 1;
                } else {
                    prop_assert_eq!(ghost.remove(mix(n)), old.is_some());
                }
            }
        }
    }

    /// The share of hashes in a range that are remembered.
    fn share(ghost: &Ghost, range: std::ops::Range<u32>) -> f64 {
        let n = f64::from(range.end - range.start);
        range.filter(|&n| ghost.age(mix(n)).is_some()).count() as f64 / n
    }

    #[test]
    fn a_large_list_remembers_almost_exactly_its_capacity() {
        for capacity in [100, 5_000, 200_000] {
            let mut ghost = Ghost::new();
            ghost.set_capacity(capacity as usize);
            let end = 4 * capacity;
            (0..end).for_each(|n| ghost.insert(mix(n)));
            let young = share(&ghost, end - capacity..end);
            let old = share(&ghost, 0..end - capacity - capacity / 1_000);
            assert!(young > 0.98, "{capacity}: {young}");
            assert!(old < 0.001, "{capacity}: {old}");
            assert!(ghost.lanes.len() <= capacity as usize * 3 / 2 + 2 * LANES);
        }
    }

    #[test]
    fn a_change_of_capacity_keeps_what_is_young_enough() {
        let mut ghost = Ghost::new();
        ghost.set_capacity(1_000);
        (0..1_000).for_each(|n| ghost.insert(mix(n)));
        for capacity in [1_500, 20_000, 200_000, 1_000, 900] {
            ghost.set_capacity(capacity);
            let kept = share(&ghost, 100..1_000);
            assert!(kept > 0.9, "{capacity}: {kept}");
        }
        assert!(share(&ghost, 0..80) < 0.02, "too old for 900");
        ghost.set_capacity(100);
        assert!(share(&ghost, 900..1_000) > 0.97);
        assert!(share(&ghost, 0..880) < 0.01);
        assert!(ghost.lanes.len() <= 100 * 3 / 2 + 2 * LANES);
    }

    #[test]
    fn without_capacity_nothing_is_remembered_or_allocated() {
        let mut ghost = Ghost::new();
        ghost.insert(7);
        assert_eq!((ghost.age(7), ghost.remove(7)), (None, false));
        ghost.set_capacity(usize::MAX);
        assert_eq!((ghost.age(7), ghost.lanes.capacity()), (None, 0), "nothing came yet");
        ghost.set_capacity(5);
        ghost.insert(7);
        assert_eq!(ghost.age(7), Some(1));
        ghost.set_capacity(0);
        assert_eq!((ghost.age(7), ghost.lanes.capacity()), (None, 0));
    }

    #[test]
    fn an_old_stamp_does_not_come_round() {
        let mut ghost = Ghost::new();
        ghost.set_capacity(100_000);
        ghost.insert(mix(u32::MAX));
        for n in 0..1_200_000 {
            ghost.insert(mix(n));
            if n > 100_100 && n % 1_000 == 0 {
                assert_eq!(ghost.age(mix(u32::MAX)), None, "after {n}");
            }
        }
    }
}
