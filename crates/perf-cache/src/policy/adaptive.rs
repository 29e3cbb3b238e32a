//! The default: two queues, one of which takes as much of the cache as the workload rewards.
//!
//! What comes in goes through the *cold* queue. What was hit there when it reaches the end moves to
//! the *hot* queue, the rest is evicted, its hash remembered. What returns while it is remembered
//! goes to the hot queue at once, if it was away for a shorter time than the hot entry which it would
//! push out has been idle. That test is what keeps a loop from washing the hot queue out. What comes
//! in before the first eviction has nothing to prove: it goes to the hot queue.
//!
//! The share of the cold queue decides what this is like. With a few hundredths it keeps what it
//! has through loops and scans, as LIRS does; with a tenth it favours what is used often,
//! as 2Q and S3-FIFO do; with all of the cache it is CLOCK, which is close to LRU. A
//! [`Chooser`] finds out which is best, and [`choose`](Adaptive::choose) says so.
//!
//! Sources: Johnson and Shasha, "2Q", VLDB 1994 (the queues); Jiang, Chen and Zhang, "CLOCK-Pro",
//! USENIX ATC 2005 (the test, from Jiang and Zhang, "LIRS", SIGMETRICS 2002).

use super::chooser::{Choice, Chooser};
use super::ghost::Ghost;
use super::queue::Queues;
use super::{Entries, Hits, Policy, Slot};

/// Evicts what the workload has shown to miss least.
///
/// As a policy of its own it observes each access of its entries and chooses for itself:
/// [`Adaptive::alone`]. In a [`Cache`](crate::Cache), one [`Chooser`] observes a
/// sample of the accesses and chooses for all shards, and hits are counts beside the entries, at
/// most three, without the lock.
///
/// Ten bytes for each entry, and for the hashes of what was evicted six more, or 24 up to 4 096
/// entries, untouched before the first eviction. Shares are by weight. A call costs O(1), amortized.
#[derive(Debug)]
pub struct Adaptive {
    queues: Queues<2>,
    ghost: Ghost,
    /// For each slot in the hot queue when it came there or was last found used: evictions, as
    /// [`epoch`](Adaptive::epoch) counts them.
    stamps: Vec<u16>,
    /// Evictions that were remembered.
    clock: u64,
    grain: u32,
    /// Nothing was evicted yet: what came is as good as what will come.
    is_filling: bool,
    choice: Choice,
    chooser: Option<Box<Chooser>>,
}

impl Adaptive {
    /// Does as it is told by [`choose`](Adaptive::choose).
    #[must_use]
    pub fn new() -> Adaptive {
        Adaptive {
            queues: Queues::new(),
            ghost: Ghost::new(),
            stamps: Vec::new(),
            clock: 0,
            grain: 0,
            is_filling: true,
            choice: Choice::START,
            chooser: None,
        }
    }

    /// For a [`Chooser`] that compares choices: what a cache of this choice would hit that has been
    /// in use for a while, not one that has just been filled.
    pub(crate) fn shadow(choice: Choice) -> Adaptive {
        Adaptive { choice, is_filling: false, ..Adaptive::new() }
    }

    /// Chooses for itself, from all accesses to the entries of its shard, or from a sample of them
    /// where there are more than a thousand.
    #[must_use]
    pub fn alone() -> Adaptive {
        Adaptive { chooser: Some(Box::new(Chooser::new(1))), ..Adaptive::new() }
    }

    /// Goes on with another share of the cold queue. Free of cost: entries move with the next
    /// evictions.
    #[inline]
    pub const fn choose(&mut self, choice: Choice) {
        self.choice = choice;
    }

    /// What was chosen last.
    #[must_use]
    pub const fn choice(&self) -> Choice {
        self.choice
    }

    /// [`Policy::on_insert`] for a known type of entries.
    #[inline]
    pub fn insert<E: Entries + ?Sized>(&mut self, slot: Slot, entries: &E) {
        let (hash, weight) = (entries.hash(slot), entries.weight(slot));
        let away = self.ghost.take(hash);
        let is_hot = match away {
            Some(away) => self.belongs_to_hot(away, weight, entries),
            None => self.is_filling && !self.choice.is_recency(),
        };
        if is_hot {
            self.heat(slot, weight);
        } else {
            self.queues.push_back(COLD, slot, weight);
        }
    }

    /// [`Policy::on_remove`] for a known type of entries.
    #[inline]
    pub fn remove<E: Entries + ?Sized>(&mut self, slot: Slot, entries: &E) {
        self.queues.remove(slot, entries.weight(slot));
    }

    /// [`Policy::on_replace`] for a known type of entries.
    #[inline]
    pub fn replace<E: Entries + ?Sized>(&mut self, old: Slot, new: Slot, entries: &E) {
        let (before, after) = (entries.weight(old), entries.weight(new));
        if self.queues.replace((old, before), (new, after)) == Some(HOT) {
            self.stamp(new, self.stamps[old.index()]);
        }
        entries.set_hits(new, (entries.hits(old) + 1).min(MAX_HITS));
    }

    /// The entries that are likely to go next.
    #[inline]
    pub(crate) fn next_two(&self) -> (Option<Slot>, Option<Slot>) {
        let mut cold = self.queues.iter(COLD);
        (cold.next(), cold.next())
    }

    /// Has the processor fetch what is remembered of a hash.
    #[inline]
    pub(crate) fn foresee(&self, hash: u32) {
        self.ghost.foresee(hash);
    }

    /// [`Policy::victim`] for a known type of entries.
    #[inline]
    pub fn evict<E: Entries + ?Sized>(&mut self, entries: &E) -> Option<Slot> {
        self.is_filling = false;
        // Entries move between the queues, or one leaves and that is all: the bounds stay.
        let (few, many) = self.bounds();
        let mut frees = self.clock.is_multiple_of(FREE);
        // So many steps use up all hits that can be noted. Hits that come meanwhile do not make it
        // longer.
        let mut steps = (MAX_HITS as usize + 1) * self.len() + 1;
        loop {
            let cold = self.queues.weight(COLD);
            if (cold < few || self.queues.len(COLD) == 0)
                && let Some(slot) = self.queues.front(HOT)
            {
                let (hits, weight) = (entries.hits(slot), entries.weight(slot));
                self.queues.pop_front(HOT, weight);
                if hits == 0 || steps == 0 {
                    return Some(slot);
                }
                if self.choice.is_recency() {
                    entries.set_hits(slot, 0);
                    self.queues.push_back(COLD, slot, weight);
                } else {
                    entries.set_hits(slot, hits - 1);
                    self.heat(slot, weight);
                }
            } else {
                let slot = self.queues.front(COLD)?;
                let (hits, weight) = (entries.hits(slot), entries.weight(slot));
                self.queues.pop_front(COLD, weight);
                if steps == 0 {
                    return Some(slot);
                }
                // The hot queue may have room that nothing has earned.
                let is_free = frees && cold > many && self.queues.len(COLD) > 0;
                if hits == 0 && !is_free {
                    self.ghost.insert(entries.hash(slot));
                    self.clock += 1;
                    return Some(slot);
                }
                entries.set_hits(slot, 0);
                if is_free || !self.choice.is_recency() {
                    frees &= !is_free;
                    self.heat(slot, weight);
                } else {
                    // CLOCK: one hit is as good as many, or what was popular once would stay for long.
                    self.queues.push_back(COLD, slot, weight);
                }
            }
            steps -= 1;
        }
    }

    fn len(&self) -> usize {
        self.queues.len(COLD) + self.queues.len(HOT)
    }

    /// The weights of the cold queue below which the hot one gives and above which it takes.
    #[inline]
    fn bounds(&self) -> (u64, u64) {
        let all = self.queues.weight(COLD).saturating_add(self.queues.weight(HOT));
        let target = self.choice.share_of(all).max(1);
        if all == self.len() as u64 || self.choice.is_recency() {
            (target, target)
        } else {
            // Entries of different weights miss the target all the time, which says nothing.
            (target - target / 4, target.saturating_add(target / 4))
        }
    }

    /// Whether what was evicted `away` evictions ago goes to the hot queue.
    fn belongs_to_hot<E: Entries + ?Sized>(&mut self, away: u64, weight: u64, entries: &E) -> bool {
        if self.choice.is_recency() {
            return false;
        }
        let (cold, hot) = (self.queues.weight(COLD), self.queues.weight(HOT));
        let all = cold.saturating_add(hot).saturating_add(weight);
        if cold >= self.choice.share_of(all).max(1) {
            return true;
        }
        // Each step takes a hit away that was noted before.
        for _ in 0..=MAX_HITS as usize * self.queues.len(HOT) {
            let Some(head) = self.queues.front(HOT) else { return true };
            let hits = entries.hits(head);
            if hits > 0 {
                entries.set_hits(head, hits - 1);
                self.turn(head, self.epoch(self.clock), entries);
                continue;
            }
            let now = self.epoch(self.clock);
            let idle = now.wrapping_sub(self.stamps[head.index()]);
            if idle >= OLD {
                // Idle for so long that stamps come round: kept from that, a little at a time.
                self.turn(head, now.wrapping_sub(OLD / 2), entries);
            }
            // It was last used when it came to the cold queue, not when it left that.
            let used = self.clock.saturating_sub(away + self.queues.len(COLD) as u64);
            return now.wrapping_sub(self.epoch(used)) < idle;
        }
        false
    }

    /// Puts a slot that is in no queue at the end of the hot one.
    #[inline]
    fn heat(&mut self, slot: Slot, weight: u64) {
        self.queues.push_back(HOT, slot, weight);
        self.stamp(slot, self.epoch(self.clock));
    }

    /// Puts the first of the hot queue behind all others.
    fn turn<E: Entries + ?Sized>(&mut self, head: Slot, stamp: u16, entries: &E) {
        let weight = entries.weight(head);
        self.queues.pop_front(HOT, weight);
        self.queues.push_back(HOT, head, weight);
        self.stamp(head, stamp);
    }

    #[inline]
    fn stamp(&mut self, slot: Slot, stamp: u16) {
        if slot.index() >= self.stamps.len() {
            self.make_stamps();
        }
        if let Some(place) = self.stamps.get_mut(slot.index()) {
            *place = stamp;
        }
    }

    /// Makes stamps for all slots that were ever in a queue.
    #[cold]
    #[inline(never)]
    fn make_stamps(&mut self) {
        self.stamps.resize(self.queues.slots(), 0);
    }

    #[inline]
    const fn epoch(&self, clock: u64) -> u16 {
        (clock >> self.grain) as u16
    }

    /// For a shadow of so many entries of a cache of `whole`, whose hashes are remembered as long.
    pub(crate) fn resize_as_part_of(&mut self, entries: usize, whole: usize) {
        let grain = (entries / EPOCHS).max(1).ilog2();
        if grain != self.grain {
            self.grain = grain;
            let now = self.epoch(self.clock);
            self.stamps.fill(now);
        }
        let long = if whole <= SMALL { 4 } else { 1 };
        self.ghost.set_capacity(entries.saturating_mul(long).max(1));
    }
}

impl Default for Adaptive {
    fn default() -> Adaptive {
        Adaptive::new()
    }
}

impl Policy for Adaptive {
    fn name(&self) -> &'static str {
        "adaptive"
    }

    fn hits(&self) -> Hits {
        if self.chooser.is_some() { Hits::Reported } else { Hits::Counted(MAX_HITS) }
    }

    /// O(entries) where their order of magnitude changes.
    fn set_capacity(&mut self, entries: usize) {
        self.resize_as_part_of(entries, entries);
        if let Some(chooser) = &mut self.chooser {
            chooser.set_capacity(entries);
            self.choice = chooser.choice();
        }
    }

    fn on_insert(&mut self, slot: Slot, entries: &dyn Entries) {
        if let Some(chooser) = &mut self.chooser {
            self.choice = chooser.observe(entries.hash(slot));
        }
        self.insert(slot, entries);
    }

    fn on_hit(&mut self, slot: Slot, entries: &dyn Entries) {
        entries.set_hits(slot, (entries.hits(slot) + 1).min(MAX_HITS));
        if let Some(chooser) = &mut self.chooser {
            self.choice = chooser.observe(entries.hash(slot));
        }
    }

    fn on_remove(&mut self, slot: Slot, entries: &dyn Entries) {
        self.remove(slot, entries);
    }

    fn on_replace(&mut self, old: Slot, new: Slot, entries: &dyn Entries) {
        self.replace(old, new, entries);
    }

    fn victim(&mut self, entries: &dyn Entries) -> Option<Slot> {
        self.evict(entries)
    }

    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        self.queues.iter(COLD).chain(self.queues.iter(HOT)).for_each(visit);
    }
}

const COLD: usize = 0;
const HOT: usize = 1;
const MAX_HITS: u8 = 3;
/// While the hot queue has room, with one eviction of so many an entry moves there without a hit.
/// More would make it one stretch of what came, and a stall of a new choice that makes much room;
/// none, and a loop would never be kept.
const FREE: u64 = 4;
/// Times are told apart to so small a part of what the shard holds.
const EPOCHS: usize = 64;
/// Half of the epochs that stamps can count.
const OLD: u16 = 1 << 15;
/// Up to so many entries, the hashes of four times as many evictions are remembered: it takes them
/// to recognize a loop. In large caches one time is nearly as good.
const SMALL: usize = 4_096;

#[cfg(test)]
mod tests;
