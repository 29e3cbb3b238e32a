//! Which share of the cold queue is best, by what small caches with each of them would have hit.
//!
//! A *shadow* is an [`Adaptive`] with a fixed choice, over hashes without entries. There is one for
//! each candidate. All see the same accesses: every one where the cache is small, else those to a
//! share of the keys, and the shadow is as much smaller as that share. For each pair of candidates
//! the chooser keeps how often the one hit and the other missed, with old accesses counting less.
//! It leaves the current candidate for another once that is ahead by more than chance would make it.
//!
//! Sources: Waldspurger, Saemundsson, Ahmad and Park, "Cache Modeling and Optimization using
//! Miniature Simulations", USENIX ATC 2017 (the scaling); Herbster and Warmuth, "Tracking the Best
//! Expert", Machine Learning 1998 (following the best one while forgetting what is old).

mod choice;
mod evidence;
mod reading;

pub use choice::Choice;

use super::adaptive::Adaptive;
use super::{Entries, Slot};
use evidence::Evidence;
use hashbrown::HashTable;
use reading::ReadThrough;
use std::cell::Cell;

/// Chooses for an [`Adaptive`], or for those of all shards of a cache.
///
/// Counts entries, not weights. Up to 1 024 entries it wants every access, and takes about 180 bytes
/// for each entry; above it wants a sample and stays within 200 KB. A sampled access costs about
/// as much as three insertions into a policy.
#[derive(Debug)]
pub struct Chooser {
    /// What some shadow holds. Their slots in the shadows are their places here.
    keys: Vec<Key>,
    table: HashTable<u32>,
    vacant: Vec<u32>,
    shadows: [Shadow; N],
    /// Entries of a shadow.
    capacity: usize,
    /// The most that it may be.
    most: usize,
    mask: u32,
    evidence: Evidence,
    current: usize,
    /// Whether there was any access.
    has_begun: bool,
    switches: u64,
    reading: ReadThrough,
}

#[derive(Debug)]
struct Shadow {
    policy: Adaptive,
    len: usize,
}

#[derive(Debug)]
struct Key {
    hash: u32,
    /// One bit for each shadow that holds it.
    held: u8,
    /// Two bits for each shadow.
    hits: Cell<u8>,
}

impl Chooser {
    /// For a cache of about so many entries.
    #[must_use]
    pub fn new(entries: usize) -> Chooser {
        let shadow = |choice| Shadow { policy: Adaptive::shadow(choice), len: 0 };
        let mut chooser = Chooser {
            keys: Vec::new(),
            table: HashTable::new(),
            vacant: Vec::new(),
            shadows: Choice::ALL.map(shadow),
            capacity: 0,
            most: MOST,
            mask: 0,
            evidence: Evidence::new(),
            current: START,
            has_begun: false,
            switches: 0,
            reading: ReadThrough::new(),
        };
        chooser.set_capacity(entries);
        chooser
    }

    /// Wants every access up to so many entries, instead of 1 024, and for more a sample for which
    /// shadows have at least half of that. Begins anew.
    #[must_use]
    pub fn full_up_to(self, entries: usize) -> Chooser {
        Chooser { most: entries.clamp(1, 1 << 24), ..Chooser::new(1) }
    }

    /// Goes on for another number of entries. What the shadows hold above the new bound leaves; where
    /// the [sample](Chooser::sample_mask) becomes another, they begin anew, with the same choice.
    /// O(entries of the shadows).
    pub fn set_capacity(&mut self, entries: usize) {
        let entries = entries.max(1);
        let mut shift = 0;
        while entries >> shift > self.most && shift < MOST_SHIFT {
            shift += 1;
        }
        let mask = (1u32 << shift) - 1;
        let capacity = (entries >> shift).min(self.most);
        if mask != self.mask {
            let Chooser { current, has_begun, switches, most, .. } = *self;
            *self = Chooser { current, has_begun, switches, most, ..Chooser::new(1) };
            self.mask = mask;
        }
        if !self.has_begun {
            self.current = if mask < LARGE { START } else { START_OF_LARGE };
        }
        self.capacity = capacity;
        self.evidence.set_window(capacity);
        for i in 0..N {
            // As long a memory as in the cache, which depends on how large that is.
            self.shadows[i].policy.resize_as_part_of(capacity, entries);
            while self.shadows[i].len > capacity {
                self.evict(i);
            }
        }
    }

    /// Accesses to keys with no bit of this in their hash are to be [recorded](Chooser::record).
    #[must_use]
    pub const fn sample_mask(&self) -> u32 {
        self.mask
    }

    /// [Records](Chooser::record) an access if it belongs to the sample.
    #[inline]
    pub fn observe(&mut self, hash: u32) -> Choice {
        if hash & self.mask == 0 {
            self.record(hash);
        }
        self.choice()
    }

    /// An access to a key that the cache holds, or to one that is put in for that. Answers whether
    /// another one of the same key at once would change nothing but
    /// [how many](Chooser::pass_by) there were.
    pub fn record(&mut self, hash: u32) -> bool {
        let number = self.number(hash);
        let before = self.note_hits(number);
        // What a shadow misses comes into it as often as what the cache misses comes into that.
        if before != ALL && (before == 0 || self.reading.fills()) {
            self.hold(number, before);
        }
        self.judge(before);
        before == ALL && self.keys[number].hits.get() == MOST_HITS
    }

    /// An access to a key that the cache does not hold, and that may or may not be
    /// [put in](Chooser::fill) now.
    pub fn miss(&mut self, hash: u32) {
        let before = self.find(hash).map_or(0, |number| self.note_hits(number));
        self.reading.missed(hash);
        self.judge(before);
    }

    /// A key comes into the cache that was [missed](Chooser::miss) before, or that nobody asked for.
    pub fn fill(&mut self, hash: u32) {
        self.has_begun = true;
        self.reading.filled(hash);
        let number = self.number(hash);
        self.hold(number, self.keys[number].held);
    }

    /// Notes a hit for each shadow that holds a key, and answers which these are.
    fn note_hits(&self, number: usize) -> u8 {
        let Key { held, hits, .. } = &self.keys[number];
        for i in (0..N).filter(|i| held & 1 << i != 0) {
            let noted = hits.get() >> (2 * i) & 3;
            hits.set(hits.get() + (u8::from(noted < 3) << (2 * i)));
        }
        *held
    }

    /// Puts a key into the shadows that did not hold it before.
    fn hold(&mut self, number: usize, before: u8) {
        if before == ALL {
            return;
        }
        for i in (0..N).filter(|i| before & 1 << i == 0) {
            if self.shadows[i].len >= self.capacity {
                self.evict(i);
            }
            let key = &mut self.keys[number];
            key.held |= 1 << i;
            key.hits.set(key.hits.get() & !(3 << (2 * i)));
            let view = View { keys: &self.keys, shadow: i };
            self.shadows[i].policy.insert(Slot::new(number as u32), &view);
            self.shadows[i].len += 1;
        }
    }

    /// Takes an access into account that these shadows hit.
    fn judge(&mut self, hit: u8) {
        self.has_begun = true;
        self.evidence.record(hit);
        // Where all agree, nothing is learnt.
        if hit != ALL
            && hit != 0
            && let Some(better) = self.evidence.better_than(self.current)
        {
            self.current = better;
            self.switches += 1;
        }
    }

    /// So many accesses to keys of which [`record`](Chooser::record) has said that it is enough.
    pub fn pass_by(&mut self, accesses: u32) {
        self.evidence.agree(accesses);
    }

    /// The best candidate as far as is known.
    #[must_use]
    #[inline]
    pub const fn choice(&self) -> Choice {
        Choice::ALL[self.current]
    }

    /// How often the choice became another.
    #[must_use]
    pub const fn switches(&self) -> u64 {
        self.switches
    }

    /// The recent hit ratio of each candidate among the sampled accesses.
    #[must_use]
    pub fn hit_ratios(&self) -> [(Choice, f64); 4] {
        let ratios = self.evidence.hit_ratios();
        std::array::from_fn(|i| (Choice::ALL[i], ratios[i]))
    }

    fn evict(&mut self, shadow: usize) {
        let view = View { keys: &self.keys, shadow };
        let Some(victim) = self.shadows[shadow].policy.evict(&view) else { return };
        self.shadows[shadow].len -= 1;
        let key = &mut self.keys[victim.index()];
        key.held &= !(1 << shadow);
        // The one that is being recorded is held by none for a moment, but is never a victim.
        if key.held == 0 {
            let (hash, number) = (key.hash, victim.as_u32());
            if let Ok(found) = self.table.find_entry(mixed(hash), |&n| n == number) {
                found.remove();
            }
            self.vacant.push(number);
        }
    }

    fn find(&self, hash: u32) -> Option<usize> {
        let same = |&n: &u32| self.keys[n as usize].hash == hash;
        self.table.find(mixed(hash), same).map(|&number| number as usize)
    }

    fn number(&mut self, hash: u32) -> usize {
        if let Some(number) = self.find(hash) {
            return number;
        }
        let key = Key { hash, held: 0, hits: Cell::new(0) };
        let number = if let Some(number) = self.vacant.pop() {
            self.keys[number as usize] = key;
            number
        } else {
            self.keys.push(key);
            self.keys.len() as u32 - 1
        };
        let keys = &self.keys;
        self.table.insert_unique(mixed(hash), number, |&n| mixed(keys[n as usize].hash));
        number as usize
    }
}

/// The keys as one shadow sees them.
struct View<'a> {
    keys: &'a [Key],
    shadow: usize,
}

impl Entries for View<'_> {
    #[inline]
    fn hits(&self, slot: Slot) -> u8 {
        self.keys[slot.index()].hits.get() >> (2 * self.shadow) & 3
    }

    #[inline]
    fn set_hits(&self, slot: Slot, hits: u8) {
        let all = &self.keys[slot.index()].hits;
        let shift = 2 * self.shadow;
        all.set(all.get() & !(3 << shift) | hits << shift);
    }

    #[inline]
    fn hash(&self, slot: Slot) -> u32 {
        self.keys[slot.index()].hash
    }

    #[inline]
    fn weight(&self, _: Slot) -> u64 {
        1
    }
}

/// The table takes bits from both ends.
#[inline]
const fn mixed(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

const N: usize = Choice::ALL.len();
/// The bits of all shadows.
const ALL: u8 = (1 << N) - 1;
/// Three hits for each of them.
const MOST_HITS: u8 = u8::MAX;
/// The mask of a sample from which on a cache is large: of one key in eight.
const LARGE: u32 = 7;
/// The place of [`Choice::START`].
const START: usize = 3;
/// That of [`Choice::STEADY`]. Where a small sample is all there is to learn from, it takes some
/// turnovers of the cache until enough is known, which most workloads spend better with this.
const START_OF_LARGE: usize = 0;
/// Entries of a shadow; a sample brings at least half as many.
const MOST: usize = 1_024;
/// A sample cannot be smaller: of 32 bits of a hash some must be left to tell its keys apart.
const MOST_SHIFT: u32 = 22;
#[cfg(test)]
mod tests {
    use super::*;

    fn mix(key: u32) -> u32 {
        (u64::from(key + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }

    #[test]
    fn what_is_passed_by_counts_as_if_it_had_been_recorded() {
        let (mut one_by_one, mut together) = (Chooser::new(100), Chooser::new(100));
        for key in 0..150 {
            _ = (one_by_one.record(mix(key)), together.record(mix(key)));
        }
        let enough: Vec<_> = (0..5).map(|_| one_by_one.record(mix(149))).collect();
        assert_eq!(enough, [false, false, true, true, true], "three hits are counted");
        (0..5).for_each(|_| _ = together.record(mix(149)));
        (0..900).for_each(|_| _ = one_by_one.record(mix(149)));
        together.pass_by(900);
        let both = one_by_one.hit_ratios().into_iter().zip(together.hit_ratios());
        both.for_each(|(a, b)| assert!((a.1 - b.1).abs() < 1e-9 && a.1 > 0.8, "{a:?} {b:?}"));
    }

    /// What the shadows hold and what is known of the keys must be the same.
    fn check(chooser: &Chooser) {
        for (i, shadow) in chooser.shadows.iter().enumerate() {
            let held = chooser.keys.iter().filter(|key| key.held & 1 << i != 0).count();
            assert_eq!(held, shadow.len);
            assert!(shadow.len <= chooser.capacity);
        }
        let held = chooser.keys.iter().filter(|key| key.held != 0).count();
        assert_eq!(chooser.table.len(), held, "who is held by none is forgotten");
        assert_eq!(chooser.keys.len(), held + chooser.vacant.len());
    }

    #[test]
    fn shadows_hold_no_more_than_their_capacity() {
        for capacity in [1, 2, 7, 100] {
            let mut chooser = Chooser::new(capacity);
            for key in 0..5_000u32 {
                chooser.record(mix(key * 7 % 311 * (key % 3)));
                if key % 100 == 0 {
                    check(&chooser);
                }
            }
            assert!(chooser.keys.len() <= N * capacity + 1);
        }
    }

    #[test]
    fn a_small_cache_is_seen_in_full_and_a_large_one_by_a_sample() {
        assert_eq!(Chooser::new(1_024).sample_mask(), 0);
        assert_eq!(Chooser::new(1_025).sample_mask(), 1);
        assert_eq!(Chooser::new(100_000).sample_mask(), 127);
        assert_eq!(Chooser::new(0).sample_mask(), 0);
        assert_eq!(Chooser::new(usize::MAX).sample_mask(), (1 << MOST_SHIFT) - 1);
        let mut chooser = Chooser::new(100_000);
        (0..1_000).for_each(|key| _ = chooser.observe(mix(key)));
        assert!((2..30).contains(&chooser.table.len()), "{}", chooser.table.len());
    }

    #[test]
    fn a_change_of_capacity_keeps_the_choice() {
        let mut chooser = Chooser::new(500);
        (0..5_000).for_each(|i| _ = chooser.record(mix(i % 1_000)));
        assert_eq!(chooser.choice(), Choice::STEADY);
        for capacity in [400, 450, 10_000, 20] {
            chooser.set_capacity(capacity);
            check(&chooser);
            assert_eq!(chooser.choice(), Choice::STEADY);
        }
        // What is known of the loop serves the new size.
        (0..5_000).for_each(|i| _ = chooser.record(mix(i % 1_000)));
        assert_eq!(chooser.choice(), Choice::STEADY);
    }

    #[test]
    fn where_all_are_alike_nothing_is_chosen() {
        // Keys that always fit, then keys that never return.
        let mut chooser = Chooser::new(100);
        (0..20_000).for_each(|key| _ = chooser.record(mix(key % 50)));
        let ratios = chooser.hit_ratios();
        assert!(ratios.iter().all(|(_, ratio)| (0.9..1.0).contains(ratio)), "{ratios:?}");
        (100..20_000).for_each(|key| _ = chooser.record(mix(key)));
        assert_eq!((chooser.choice(), chooser.switches()), (Choice::START, 0));
    }

    #[test]
    fn the_ratios_say_what_each_would_hit() {
        let mut chooser = Chooser::new(100);
        (0..20_000).for_each(|i| _ = chooser.record(mix(i % 200)));
        let [steady, _, _, recent] = chooser.hit_ratios();
        assert_eq!((steady.0, recent), (Choice::STEADY, (Choice::RECENT, 0.0)));
        assert!((0.45..0.5).contains(&steady.1), "{steady:?}");
    }

    #[test]
    fn old_evidence_fades_without_overflow() {
        let mut chooser = Chooser::new(1);
        (0..600_000).for_each(|i| _ = chooser.record(mix(i % 3)));
        assert!(chooser.evidence.weight <= 1e100 * 1.01 && chooser.evidence.seen.is_finite());
        (0..3_000).for_each(|_| _ = chooser.record(7));
        assert!(chooser.hit_ratios().iter().all(|(_, ratio)| *ratio > 0.7));
    }

    #[test]
    fn a_large_cache_begins_steady_unless_it_has_begun_small() {
        let starts = (Choice::ALL[START], Choice::ALL[START_OF_LARGE]);
        assert_eq!(starts, (Choice::START, Choice::STEADY));
        let mut chooser = Chooser::new(1);
        for (capacity, choice) in
            [(5_000, Choice::STEADY), (4_096, Choice::RECENT), (90_000, Choice::STEADY)]
        {
            chooser.set_capacity(capacity);
            assert_eq!(chooser.choice(), choice);
        }
        let mut chooser = Chooser::new(10);
        chooser.record(7);
        for capacity in [5_000, 90_000, 5] {
            chooser.set_capacity(capacity);
            assert_eq!(chooser.choice(), Choice::RECENT, "what it knows speaks for nothing else");
        }
    }

    #[test]
    fn what_comes_in_without_being_missed_counts_for_nobody() {
        let mut chooser = Chooser::new(100);
        (0..50).for_each(|key| chooser.fill(key));
        (0..100).for_each(|key| chooser.miss(key));
        let ratios = chooser.hit_ratios();
        assert!(ratios.iter().all(|(_, ratio)| (0.48..0.52).contains(ratio)), "{ratios:?}");
        let held = |key| chooser.find(key).is_some();
        assert!(held(49) && !held(50), "what is missed and does not come is in no shadow");
    }
}
