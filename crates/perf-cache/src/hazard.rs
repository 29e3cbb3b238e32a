//! Who reads what: the record that each thread has in a cache.
//!
//! A thread that is about to look into a slot says so in a *hazard word* of its own, makes the
//! light half of a [barrier], and looks whether the slot is still what it wanted.
//! From then on the slot is protected: whoever has taken it out of the cache finds the word and
//! leaves the slot alone until it names something else. Nobody but the thread writes its words, so
//! a read stores to no cache line that another processor writes.
//!
//! A thread can protect [`WORDS`] entries at once: one is what `get` needs, others are held by the
//! guards of `get_ref`. A thread without a record or without a free word reads under the lock.
//!
//! Source: Michael, "Hazard pointers: safe memory reclamation for lock-free objects", IEEE TPDS
//! 2004.

use crate::barrier;
use crate::repeats::Repeats;
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, Stripes, fence, yield_now};
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries that a thread can protect at once.
pub(crate) const WORDS: usize = 8;

/// Threads whose records lie in the cache itself: those of most machines.
pub(crate) const NEAR: usize = 15;

/// The threads that read a cache.
#[derive(Debug)]
pub(crate) struct Readers {
    records: Stripes<Record, NEAR>,
    /// How many records have ever been used to read.
    registered: AtomicUsize,
    /// Whether the only thread that reads has something to itself for a moment. Written by that
    /// thread alone.
    is_exclusive: AtomicBool,
    /// What threads without a word have named. Not from `sync`: what it orders is ordered by the
    /// locks of the shards but for the end of a pin, and nothing waits while it is held.
    pinned: Mutex<Vec<usize>>,
    /// How many these are. One more under the lock of the shard, one less when the pin has ended.
    pins: AtomicUsize,
}

/// What one thread writes when it reads. Two cache lines, because processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Record {
    words: [AtomicUsize; WORDS],
    hits: AtomicU64,
    misses: AtomicU64,
    is_registered: AtomicBool,
    pub(crate) repeats: Repeats,
}

// More would be twice as much.
#[cfg(not(perf_loom))]
const _: () = assert!(size_of::<Record>() == 128);

/// The word names nothing.
const FREE: usize = 0;
/// The first word of a record that must not be used the short way: nobody knows of the record yet,
/// or readers need a full fence. No address of a slot, since slots are aligned.
const THE_LONG_WAY: usize = 1;

impl Default for Record {
    fn default() -> Record {
        let words = std::array::from_fn(|word| {
            AtomicUsize::new(if word == 0 { THE_LONG_WAY } else { FREE })
        });
        Record {
            words,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            is_registered: AtomicBool::new(false),
            repeats: Repeats::default(),
        }
    }
}

impl Record {
    #[inline]
    pub(crate) fn count_hit(&self) -> u64 {
        // Load and store: this thread is the only one that writes it.
        let hits = self.hits.load(Ordering::Relaxed).wrapping_add(1);
        self.hits.store(hits, Ordering::Relaxed);
        hits
    }

    /// Hits and misses of this thread and of those that had its record before.
    pub(crate) fn turn(&self) -> u64 {
        let misses = self.misses.load(Ordering::Relaxed);
        self.hits.load(Ordering::Relaxed).wrapping_add(misses)
    }

    #[inline]
    pub(crate) fn count_miss(&self) {
        self.misses.store(self.misses.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

impl Readers {
    pub(crate) fn new() -> Readers {
        Readers {
            records: Stripes::default(),
            registered: AtomicUsize::new(0),
            is_exclusive: AtomicBool::new(false),
            pinned: Mutex::new(Vec::new()),
            pins: AtomicUsize::new(0),
        }
    }

    /// The record of this thread; `None` for threads beyond 127 and those that are being torn down.
    #[inline]
    pub(crate) fn own(&self) -> Option<&Record> {
        self.records.own()
    }

    /// Names a slot, by its address, in a word of this thread; `None` if all are in use. What is
    /// loaded afterwards is loaded after the name was to be seen by whoever made the heavy half of
    /// the barrier.
    #[inline]
    pub(crate) fn name<'a>(&'a self, record: &'a Record, at: usize) -> Option<Word<'a>> {
        let word = &record.words[0];
        // Acquire: a guard that outlived its thread may have freed it on another one.
        if word.load(Ordering::Acquire) == FREE {
            // Release: reads through what was named before come first.
            word.store(at, Ordering::Release);
            barrier::light();
            return Some(Word { word, not_send: PhantomData });
        }
        self.name_elsewhere(record, at)
    }

    #[cold]
    fn name_elsewhere<'a>(&'a self, record: &'a Record, at: usize) -> Option<Word<'a>> {
        if !record.is_registered.load(Ordering::Relaxed) {
            self.registered.fetch_add(1, Ordering::SeqCst);
            // Whoever retires a slot and then finds no other record than its own makes no barrier:
            // every look that this thread takes at a slot comes after the fence in here. And who
            // has something to itself does with the light half.
            if !barrier::heavy() {
                // Then this thread reads under the locks.
                self.registered.fetch_sub(1, Ordering::SeqCst);
                return None;
            }
            record.is_registered.store(true, Ordering::Relaxed);
            // It may have had it before it could know. Acquire: what it did with that.
            while self.is_exclusive.load(Ordering::Acquire) {
                yield_now();
            }
            if barrier::is_asymmetric() {
                record.words[0].store(FREE, Ordering::Release);
            }
        }
        let mut words = record.words.iter();
        let word = words.find(|word| word.load(Ordering::Acquire) == FREE)?;
        word.store(at, Ordering::Release);
        // Whatever the other side does, this is enough.
        fence(Ordering::SeqCst);
        Some(Word { word, not_send: PhantomData })
    }

    /// Whether [`is_alone`](Readers::is_alone) is worth asking.
    #[inline]
    pub(crate) fn may_be_alone(&self) -> bool {
        self.is_only_one_of(self.registered.load(Ordering::Relaxed))
    }

    /// Whether this thread is all of so many that have read.
    #[inline]
    fn is_only_one_of(&self, registered: usize) -> bool {
        match registered {
            0 => true,
            1 => self.own().is_some_and(|own| own.is_registered.load(Ordering::Relaxed)),
            _ => false,
        }
    }

    /// Whether no thread but this one can protect anything. After the stores that retired what
    /// this is asked for.
    pub(crate) fn is_alone(&self) -> bool {
        if !self.may_be_alone() {
            return false;
        }
        fence(Ordering::SeqCst);
        self.is_only_one_of(self.registered.load(Ordering::SeqCst))
    }

    /// What lies at this address for this thread alone: no other reads, none begins to before the
    /// answer is dropped, and no word of this one names it. `None` if that is not so, and for a
    /// thread that has never read. Under the lock of the shard, as [`pin`](Readers::pin) is called.
    ///
    /// No user code may run meanwhile: threads that are about to read for the first time wait.
    #[inline(always)]
    pub(crate) fn exclude(&self, at: usize) -> Option<Exclusive<'_>> {
        if self.registered.load(Ordering::Relaxed) != 1 {
            return None;
        }
        let own = self.own()?;
        // Of the threads that have registered only the first can have found itself alone above, so
        // no two get further at once.
        if !own.is_registered.load(Ordering::Relaxed) {
            return None;
        }
        self.is_exclusive.store(true, Ordering::Relaxed);
        let exclusive = Exclusive { readers: self };
        // Either this thread sees below that another has registered, or that one sees what was
        // stored above, and waits: it makes the heavy half between its registration and its look.
        barrier::light_or_full();
        let alone = self.registered.load(Ordering::SeqCst) <= 1;
        // Acquire: a guard may have been dropped by another thread.
        let any = own.words.iter().fold(0, |any, word| any | word.load(Ordering::Acquire));
        let is_named =
            any > THE_LONG_WAY && own.words.iter().any(|word| word.load(Ordering::Acquire) == at);
        // Acquire: what was read through pins that have ended.
        let is_pinned = self.pins.load(Ordering::Acquire) > 0;
        (alone && !is_named && !is_pinned).then_some(exclusive)
    }

    /// All that is protected, sorted.
    pub(crate) fn protected(&self) -> Vec<usize> {
        let words = self.records.iter().flat_map(|record| &record.words);
        // Acquire: what was read through a word comes before it named something else.
        let named = words.map(|word| word.load(Ordering::Acquire));
        let mut named: Vec<_> = named.filter(|&at| at != FREE && at != THE_LONG_WAY).collect();
        named.extend_from_slice(&self.pinned());
        named.sort_unstable();
        named
    }

    /// Names a slot for a thread that has no word, by its address. Under the lock of its shard:
    /// who asks what is protected under that lock later finds it.
    pub(crate) fn pin(&self, at: usize) -> Pin<'_> {
        self.pinned().push(at);
        self.pins.fetch_add(1, Ordering::Relaxed);
        Pin { readers: self, at }
    }

    fn pinned(&self) -> MutexGuard<'_, Vec<usize>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hits and misses that were counted by records.
    pub(crate) fn counted(&self) -> (u64, u64) {
        self.records.iter().fold((0, 0), |(hits, misses), record| {
            let hits = record.hits.load(Ordering::Relaxed).wrapping_add(hits);
            (hits, record.misses.load(Ordering::Relaxed).wrapping_add(misses))
        })
    }
}

/// The right of one thread to what it has asked for, until this is dropped.
#[derive(Debug)]
pub(crate) struct Exclusive<'a> {
    readers: &'a Readers,
}

impl Drop for Exclusive<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: what was done comes before what those do who wait.
        self.readers.is_exclusive.store(false, Ordering::Release);
    }
}

/// A hazard word, free again when this is dropped. It stays with the thread that got it.
#[derive(Debug)]
pub(crate) struct Word<'a> {
    word: &'a AtomicUsize,
    not_send: PhantomData<*const ()>,
}

impl Drop for Word<'_> {
    #[inline]
    fn drop(&mut self) {
        // Release: reads through what was named come first.
        self.word.store(FREE, Ordering::Release);
    }
}

/// A name without a word, until this is dropped.
#[derive(Debug)]
pub(crate) struct Pin<'a> {
    readers: &'a Readers,
    at: usize,
}

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        let mut pinned = self.readers.pinned();
        if let Some(place) = pinned.iter().position(|&at| at == self.at) {
            pinned.swap_remove(place);
        }
        // Release: reads through the pin come first.
        self.readers.pins.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(all(test, not(perf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_one_thing_until_it_is_dropped() {
        let readers = Readers::new();
        let record = readers.own().unwrap();
        let word = readers.name(record, 128).unwrap();
        let second = readers.name(record, 64).unwrap();
        assert_eq!(readers.protected(), [64, 128]);
        drop(word);
        assert_eq!(readers.protected(), [64]);
        drop(second);
        assert_eq!(readers.protected(), [0_usize; 0]);
    }

    #[test]
    fn words_run_out_and_come_back() {
        let readers = Readers::new();
        let record = readers.own().unwrap();
        let words: Vec<_> = (1..=WORDS).map(|n| readers.name(record, n * 8).unwrap()).collect();
        assert!(readers.name(record, 800).is_none());
        drop(words);
        assert!(readers.name(record, 800).is_some());
    }

    #[test]
    fn a_thread_is_alone_until_another_one_reads() {
        let readers = Readers::new();
        assert!(readers.is_alone());
        drop(readers.name(readers.own().unwrap(), 64));
        assert!(readers.is_alone());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(!readers.is_alone(), "another thread has read");
                assert!(!readers.may_be_alone(), "and a writer need not ask each time");
                drop(readers.name(readers.own().unwrap(), 64));
            });
        });
        assert!(!readers.is_alone());
    }
}
