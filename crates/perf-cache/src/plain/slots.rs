//! Keys and values as words that may be read while they are written.
//!
//! A slot is a word of its own, `meta`, and the words of the key and the value. `meta` counts the
//! changes: who reads it, then the words, then finds it unchanged has words of one entry (a
//! sequence lock; in these terms of atomics from Boehm, "Can seqlocks get along with programming
//! language memory models?", MSPC 2012). All words are atomics, so there is nothing that a race
//! could make worse than a value that is thrown away.
//!
//! Writers hold the lock of the shard. Readers write at most the two bits in which hits are noted,
//! and those only until they are full.

use super::words::Plain;
use crate::policy::{Entries, Slot};
use crate::sync::{AtomicU64, OnceLock, Ordering, fence};
use std::fmt;
use std::marker::PhantomData;

/// The entries of one shard. A slot stays where it is until all of them are dropped.
#[repr(C)]
pub(crate) struct Slots<K, V> {
    first: Box<[AtomicU64]>,
    /// Each as long as all before it.
    more: [OnceLock<Box<[AtomicU64]>>; PARTS],
    /// Deadlines by slot, in parts like the slots; made when the first entry has one.
    deadlines: [OnceLock<Box<[AtomicU64]>>; PARTS + 1],
    pair: PhantomData<fn() -> (K, V)>,
}

/// Parts beside the first.
const PARTS: usize = 32;
/// 8 MiB: more is made only when it is needed.
const MOST_AT_ONCE: usize = 1 << 20;

// The bits of `meta`.
const HITS: u64 = 0b11;
/// From here to the next: counts changes. It comes around after 134 million of them to one slot
/// during a single read.
const ONE_CHANGE: u64 = 1 << 2;
/// The words are being written.
const WRITING: u64 = 1 << 29;
/// It has a deadline.
const TIMED: u64 = 1 << 30;
/// There is an entry.
const LIVE: u64 = 1 << 31;
const HASH: u32 = 32;

/// What a reader found in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read<T> {
    /// The entry that was looked for.
    Found(T),
    /// Another one, or none.
    Other,
    /// It has been written all the time. Whoever writes may have been put to sleep by the system,
    /// so the reader should wait for the lock.
    Busy,
}

/// An entry as it was at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copied<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) deadline: u64,
    pub(crate) meta: Meta,
}

/// The state of a slot at one instant, to see whether it has changed since, and to note a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta(u64);

impl Meta {
    /// Hits noted.
    #[inline]
    pub(crate) const fn hits(self) -> u64 {
        self.0 & HITS
    }
}

impl<K: Plain, V: Plain> Slots<K, V> {
    /// Words of a slot.
    pub(crate) const STRIDE: usize = 1 + K::WORDS + V::WORDS;

    /// Slots of which so many are made at once, if it is not too much.
    pub(crate) fn with_capacity(slots: u64) -> Slots<K, V> {
        let most = (MOST_AT_ONCE / Self::STRIDE).max(1);
        let slots = usize::try_from(slots).unwrap_or(most).clamp(1, most);
        Slots {
            first: zeros(slots * Self::STRIDE),
            more: std::array::from_fn(|_| OnceLock::new()),
            deadlines: std::array::from_fn(|_| OnceLock::new()),
            pair: PhantomData,
        }
    }

    /// The entry in a slot if it is of this hash and key, and its deadline.
    #[inline]
    pub(crate) fn read(&self, slot: Slot, hash: u64, key: &K) -> Read<Copied<K, V>>
    where
        K: Eq,
    {
        let Some(words) = self.words(slot) else { return Read::Other };
        for _ in 0..TRIES {
            // Acquire: the words that were written before.
            let meta = words[0].load(Ordering::Acquire);
            if (meta ^ (hash << HASH)) >> HASH != 0 || meta & LIVE == 0 {
                return Read::Other;
            }
            if let Some(copied) = self.copy(slot, words, meta) {
                return if copied.key == *key { Read::Found(copied) } else { Read::Other };
            }
            std::hint::spin_loop();
        }
        Read::Busy
    }

    /// The entry in a slot if it is of this key, has no deadline, and is not being written: all that
    /// needs more than one look is left to [`read`](Slots::read).
    #[inline]
    pub(crate) fn glance(&self, slot: Slot, key: &K) -> Option<(V, Meta)>
    where
        K: Eq,
    {
        let start = slot.index() * Self::STRIDE;
        let words = self.first.get(start..start + Self::STRIDE)?;
        // Acquire: the words that were written before.
        let meta = words[0].load(Ordering::Acquire);
        if meta & (WRITING | TIMED | LIVE) != LIVE {
            return None;
        }
        let mut rest = words[1..].iter();
        // The same orders as in `copy`.
        let mut take = || rest.next().map_or(0, |word| word.load(Ordering::Relaxed));
        let (found, value) = (K::read(&mut take), V::read(&mut take));
        fence(Ordering::Acquire);
        let unchanged = (words[0].load(Ordering::Relaxed) ^ meta) & !HITS == 0;
        (unchanged && found == *key).then_some((value, Meta(meta)))
    }

    /// The words as an entry, unless they have changed since `meta` was read.
    #[inline]
    fn copy(&self, slot: Slot, words: &[AtomicU64], meta: u64) -> Option<Copied<K, V>> {
        if meta & WRITING != 0 {
            return None;
        }
        let mut rest = words[1..].iter();
        // Relaxed: the fence below orders all of them.
        let mut take = || rest.next().map_or(0, |word| word.load(Ordering::Relaxed));
        let (key, value) = (K::read(&mut take), V::read(&mut take));
        let deadline = if meta & TIMED == 0 { NEVER } else { self.deadline(slot) };
        // Acquire: if a word of a later change was read, so is the change of `meta` before it.
        fence(Ordering::Acquire);
        let unchanged = (words[0].load(Ordering::Relaxed) ^ meta) & !HITS == 0;
        unchanged.then_some(Copied { key, value, deadline, meta: Meta(meta) })
    }

    /// Notes a hit on an entry that was read, unless it has been hit or changed meanwhile.
    #[inline]
    pub(crate) fn note_hit(&self, slot: Slot, Meta(old): Meta) {
        if let Some(words) = self.words(slot) {
            // Relaxed: nothing but the count is told by it. One that is lost costs nothing.
            let _ = words[0].compare_exchange(old, old + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    // From here on: under the lock of the shard.

    /// Makes a slot the place of an entry. It must not be in the index yet.
    pub(crate) fn fill(&self, slot: Slot, hash: u64, key: &K, value: &V, deadline: u64) {
        let words = self.make(slot);
        self.write(slot, words, hash << HASH | LIVE, Some(key), value, deadline);
    }

    /// Puts a new value in the place of the old one.
    pub(crate) fn overwrite(&self, slot: Slot, value: &V, deadline: u64) {
        let words = self.make(slot);
        let kept = words[0].load(Ordering::Relaxed) & (HITS | LIVE | !0 << HASH);
        self.write(slot, words, kept, None, value, deadline);
    }

    /// Ends an entry, once it has left the index.
    pub(crate) fn retire(&self, slot: Slot) {
        if let Some(words) = self.words(slot) {
            let next = words[0].load(Ordering::Relaxed).wrapping_add(ONE_CHANGE) & CHANGES;
            // Release: who sees this sees that the index has changed.
            words[0].store(next, Ordering::Release);
        }
    }

    /// The entry in a slot.
    pub(crate) fn get(&self, slot: Slot) -> Option<Copied<K, V>> {
        let words = self.words(slot)?;
        let meta = words[0].load(Ordering::Relaxed);
        if meta & LIVE == 0 {
            return None;
        }
        // Only the hits can have changed, and those are not looked at.
        self.copy(slot, words, meta)
    }

    /// Whether the entry in a slot is still as it was, apart from hits.
    pub(crate) fn is_still(&self, slot: Slot, Meta(old): Meta) -> bool {
        let meta = self.words(slot).map_or(0, |words| words[0].load(Ordering::Relaxed));
        (meta ^ old) & !HITS == 0
    }

    /// The lower half of the hash of an entry.
    pub(crate) fn hash_of(&self, slot: Slot) -> u64 {
        self.words(slot).map_or(0, |words| words[0].load(Ordering::Relaxed) >> HASH)
    }

    /// Bytes of everything made so far.
    #[cfg(all(test, not(perf_loom)))]
    pub(crate) fn allocated(&self) -> u64 {
        let more = self.more.iter().chain(&self.deadlines).filter_map(OnceLock::get);
        (self.first.len() + more.map(|part| part.len()).sum::<usize>()) as u64 * 8
    }

    fn write(
        &self,
        slot: Slot,
        words: &[AtomicU64],
        meta: u64,
        key: Option<&K>,
        value: &V,
        deadline: u64,
    ) {
        let timed = if deadline == NEVER { 0 } else { TIMED };
        let next = words[0].load(Ordering::Relaxed).wrapping_add(ONE_CHANGE) & CHANGES;
        let next = meta & !CHANGES & !TIMED | next | timed;
        words[0].store(next | WRITING, Ordering::Relaxed);
        // Release: who reads one of the words below sees that they were being written.
        fence(Ordering::Release);
        let (key_words, value_words) = words[1..].split_at(K::WORDS);
        if let Some(key) = key {
            let mut words = key_words.iter();
            key.write(&mut |word| put(&mut words, word));
        }
        let mut words_of_value = value_words.iter();
        value.write(&mut |word| put(&mut words_of_value, word));
        if deadline != NEVER {
            self.set_deadline(slot, deadline);
        }
        // Release: who sees the end sees all words.
        words[0].store(next, Ordering::Release);
    }

    #[inline]
    fn words(&self, slot: Slot) -> Option<&[AtomicU64]> {
        let start = slot.index() * Self::STRIDE;
        match self.first.get(start..start + Self::STRIDE) {
            Some(words) => Some(words),
            None => self.words_of_more(slot),
        }
    }

    #[cold]
    fn words_of_more(&self, slot: Slot) -> Option<&[AtomicU64]> {
        let (part, place) = self.place(slot);
        let start = place * Self::STRIDE;
        self.more.get(part.checked_sub(1)?)?.get()?.get(start..start + Self::STRIDE)
    }

    /// The same, made if it is not there.
    fn make(&self, slot: Slot) -> &[AtomicU64] {
        if let Some(words) = self.words(slot) {
            return words;
        }
        let (part, place) = self.place(slot);
        let length = self.first.len() << (part - 1);
        let words = self.more[part - 1].get_or_init(|| zeros(length));
        &words[place * Self::STRIDE..][..Self::STRIDE]
    }

    /// The part in which a slot lies, and where in it.
    fn place(&self, slot: Slot) -> (usize, usize) {
        let first = self.first.len() / Self::STRIDE;
        match (slot.index() / first).checked_ilog2() {
            None => (0, slot.index()),
            Some(part) => (part as usize + 1, slot.index() - (first << part)),
        }
    }

    #[cold]
    fn deadline(&self, slot: Slot) -> u64 {
        let (part, place) = self.place(slot);
        let deadlines = self.deadlines[part].get();
        // Relaxed: as the other words.
        deadlines.and_then(|d| d.get(place)).map_or(NEVER, |d| d.load(Ordering::Relaxed))
    }

    #[cold]
    fn set_deadline(&self, slot: Slot, deadline: u64) {
        let (part, place) = self.place(slot);
        let first = self.first.len() / Self::STRIDE;
        let deadlines = self.deadlines[part].get_or_init(|| zeros(first << part.saturating_sub(1)));
        deadlines[place].store(deadline, Ordering::Relaxed);
    }
}

impl<K: Plain, V: Plain> Entries for Slots<K, V> {
    fn hits(&self, slot: Slot) -> u8 {
        self.words(slot).map_or(0, |words| (words[0].load(Ordering::Relaxed) & HITS) as u8)
    }

    fn set_hits(&self, slot: Slot, hits: u8) {
        let Some(words) = self.words(slot) else { return };
        let meta = words[0].load(Ordering::Relaxed);
        // A plain store is enough: readers change nothing but the hits, which this sets.
        words[0].store(meta & !HITS | u64::from(hits) & HITS, Ordering::Relaxed);
    }

    fn hash(&self, slot: Slot) -> u32 {
        self.hash_of(slot) as u32
    }

    fn weight(&self, _: Slot) -> u64 {
        1
    }
}

impl<K, V> fmt::Debug for Slots<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("first_words", &self.first.len()).finish_non_exhaustive()
    }
}

/// The bits that count changes.
const CHANGES: u64 = WRITING - ONE_CHANGE;
/// How often a slot is read that is being written, before the reader waits for the lock: some
/// microseconds.
const TRIES: usize = if cfg!(perf_loom) { 2 } else { 100 };

pub(crate) use crate::expiry::NEVER;

/// Memory that is not touched before it is used: words that are zero come as such from the system,
/// and to make atomics of them in their place is nothing to the compiler.
fn zeros(words: usize) -> Box<[AtomicU64]> {
    vec![0; words].into_iter().map(AtomicU64::new).collect()
}

fn put(words: &mut std::slice::Iter<'_, AtomicU64>, word: u64) {
    if let Some(place) = words.next() {
        // Relaxed: the store to `meta` that follows is what publishes it.
        place.store(word, Ordering::Relaxed);
    }
}

#[cfg(all(test, perf_loom))]
mod model;

#[cfg(all(test, not(perf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn slots_lie_in_parts_of_doubling_size() {
        let slots = Slots::<u64, u64>::with_capacity(3);
        for n in 0..50 {
            slots.fill(Slot::new(n), u64::from(n), &u64::from(n), &7, u64::from(n) + 100);
        }
        for n in 0..50 {
            let copied = slots.get(Slot::new(n)).unwrap();
            assert_eq!((copied.key, copied.value), (u64::from(n), 7));
            assert_eq!(copied.deadline, u64::from(n) + 100);
        }
        assert_eq!(slots.allocated(), 96 * (3 + 1) * 8);
    }

    #[test]
    fn a_slot_answers_only_its_own_key_and_only_while_it_has_it() {
        let slots = Slots::<u32, (u8, f64)>::with_capacity(4);
        let slot = Slot::new(2);
        let value = |hash, key| match slots.read(slot, hash, &key) {
            Read::Found(copied) => Some(copied.value),
            _ => None,
        };
        assert_eq!(value(5, 0), None);
        assert_eq!(slots.glance(slot, &0), None);
        slots.fill(slot, 5, &9, &(1, 0.5), NEVER);
        let glanced = |key| slots.glance(slot, &key).map(|(value, _)| value);
        assert_eq!((glanced(9), glanced(8)), (Some((1, 0.5)), None));
        assert_eq!((value(5, 9), value(6, 9), value(5, 8)), (Some((1, 0.5)), None, None));
        // The upper half of a hash is not kept.
        assert_eq!(value((1 << 40) + 5, 9), Some((1, 0.5)));
        slots.overwrite(slot, &(2, 1.5), 77);
        assert_eq!((value(5, 9), glanced(9)), (Some((2, 1.5)), None), "it has a deadline");
        slots.retire(slot);
        assert_eq!((value(5, 9), slots.get(slot)), (None, None));
    }

    #[test]
    fn hits_are_noted_and_an_overwrite_keeps_them() {
        let slots = Slots::<u64, u64>::with_capacity(1);
        let slot = Slot::new(0);
        slots.fill(slot, 1, &1, &1, NEVER);
        for hits in 1..=3 {
            let copied = slots.get(slot).unwrap();
            slots.note_hit(slot, copied.meta);
            assert_eq!(slots.hits(slot), hits);
        }
        let before = slots.get(slot).unwrap();
        slots.overwrite(slot, &2, NEVER);
        assert_eq!(slots.hits(slot), 3);
        assert!(!slots.is_still(slot, before.meta));
        slots.set_hits(slot, 1);
        slots.note_hit(slot, before.meta);
        assert_eq!((slots.hits(slot), slots.hash(slot), slots.weight(slot)), (1, 1, 1));
    }
}
