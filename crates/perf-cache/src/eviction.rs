//! How entries leave, and what happens to those that have left.
//!
//! An entry is taken out under the lock of its shard. What left is then seen off without it: what
//! nobody reads any more is dropped, and where the shard asks for a barrier, one is made.

use crate::barrier;
use crate::entry::Entry;
use crate::index::Found;
use crate::inner::Inner;
use crate::policy::Slot;
use crate::shard::{Held, Shard};
use crate::slots::{Detached, Harvest};
use crate::stats::Cause;
use perf_core::Clock;
use std::sync::atomic::Ordering;

/// What an operation has made leave, to be seen off after the lock.
pub(crate) struct Leavers<'a, K, V> {
    /// To be dropped: mostly one, or none.
    one: Option<Entry<K, V>>,
    gone: Vec<Entry<K, V>>,
    /// The shard that cannot free anything before a barrier.
    waits: Option<&'a Shard<K, V>>,
    /// To be told of, and to be retired only then.
    told: Vec<News<'a, K, V>>,
    /// To be [settled](Inner::settle).
    pub(crate) open: Vec<(&'a Shard<K, V>, Slot)>,
    /// How many have left.
    pub(crate) count: usize,
}

/// An entry that has left and is to be told of. It is handed back to its shard when this is dropped,
/// whatever panics before.
struct News<'a, K, V> {
    shard: &'a Shard<K, V>,
    entry: Option<Detached<'a, K, V>>,
    cause: Cause,
    is_wanted: bool,
}

impl<K, V> Drop for News<'_, K, V> {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.shard.slots.release(&mut self.shard.lock().ledger, entry);
        }
    }
}

impl<K, V> Leavers<'_, K, V> {
    /// Takes in what nobody can look at any more.
    #[inline]
    fn add(&mut self, entry: Entry<K, V>) {
        if needs_drop(&entry) {
            match &mut self.one {
                None => self.one = Some(entry),
                Some(_) => self.gone.push(entry),
            }
        }
    }

    /// The same for what was left in a place that is used again.
    #[inline]
    pub(crate) fn add_some(&mut self, entry: Option<Entry<K, V>>) {
        if let Some(entry) = entry {
            self.add(entry);
        }
    }
}

/// Moves out all that only waits to be dropped.
fn empty<K, V>(shard: &Shard<K, V>, held: &mut Held<K, V>, gone: &mut Vec<Entry<K, V>>) {
    while let Some(entry) = shard.slots.vacate(&mut held.ledger) {
        if needs_drop(&entry) {
            gone.push(entry);
        }
    }
}

/// Whether it makes a difference that it is dropped.
#[inline]
fn needs_drop<K, V>(entry: &Entry<K, V>) -> bool {
    std::mem::needs_drop::<K>() || std::mem::needs_drop::<V>() || entry.extra.is_some()
}

/// Places looked at, or entries removed, in one holding of a lock.
const CHUNK: usize = 256;
/// Places of one look for what has expired, and looks of an insertion at most.
const SIDE_BY_SIDE: usize = 8;
const SWEPT_BY_A_WRITE: usize = 4;
/// How much more may wait than usual while somebody makes a barrier.
const PATIENCE: usize = 4;
/// Nanoseconds between the barriers of single removals: a tenth of a processor's time.
const BETWEEN_BARRIERS: u64 = 100_000;

impl<K, V> Inner<K, V> {
    pub(crate) const fn leavers<'a>(&self) -> Leavers<'a, K, V> {
        Leavers {
            one: None,
            gone: Vec::new(),
            waits: None,
            told: Vec::new(),
            open: Vec::new(),
            count: 0,
        }
    }

    /// Drops what left. To be called without a lock.
    #[inline(always)]
    pub(crate) fn see_off(&self, left: Leavers<'_, K, V>) {
        let Leavers { one, gone, waits, told, open, .. } = left;
        drop(one);
        if gone.capacity() != 0 || told.capacity() != 0 || waits.is_some() || open.capacity() != 0 {
            self.see_all_off(gone, waits, told);
            for (shard, slot) in open {
                self.settle(shard, slot);
            }
        } else {
            // They own nothing; the compiler does not know, and would look.
            std::mem::forget((gone, told, open));
        }
    }

    #[cold]
    fn see_all_off<'a>(
        &self,
        gone: Vec<Entry<K, V>>,
        waits: Option<&'a Shard<K, V>>,
        told: Vec<News<'a, K, V>>,
    ) {
        drop(gone);
        if let Some(shard) = waits {
            self.wait_for_barrier(shard, false);
        }
        for mut news in told {
            let shard = news.shard;
            if let Some(entry) = &news.entry {
                if news.is_wanted {
                    self.listeners.hand_over(&entry.key, &entry.value);
                }
                self.tell(entry, news.cause);
            }
            let mut left = self.leavers();
            let mut held = shard.lock();
            if let Some(entry) = news.entry.take() {
                shard.slots.release(&mut held.ledger, entry);
            }
            self.harvest_if_due(shard, &mut held, &mut left);
            drop(held);
            // Nothing to tell in there, so this goes no deeper.
            self.see_off(left);
        }
    }

    /// Tells whoever wants to know that an entry has left. Must not panic.
    pub(crate) fn tell(&self, entry: &Entry<K, V>, cause: Cause) {
        self.listeners.tell(&entry.key, &entry.value, cause);
    }

    /// `at_once`: what is free after that is dropped.
    #[cold]
    fn wait_for_barrier(&self, shard: &Shard<K, V>, at_once: bool) {
        barrier::heavy();
        let mut gone = Vec::new();
        let mut held = shard.lock();
        self.harvest(shard, &mut held, false, &mut gone);
        if at_once {
            empty(shard, &mut held, &mut gone);
        }
        drop(held);
        drop(gone);
    }

    /// Drops what a shard has retired, unless that has just been done: removing many entries one by
    /// one must not take a barrier for each.
    pub(crate) fn reclaim_soon(&self, shard: &Shard<K, V>) {
        if !self.limbo.is_prompt {
            return;
        }
        let mut gone = Vec::new();
        let mut held = shard.lock();
        if held.ledger.retired() == 0 {
            return;
        }
        if !self.readers.may_be_alone() {
            // The clock of the machine, not of the cache: this is about its processors.
            let now = Clock::system().now().as_nanos();
            let last = self.last_reclaimed.load(Ordering::Relaxed);
            if now.saturating_sub(last) < BETWEEN_BARRIERS {
                return;
            }
            self.last_reclaimed.store(now, Ordering::Relaxed);
        }
        let needs_barrier = self.harvest_now(shard, &mut held, &mut gone);
        drop(held);
        drop(gone);
        if needs_barrier {
            self.wait_for_barrier(shard, true);
        }
    }

    /// Finds out what is free; whether that takes a barrier. What is free goes to `gone` if it is
    /// much, or nobody else reads; the rest is dropped with the next insertions, one with each.
    pub(crate) fn harvest(
        &self,
        shard: &Shard<K, V>,
        held: &mut Held<K, V>,
        all: bool,
        gone: &mut Vec<Entry<K, V>>,
    ) -> bool {
        let harvest = shard.slots.harvest(&mut held.ledger, &self.readers, all);
        if held.ledger.waiting() == 0 {
            held.retired_weight = 0;
        }
        let most = self.limbo.weight.saturating_mul(2);
        if self.readers.may_be_alone() || (most < u64::MAX && held.unread_weight() > most) {
            empty(shard, held, gone);
        }
        harvest == Harvest::NeedsBarrier
    }

    /// The same for all that has left; what is free goes to `gone`.
    pub(crate) fn harvest_now(
        &self,
        shard: &Shard<K, V>,
        held: &mut Held<K, V>,
        gone: &mut Vec<Entry<K, V>>,
    ) -> bool {
        let needs_barrier = self.harvest(shard, held, true, gone);
        empty(shard, held, gone);
        needs_barrier
    }

    /// Removes an entry for another reason than room, and gives its room back.
    pub(crate) fn remove_slot<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        slot: Slot,
        cause: Cause,
        left: &mut Leavers<'a, K, V>,
    ) {
        let weight = self.withdraw(shard, held, slot, cause, left);
        self.entries.give(1);
        self.bytes.give(weight);
    }

    /// Removes an entry for another reason than room, and answers the weight that is free now.
    pub(crate) fn withdraw<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        slot: Slot,
        cause: Cause,
        left: &mut Leavers<'a, K, V>,
    ) -> u64 {
        shard.withdraw(held, slot);
        self.unlink(shard, held, slot, cause, left)
    }

    /// The same for one that the policy has let go of.
    pub(crate) fn unlink<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        slot: Slot,
        cause: Cause,
        left: &mut Leavers<'a, K, V>,
    ) -> u64 {
        let weight = shard.unlink(held, slot, cause);
        self.retire(shard, held, slot, cause, left);
        weight
    }

    /// Ends the life of an entry that is in the index no longer.
    pub(crate) fn retire<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        slot: Slot,
        cause: Cause,
        left: &mut Leavers<'a, K, V>,
    ) {
        left.count += 1;
        if let Some(entry) = shard.slots.get(&held.ledger, slot)
            && let Some(extra) = &entry.extra
        {
            extra.marks.leave();
        }
        let is_wanted = cause == Cause::Size
            && self.listeners.has_heir()
            && shard
                .slots
                .get(&held.ledger, slot)
                .is_some_and(|entry| self.listeners.is_wanted(&entry.value));
        if is_wanted || !self.listeners.is_empty() {
            let entry = Some(shard.detach(held, slot));
            left.told.push(News { shard, entry, cause, is_wanted });
        } else if let Some(entry) = shard.take(held, &self.readers, slot) {
            left.add(entry);
        } else {
            shard.retire(held, slot);
            self.harvest_if_due(shard, held, left);
        }
    }

    /// Puts a value in the place of another of the same key and weight.
    #[inline]
    pub(crate) fn replace<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        old: Found,
        new: (u64, u32, Entry<K, V>, u64),
        left: &mut Leavers<'a, K, V>,
    ) {
        let (hash, era, mut entry, weight) = new;
        if self.listeners.is_empty() {
            match shard.swap(held, &self.readers, old.slot, era, entry) {
                Ok(old) => {
                    left.count += 1;
                    if let Some(extra) = &old.extra {
                        extra.marks.leave();
                    }
                    return left.add(old);
                }
                Err(new) => entry = new,
            }
        }
        left.add_some(shard.replace_found(held, old, hash, era, entry, weight));
        self.retire(shard, held, old.slot, Cause::Replaced, left);
    }

    #[inline]
    fn harvest_if_due<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        left: &mut Leavers<'a, K, V>,
    ) {
        let waiting = held.ledger.waiting();
        let limbo = self.limbo;
        if held.ledger.unread().len() > limbo.entries
            && let Some(entry) = shard.slots.vacate(&mut held.ledger)
        {
            // More leave than come in.
            left.add(entry);
        }
        let is_heavy = held.retired_weight > limbo.weight;
        let is_too_heavy = held.retired_weight / PATIENCE as u64 > limbo.weight;
        let is_due = waiting >= limbo.entries
            || is_heavy
            || (limbo.is_prompt && self.readers.may_be_alone());
        let somebody_is_at_it = held.ledger.barrier_is_coming();
        let may_wait = somebody_is_at_it && waiting < PATIENCE * limbo.entries && !is_too_heavy;
        if is_due && !may_wait {
            // What is sealed anew needs a barrier anew: where one is on its way, what it is for is
            // left as it is, or it would never be freed.
            self.harvest_for(shard, held, is_heavy && !somebody_is_at_it, left);
        }
    }

    #[inline(never)]
    fn harvest_for<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        all: bool,
        left: &mut Leavers<'a, K, V>,
    ) {
        if self.harvest(shard, held, all, &mut left.gone) {
            left.waits = Some(shard);
        }
    }

    /// Removes everything, and ends the claims of all loads.
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let mut next = 0;
            let ended = shard.lock().loads.detach_all();
            drop(ended);
            while next < shard.slots.used() {
                let mut left = self.leavers();
                let mut held = shard.lock();
                let end = next.saturating_add(CHUNK as u32).min(shard.slots.used());
                for slot in (next..end).map(Slot::new) {
                    if shard.slots.get(&held.ledger, slot).is_some() {
                        self.remove_slot(shard, &mut held, slot, Cause::Cleared, &mut left);
                    }
                }
                drop(held);
                self.see_off(left);
                next = end;
            }
        }
        self.reclaim();
    }

    /// Evicts up to `limit` entries of what is above a lowered capacity; answers how many.
    pub(crate) fn evict_excess(&self, limit: u64) -> u64 {
        let mut evicted = 0;
        while evicted < limit && self.has_excess() {
            let mut left = self.leavers();
            let shard = &self.shards[self.fullest(self.bytes.excess() > 0)];
            let mut held = shard.lock();
            while self.has_excess() && evicted < limit && left.count < CHUNK {
                let Some(slot) = shard.victim(&mut held) else { break };
                let weight = self.unlink(shard, &mut held, slot, Cause::Size, &mut left);
                self.entries.give(1);
                self.bytes.give(weight);
                evicted += 1;
            }
            drop(held);
            let came_to_nothing = left.count == 0;
            self.see_off(left);
            if came_to_nothing {
                break;
            }
        }
        self.reclaim();
        evicted
    }

    /// Removes what has expired, up to `limit` entries; answers how many.
    pub(crate) fn remove_expired(&self, limit: u64) -> u64 {
        let mut removed = 0;
        for shard in &self.shards {
            // Two rounds at most: the one that was going on, and a whole one.
            for _ in 0..2 {
                while removed < limit {
                    let mut left = self.leavers();
                    let mut held = shard.lock();
                    if !held.sweep.is_due(&self.clock) {
                        break;
                    }
                    let most = usize::try_from(limit - removed).unwrap_or(CHUNK).min(CHUNK);
                    let round_is_over = self.sweep(shard, &mut held, CHUNK, most, &mut left);
                    drop(held);
                    removed += left.count as u64;
                    self.see_off(left);
                    if round_is_over {
                        break;
                    }
                }
            }
        }
        if removed > 0 {
            self.reclaim();
        }
        removed
    }

    /// What an insertion does for those that have died: looks at a few places that lie side by side,
    /// and at a few more as long as that finds any. Under steady insertions and one time to live for
    /// all, a sixth of what is held has died at most; with jitter less.
    pub(crate) fn sweep_a_little<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        left: &mut Leavers<'a, K, V>,
    ) {
        for _ in 0..SWEPT_BY_A_WRITE {
            let before = left.count;
            if self.sweep(shard, held, SIDE_BY_SIDE, SIDE_BY_SIDE, left) || left.count == before {
                break;
            }
        }
    }

    /// Looks at some places of a shard and takes out what has died; whether a round has ended.
    pub(crate) fn sweep<'a>(
        &self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        places: usize,
        most: usize,
        left: &mut Leavers<'a, K, V>,
    ) -> bool {
        let before = left.count;
        for _ in 0..places {
            if left.count - before >= most {
                return false;
            }
            let used = shard.slots.used() as usize;
            let Some(place) = held.sweep.next(used) else { return true };
            let slot = Slot::new(u32::try_from(place).unwrap_or(u32::MAX));
            let Some(entry) = shard.slots.get(&held.ledger, slot) else { continue };
            if let Some(cause) = self.why_over(entry)
                && !self.is_kept(entry, cause)
            {
                self.remove_slot(shard, held, slot, cause, left);
            } else {
                let life = entry.extra.as_ref().map(|extra| &extra.life);
                let end = crate::expiry::end_of(entry.look_at(), life);
                held.sweep.left(end);
            }
        }
        false
    }

    /// The shard that holds most, in bytes or in entries.
    pub(crate) fn fullest(&self, bytes: bool) -> usize {
        let fill = |shard: &Shard<K, V>| if bytes { shard.bytes() } else { shard.entries() };
        let shards = self.shards.iter().enumerate();
        shards.max_by_key(|(_, shard)| fill(shard)).map_or(0, |(index, _)| index)
    }
}
