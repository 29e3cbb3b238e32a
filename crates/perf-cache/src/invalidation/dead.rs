//! Entries that were invalidated: passed over, freed, counted.

use super::patterns::Era;
use super::round::Step;
use crate::entry::Entry;
use crate::eviction::Leavers;
use crate::inner::Inner;
use crate::policy::Slot;
use crate::shard::{Held, Shard};
use crate::stats::Cause;
use equivalent::Equivalent;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::MutexGuard;

/// Places looked at in one holding of a lock.
const CHUNK: usize = 256;
/// Places that an estimate looks at: some hundred microseconds.
const LOOKS: u64 = 4_096;

/// An entry as it was found under the lock of its shard.
pub(crate) struct Seen {
    pub(crate) slot: Slot,
    /// Why it may not be answered, if so.
    pub(crate) dead: Option<Cause>,
}

impl<K, V> Inner<K, V> {
    /// Why an entry was invalidated, if it was; `era` is the one in which it was last looked at.
    /// Runs the caller's code: not to be called under a lock.
    pub(crate) fn why_invalid(&self, entry: &Entry<K, V>, era: u32) -> Option<Cause> {
        entry.why_marked().or_else(|| {
            let is_old = era != self.invalidations.era().bits();
            let is_covered = is_old && self.invalidations.cover(&entry.key, Era::new(era));
            is_covered.then_some(Cause::Pattern)
        })
    }

    /// Takes the lock and finds the entry of a key. Where its key has to be compared with patterns
    /// to know whether it is dead, that is done without the lock.
    pub(crate) fn lock_and_find<'a, Q>(
        &'a self,
        shard: &'a Shard<K, V>,
        hash: u64,
        key: &Q,
    ) -> (MutexGuard<'a, Held<K, V>>, Option<Seen>)
    where
        Q: Equivalent<K> + ?Sized,
    {
        loop {
            let held = shard.lock();
            let Some(slot) = shard.find(&held, hash, key) else { return (held, None) };
            let Some(entry) = shard.slots.get(&held.ledger, slot) else { return (held, None) };
            let is_settled = || self.invalidations.have_settled(shard.slots.era(slot));
            if entry.why_marked().is_some() || is_settled() {
                let dead = self.why_over(entry);
                return (held, Some(Seen { slot, dead }));
            }
            drop(held);
            self.settle(shard, slot);
        }
    }

    /// Compares the key of an entry with the patterns that were given since somebody last looked:
    /// takes it out if it is covered, and else notes that it is not. Whether it was taken out. Not
    /// to be called under a lock.
    pub(crate) fn settle(&self, shard: &Shard<K, V>, slot: Slot) -> bool {
        // Read before the entry is looked at, as in `examine`.
        let now = self.invalidations.era().bits();
        let settled = self.whatever_at(shard, slot, |entry, era| {
            let cover = || self.invalidations.cover(&entry.key, Era::new(era));
            let covered = catch_unwind(AssertUnwindSafe(cover));
            let mut left = self.leavers();
            if matches!(covered, Ok(false)) {
                shard.slots.set_era(slot, now);
            } else {
                // Also if the caller's code panics: else the next to come would meet it again.
                let mut held = shard.lock();
                if shard.slots.live_tag(slot).is_some() {
                    self.remove_slot(shard, &mut held, slot, Cause::Pattern, &mut left);
                }
            }
            (covered, left)
        });
        let Some((covered, left)) = settled else { return false };
        let is_out = left.count > 0;
        self.see_off(left);
        if let Err(panic) = covered {
            resume_unwind(panic);
        }
        is_out
    }

    /// Looks at some places of a shard and takes out what was invalidated; whether a round has
    /// ended. What has to be compared with patterns is left for after the lock: the round comes by
    /// once more, and goes no further until that is done.
    pub(crate) fn sweep_dead<'a>(
        &'a self,
        index: usize,
        held: &mut Held<K, V>,
        places: usize,
        left: &mut Leavers<'a, K, V>,
    ) -> bool {
        let shard = &self.shards[index];
        let mut first_open = None;
        let mut open = 0;
        let before = left.count;
        for _ in 0..places + held.round.come_again() {
            let used = shard.slots.used() as usize;
            if left.count - before + open == places || open > 0 && held.round.is_at(used) {
                break;
            }
            let asked = self.invalidations.sweeps();
            let (place, target) = match held.round.step(used, asked, || self.invalidations.era()) {
                Step::Look(place, era) => (place, era),
                Step::Over(era) => {
                    self.invalidations.swept(index, era);
                    return true;
                }
            };
            let slot = Slot::new(u32::try_from(place).unwrap_or(u32::MAX));
            let Some(entry) = shard.slots.get(&held.ledger, slot) else { continue };
            if let Some(cause) = entry.why_marked() {
                self.remove_slot(shard, held, slot, cause, left);
            } else if target.is_after(Era::new(shard.slots.era(slot))) {
                left.open.push((shard, slot));
                first_open.get_or_insert(place);
                open += 1;
            }
        }
        if let Some(place) = first_open {
            held.round.go_back_to(place);
        }
        false
    }

    /// Frees up to `limit` entries that were invalidated; answers how many.
    pub(crate) fn remove_invalidated(&self, limit: u64) -> u64 {
        let mut removed = 0;
        for (index, shard) in self.shards.iter().enumerate() {
            // Two rounds at most: the one that was going on, and a whole one.
            for _ in 0..2 {
                while removed < limit {
                    let mut left = self.leavers();
                    let mut held = shard.lock();
                    if !held.round.is_due(self.invalidations.sweeps()) {
                        break;
                    }
                    let most = usize::try_from(limit - removed).unwrap_or(CHUNK).min(CHUNK);
                    let round_is_over = self.sweep_dead(index, &mut held, most, &mut left);
                    drop(held);
                    removed += left.count as u64;
                    let open = std::mem::take(&mut left.open).into_iter();
                    self.see_off(left);
                    removed +=
                        open.map(|(_, slot)| u64::from(self.settle(shard, slot))).sum::<u64>();
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

    /// How many entries were invalidated and have not left; exact when nothing writes.
    pub(crate) fn count_invalidated(&self) -> u64 {
        self.count(|entry, era| self.why_invalid(entry, era).is_some())
    }

    /// About how many entries were invalidated and have not left: none where no sweep is due, and
    /// else by looking at [`LOOKS`] places at most.
    pub(crate) fn estimate_invalidated(&self) -> u64 {
        let asked = self.invalidations.sweeps();
        // Tags are counted, which is the most that it can be where nothing else was invalidated.
        let by_tags_only = self.invalidations.open_patterns() == 0;
        let most = if by_tags_only { self.invalidations.dead_by_tags() } else { u64::MAX };
        if asked == 0 || most == 0 {
            return 0;
        }
        let is_due = |shard: &&Shard<K, V>| shard.lock().round.is_due(asked);
        let due: Vec<_> = self.shards.iter().filter(is_due).collect();
        let places: u64 = due.iter().map(|shard| u64::from(shard.slots.used())).sum();
        let step = places.div_ceil(LOOKS).max(1);
        let (mut dead, mut from) = (0, 0);
        for shard in due {
            let used = u64::from(shard.slots.used());
            let mut at = from;
            while at < used {
                let slot = Slot::new(u32::try_from(at).unwrap_or(u32::MAX));
                let is_dead = |entry: &Entry<K, V>, era| self.why_invalid(entry, era).is_some();
                dead += u64::from(self.whatever_at(shard, slot, is_dead) == Some(true));
                at += step;
            }
            // Goes on in the next shard as if that were the same.
            from = at - used;
        }
        (dead * step).min(most).min(self.len())
    }

    /// How many entries are alive and `counts`; exact when nothing writes.
    pub(crate) fn count_alive(&self, counts: impl Fn(&Entry<K, V>) -> bool) -> u64 {
        self.count(|entry, era| counts(entry) && self.why_dead(entry, era).is_none())
    }

    fn count(&self, counts: impl Fn(&Entry<K, V>, u32) -> bool) -> u64 {
        let mut sum = 0;
        self.for_each(|entry, era| sum += u64::from(counts(entry, era)));
        sum
    }

    fn for_each(&self, mut visit: impl FnMut(&Entry<K, V>, u32)) {
        for shard in &self.shards {
            for slot in (0..shard.slots.used()).map(Slot::new) {
                let _ = self.whatever_at(shard, slot, &mut visit);
            }
        }
    }

    /// Gives the entries that depend on something their places in the graph, once it is known how
    /// keys become text: those that came in before that have none.
    pub(crate) fn name_dependents(&self) {
        self.for_each(|entry, _| {
            if let Some(extra) = &entry.extra {
                self.invalidations.name(&extra.marks, &entry.key);
            }
        });
    }

    /// Removes an entry and ends the claim of whatever was read for its key; whether there was one
    /// alive.
    pub(crate) fn discard<Q>(&self, hash: u64, key: &Q, cause: Cause) -> bool
    where
        Q: Equivalent<K> + ?Sized,
    {
        let shard = self.shard(hash);
        let mut left = self.leavers();
        // If the caller's `Eq` panics, this is dropped after the lock as well.
        let ended;
        let (mut held, found) = self.lock_and_find(shard, hash, key);
        ended = held.loads.detach(hash, key);
        let was_alive = found.as_ref().is_some_and(|found| found.dead.is_none());
        if let Some(Seen { slot, dead }) = found {
            self.remove_slot(shard, &mut held, slot, dead.unwrap_or(cause), &mut left);
        }
        drop(held);
        drop(ended);
        self.see_off(left);
        self.reclaim_soon(shard);
        was_alive
    }
}
