//! Where the entries of a shard lie: places that are read without a lock and used again.
//!
//! This is the only file of the crate with unsafe code. Its idea in short:
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
//! | 4. word := none (release) | d. move out, after all that released (acquire) |
//!
//! If 3 finds the tag live, then a came later than 3 in the order that the two fences make, so c
//! finds what 1 stored, or what came after 4.
//!
//! What waits is bounded. Each time a number of entries has been retired they are *sealed*: a stamp
//! is taken, and once a barrier has passed since, those that nobody protects are freed together. A
//! thread that is the only one to read needs no barrier at all: it has a place to
//! [itself](Readers::exclude) if no word of its own names it, and others that begin to read wait
//! for the moment that it takes to put another entry there, or to move it out.
#![expect(unsafe_code, reason = "readers without locks need places that others can empty")]

use crate::barrier;
use crate::entry::Entry;
use crate::hazard::{Pin, Readers, Record, Word};
use crate::policy::Slot;
use crate::sync::{AtomicU32, OnceLock, Ordering};
use std::cell::UnsafeCell;
use std::fmt;
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
const HITS: u32 = 0x7f;
/// There is more to the entry than its key and value. Set when it is put in, or another in
/// its place.
const PECULIAR: u32 = 0x80;
const ERA_SHIFT: u32 = 8;

/// What a live entry of that hash has as its tag. The index uses it as the hash: these bits are
/// what is kept of it. Which two are missing matters little: the highest choose the bucket, the
/// lowest are compared there.
#[inline]
pub(crate) const fn tag_of(hash: u64) -> u32 {
    hash as u32 | LIVE | OCCUPIED
}

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
        // it may not be moved out nobody writes to it, see `Slots::put` and `Slots::free`.
        unsafe { (*self.entry.get()).assume_init_ref() }
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

/// The right to change what lies in the places of one shard: kept behind its lock.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Of the slots that this belongs to.
    id: u64,
    live: u32,
    /// Places that can be used again.
    vacant: Vec<u32>,
    /// Retired places that are not sealed yet.
    waiting: Vec<u32>,
    /// Retired places that wait for a barrier after the stamp.
    sealed: Vec<u32>,
    stamp: u64,
    /// Retired places that have had their barrier, but somebody still reads them.
    pinned: Vec<u32>,
    /// Whether somebody has gone to make a barrier.
    barrier_is_coming: bool,
}

impl Ledger {
    /// Number of live entries.
    pub(crate) const fn len(&self) -> usize {
        self.live as usize
    }

    /// How many entries have left and are not freed yet.
    pub(crate) const fn retired(&self) -> usize {
        self.waiting.len() + self.sealed.len() + self.pinned.len()
    }

    /// How many entries have left since the last sealing.
    pub(crate) const fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether somebody has been told that a barrier is needed, and has not come back yet.
    pub(crate) const fn barrier_is_coming(&self) -> bool {
        self.barrier_is_coming
    }
}

/// What is to be done so that retired entries can be freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Harvest {
    Done,
    /// A [`barrier::heavy`] outside of the lock, and a harvest after it.
    NeedsBarrier,
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

    /// Puts an entry in, for readers to see.
    ///
    /// # Panics
    ///
    /// Where a shard would have more than 2^32 places.
    #[inline]
    pub(crate) fn put(&self, ledger: &mut Ledger, tag: u32, era: u32, entry: Entry<K, V>) -> Slot {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let slot = Slot::new(ledger.vacant.pop().unwrap_or_else(|| self.fresh()));
        let place = self.place(slot);
        debug_assert_eq!(place.tag.load(Ordering::Relaxed) & OCCUPIED, 0);
        #[cfg(perf_loom)]
        place.seen.with_mut(|_| ());
        let peculiar = if entry.is_plain() { 0 } else { PECULIAR };
        // SAFETY: the place is vacant: it was never used, or `free` has moved its entry out and
        // made it vacant, once, since only this call takes it off the list again. Nobody has a
        // reference to what was there: `free` has seen to that. Nobody gets one before the tag is
        // set below, and nobody else writes, because that takes the ledger.
        unsafe { (*place.entry.get()).write(entry) };
        place.notes.store(era << ERA_SHIFT | peculiar, Ordering::Relaxed);
        // Release: with what was written above.
        place.tag.store(tag | LIVE | OCCUPIED, Ordering::Release);
        ledger.live += 1;
        slot
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

    /// Like [`retire`](Slots::retire), and keeps the entry readable until it is handed back by
    /// [`release`](Slots::release).
    ///
    /// # Panics
    ///
    /// As [`retire`](Slots::retire).
    pub(crate) fn detach<'a>(&'a self, ledger: &mut Ledger, slot: Slot) -> Detached<'a, K, V> {
        self.retire(ledger, slot);
        ledger.waiting.pop();
        Detached { place: self.place(slot), slot, id: self.id }
    }

    /// Hands a detached entry back, to be freed like others that were retired.
    pub(crate) fn release(&self, ledger: &mut Ledger, detached: Detached<'_, K, V>) {
        assert_eq!((self.id, detached.id), (ledger.id, ledger.id), "a ledger belongs to its slots");
        ledger.waiting.push(detached.slot.as_u32());
    }

    /// Frees retired entries that nobody can look at: they go to `gone`, to be dropped after the
    /// lock. `readers` is the one that all reads were made with.
    ///
    /// Each call frees what was sealed by an earlier one, if a barrier has passed since, and then
    /// seals what was retired after that. Where that barrier is missing the answer is
    /// [`Harvest::NeedsBarrier`]; with `all`, what was retired is sealed in any case, and the
    /// answer is the same if there is any.
    pub(crate) fn harvest(
        &self,
        ledger: &mut Ledger,
        readers: &Readers,
        all: bool,
        gone: &mut Vec<Entry<K, V>>,
    ) -> Harvest {
        assert_eq!(self.id, ledger.id, "a ledger belongs to its slots");
        let alone = readers.is_alone();
        let passed = alone || ledger.sealed.is_empty() || barrier::has_passed(ledger.stamp);
        let mut free = std::mem::take(&mut ledger.pinned);
        if passed {
            free.append(&mut ledger.sealed);
        }
        if alone {
            free.append(&mut ledger.waiting);
        }
        if !free.is_empty() {
            self.free(ledger, readers, &mut free, gone);
        }
        ledger.pinned = free;
        if (all || passed) && !ledger.waiting.is_empty() {
            ledger.sealed.append(&mut ledger.waiting);
            ledger.stamp = barrier::stamp();
        }
        let is_missing = if all { !ledger.sealed.is_empty() } else { !passed };
        ledger.barrier_is_coming = is_missing;
        if is_missing { Harvest::NeedsBarrier } else { Harvest::Done }
    }

    /// Moves out what no hazard word names, and leaves the rest in the list. All of it was retired,
    /// and after that a barrier has passed or is not needed.
    fn free(
        &self,
        ledger: &mut Ledger,
        readers: &Readers,
        retired: &mut Vec<u32>,
        gone: &mut Vec<Entry<K, V>>,
    ) {
        let protected = readers.protected();
        retired.retain(|&index| {
            let place = self.place(Slot::new(index));
            if protected.binary_search(&place.address()).is_ok() {
                return true;
            }
            let tag = place.tag.load(Ordering::Relaxed);
            assert_eq!(tag & (LIVE | OCCUPIED), OCCUPIED, "what is freed was retired before");
            place.tag.store(tag & !OCCUPIED, Ordering::Relaxed);
            #[cfg(perf_loom)]
            place.seen.with_mut(|_| ());
            // SAFETY: occupied, so initialized, and not again after this: the tag says so from now
            // on. No reference to it is left: whoever protected it before it was retired would be
            // named now, since a barrier has passed since, or nobody but this thread has ever read,
            // or has let go of it (release; read by acquire). Nobody new can protect it, because it
            // is not live. References that were got by the ledger have ended, since this call
            // has it for itself.
            let entry = unsafe { (*place.entry.get()).assume_init_read() };
            if std::mem::needs_drop::<K>() || std::mem::needs_drop::<V>() || entry.extra.is_some() {
                gone.push(entry);
            }
            ledger.vacant.push(index);
            false
        });
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

    /// Has the processor fetch what is known of a slot, which will be asked for soon.
    #[inline]
    pub(crate) fn foresee(&self, slot: Slot) {
        std::hint::black_box(self.place(slot).tag.load(Ordering::Relaxed));
    }

    /// How many slots there are to walk through, from slot zero: vacant ones as well.
    pub(crate) fn used(&self) -> u32 {
        self.used.load(Ordering::Acquire)
    }

    /// The hash of an entry as [`tag_of`] has left it, also of a retired one.
    #[inline]
    pub(crate) fn tag(&self, slot: Slot) -> u32 {
        self.place(slot).tag.load(Ordering::Relaxed) | LIVE | OCCUPIED
    }

    /// The tag of a slot, to protect whatever lies there; `None` unless that is live.
    pub(crate) fn live_tag(&self, slot: Slot) -> Option<u32> {
        let tag = self.place(slot).tag.load(Ordering::Relaxed);
        (tag & LIVE != 0).then_some(tag)
    }

    #[inline]
    pub(crate) fn hits(&self, slot: Slot) -> u8 {
        (self.place(slot).notes.load(Ordering::Relaxed) & HITS) as u8
    }

    /// A hit that is noted at the same instant may be lost.
    #[inline]
    pub(crate) fn set_hits(&self, slot: Slot, hits: u8) {
        let notes = &self.place(slot).notes;
        let kept = notes.load(Ordering::Relaxed) & !HITS;
        notes.store(kept | u32::from(hits) & HITS, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn era(&self, slot: Slot) -> u32 {
        self.place(slot).notes.load(Ordering::Relaxed) >> ERA_SHIFT
    }

    /// For whoever holds the lock. A hit that is noted at the same instant may be lost, or undo it.
    pub(crate) fn set_era(&self, slot: Slot, era: u32) {
        let notes = &self.place(slot).notes;
        let kept = notes.load(Ordering::Relaxed) & (HITS | PECULIAR);
        notes.store(era << ERA_SHIFT | kept, Ordering::Relaxed);
    }

    /// Bytes of all places made so far, used or not.
    pub(crate) fn allocated(&self) -> u64 {
        let more = self.more.iter().filter_map(OnceLock::get).map(|places| places.len());
        ((self.first.len() + more.sum::<usize>()) * size_of::<Place<K, V>>()) as u64
    }

    #[inline]
    fn place(&self, slot: Slot) -> &Place<K, V> {
        match self.first.get(slot.index()) {
            Some(place) => place,
            None => self.place_beyond(slot.index() - self.first.len()),
        }
    }

    #[inline(never)]
    fn place_beyond(&self, index: usize) -> &Place<K, V> {
        let (chunk, index) = chunk_of(index);
        let places = self.more.get(chunk).and_then(OnceLock::get);
        &places.expect("a slot that was given out has its place")[index]
    }

    /// A place that was never used.
    #[cold]
    fn fresh(&self) -> u32 {
        let slot = self.used.load(Ordering::Relaxed);
        if let Some(beyond) = (slot as usize).checked_sub(self.first.len()) {
            let (chunk, _) = chunk_of(beyond);
            let chunk_is_there = self.more.get(chunk);
            let places = chunk_is_there.expect("a shard has fewer than 2^32 entries");
            places.get_or_init(|| new_places(SMALLEST << chunk));
        }
        let next = slot.checked_add(1).expect("a shard has fewer than 2^32 entries");
        // Release: the place is there.
        self.used.store(next, Ordering::Release);
        slot
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

impl<K, V> fmt::Debug for Slots<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("used", &self.used()).finish_non_exhaustive()
    }
}

impl<K, V> fmt::Debug for Place<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl<'a, K, V> Protected<'a, K, V> {
    /// Which pattern invalidations the entry came in after.
    #[inline]
    pub(crate) fn era(&self) -> u32 {
        self.place.notes.load(Ordering::Relaxed) >> ERA_SHIFT
    }

    /// It is known to be covered by no pattern up to this era.
    pub(crate) fn set_era(&self, era: u32) {
        let kept = self.place.notes.load(Ordering::Relaxed) & (HITS | PECULIAR);
        self.place.notes.store(era << ERA_SHIFT | kept, Ordering::Relaxed);
    }

    /// How many hits are counted, up to what was asked for.
    #[inline]
    pub(crate) fn hits(&self) -> u8 {
        (self.place.notes.load(Ordering::Relaxed) & HITS) as u8
    }

    /// Whether nothing is known of the entry but its key and value, and that it came in or was looked
    /// at in this era: all that a reader must ask, in one word that lies beside the tag.
    #[inline]
    pub(crate) fn is_plain(&self, era: u32) -> bool {
        (self.place.notes.load(Ordering::Relaxed) ^ era << ERA_SHIFT) < PECULIAR
    }

    /// The same, and at least so many hits are counted.
    #[inline]
    pub(crate) fn is_plain_and_hot(&self, era: u32, most_hits: u8) -> bool {
        let rest = self.place.notes.load(Ordering::Relaxed) ^ era << ERA_SHIFT;
        rest < PECULIAR && rest >= u32::from(most_hits)
    }

    /// Counts a hit; to be called only where less than 127 are counted.
    #[inline]
    pub(crate) fn count_hit(&self) {
        // No locked addition: a few hits may be lost.
        let notes = self.place.notes.load(Ordering::Relaxed);
        if notes & HITS < HITS {
            self.place.notes.store(notes + 1, Ordering::Relaxed);
        }
    }

    /// Where it lies.
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    /// Whether the entry is still in the cache. Exact under the lock of its shard.
    pub(crate) fn is_live(&self) -> bool {
        self.place.tag.load(Ordering::Relaxed) & LIVE != 0
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

impl<K, V> Pinned<'_, K, V> {
    /// Whether the entry is still in the cache. Exact under the lock of its shard.
    pub(crate) fn is_live(&self) -> bool {
        self.place.tag.load(Ordering::Relaxed) & LIVE != 0
    }
}

impl<K, V> Deref for Pinned<'_, K, V> {
    type Target = Entry<K, V>;

    fn deref(&self) -> &Entry<K, V> {
        // SAFETY: `pin` found it live while it had the ledger, and named it meanwhile. `free` takes
        // the ledger for itself, so it came before, and not to what is live, or comes after and
        // finds the name, which is there until this is dropped.
        unsafe { self.place.entry() }
    }
}

impl<K, V> Deref for Detached<'_, K, V> {
    type Target = Entry<K, V>;

    fn deref(&self) -> &Entry<K, V> {
        // SAFETY: occupied, and in no list of the ledger, so that `free` does not come by before
        // the release, which takes this.
        unsafe { self.place.entry() }
    }
}

/// The chunk of a place beyond the first piece, and its index there.
#[inline]
const fn chunk_of(beyond: usize) -> (usize, usize) {
    let at = beyond + SMALLEST;
    let chunk = at.ilog2() - SMALLEST.ilog2();
    (chunk as usize, at - (SMALLEST << chunk))
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

/// Bytes of a place.
pub(crate) const fn place_size<K, V>() -> usize {
    size_of::<Place<K, V>>()
}

#[cfg(all(test, perf_loom))]
mod model;
#[cfg(all(test, not(perf_loom)))]
mod tests;
