//! Putting entries in, and making the room for them.
//!
//! Bounds are for the whole cache, locks are for shards. Who inserts makes the room itself before
//! the entry goes in: first from its own shard, and where that shard holds less than its share
//! already, from the fullest. No two locks are ever held at once, and nothing waits in a queue to
//! be evicted later.

use crate::Refusal;
use crate::budget::Deal;
use crate::entry::Entry;
use crate::eviction::Leavers;
use crate::expiry::{Begins, NEVER};
use crate::inner::{Incoming, Inner, Origin};
use crate::invalidation::Admission;
use crate::slots::tag_of;
use crate::stats::Cause;
use crate::sync::{AtomicU64, Ordering};
use std::hash::Hash;

/// Places that each insertion looks at for something that was invalidated.
const SWEPT_BY_A_WRITE: usize = 4;
/// Entries of another shard that are evicted before the own one is asked again.
const EVICTED_ELSEWHERE: usize = 16;

impl<K: Hash + Eq, V> Inner<K, V> {
    /// Puts a value in, having made room.
    ///
    /// # Errors
    ///
    /// Why it did not go in.
    pub(crate) fn put(
        &self,
        hash: u64,
        incoming: Incoming<K, V>,
        origin: &Origin<'_, V>,
    ) -> Result<(), Refusal> {
        let Incoming { key, value, mut terms } = incoming;
        if self.loading.shapes_terms() {
            terms = self.loading.complete(terms);
        }
        let weight = self.weigh(&key, &value);
        let begins = self.begin_entry(hash, &key, &value, &terms);
        let is_dead = begins.is_none();
        let admitted = self.invalidations.admit(&key, &terms, origin.fence());
        let (era, marks) = match admitted {
            Ok(Admission { era, marks }) => (era.bits(), marks),
            Err(refusal) => return self.keep_out(hash, &key, origin, refusal),
        };
        let mut begins = begins.unwrap_or(Begins { look_at: 0, extra: None });
        if !marks.is_empty() {
            begins.extra_mut().marks = marks;
        }
        let Begins { look_at, extra } = begins;
        // What leaves is dropped after the lock: these are declared before the guard.
        let mut left = self.leavers();
        let mut ended = Vec::new();
        let mut entry = Some(Entry { key, value, look_at: AtomicU64::new(look_at), extra });
        let mut counted = false;
        let mut deal = Deal::new(&self.entries, &self.bytes);
        let index = self.index(hash);
        let shard = &self.shards[index];
        loop {
            let Some(new) = entry.as_ref() else { return Ok(()) };
            let mut held = shard.lock();
            match origin {
                Origin::Caller => ended.extend(held.loads.detach(hash, &new.key)),
                Origin::Load(load, took) => {
                    if !std::mem::replace(&mut counted, true) {
                        held.counts.loads += 1;
                        held.counts.load_duration.record_duration(*took);
                    }
                    if !held.loads.holds(hash, load) {
                        drop(held);
                        self.see_off(left);
                        return Err(Refusal::Key);
                    }
                }
                Origin::Reserved(claim, _) => {
                    if !held.loads.claims().holds(hash, *claim) {
                        drop(held);
                        self.see_off(left);
                        return Err(Refusal::Key);
                    }
                }
                Origin::Restored => {
                    drop(held);
                    let (again, found) = self.lock_and_find(shard, hash, &new.key);
                    held = again;
                    if found.is_some_and(|found| found.dead.is_none()) {
                        drop(held);
                        self.see_off(left);
                        return Err(Refusal::Key);
                    }
                }
            }
            if held.sweep.is_due(&self.clock) {
                self.sweep_a_little(shard, &mut held, &mut left);
            }
            if held.round.is_due(self.invalidations.sweeps()) {
                self.sweep_dead(index, &mut held, SWEPT_BY_A_WRITE, &mut left);
            }
            let found = shard.seek(&held, hash, &new.key);
            let old = found.map(|found| found.slot);
            let is_too_large = self.bytes.refuses(weight);
            if is_dead || is_too_large {
                if let Some(slot) = old {
                    self.remove_slot(shard, &mut held, slot, Cause::Replaced, &mut left);
                }
                if let Origin::Load(load, _) = origin {
                    ended.extend(held.loads.end(hash, load));
                }
                if is_too_large {
                    held.counts.evictions[Cause::TooLarge as usize] += 1;
                }
                drop(held);
                drop(ended);
                self.see_off(left);
                if is_too_large {
                    self.tell(new, Cause::TooLarge);
                    return Err(Refusal::TooLarge);
                }
                return Err(Refusal::Expired);
            }
            // An old entry stays until the new one takes its place, so that the policy knows it for
            // the same. Its room counts as free from here on.
            let mut kept = None;
            if let Some(found) = found {
                let slot = found.slot;
                let same = held.weights.get(slot) == weight;
                if same && deal.is_untouched() && !self.has_excess() {
                    // Most overwrites: the room is there already.
                    if let Some(entry) = entry.take() {
                        let new = (hash, era, entry, weight);
                        self.replace(shard, &mut held, found, new, &mut left);
                    }
                    if let Origin::Load(load, _) = origin {
                        ended.extend(held.loads.end(hash, load));
                    }
                    drop(held);
                    drop(ended);
                    self.see_off(left);
                    self.sample_insertion(hash, weight, old.is_some());
                    return Ok(());
                }
                deal.freed(held.weights.get(slot));
                kept = Some(slot);
            }
            loop {
                if deal.pay(weight) {
                    if let Origin::Load(load, _) = origin {
                        ended.extend(held.loads.end(hash, load));
                    }
                    if let Some(entry) = entry.take() {
                        if let Some(slot) = kept {
                            let freed = shard.replace(&mut held, slot, hash, era, entry, weight);
                            left.add_some(freed);
                            self.retire(shard, &mut held, slot, Cause::Replaced, &mut left);
                        } else {
                            let choice = self.choosing.choice();
                            let freed = shard.insert(&mut held, hash, era, entry, weight, choice);
                            left.add_some(freed);
                        }
                    }
                    let outgrown = held.has_outgrown();
                    drop(held);
                    if let Some(in_all) = outgrown {
                        self.expect_more(in_all);
                    }
                    drop(ended);
                    self.see_off(left);
                    self.sample_insertion(hash, weight, old.is_some());
                    return Ok(());
                }
                if !self.is_at_its_share(index, deal.wants_bytes()) {
                    break;
                }
                let Some(slot) = shard.victim(&mut held) else { break };
                if kept == Some(slot) {
                    kept = None;
                    self.unlink(shard, &mut held, slot, Cause::Replaced, &mut left);
                } else {
                    deal.evicted(self.unlink(shard, &mut held, slot, Cause::Size, &mut left));
                }
            }
            if let Some(slot) = kept {
                // Without the lock, others might count its room, too.
                self.withdraw(shard, &mut held, slot, Cause::Replaced, &mut left);
            }
            drop(held);
            let evicted = self.evict_elsewhere(weight, &mut deal);
            self.see_off(std::mem::replace(&mut left, self.leavers()));
            if !evicted {
                // What is missing is on its way in or out on other threads, which may need what
                // this one has freed.
                deal.give_back();
                std::thread::yield_now();
            }
        }
    }

    /// Most insertions: on no terms, into a cache that asks for nothing, where nothing is going on,
    /// and either in the place of an entry of the same weight or of the next victim of the same
    /// shard. Whatever else may be to do is left to [`put`](Inner::put), with what came in.
    ///
    /// # Errors
    ///
    /// What came in, if that was not all.
    #[inline]
    pub(crate) fn put_plainly(&self, hash: u64, key: K, value: V) -> Result<(), (K, V)> {
        if !self.is_plain || !self.lifetimes.are_for_ever() || !self.invalidations.let_all_in() {
            return Err((key, value));
        }
        // Before everything else, as in `Invalidations::admit`.
        let era = self.invalidations.era().bits();
        let weight = self.default_weight;
        let index = self.index(hash);
        let shard = &self.shards[index];
        // What leaves is dropped after the lock: these are declared before the guard.
        let mut ended = None;
        let mut gone = None;
        let mut freed = None;
        let mut left = None;
        let mut held = shard.lock();
        let is_calm =
            !held.sweep.is_due(&self.clock) && !held.round.is_due(self.invalidations.sweeps());
        if !is_calm || self.entries.excess() > 0 {
            return Err((key, value));
        }
        if !held.loads.is_idle() {
            ended = held.loads.detach(hash, &key);
        }
        let alone = self.readers.may_be_alone();
        let old = shard.seek(&held, hash, &key);
        let replaces = old.is_some();
        if let Some(found) = old {
            let mut new = Err(plain(key, value));
            if alone && let Err(entry) = new {
                new = shard.swap(&mut held, &self.readers, found.slot, era, entry);
            }
            match new {
                Ok(old) => gone = Some(old),
                Err(entry) => {
                    freed = shard.replace_found(&mut held, found, hash, era, entry, weight);
                    let left = left.insert(self.leavers());
                    self.retire(shard, &mut held, found.slot, Cause::Replaced, left);
                }
            }
        } else {
            let choice = self.choosing.choice();
            if self.entries.exchange(0, 1, false) {
                freed = shard.insert(&mut held, hash, era, plain(key, value), weight, choice);
            } else {
                // One goes and one comes: what is used stays as it is.
                if !self.entries.exchange(1, 1, false) || !self.is_at_its_share(index, false) {
                    return Err((key, value));
                }
                held.policy.foresee(tag_of(hash));
                let Some(victim) = shard.victim(&mut held) else { return Err((key, value)) };
                let mut new = Err(plain(key, value));
                if alone && let Err(entry) = new {
                    let entry = (hash, era, entry);
                    new = shard.supersede(&mut held, &self.readers, victim, entry, choice);
                }
                match new {
                    Ok(old) => gone = Some(old),
                    Err(entry) => {
                        let left = left.insert(self.leavers());
                        self.unlink(shard, &mut held, victim, Cause::Size, left);
                        freed = shard.insert(&mut held, hash, era, entry, weight, choice);
                    }
                }
                shard.foresee_victims(&held);
            }
        }
        if let Some(Entry { extra: Some(extra), .. }) = &gone {
            extra.marks.leave();
        }
        drop(held);
        drop((ended, gone, freed));
        if let Some(left) = left {
            self.see_off(left);
        }
        self.sample_insertion(hash, weight, replaces);
        Ok(())
    }

    /// Takes an insertion into account if it is one of the sampled ones.
    #[inline]
    fn sample_insertion(&self, hash: u64, weight: u64, replaced: bool) {
        if hash & self.sample_mask.load(Ordering::Relaxed) == 0 {
            self.watch_insertion(hash, weight, replaced);
            self.choosing.observe_insertion(hash);
        }
    }

    /// Ends the claim of a value that is not let in. What the key had before goes as well if the
    /// caller meant to replace it.
    #[cold]
    fn keep_out(
        &self,
        hash: u64,
        key: &K,
        origin: &Origin<'_, V>,
        refusal: Refusal,
    ) -> Result<(), Refusal> {
        let shard = self.shard(hash);
        let mut left = self.leavers();
        let ended;
        let mut held = shard.lock();
        ended = match origin {
            Origin::Caller => held.loads.detach(hash, key),
            Origin::Load(load, took) => {
                held.counts.loads += 1;
                held.counts.load_duration.record_duration(*took);
                held.loads.end(hash, load)
            }
            Origin::Reserved(..) | Origin::Restored => None,
        };
        if matches!(origin, Origin::Caller)
            && let Some(slot) = shard.find(&held, hash, key)
        {
            self.remove_slot(shard, &mut held, slot, Cause::Replaced, &mut left);
        }
        drop(held);
        drop(ended);
        self.see_off(left);
        Err(refusal)
    }

    /// Whether a shard should make room from its own entries rather than from another's.
    fn is_at_its_share(&self, index: usize, bytes: bool) -> bool {
        let (shard, count) = (&self.shards[index], self.shards.len() as u64);
        if count == 1 {
            return true;
        }
        let (own, max) = if bytes {
            (shard.bytes(), self.bytes.max())
        } else {
            (shard.entries(), self.entries.max())
        };
        // An eighth of slack: taking from others costs a second lock.
        own >= (max.unwrap_or(u64::MAX) >> count.trailing_zeros()) / 8 * 7
            || self.fullest(bytes) == index
    }

    /// Evicts some entries of the fullest shard; whether there was one.
    fn evict_elsewhere(&self, weight: u64, deal: &mut Deal<'_>) -> bool {
        let mut left: Leavers<'_, K, V> = self.leavers();
        let shard = &self.shards[self.fullest(deal.wants_bytes())];
        let mut held = shard.lock();
        for _ in 0..EVICTED_ELSEWHERE {
            let Some(slot) = shard.victim(&mut held) else { break };
            deal.evicted(self.unlink(shard, &mut held, slot, Cause::Size, &mut left));
            if deal.may_go_on(weight) {
                break;
            }
        }
        drop(held);
        let some = left.count > 0;
        self.see_off(left);
        some
    }
}

#[inline]
fn plain<K, V>(key: K, value: V) -> Entry<K, V> {
    Entry { key, value, look_at: AtomicU64::new(NEVER), extra: None }
}
