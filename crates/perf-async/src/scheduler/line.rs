//! Which of the waiting operations of one kind comes next.
//!
//! An operation that has waited `w` at level `l` ranks as if it stood at `l + w / aging`. All ranks
//! rise at the same pace, so they never cross and can be compared by a number that does not change:
//! `queued_at - l × aging`, smallest first. Within a level operations come in order of rank, so each
//! level is a queue, and only ten heads need comparing. Operations that change level, or come back
//! for another attempt, go into a heap.
//!
//! Whoever leaves does not look for its entry: the entry is stale from then on, and is dropped when
//! it comes to the front, or with all others where there would have to be more room for a new one.
//! So leaving touches one place and no neighbour.

use super::slab::{Slab, Slot, State};
use crate::OperationId;
use perf_core::Instant;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Smaller is sooner; of equals the one that came first, which is what ids are ordered by.
pub(super) type Rank = (i64, OperationId);

/// What a level of priority is worth, in nanoseconds of waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aging(i64);

impl Aging {
    pub(super) fn new(time: Duration) -> Aging {
        Aging(i64::try_from(time.as_nanos()).unwrap_or(STRICT).min(STRICT))
    }

    #[inline]
    pub(super) fn rank<P>(self, slot: &Slot<P>) -> Rank {
        let stamp = i64::try_from(slot.queued_at.as_nanos()).unwrap_or(STRICT).min(STRICT - 1);
        (stamp - i64::from(slot.priority.level()) * self.0, slot.id)
    }
}

#[derive(Debug)]
pub(super) struct Line {
    levels: [VecDeque<OperationId>; LEVELS],
    moved: BinaryHeap<Reverse<Moved>>,
    /// How many wait of each level where they were put at first, and how many among the moved.
    listed: [u32; LEVELS],
    lifted: [u32; LEVELS],
    /// The best of each level and of the moved.
    heads: [Rank; LEVELS + 1],
    /// One bit for each of these that is somebody.
    occupied: u16,
    /// The best of all.
    first: Rank,
    len: usize,
    /// Entries looked at, for the tests that count.
    #[cfg(test)]
    pub(super) touched: u64,
}

/// With a number of its own, so that an operation that has moved twice is not taken for two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moved {
    rank: Rank,
    number: u32,
}

impl Line {
    pub(super) fn new() -> Line {
        Line {
            levels: Default::default(),
            moved: BinaryHeap::new(),
            listed: [0; LEVELS],
            lifted: [0; LEVELS],
            heads: [NOBODY; LEVELS + 1],
            occupied: 0,
            first: NOBODY,
            len: 0,
            #[cfg(test)]
            touched: 0,
        }
    }

    /// How many wait in it.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// How many wait in it at each level, lowest first.
    pub(super) fn by_level(&self) -> [usize; LEVELS] {
        std::array::from_fn(|at| (self.listed[at] + self.lifted[at]) as usize)
    }

    /// The one that comes next.
    #[inline]
    pub(super) fn first(&self) -> Option<Rank> {
        (self.first != NOBODY).then_some(self.first)
    }

    /// When the first of those came that have not been moved; of the moved only the first counts.
    pub(super) fn oldest<P>(&self, slab: &Slab<P>) -> Option<Instant> {
        let heads = self.heads.iter().filter_map(|(_, id)| slab.get(*id));
        heads.map(|slot| slot.queued_at).min()
    }

    /// Adds one that has just come, later than all before. O(1), amortised.
    pub(super) fn push<P>(&mut self, id: OperationId, slab: &mut Slab<P>, aging: Aging) {
        let Some(slot) = slab.get_mut(id) else { return };
        slot.state = State::Listed;
        let (level, rank) = (level(slot), aging.rank(slot));
        let ids = &mut self.levels[level];
        let live = self.listed[level] as usize;
        if ids.len() == ids.capacity() && ids.len() > 2 * live + SLACK {
            let entries = ids.len() as u64;
            ids.retain(|id| is_listed(slab, *id));
            self.touch(entries);
        }
        self.levels[level].push_back(id);
        self.listed[level] += 1;
        self.len += 1;
        if self.heads[level] == NOBODY {
            self.heads[level] = rank;
            self.occupied |= 1 << level;
            self.first = self.first.min(rank);
        }
        self.touch(1);
    }

    /// Adds one that came some time ago. O(log m), m = those moved; amortised.
    pub(super) fn push_moved<P>(
        &mut self,
        id: OperationId,
        number: u32,
        slab: &mut Slab<P>,
        aging: Aging,
    ) {
        let Some(slot) = slab.get_mut(id) else { return };
        slot.state = State::Moved;
        slot.link = number;
        let (level, rank) = (level(slot), aging.rank(slot));
        let live: u32 = self.lifted.iter().sum();
        if self.moved.len() == self.moved.capacity() && self.moved.len() > 2 * live as usize + SLACK
        {
            self.touch(self.moved.len() as u64);
            self.moved.retain(|Reverse(moved)| is_moved(slab, *moved));
        }
        self.moved.push(Reverse(Moved { rank, number }));
        self.lifted[level] += 1;
        self.len += 1;
        self.heads[LEVELS] = self.heads[LEVELS].min(rank);
        self.occupied |= 1 << LEVELS;
        self.first = self.first.min(rank);
        self.touch(u64::from(usize::BITS - self.moved.len().leading_zeros()));
    }

    /// Notes that an operation no longer waits here as it did. To be called once its place has been
    /// changed. Answers whether it may have been the first.
    ///
    /// O(1), and O(log m) if it had moved and was the best of those; amortised, since stale entries
    /// that come to the front are dropped.
    pub(super) fn left<P>(
        &mut self,
        id: OperationId,
        at: Left,
        slab: &Slab<P>,
        aging: Aging,
    ) -> bool {
        self.len -= 1;
        self.touch(1);
        match at {
            Left::Level(level) => {
                self.listed[level] -= 1;
                if self.heads[level].1 != id {
                    return false;
                }
                self.skip(level, slab, aging);
            }
            Left::Moved(level) => {
                self.lifted[level] -= 1;
                if self.heads[LEVELS].1 != id {
                    return false;
                }
                self.skip_moved(slab);
            }
        }
        self.first = NOBODY;
        let mut rest = self.occupied;
        while rest != 0 {
            self.first = self.first.min(self.heads[rest.trailing_zeros() as usize]);
            rest &= rest - 1;
        }
        true
    }

    /// Lets the first of a level be one that waits.
    fn skip<P>(&mut self, level: usize, slab: &Slab<P>, aging: Aging) {
        self.heads[level] = NOBODY;
        self.occupied &= !(1 << level);
        if self.listed[level] == 0 {
            self.levels[level].clear();
            return;
        }
        while let Some(id) = self.levels[level].front() {
            if let Some(slot) = slab.get(*id)
                && slot.state == State::Listed
            {
                self.heads[level] = aging.rank(slot);
                self.occupied |= 1 << level;
                return;
            }
            self.levels[level].pop_front();
            self.touch(1);
        }
    }

    fn skip_moved<P>(&mut self, slab: &Slab<P>) {
        self.heads[LEVELS] = NOBODY;
        self.occupied &= !(1 << LEVELS);
        if self.lifted.iter().all(|count| *count == 0) {
            self.moved.clear();
            return;
        }
        while let Some(Reverse(moved)) = self.moved.peek() {
            if is_moved(slab, *moved) {
                self.heads[LEVELS] = moved.rank;
                self.occupied |= 1 << LEVELS;
                return;
            }
            self.touch(u64::from(usize::BITS - self.moved.len().leading_zeros()));
            self.moved.pop();
        }
    }

    /// How many entries there are, the stale ones too.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.levels.iter().map(VecDeque::len).sum::<usize>() + self.moved.len()
    }

    #[cfg(test)]
    fn touch(&mut self, entries: u64) {
        self.touched += entries;
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the tests count")]
    fn touch(&self, _entries: u64) {}
}

/// Where in a line an operation was.
#[derive(Clone, Copy, Debug)]
pub(super) enum Left {
    Level(usize),
    Moved(usize),
}

/// Where an operation waits; `None` if it is in no line.
pub(super) fn place_of<P>(slot: &Slot<P>) -> Option<Left> {
    match slot.state {
        State::Listed => Some(Left::Level(level(slot))),
        State::Moved => Some(Left::Moved(level(slot))),
        State::Suspended | State::Running | State::Member => None,
    }
}

fn level<P>(slot: &Slot<P>) -> usize {
    usize::from(slot.priority.level() - 1)
}

fn is_listed<P>(slab: &Slab<P>, id: OperationId) -> bool {
    // An operation never comes back into a level, so its level is that of this entry.
    slab.get(id).is_some_and(|slot| slot.state == State::Listed)
}

fn is_moved<P>(slab: &Slab<P>, moved: Moved) -> bool {
    let (_, id) = moved.rank;
    slab.get(id).is_some_and(|slot| slot.state == State::Moved && slot.link == moved.number)
}

pub(super) const LEVELS: usize = perf_core::Priority::HIGHEST.level() as usize;
/// Ranks behind all others.
const NOBODY: Rank = (i64::MAX, OperationId::NONE);
/// So many stale entries are never worth cleaning up.
const SLACK: usize = 64;
/// An aging time as long as the clock may run, 18 years: then no wait ever makes up for a level.
const STRICT: i64 = 1 << 59;
