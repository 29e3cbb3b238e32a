//! The operations that wait or run, each in a place of its own.
//!
//! Places come in pages, so that growing never moves what is there: no copying of megabytes under a
//! lock, and no room for twice as many.

use super::KindId;
use crate::OperationId;
use crate::brief::Brief;
use crate::id::MAX_SLOTS;
use perf_core::{Instant, Priority};
use perf_guard::Deadline;

#[derive(Debug)]
pub(super) struct Slab<P> {
    pages: Vec<Box<[Slot<P>; PAGE]>>,
    /// The first of the free places, `NONE` if there is none.
    free: u32,
    live: usize,
    /// How many operations there have been.
    number: u64,
}

/// One operation, or a free place: 40 bytes and what the driver keeps, which with 24 more is one
/// cache line. So whoever leaves touches one line here, wherever that is.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Slot<P> {
    /// `NONE` if the place is free.
    pub(super) id: OperationId,
    /// Moved: the number of its entry. Running: what it holds. Free: the next free place.
    pub(super) link: u32,
    /// For the record.
    pub(super) timeout: Brief,
    pub(super) queued_at: Instant,
    /// Waits: it never starts after this. Runs: since when.
    pub(super) moment: Deadline,
    /// Suspended, and after that while it waits: how long after it came it may go on.
    pub(super) later: Brief,
    pub(super) kind: KindId,
    pub(super) priority: Priority,
    pub(super) state: State,
    pub(super) payload: Option<P>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits where it was put at first.
    Listed,
    /// Waits among those that were moved.
    Moved,
    /// Waits for the time of its next attempt.
    Suspended,
    /// Runs and holds a place.
    Running,
    /// Runs in the place of another.
    Member,
}

impl State {
    pub(super) const fn waits(self) -> bool {
        matches!(self, State::Listed | State::Moved | State::Suspended)
    }
}

impl<P> Slot<P> {
    /// Since when it has been in its state; of one that was suspended, since when it may go on.
    pub(super) fn since(&self) -> Instant {
        self.started_at().unwrap_or_else(|| self.queued_at + self.later.duration())
    }

    pub(super) fn started_at(&self) -> Option<Instant> {
        if self.state.waits() { None } else { self.moment.moment() }
    }

    fn empty(next: u32) -> Slot<P> {
        Slot {
            id: OperationId::NONE,
            queued_at: Instant::from_nanos(0),
            moment: Deadline::NEVER,
            later: Brief::ZERO,
            timeout: Brief::FOREVER,
            link: next,
            kind: KindId::FIRST,
            priority: Priority::NORMAL,
            state: State::Listed,
            payload: None,
        }
    }
}

impl<P> Slab<P> {
    pub(super) const fn new() -> Slab<P> {
        Slab { pages: Vec::new(), free: NONE, live: 0, number: 0 }
    }

    /// Whether one more has room.
    pub(super) const fn has_room(&self) -> bool {
        self.free != NONE || self.pages.len() < MAX_SLOTS / PAGE
    }

    /// How many wait or run.
    pub(super) const fn len(&self) -> usize {
        self.live
    }

    /// How many places there are.
    pub(super) const fn places(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// Gives out a place and a fresh name.
    pub(super) fn insert(&mut self) -> &mut Slot<P> {
        if self.free == NONE {
            self.grow();
        }
        let place = self.free;
        self.live += 1;
        self.number += 1;
        let id = OperationId::new(place, self.number);
        let slot = &mut self.pages[place as usize / PAGE][place as usize % PAGE];
        self.free = slot.link;
        slot.id = id;
        slot
    }

    /// Frees the place; what was left in it stays the caller's affair.
    pub(super) fn free(&mut self, id: OperationId) {
        let free = self.free;
        if let Some(slot) = self.get_mut(id) {
            slot.id = OperationId::NONE;
            slot.link = free;
            self.free = id.slot();
            self.live -= 1;
        }
    }

    #[inline]
    pub(super) fn get(&self, id: OperationId) -> Option<&Slot<P>> {
        let place = id.slot() as usize;
        let slot = &self.pages.get(place / PAGE)?[place % PAGE];
        (slot.id == id && id != OperationId::NONE).then_some(slot)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: OperationId) -> Option<&mut Slot<P>> {
        let place = id.slot() as usize;
        let slot = &mut self.pages.get_mut(place / PAGE)?[place % PAGE];
        (slot.id == id && id != OperationId::NONE).then_some(slot)
    }

    /// Those in these places.
    pub(super) fn range(&self, from: usize, to: usize) -> impl Iterator<Item = &Slot<P>> {
        let places = from..to.min(self.places());
        let slots = places.map(|place| &self.pages[place / PAGE][place % PAGE]);
        slots.filter(|slot| slot.id != OperationId::NONE)
    }

    #[inline(never)]
    fn grow(&mut self) {
        let first = self.places() as u32;
        let slots: Vec<Slot<P>> = (1..=PAGE as u32)
            .map(|i| Slot::empty(if i as usize == PAGE { NONE } else { first + i }))
            .collect();
        let Ok(page) = slots.into_boxed_slice().try_into() else {
            unreachable!("a page has as many places as it was made with")
        };
        self.pages.push(page);
        self.free = first;
    }
}

const PAGE: usize = 256;
pub(super) const NONE: u32 = u32::MAX;
