//! From the hash of a key to the slots that may hold it, readable without a lock.
//!
//! A bucket is one cache line: twelve slots, a one-byte tag for each, and a count of the entries
//! that would have liked to be here and had to go on to the next. A lookup compares the twelve
//! tags in a few instructions on two words, asks about the slots whose tags agree, and stops at
//! the first bucket that nobody went past: nearly always the one it began with. Whoever leaves
//! takes itself off the counts of the buckets it went past and leaves its cell to one that had to
//! go past it. So there are no tombstones, and lookups stay as short as in an index that was filled
//! at once, however much comes and goes.
//!
//! Counting instead of marking is from Bronson and Shi, "Open-sourcing F14 for faster, more
//! memory-efficient hash tables", 2019; comparing bytes within a word is from Mycroft's null-byte
//! test (1987).
//!
//! # Bits
//!
//! Only the low 32 bits of a hash are used, because entries keep no more of it: mixed once more they
//! choose the bucket, the lowest eight as they are the tag. So the shard is to be chosen by the
//! upper 32 bits. Fast hashers leave the numbers of a row at regular distances, by some of their
//! seeds in bundles: unmixed, those made many buckets run over, and lookups twenty times as long.
//!
//! # Protocol
//!
//! Writers hold the lock of the shard; readers hold nothing. A reader can miss an entry that is
//! there in three ways, and detects each: its cell got a new slot, or it moved to a bucket that the
//! reader had been through; then the version of that bucket has moved. Or the index has grown; then
//! the level has. Whatever is read may be out of date by the time it is used: the slot that is asked
//! about decides, and has to be looked at as something that may have been removed, and used again
//! for another key.

mod tags;

use self::tags::Agreeing;
use crate::policy::Slot;
use crate::sync::{AtomicU32, AtomicU64, OnceLock, Ordering};
use std::fmt;

/// The slots of one shard by the hashes of their keys.
#[repr(C)]
pub(crate) struct Index {
    /// Which of the levels is in use. Lower ones are kept for readers that are still in them.
    level: AtomicU32,
    first: Box<[Bucket]>,
    /// Each twice as long as the one before.
    grown: [OnceLock<Box<[Bucket]>>; LEVELS],
    /// Far from the first fields: it is written often, and those are read by everybody.
    entries: AtomicU32,
}

/// What a glance at the index tells.
pub(crate) enum Likely {
    /// If anything is there, it is probably this.
    Slot(Slot),
    /// There is nothing.
    Nothing,
    Unsure,
}

/// Where a slot is, for whoever holds the lock of the shard and has changed nothing since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) slot: Slot,
    bucket: usize,
    cell: usize,
}

/// Cells of a bucket.
const CELLS: usize = 12;
/// Filling aimed at where the number of entries is known before: about one lookup in thirty goes
/// past its first bucket.
const AIM: u64 = 37; // quarters of an entry for each bucket
/// Filling at which the index grows: 10.8 entries for each bucket.
const FULL: (u64, u64) = (54, 5);
/// 8 MiB: more is made only when it is needed.
const MOST_AT_ONCE: u64 = 1 << 17;
const LEVELS: usize = 30;

impl Index {
    /// An index that holds so many entries before it has to grow, with a tenth to spare.
    ///
    /// It takes 6.9 bytes for each. Of more than 1.2 million entries a fraction is made at first,
    /// so that a generous bound costs nothing before it is used.
    pub(crate) fn with_capacity(entries: u64) -> Index {
        let mut buckets = entries.saturating_mul(4).div_ceil(AIM).max(1);
        while buckets > MOST_AT_ONCE {
            buckets = buckets.div_ceil(2);
        }
        Index {
            level: AtomicU32::new(0),
            first: new_level(buckets as usize),
            grown: std::array::from_fn(|_| OnceLock::new()),
            entries: AtomicU32::new(0),
        }
    }

    /// Asks `probe` about the slots that may be the one looked for, until it answers something.
    ///
    /// Slots of other keys are asked about as well, of keys that have been removed, and the same
    /// slot more than once. An entry that is in the index during the whole call is asked about.
    #[inline]
    pub(crate) fn find<T>(&self, hash: u64, mut probe: impl FnMut(Slot) -> Option<T>) -> Option<T> {
        loop {
            // Acquire: what the new level was filled with.
            let level = self.level.load(Ordering::Acquire);
            let buckets = self.buckets(level);
            let mut at = home(hash, buckets.len());
            let mut versions = 0_u64;
            let mut passed = 0;
            while let Some(bucket) = buckets.get(at) {
                let rest = match bucket.find(hash, &mut probe) {
                    Ok(found) => return Some(found),
                    Err(rest) => rest,
                };
                if passed_by(rest) == 0 || passed == buckets.len() {
                    break;
                }
                versions = versions.wrapping_add(rest & VERSION);
                passed += 1;
                at = after(at, buckets.len());
            }
            // Relaxed: where what was asked about is in another level now, `probe` has seen that
            // it left here, which happened after the new level was published.
            if self.level.load(Ordering::Relaxed) == level
                && (passed == 0 || versions == sum_of_versions(buckets, hash, passed))
            {
                return None;
            }
        }
    }

    /// The slot to look at first, without a loop: of lookups that find something nearly all find it
    /// there. Whoever does not goes on with [`find`](Index::find).
    #[inline]
    pub(crate) fn likely(&self, hash: u64) -> Likely {
        let level = self.level.load(Ordering::Acquire);
        let buckets = self.buckets(level);
        let Some(bucket) = buckets.get(home(hash, buckets.len())) else { return Likely::Unsure };
        let tag = tag(hash);
        // The same orders as in `Bucket::find`.
        let rest = bucket.rest.load(Ordering::Acquire);
        let tags = bucket.tags.load(Ordering::Acquire);
        if let Some(cell) = Agreeing::of(tags, rest, tag).next() {
            let Some(slot) = bucket.slots.get(cell) else { return Likely::Unsure };
            return Likely::Slot(Slot::new(slot.load(Ordering::Acquire)));
        }
        if passed_by(rest) == 0 && self.level.load(Ordering::Relaxed) == level {
            Likely::Nothing
        } else {
            Likely::Unsure
        }
    }

    /// Has the processor fetch where this hash belongs, which will be asked for soon.
    #[inline]
    pub(crate) fn foresee(&self, hash: u64) {
        let buckets = self.writable();
        if let Some(bucket) = buckets.get(home(hash, buckets.len())) {
            std::hint::black_box(bucket.tags.load(Ordering::Relaxed));
        }
    }

    /// The slot for which `is_it` holds, and where it is. Under the lock of the shard.
    #[inline(always)]
    pub(crate) fn seek(&self, hash: u64, is_it: impl FnMut(Slot) -> bool) -> Option<Found> {
        seek(self.writable(), hash, is_it)
    }

    /// Puts a slot in that is not there. Under the lock of the shard, and when the slot can be
    /// read. Amortized O(1): `rehash` is asked for the hashes of all slots when the index grows.
    pub(crate) fn insert(&self, hash: u64, slot: Slot, rehash: impl Fn(Slot) -> u64) {
        let entries = self.entries.load(Ordering::Relaxed);
        let mut buckets = self.writable();
        if u64::from(entries) >= (buckets.len() as u64 * FULL.0) / FULL.1 {
            buckets = self.grow(rehash);
        }
        put(buckets, hash, slot);
        self.entries.store(entries + 1, Ordering::Relaxed);
    }

    /// Takes a slot out; whether it was there. Under the lock of the shard, and before the slot is
    /// retired. `rehash` is asked for the hashes of some other slots.
    pub(crate) fn remove(&self, hash: u64, slot: Slot, rehash: impl Fn(Slot) -> u64) -> bool {
        let buckets = self.writable();
        let Some(found) = seek(buckets, hash, |other| other == slot) else { return false };
        let Found { bucket: end, cell, .. } = found;
        let mut at = home(hash, buckets.len());
        while at != end {
            buckets[at].pass_by(false);
            at = after(at, buckets.len());
        }
        take_out(buckets, end, cell, rehash);
        self.entries.store(self.entries.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        true
    }

    /// Puts `new` in the place of `old`, for the same key. Under the lock of the shard, when `new`
    /// can be read and before `old` is retired: then no reader misses both.
    #[inline]
    pub(crate) fn replace(&self, old: Found, new: Slot) {
        let Some(bucket) = self.writable().get(old.bucket) else { return };
        let Some(cell) = bucket.slots.get(old.cell) else { return };
        debug_assert_eq!(cell.load(Ordering::Relaxed), old.slot.as_u32(), "nothing was changed");
        // Release: the slot can be read by now.
        cell.store(new.as_u32(), Ordering::Release);
        bucket.moved();
    }

    /// Number of slots. Exact under the lock of the shard.
    pub(crate) fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed) as usize
    }

    /// Bytes of all levels made so far.
    pub(crate) fn allocated(&self) -> u64 {
        let grown = self.grown.iter().filter_map(OnceLock::get).map(|level| level.len());
        ((self.first.len() + grown.sum::<usize>()) * size_of::<Bucket>()) as u64
    }

    #[inline]
    fn buckets(&self, level: u32) -> &[Bucket] {
        match level.checked_sub(1) {
            None => &self.first,
            Some(grown) => {
                self.grown.get(grown as usize).and_then(OnceLock::get).map_or(&[], |l| l)
            }
        }
    }

    /// The level in use, for whoever holds the lock.
    #[inline]
    fn writable(&self) -> &[Bucket] {
        self.buckets(self.level.load(Ordering::Relaxed))
    }

    #[cold]
    fn grow(&self, rehash: impl Fn(Slot) -> u64) -> &[Bucket] {
        let level = self.level.load(Ordering::Relaxed) as usize;
        let from = self.writable();
        // More levels than slots can fill.
        let Some(cell) = self.grown.get(level) else { return from };
        let to = cell.get_or_init(|| new_level(from.len() * 2));
        for slot in from.iter().flat_map(Bucket::held) {
            put(to, rehash(slot), slot);
        }
        // Release: readers who see the level see what is in it.
        self.level.store(level as u32 + 1, Ordering::Release);
        to
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index")
            .field("entries", &self.len())
            .field("buckets", &self.writable().len())
            .finish()
    }
}

/// One cache line.
#[derive(Debug)]
#[repr(C, align(64))]
struct Bucket {
    /// Tags of the first eight cells.
    tags: AtomicU64,
    /// From the lowest bit: tags of the last four cells; how many entries went past (7 bits); which
    /// cells hold entries that did not begin here (12 bits); and a version (13 bits) that moves when
    /// a cell gets another slot or an entry comes back from a later bucket. Should it come around
    /// exactly during one probe, after thousands of such changes, the price is a miss.
    rest: AtomicU64,
    slots: [AtomicU32; CELLS],
}

const TAG_BITS: u32 = 32;
const PASSED_BITS: u32 = 7;
const PASSED: u64 = ((1 << PASSED_BITS) - 1) << TAG_BITS;
const ONE_PASSED: u64 = 1 << TAG_BITS;
const FIRST_AWAY: u64 = 1 << (TAG_BITS + PASSED_BITS);
const ONE_VERSION: u64 = 1 << (TAG_BITS + PASSED_BITS + CELLS as u32);
const VERSION: u64 = !(ONE_VERSION - 1);

impl Bucket {
    fn new() -> Bucket {
        Bucket {
            tags: AtomicU64::new(0),
            rest: AtomicU64::new(0),
            slots: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    /// What `probe` answered, or the word that says whether to go on.
    #[inline]
    fn find<T>(&self, hash: u64, probe: &mut impl FnMut(Slot) -> Option<T>) -> Result<T, u64> {
        let tag = tag(hash);
        // Acquire: the slot of a cell is there when its tag is.
        let mut rest = self.rest.load(Ordering::Acquire);
        loop {
            let mut asked = false;
            let tags = self.tags.load(Ordering::Acquire);
            let mut agree = Agreeing::of(tags, rest, tag);
            while let Some(cell) = agree.next() {
                let Some(slot) = self.slots.get(cell) else { break };
                // Acquire: of a slot that was put in the place of another.
                let slot = Slot::new(slot.load(Ordering::Acquire));
                if let Some(found) = probe(slot) {
                    return Ok(found);
                }
                asked = true;
            }
            if !asked {
                return Err(rest);
            }
            // Relaxed: if the slot was retired when it was asked about, whoever saw that sees that
            // another was put in its place before.
            let again = self.rest.load(Ordering::Relaxed);
            if (again ^ rest) & VERSION == 0 {
                return Err(rest);
            }
            rest = self.rest.load(Ordering::Acquire);
        }
    }

    fn tag(&self, cell: usize) -> u64 {
        let word = if cell < 8 { &self.tags } else { &self.rest };
        word.load(Ordering::Relaxed) >> (cell % 8 * 8) & 0xff
    }

    /// Release: the slot of the cell is there before its tag.
    fn set_tag(&self, cell: usize, tag: u64) {
        let word = if cell < 8 { &self.tags } else { &self.rest };
        let shift = cell % 8 * 8;
        let others = word.load(Ordering::Relaxed) & !(0xff << shift);
        word.store(others | tag << shift, Ordering::Release);
    }

    /// Fills a vacant cell. Release: the slot can be read by now, and is there before its tag.
    fn fill(&self, cell: usize, hash: u64, slot: Slot, away: bool) {
        self.slots[cell].store(slot.as_u32(), Ordering::Release);
        let mark = FIRST_AWAY << cell;
        let rest = self.rest.load(Ordering::Relaxed);
        self.rest.store(if away { rest | mark } else { rest & !mark }, Ordering::Release);
        self.set_tag(cell, tag(hash));
    }

    /// The slots of entries that began in an earlier bucket, with their cells.
    fn away(&self) -> impl Iterator<Item = (usize, Slot)> {
        let rest = self.rest.load(Ordering::Relaxed);
        let cells = (0..CELLS)
            .filter(move |&cell| rest & FIRST_AWAY << cell != 0 && self.tag(cell) != VACANT);
        cells.map(|cell| (cell, Slot::new(self.slots[cell].load(Ordering::Relaxed))))
    }

    fn vacant(&self) -> Option<usize> {
        let tags = self.tags.load(Ordering::Relaxed);
        Agreeing::of(tags, self.rest.load(Ordering::Relaxed), VACANT).next()
    }

    fn held(&self) -> impl Iterator<Item = Slot> {
        let cells = (0..CELLS).filter(|&cell| self.tag(cell) != VACANT);
        cells.map(|cell| Slot::new(self.slots[cell].load(Ordering::Relaxed)))
    }

    /// Counts an entry that goes past or, having left, does so no longer. A count that is full
    /// stays full: that takes dozens of equal hashes, and costs no more than a longer walk.
    fn pass_by(&self, goes: bool) {
        let rest = self.rest.load(Ordering::Relaxed);
        if rest & PASSED == PASSED {
            return;
        }
        let rest = if goes { rest + ONE_PASSED } else { rest - ONE_PASSED };
        self.rest.store(rest, Ordering::Release);
    }

    fn moved(&self) {
        let rest = self.rest.load(Ordering::Relaxed);
        self.rest.store(rest.wrapping_add(ONE_VERSION), Ordering::Release);
    }
}

fn new_level(buckets: usize) -> Box<[Bucket]> {
    (0..buckets).map(|_| Bucket::new()).collect()
}

fn put(buckets: &[Bucket], hash: u64, slot: Slot) {
    let mut at = home(hash, buckets.len());
    loop {
        let bucket = &buckets[at];
        if let Some(cell) = bucket.vacant() {
            bucket.fill(cell, hash, slot, at != home(hash, buckets.len()));
            return;
        }
        // A level is never full, so this ends.
        bucket.pass_by(true);
        at = after(at, buckets.len());
    }
}

/// Leaves a cell to an entry that had to go past its bucket, the cell of that one to another, and
/// so on until nobody went past.
fn take_out(buckets: &[Bucket], mut end: usize, mut cell: usize, rehash: impl Fn(Slot) -> u64) {
    let n = buckets.len();
    let distance = |from: usize, to: usize| if from <= to { to - from } else { to + n - from };
    let mut at = end;
    while passed_by(buckets[at].rest.load(Ordering::Relaxed)) != 0 {
        at = after(at, n);
        if at == end {
            break;
        }
        let back = buckets[at].away().find_map(|(from, slot)| {
            let hash = rehash(slot);
            let went_past = distance(home(hash, n), at) >= distance(end, at);
            went_past.then_some((from, slot, hash))
        });
        let Some((from, slot, hash)) = back else { continue };
        buckets[end].set_tag(cell, VACANT);
        buckets[end].fill(cell, hash, slot, end != home(hash, n));
        // Before its old cell is emptied: who finds that empty sees that it moved.
        buckets[end].moved();
        let mut past = end;
        while past != at {
            buckets[past].pass_by(false);
            past = after(past, n);
        }
        (end, cell) = (at, from);
    }
    buckets[end].set_tag(cell, VACANT);
}

/// The versions of the first buckets on the way of a hash. Each only moves forward, so the sum is
/// the same only if none has moved.
#[cold]
fn sum_of_versions(buckets: &[Bucket], hash: u64, count: usize) -> u64 {
    let (from_the_start, to_the_end) = buckets.split_at(home(hash, buckets.len()));
    let way = to_the_end.iter().chain(from_the_start).take(count);
    // Relaxed: who saw an entry gone from a later bucket sees that the earlier one has moved.
    way.fold(0, |sum, bucket| sum.wrapping_add(bucket.rest.load(Ordering::Relaxed) & VERSION))
}

/// The slot for which `is_it` holds. Relaxed: whoever holds the lock has it all.
#[inline(always)]
fn seek(buckets: &[Bucket], hash: u64, mut is_it: impl FnMut(Slot) -> bool) -> Option<Found> {
    let tag = tag(hash);
    let mut at = home(hash, buckets.len());
    for _ in 0..buckets.len() {
        let bucket = buckets.get(at)?;
        let rest = bucket.rest.load(Ordering::Relaxed);
        let mut agree = Agreeing::of(bucket.tags.load(Ordering::Relaxed), rest, tag);
        while let Some(cell) = agree.next() {
            let slot = Slot::new(bucket.slots.get(cell)?.load(Ordering::Relaxed));
            if is_it(slot) {
                return Some(Found { slot, bucket: at, cell });
            }
        }
        if passed_by(rest) == 0 {
            return None;
        }
        at = after(at, buckets.len());
    }
    None
}

/// The bucket to begin with: the highest of the 32 bits when they are mixed, for any number of
/// buckets (Lemire, "Fast random integer generation in an interval", 2019).
#[inline]
fn home(hash: u64, buckets: usize) -> usize {
    let low = hash as u32;
    let mixed = (low ^ low >> 15).wrapping_mul(0x9e37_79b1);
    (u64::from(mixed).wrapping_mul(buckets as u64) >> 32) as usize
}

#[inline]
fn after(at: usize, buckets: usize) -> usize {
    if at + 1 < buckets { at + 1 } else { 0 }
}

#[inline]
fn passed_by(rest: u64) -> u64 {
    rest & PASSED
}

const VACANT: u64 = 0;

/// At least two: zero is vacant, and one would agree with vacant cells by mistake where words are
/// compared by arithmetic.
#[inline]
fn tag(hash: u64) -> u64 {
    (hash & 0xff).max(2)
}

#[cfg(all(test, perf_loom))]
mod model;
#[cfg(all(test, not(perf_loom)))]
mod tests;
