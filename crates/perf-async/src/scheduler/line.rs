//! Which of the waiting operations of one kind comes next.
//!
//! An operation that has waited `w` at level `l` ranks as if it stood at `l + w / aging`. All ranks
//! rise at the same pace, so they never cross and can be compared by a number that does not change:
//! `queued_at - l × aging`, smallest first. Within a level operations come in order of rank, so each
//! level is a queue, and only ten heads need comparing. Operations that change level, or come back
//! for another attempt, go into a heap.
//!
//! Whoever leaves does not look for its entry: the entry is stale from then on, and is dropped when
//! it comes to the front, or with all others when they outnumber the living. So leaving touches one
//! place and no neighbour.

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

#[derive(Debug, Default)]
pub(super) struct Line {
    levels: [VecDeque<OperationId>; LEVELS],
    /// How many of each level are no longer there, or are among the moved.
    stale: [u32; LEVELS],
    moved: BinaryHeap<Reverse<Moved>>,
    stale_moved: usize,
    /// The best of each level and of the moved.
    heads: [Option<Rank>; LEVELS + 1],
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
    /// How many wait in it.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// How many wait in it at each level, lowest first. O(m), m = those moved.
    pub(super) fn by_level<P>(&self, slab: &Slab<P>) -> [usize; LEVELS] {
        let mut counts: [usize; LEVELS] =
            std::array::from_fn(|at| self.levels[at].len() - self.stale[at] as usize);
        for Reverse(moved) in &self.moved {
            if is_moved(slab, *moved)
                && let Some(slot) = slab.get(moved.rank.1)
            {
                counts[level(slot)] += 1;
            }
        }
        counts
    }

    /// The one that comes next. At most ten comparisons.
    pub(super) fn first(&self) -> Option<Rank> {
        self.heads.iter().flatten().min().copied()
    }

    /// When the first of those came that have not been moved; of the moved only the first counts.
    pub(super) fn oldest<P>(&self, slab: &Slab<P>) -> Option<Instant> {
        let heads = self.heads.iter().flatten();
        heads.filter_map(|(_, id)| slab.get(*id)).map(|slot| slot.queued_at).min()
    }

    /// Adds one that has just come, later than all before. O(1).
    pub(super) fn push<P>(&mut self, slot: &mut Slot<P>, aging: Aging) {
        let level = level(slot);
        slot.state = State::Listed;
        self.levels[level].push_back(slot.id);
        self.heads[level].get_or_insert(aging.rank(slot));
        self.len += 1;
        self.touch(1);
    }

    /// Adds one that came some time ago. O(log m), m = those moved.
    pub(super) fn push_moved<P>(&mut self, slot: &mut Slot<P>, number: u32, aging: Aging) {
        slot.state = State::Moved;
        slot.link = number;
        let rank = aging.rank(slot);
        self.moved.push(Reverse(Moved { rank, number }));
        let head = self.heads[LEVELS].get_or_insert(rank);
        *head = rank.min(*head);
        self.len += 1;
        self.touch(u64::from(usize::BITS - self.moved.len().leading_zeros()));
    }

    /// Notes that an operation no longer waits here as it did. To be called once its place has been
    /// changed. O(1), and O(log m) if it had moved and was the best of those; amortised, since it
    /// cleans up.
    pub(super) fn left<P>(&mut self, id: OperationId, at: Left, slab: &Slab<P>, aging: Aging) {
        self.len -= 1;
        self.touch(1);
        match at {
            Left::Level(level) => {
                self.stale[level] += 1;
                if self.levels[level].front() == Some(&id) {
                    self.skip(level, slab, aging);
                } else if self.stale[level] as usize > self.levels[level].len() / 2 + SLACK {
                    self.touch(self.levels[level].len() as u64);
                    self.levels[level].retain(|id| is_listed(slab, *id, level));
                    self.stale[level] = 0;
                }
            }
            Left::Moved => {
                self.stale_moved += 1;
                if self.heads[LEVELS].is_some_and(|(_, head)| head == id) {
                    self.skip_moved(slab);
                } else if self.stale_moved > self.moved.len() / 2 + SLACK {
                    self.touch(self.moved.len() as u64);
                    self.moved.retain(|Reverse(moved)| is_moved(slab, *moved));
                    self.stale_moved = 0;
                }
            }
        }
    }

    /// Lets the first of a level be one that waits.
    fn skip<P>(&mut self, level: usize, slab: &Slab<P>, aging: Aging) {
        self.heads[level] = None;
        while let Some(id) = self.levels[level].front() {
            if is_listed(slab, *id, level) {
                self.heads[level] = slab.get(*id).map(|slot| aging.rank(slot));
                return;
            }
            self.levels[level].pop_front();
            self.stale[level] -= 1;
            self.touch(1);
        }
    }

    fn skip_moved<P>(&mut self, slab: &Slab<P>) {
        self.heads[LEVELS] = None;
        while let Some(Reverse(moved)) = self.moved.peek() {
            if is_moved(slab, *moved) {
                self.heads[LEVELS] = Some(moved.rank);
                return;
            }
            self.touch(u64::from(usize::BITS - self.moved.len().leading_zeros()));
            self.moved.pop();
            self.stale_moved -= 1;
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
    Moved,
}

/// Where an operation waits; `None` if it is in no line.
pub(super) fn place_of<P>(slot: &Slot<P>) -> Option<Left> {
    match slot.state {
        State::Listed => Some(Left::Level(level(slot))),
        State::Moved => Some(Left::Moved),
        State::Suspended | State::Running | State::Member => None,
    }
}

fn level<P>(slot: &Slot<P>) -> usize {
    usize::from(slot.priority.level() - 1)
}

fn is_listed<P>(slab: &Slab<P>, id: OperationId, in_level: usize) -> bool {
    // An operation never comes back into a level, so its level is that of this entry.
    slab.get(id).is_some_and(|slot| slot.state == State::Listed && level(slot) == in_level)
}

fn is_moved<P>(slab: &Slab<P>, moved: Moved) -> bool {
    let (_, id) = moved.rank;
    slab.get(id).is_some_and(|slot| slot.state == State::Moved && slot.link == moved.number)
}

pub(super) const LEVELS: usize = perf_core::Priority::HIGHEST.level() as usize;
/// So many stale entries are never worth cleaning up.
const SLACK: usize = 64;
/// An aging time as long as the clock may run, 18 years: then no wait ever makes up for a level.
const STRICT: i64 = 1 << 59;
