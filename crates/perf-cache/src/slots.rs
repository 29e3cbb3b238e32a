//! Where the entries of a shard lie: places that are read without a lock and used again.
//!
//! This is the only file of the crate with unsafe code. What it rests on is kept in the files below
//! it as well, which are safe code: a place is in one list of the ledger at most, and in that of the
//! vacant ones only if it is not occupied. The idea in short:
//!
//! - Places are never moved or given back before the cache goes, so the *tag* of a place can be
//!   read at any time. It says whether there is a live entry, and the hash of its key.
//! - Entries are put in and taken out by whoever holds the [`Ledger`], which lies behind the lock
//!   of the shard.
//! - An entry that is taken out is first *retired*: its tag says that it is live no longer, and it
//!   waits in the ledger. Readers who find it from now on pass by.
//! - Readers who came before may still look at it. Each has named the place in a
//!   [hazard word](crate::hazard), made the light half of a [barrier], and found
//!   the tag live after that. So whoever makes the heavy half after the entry was retired, and then
//!   finds no word that names the place, knows that nobody looks and nobody will: only then is the
//!   entry moved out, to be dropped, and the place used again.
//!
//! In steps, with what orders them (Michael 2004; the fences as in Dice, Huang, Yang 2001):
//!
//! | reader | reclaimer |
//! |---|---|
//! | 1. word := place | a. tag := not live |
//! | 2. light half | b. heavy half |
//! | 3. tag live? then look | c. some word = place? then wait |
//! | 4. word := none (release) | d. move out, now or later, after all that released (acquire) |
//!
//! If 3 finds the tag live, then a came later than 3 in the order that the two fences make, so c
//! finds what 1 stored, or what came after 4.
//!
//! What waits is bounded. Each time a number of entries has been retired they are *sealed*: a stamp
//! is taken, and once a barrier has passed since, those that nobody protects are free: each is
//! moved out when its place is used again, and dropped after the lock. A thread that is the only
//! one to read needs no barrier at all: it has a place to [itself](Readers::exclude) if no word of
//! its own names it, and others that begin to read wait for the moment that it takes to put another
//! entry there, or to move it out.
#![expect(unsafe_code, reason = "readers without locks need places that others can empty")]

#[deny(unsafe_code)]
mod ledger;
#[deny(unsafe_code)]
mod notes;
#[deny(unsafe_code)]
mod places;

pub(crate) use self::ledger::{Harvest, Ledger};
pub(crate) use self::notes::tag_of;
use self::notes::{ERA_SHIFT, HITS, PECULIAR};
pub(crate) use self::places::place_size;
use crate::entry::Entry;
use crate::hazard::{Pin, Readers, Record, Word};
use crate::policy::Slot;
use crate::sync::{AtomicU32, OnceLock, Ordering};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ops::Deref;

/// The places of one shard.
pub(crate) struct Slots<K, V> {
    first: Box<[Place<K, V>]>,
    /// Chunk `n` has `SMALLEST << n` places.
    more: [Chunk<K, V>; CHUNKS],
    /// How many places were ever used; none beyond is.
    used: AtomicU32,
    /// The ledger has the same.
    id: u64,
}

type Chunk<K, V> = OnceLock<Box<[Place<K, V>]>>;

/// A place for one entry.
#[repr(C)]
struct Place<K, V> {
    /// The hash with [`LIVE`] and [`OCCUPIED`] in the place of two of its bits. Zero before the
    /// first use. Written by whoever holds the ledger.
    tag: AtomicU32,
    /// Hits in the lowest bits, [`PECULIAR`], era above. Written by readers that protect the place,
    /// without care for each other: of two at once one may be lost. The era only grows, and an older
    /// one costs a second look.
    notes: AtomicU32,
    entry: UnsafeCell<MaybeUninit<Entry<K, V>>>,
    /// By this loom sees who reads and who writes the entry.
    #[cfg(perf_loom)]
    seen: loom::cell::UnsafeCell<()>,
}

/// Whether readers may look.
const LIVE: u32 = 0x100;
/// Whether there is an entry, live or retired.
const OCCUPIED: u32 = 0x200;
const SMALLEST: usize = 64;
const CHUNKS: usize = 26;
// SAFETY: a place gives out `&Entry` on any thread (so entries must be `Sync`) and moves entries
// out on any thread (so they must be `Send`). Who may do what when is this file's protocol.
unsafe impl<K: Send + Sync, V: Send + Sync> Send for Slots<K, V> {}
// SAFETY: as above.
unsafe impl<K: Send + Sync, V: Send + Sync> Sync for Slots<K, V> {}

impl<K, V> Place<K, V> {
    /// # Safety
    ///
    /// There must be an entry, and it may not be moved out during `'a`: the caller has the ledger
    /// during that time, or a hazard word names this place, was followed by the light half of a
    /// barrier, and the tag was found live after that.
    #[inline]
    unsafe fn entry<'a>(&self) -> &'a Entry<K, V> {
        #[cfg(perf_loom)]
        self.seen.with(|_| ());
        // SAFETY: occupied, as the caller says, so initialized: it was written before the tag was
        // set (release), which the caller has read (acquire) or is ordered after by the lock. While
        // it may not be moved out nobody writes to it, see `Slots::put` and `Slots::vacate`.
        unsafe { (*self.entry.get()).assume_init_ref() }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

/// What a reader found at a place.
#[derive(Debug)]
pub(crate) enum Look<'a, K, V> {
    Live(Protected<'a, K, V>),
    /// Not what was looked for.
    Gone,
    /// All hazard words of this thread are in use: to be read under the lock.
    NoWord,
}

/// An entry that stays where it is until this is dropped.
#[derive(Debug)]
pub(crate) struct Protected<'a, K, V> {
    place: &'a Place<K, V>,
    slot: Slot,
    _word: Word<'a>,
}

/// The same for a thread without a free word: got under the lock, and kept without it.
#[derive(Debug)]
pub(crate) struct Pinned<'a, K, V> {
    place: &'a Place<K, V>,
    _pin: Pin<'a>,
}

/// An entry that has left and waits for its release. Should that never come, the entry is dropped
/// with the slots.
#[derive(Debug)]
pub(crate) struct Detached<'a, K, V> {
    place: &'a Place<K, V>,
    slot: Slot,
    id: u64,
}

impl<K, V> Slots<K, V> {
    /// No entries yet. The first so many places lie in one piece, whose memory is not touched
    /// before it is used; more are made when they are needed.
    pub(crate) fn new(places: usize) -> (Slots<K, V>, Ledger) {
        // Not from `sync`: it orders nothing.
        static IDS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let id = IDS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let first = new_places(places);
        let more = std::array::from_fn(|_| OnceLock::new());
        let ledger = Ledger {
            id,
            live: 0,
            vacant: Vec::new(),
            waiting: Vec::new(),
            sealed: Vec::new(),
            stamp: 0,
            pinned: Vec::new(),
            unread: Vec::new(),
            barrier_is_coming: false,
        };
        (Slots { first, more, used: AtomicU32::new(0), id }, ledger)
    }

    /// Looks whether an entry with this tag lies there now, without a lock.
    ///
    /// `readers` must be the same for all calls to these slots.
    #[inline]
    pub(crate) fn protect<'a>(
        &'a self,
        slot: Slot,
        tag: u32,
        readers: &'a Readers,
        record: &'a Record,
    ) -> Look<'a, K, V> {
        let place = self.place(slot);
        let Some(word) = readers.name(record, place.address()) else { return Look::NoWord };
        // Acquire: what was put in before the tag was set.
        if place.tag.load(Ordering::Acquire) != tag {
            return Look::Gone;
        }
        Look::Live(Protected { place, slot, _word: word })
    }

    /// Keeps the entry at a slot where it is, live or not; `None` unless it is live now.
    ///
    /// `readers` must be the same for all calls to these slots.
    pub(crate) fn pin<'a>(
        &'a self,
        ledger: &Ledger,
        slot: Slot,
        readers: &'a Readers,
    ) -> Option<Pinned<'a, K, V>> {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let place = self.place(slot);
        let is_live = place.tag.load(Ordering::Relaxed) & LIVE != 0;
        is_live.then(|| Pinned { place, _pin: readers.pin(place.address()) })
    }

    /// Puts an entry in, for readers to see. Answers what was left in its place: to be dropped after
    /// the lock.
    ///
    /// # Panics
    ///
    /// Where a shard would have more than 2^32 places.
    #[inline]
    pub(crate) fn put(
        &self,
        ledger: &mut Ledger,
        tag: u32,
        era: u32,
        entry: Entry<K, V>,
    ) -> (Slot, Option<Entry<K, V>>) {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let left = self.vacate(ledger);
        let slot = Slot::new(ledger.vacant.pop().unwrap_or_else(|| self.fresh()));
        let place = self.place(slot);
        debug_assert_eq!(place.tag.load(Ordering::Relaxed) & OCCUPIED, 0);
        #[cfg(perf_loom)]
        place.seen.with_mut(|_| ());
        let peculiar = if entry.is_plain() { 0 } else { PECULIAR };
        // SAFETY: the place is vacant: it was never used, or its entry was moved out and it was
        // made vacant after that, once, since only this call takes it off the list again. Nobody
        // has a reference to what was there: `vacate` or `take` have seen to that. Nobody gets one
        // before the tag is set below, and nobody else writes, because that takes the ledger.
        unsafe { (*place.entry.get()).write(entry) };
        place.notes.store(era << ERA_SHIFT | peculiar, Ordering::Relaxed);
        // Release: with what was written above.
        place.tag.store(tag | LIVE | OCCUPIED, Ordering::Release);
        ledger.live += 1;
        if let Some(&next) = ledger.unread.last() {
            self.foresee(Slot::new(next));
        }
        (slot, left)
    }

    /// Ends the life of an entry: readers who come from now on pass by. It is freed by a later
    /// [`harvest`](Slots::harvest).
    ///
    /// # Panics
    ///
    /// Where no live entry is there.
    #[inline]
    pub(crate) fn retire(&self, ledger: &mut Ledger, slot: Slot) {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let place = self.place(slot);
        let tag = place.tag.load(Ordering::Relaxed);
        assert!(tag & LIVE != 0, "only what is live is retired");
        // Release: what made it leave, such as its going from the index, comes first.
        place.tag.store(tag & !LIVE, Ordering::Release);
        ledger.waiting.push(slot.as_u32());
        ledger.live -= 1;
    }

    /// Puts an entry in the place of another of the same key, and answers that one; for a thread
    /// that is the only one to read, and has no guard of it. Else the entry comes back. Counts a
    /// hit, up to so many.
    ///
    /// # Errors
    ///
    /// The new entry.
    ///
    /// # Panics
    ///
    /// Where no live entry is there.
    #[inline(always)]
    pub(crate) fn swap(
        &self,
        ledger: &mut Ledger,
        readers: &Readers,
        slot: Slot,
        most_hits: u8,
        new: (u32, Entry<K, V>),
    ) -> Result<Entry<K, V>, Entry<K, V>> {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let (era, entry) = new;
        let place = self.place(slot);
        let tag = place.tag.load(Ordering::Relaxed);
        assert!(tag & LIVE != 0, "only what is live is replaced");
        let Some(alone) = readers.exclude(place.address()) else { return Err(entry) };
        let peculiar = if entry.is_plain() { 0 } else { PECULIAR };
        #[cfg(perf_loom)]
        place.seen.with_mut(|_| ());
        // SAFETY: live, so occupied and initialized. No reference to it is left: other threads have
        // never read here and begin only after `alone` is dropped, which they see (release and
        // acquire), no word of this thread names the place, and references that were got by the
        // ledger have ended, since this call has it for itself.
        let old = std::mem::replace(unsafe { (*place.entry.get()).assume_init_mut() }, entry);
        let hits = place.notes.load(Ordering::Relaxed) & HITS;
        let hits = hits + u32::from(hits < u32::from(most_hits).min(HITS));
        place.notes.store(era << ERA_SHIFT | peculiar | hits, Ordering::Relaxed);
        drop(alone);
        Ok(old)
    }

    /// Puts an entry in the place of another one of any key, and answers that; for a thread that is
    /// the only one to read, and has no guard of it. Else the entry comes back. The index must be
    /// told of both.
    ///
    /// # Errors
    ///
    /// The new entry.
    ///
    /// # Panics
    ///
    /// Where no live entry is there.
    #[inline(always)]
    pub(crate) fn supersede(
        &self,
        ledger: &mut Ledger,
        readers: &Readers,
        slot: Slot,
        new: (u32, u32, Entry<K, V>),
    ) -> Result<Entry<K, V>, Entry<K, V>> {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let (tag, era, entry) = new;
        let place = self.place(slot);
        let before = place.tag.load(Ordering::Relaxed);
        assert!(before & LIVE != 0, "only what is live is superseded");
        let Some(alone) = readers.exclude(place.address()) else { return Err(entry) };
        let peculiar = if entry.is_plain() { 0 } else { PECULIAR };
        #[cfg(perf_loom)]
        place.seen.with_mut(|_| ());
        // SAFETY: live, so occupied and initialized, before and after. No reference to it is left,
        // for the same reasons as in `swap`.
        let old = std::mem::replace(unsafe { (*place.entry.get()).assume_init_mut() }, entry);
        place.notes.store(era << ERA_SHIFT | peculiar, Ordering::Relaxed);
        // Whoever begins to read finds this tag, since `alone` is dropped after it (release).
        place.tag.store(tag | LIVE | OCCUPIED, Ordering::Relaxed);
        drop(alone);
        Ok(old)
    }

    /// Ends the life of an entry and frees its place, all at once; for a thread that is the only
    /// one to read, and has no guard of it. `None`: it is still there, to be retired.
    ///
    /// # Panics
    ///
    /// Where no live entry is there.
    #[inline]
    pub(crate) fn take(
        &self,
        ledger: &mut Ledger,
        readers: &Readers,
        slot: Slot,
    ) -> Option<Entry<K, V>> {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let place = self.place(slot);
        let tag = place.tag.load(Ordering::Relaxed);
        assert!(tag & LIVE != 0, "only what is live is taken");
        let alone = readers.exclude(place.address())?;
        place.tag.store(tag & !(LIVE | OCCUPIED), Ordering::Release);
        #[cfg(perf_loom)]
        place.seen.with_mut(|_| ());
        // SAFETY: live until now, so occupied and initialized, and not again after this: the tag
        // says so. No reference to it is left, for the same reasons as in `swap`.
        let entry = unsafe { (*place.entry.get()).assume_init_read() };
        drop(alone);
        ledger.vacant.push(slot.as_u32());
        ledger.live -= 1;
        Some(entry)
    }

    /// Moves out an entry that only waits to be dropped, and makes its place vacant; `None` if there
    /// is none.
    #[inline]
    pub(crate) fn vacate(&self, ledger: &mut Ledger) -> Option<Entry<K, V>> {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let index = ledger.unread.pop()?;
        let place = self.place(Slot::new(index));
        let tag = place.tag.load(Ordering::Relaxed);
        assert_eq!(tag & (LIVE | OCCUPIED), OCCUPIED, "what is freed was retired before");
        place.tag.store(tag & !OCCUPIED, Ordering::Relaxed);
        #[cfg(perf_loom)]
        place.seen.with_mut(|_| ());
        // SAFETY: occupied, so initialized, and not again after this: the tag says so from now on.
        // No reference to it is left. It is in this list because `harvest` found no word that names
        // it: whoever protected it before it was retired would have been named there, since a
        // barrier had passed, or nobody but that thread had ever read, or has let go of it (release;
        // read by acquire). Nobody new can protect it, because it is not live. References that were
        // got by the ledger have ended, since this call has it for itself.
        let entry = unsafe { (*place.entry.get()).assume_init_read() };
        ledger.vacant.push(index);
        Some(entry)
    }

    /// The entry at a slot, for whoever holds the lock; `None` unless it is live.
    #[inline]
    pub(crate) fn get<'a>(&'a self, ledger: &'a Ledger, slot: Slot) -> Option<&'a Entry<K, V>> {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let place = self.place(slot);
        if place.tag.load(Ordering::Relaxed) & LIVE == 0 {
            return None;
        }
        // SAFETY: live, so there is an entry, and it is not moved out while the ledger is borrowed.
        Some(unsafe { place.entry() })
    }
}

impl<K, V> Drop for Slots<K, V> {
    fn drop(&mut self) {
        // Relaxed, here and below: whoever drops has the slots for itself.
        let used = self.used.load(Ordering::Relaxed);
        for slot in (0..used).map(Slot::new) {
            let place = self.place(slot);
            let tag = place.tag.load(Ordering::Relaxed);
            if tag & OCCUPIED != 0 {
                place.tag.store(0, Ordering::Relaxed);
                #[cfg(perf_loom)]
                place.seen.with_mut(|_| ());
                // SAFETY: occupied, so initialized, and never again looked at: nobody has the slots
                // but this call, and what protects an entry borrows them.
                unsafe { (*place.entry.get()).assume_init_drop() };
            }
        }
    }
}

impl<K, V> Deref for Protected<'_, K, V> {
    type Target = Entry<K, V>;

    #[inline]
    fn deref(&self) -> &Entry<K, V> {
        // SAFETY: `protect` has named the place and found the tag live after that, and the word
        // names it until this is dropped, which ends the reference.
        unsafe { self.place.entry() }
    }
}

impl<K, V> Deref for Pinned<'_, K, V> {
    type Target = Entry<K, V>;

    fn deref(&self) -> &Entry<K, V> {
        // SAFETY: `pin` found it live while it had the ledger, and named it meanwhile. `harvest` takes
        // the ledger for itself, so it came before, and not to what is live, or comes after and
        // finds the name, which is there until this is dropped; `vacate` comes after `harvest`.
        unsafe { self.place.entry() }
    }
}

impl<K, V> Deref for Detached<'_, K, V> {
    type Target = Entry<K, V>;

    fn deref(&self) -> &Entry<K, V> {
        // SAFETY: occupied, and in no list of the ledger, so that `vacate` does not come by before
        // the release, which takes this.
        unsafe { self.place.entry() }
    }
}

#[cfg(not(perf_loom))]
fn new_places<K, V>(count: usize) -> Box<[Place<K, V>]> {
    // From the allocator as zeros, which it has of the kernel where there are many: so places that
    // are never used never take memory.
    let zeroed = Box::<[Place<K, V>]>::new_zeroed_slice(count);
    // SAFETY: zeros are two atomic numbers and an entry that need not be initialized.
    unsafe { zeroed.assume_init() }
}

#[cfg(perf_loom)]
fn new_places<K, V>(count: usize) -> Box<[Place<K, V>]> {
    let place = || Place {
        tag: AtomicU32::new(0),
        notes: AtomicU32::new(0),
        entry: UnsafeCell::new(MaybeUninit::uninit()),
        seen: loom::cell::UnsafeCell::new(()),
    };
    std::iter::repeat_with(place).take(count).collect()
}

#[cfg(all(test, perf_loom))]
mod model;
#[cfg(all(test, not(perf_loom)))]
mod tests;
