//! What left lately, remembered by hash alone.
//!
//! A ghost entry is four bytes: sixteen bits of its hash, and the time of its insertion, counted in
//! insertions. It is of the list as long as no more than `capacity` others came after it, so nothing
//! needs to be unlinked; what is too old is swept out a bucket at a time. Sixteen entries make a
//! bucket, one line of the processor's cache, and half as many lanes again as entries keep most
//! buckets from flowing over: of the last `capacity` hashes about one in eighty is forgotten early,
//! and that among the oldest. A hash that never came is taken for one that did about once in six
//! thousand times.
//!
//! Four fingerprints lie in a word and are compared at once, so most calls look at half of a line and
//! find nothing. A hash that comes again takes another lane; the youngest counts.
//!
//! Sources: Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache eviction",
//! SOSP 2023, section 4.2 (fingerprint and time in a table with buckets); Lamport, "Multiple Byte
//! Processing with Full-Word Instructions", CACM 1975.

/// The hashes of the last `capacity` insertions, each until it is removed.
///
/// All calls cost O(1) but for [`set_capacity`](Ghost::set_capacity). Six bytes for each place, and
/// up to twelve after the capacity was raised.
#[derive(Debug, Default)]
pub(crate) struct Ghost {
    /// Buckets one after the other, from `offset` on: four words of fingerprints, of which zero is
    /// a vacant lane, and four of stamps.
    words: Vec<u64>,
    /// How many words come before the first that begins a line of the processor's cache.
    offset: usize,
    buckets: u32,
    capacity: usize,
    /// Insertions so far. Stamps are its lower bits after a shift by `grain`.
    clock: u64,
    grain: u32,
    /// The bucket that is looked at next for what is too old.
    sweep: u32,
}

impl Ghost {
    /// Remembers nothing until it gets a capacity.
    pub(crate) fn new() -> Ghost {
        Ghost::default()
    }

    /// Changes how long hashes are remembered.
    ///
    /// What is younger than the new bound stays, unless that is more than 64 times as far. Free of
    /// cost while the table serves, which it does from a quarter of what it was made for; else
    /// O(capacity). Before the next insertion there is no table where there was none or the new bound
    /// is so far: one that is never reached costs nothing.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        let capacity = capacity.min(MAX_CAPACITY);
        self.capacity = capacity;
        if self.buckets == 0 {
            return;
        }
        let lanes = capacity + capacity / 2;
        let have = self.buckets as usize * LANES;
        let buckets = buckets_for(capacity);
        if lanes / FAR > have {
            // What is known says little of so much more, and would touch all of the new table.
            self.rebuild(0);
        } else if lanes > have {
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
        // A whole bucket now and then is less work than a lane each time, and as soon done.
        if self.clock.is_multiple_of(LANES as u64) {
            self.sweep_bucket();
        }
        let (at, fingerprint) = self.place(hash);
        let now = self.now();
        self.clock += 1;
        let bucket = self.bucket_mut(at);
        for word in 0..STAMPS {
            let vacant = zeros(bucket[word]);
            if vacant != 0 {
                // What is vacant is zero.
                let shift = vacant.trailing_zeros() & !(LANE - 1);
                bucket[word] |= u64::from(fingerprint) << shift;
                bucket[STAMPS + word] |= u64::from(now) << shift;
                return;
            }
        }
        overwrite_oldest(bucket, fingerprint, now);
    }

    /// Frees the lanes of a bucket in which something is too old, before its stamp comes round again.
    #[inline(never)]
    fn sweep_bucket(&mut self) {
        let (now, window) = (self.now(), self.window());
        let at = self.offset + self.sweep as usize * WORDS;
        let (prints, stamps) = self.bucket_mut(at).split_at_mut(STAMPS);
        for (prints, stamps) in prints.iter_mut().zip(stamps) {
            let mut keep = 0;
            for shift in (0..u64::BITS).step_by(LANE as usize) {
                let age = now.wrapping_sub((*stamps >> shift) as u16);
                keep |= u64::from(u16::MAX * u16::from(u32::from(age) <= window)) << shift;
            }
            *prints &= keep;
            *stamps &= keep;
        }
        self.sweep += 1;
        if self.sweep == self.buckets {
            self.sweep = 0;
        }
    }

    /// Has the processor fetch where a hash belongs, which will be asked for soon.
    #[inline]
    pub(crate) fn foresee(&self, hash: u32) {
        let (at, _) = self.place(hash);
        std::hint::black_box(self.words.get(at).copied());
    }

    /// Forgets a hash and answers whether it was remembered.
    #[inline]
    pub(crate) fn remove(&mut self, hash: u32) -> bool {
        self.take(hash).is_some()
    }

    /// Forgets a hash and answers how many insertions ago it was inserted, 1 for the last, to one
    /// part in ten thousand.
    #[inline]
    pub(crate) fn take(&mut self, hash: u32) -> Option<u64> {
        if self.buckets == 0 {
            return None;
        }
        let (at, fingerprint) = self.place(hash);
        let all = u64::from(fingerprint) * ONES;
        let prints: &[u64; STAMPS] = self.words[at..].first_chunk()?;
        // The bit of a lane shows its word by its last two places and the shift by the others.
        let found = (0..).zip(prints).fold(0, |found, (word, lanes)| {
            found | zeros(lanes ^ all) >> (PER_WORD as u32 - 1 - word)
        });
        if found == 0 {
            return None;
        }
        if found & (found - 1) != 0 {
            return self.take_all(at, fingerprint);
        }
        let bit = found.trailing_zeros();
        let (word, shift) = (bit as usize % STAMPS, bit & !(LANE - 1));
        let now = self.now();
        let bucket = self.bucket_mut(at);
        let age = now.wrapping_sub((bucket[STAMPS + word] >> shift) as u16);
        let others = !(u64::from(u16::MAX) << shift);
        bucket[word] &= others;
        bucket[STAMPS + word] &= others;
        self.time_of(age)
    }

    /// The same where more than one lane may have that fingerprint.
    #[cold]
    fn take_all(&mut self, at: usize, fingerprint: u16) -> Option<u64> {
        let age = self.youngest(at, fingerprint);
        let bucket = self.bucket_mut(at);
        for lane in 0..LANES {
            let (word, shift) = (lane / PER_WORD, lane % PER_WORD * LANE as usize);
            if (bucket[word] >> shift) as u16 == fingerprint {
                let others = !(u64::from(u16::MAX) << shift);
                bucket[word] &= others;
                bucket[STAMPS + word] &= others;
            }
        }
        age
    }

    /// How many insertions ago the last with this fingerprint came, if that is not too long ago.
    fn youngest(&self, at: usize, fingerprint: u16) -> Option<u64> {
        let now = self.now();
        let same = lanes(self.words[at..].first_chunk()?).filter(|lane| lane.0 == fingerprint);
        let age = same.map(|(_, stamp)| now.wrapping_sub(stamp)).min()?;
        self.time_of(age)
    }

    /// How many insertions an age in stamps is, if not too many.
    #[inline]
    fn time_of(&self, age: u16) -> Option<u64> {
        (u32::from(age) <= self.window()).then_some((u64::from(age) << self.grain).max(1))
    }

    /// As [`take`](Ghost::take), but it stays.
    #[cfg(test)]
    pub(crate) fn age(&self, hash: u32) -> Option<u64> {
        if self.buckets == 0 {
            return None;
        }
        let (at, fingerprint) = self.place(hash);
        self.youngest(at, fingerprint)
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
    fn place(&self, hash: u32) -> (usize, u16) {
        // Whoever chose the shard by some bits of the hash left the others: mixed, so that neither
        // bucket nor fingerprint rest on those.
        let mixed = u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let bucket = ((mixed >> 32) * u64::from(self.buckets)) >> 32;
        (self.offset + bucket as usize * WORDS, (mixed as u16).max(1))
    }

    #[inline]
    fn bucket_mut(&mut self, at: usize) -> &mut [u64; WORDS] {
        self.words[at..].first_chunk_mut().expect("a bucket is whole")
    }

    /// Moves to another number of buckets.
    ///
    /// A lane does not tell the whole hash, only in which part of the range of hashes it lies. So it
    /// goes to each bucket that has a share of that part: one too many is as harmless as two hashes
    /// of the same fingerprint, and gone as soon.
    fn rebuild(&mut self, buckets: usize) {
        let old = std::mem::take(&mut self.words);
        let (old_offset, old_buckets) = (self.offset, self.buckets as usize);
        let (old_now, old_grain) = (self.now(), self.grain);
        self.words = vec![0; if buckets == 0 { 0 } else { (buckets + 1) * WORDS }];
        self.offset = self.words.as_ptr().align_offset(WORDS * size_of::<u64>()).min(WORDS);
        self.buckets = u32::try_from(buckets).expect("the capacity is bounded");
        self.grain = (buckets * LANES).max(1).ilog2().saturating_sub(GRAIN_LANES);
        self.sweep = 0;
        if old_buckets == 0 {
            return;
        }
        let (now, window, grain) = (self.now(), self.window(), self.grain);
        let old: &[[u64; WORDS]] = old[old_offset..].as_chunks().0;
        for bucket in 0..buckets {
            let from = bucket * old_buckets / buckets;
            let to = ((bucket + 1) * old_buckets).div_ceil(buckets);
            let all = old[from..to].iter().flat_map(lanes).filter(|lane| lane.0 != 0);
            let mut kept: Vec<_> =
                all.map(|(print, stamp)| (print, old_now.wrapping_sub(stamp))).collect();
            kept.sort_unstable();
            kept.dedup_by_key(|lane| lane.0);
            kept.sort_by_key(|lane| lane.1);
            let at = self.offset + bucket * WORDS;
            let places = self.bucket_mut(at);
            for (lane, (print, age)) in kept.into_iter().take(LANES).enumerate() {
                let age = u64::from(age) << old_grain >> grain;
                if age <= u64::from(window) {
                    let (word, shift) = (lane / PER_WORD, lane % PER_WORD * LANE as usize);
                    places[word] |= u64::from(print) << shift;
                    let stamp = now.wrapping_sub(age as u16);
                    places[STAMPS + word] |= u64::from(stamp) << shift;
                }
            }
        }
    }
}

/// Replaces what came first in a full bucket.
#[cold]
fn overwrite_oldest(bucket: &mut [u64; WORDS], fingerprint: u16, now: u16) {
    let ages = lanes(bucket).map(|(_, stamp)| now.wrapping_sub(stamp)).enumerate();
    let oldest = ages.max_by_key(|&(_, age)| age).map_or(0, |(lane, _)| lane);
    let (word, shift) = (oldest / PER_WORD, oldest % PER_WORD * LANE as usize);
    let others = !(u64::from(u16::MAX) << shift);
    bucket[word] = bucket[word] & others | u64::from(fingerprint) << shift;
    bucket[STAMPS + word] = bucket[STAMPS + word] & others | u64::from(now) << shift;
}

/// Fingerprints and stamps.
fn lanes(bucket: &[u64; WORDS]) -> impl Iterator<Item = (u16, u16)> + '_ {
    (0..LANES).map(|lane| {
        let (word, shift) = (lane / PER_WORD, lane % PER_WORD * LANE as usize);
        ((bucket[word] >> shift) as u16, (bucket[STAMPS + word] >> shift) as u16)
    })
}

/// The highest bit of lanes that are zero. Above the lowest of them others may show, too, but only
/// there.
#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << (LANE - 1))
}

/// Half as many lanes again as entries.
const fn buckets_for(capacity: usize) -> usize {
    (capacity + capacity / 2).div_ceil(LANES)
}

/// How many times more lanes there are to be for all to be forgotten.
const FAR: usize = 64;
/// In a bucket.
const LANES: usize = 16;
/// Of a bucket: one line of the processor's cache.
const WORDS: usize = 8;
/// The first word of stamps in a bucket.
const STAMPS: usize = WORDS / 2;
/// Bits of a lane.
const LANE: u32 = 16;
const PER_WORD: usize = LANES / STAMPS;
/// One in each lane of a word.
const ONES: u64 = 0x0001_0001_0001_0001;
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
            assert!(ghost.words.len() * 8 <= capacity as usize * 6 + 2 * 64);
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
        assert!(ghost.words.len() * 8 <= 100 * 6 + 2 * 64);
    }

    #[test]
    fn without_capacity_nothing_is_remembered_or_allocated() {
        let mut ghost = Ghost::new();
        ghost.insert(7);
        assert_eq!((ghost.age(7), ghost.remove(7)), (None, false));
        ghost.set_capacity(usize::MAX);
        assert_eq!((ghost.age(7), ghost.words.capacity()), (None, 0), "nothing came yet");
        ghost.set_capacity(5);
        ghost.insert(7);
        assert_eq!(ghost.age(7), Some(1));
        ghost.set_capacity(0);
        assert_eq!((ghost.age(7), ghost.words.capacity()), (None, 0));
    }

    #[test]
    fn a_bound_that_is_much_further_takes_no_memory_before_it_is_used() {
        let mut ghost = Ghost::new();
        ghost.set_capacity(10);
        (0..10).for_each(|n| ghost.insert(mix(n)));
        ghost.set_capacity(usize::MAX);
        assert_eq!((ghost.age(mix(9)), ghost.words.capacity()), (None, 0));
        ghost.set_capacity(5_000);
        (0..5_000).for_each(|n| ghost.insert(mix(n)));
        assert!(share(&ghost, 0..5_000) > 0.97);
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
