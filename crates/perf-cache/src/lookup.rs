//! Finding entries without a lock.

use crate::entry::Entry;
use crate::eviction::Leavers;
use crate::expiry::{State, look_closer};
use crate::hazard::Record;
use crate::index::Likely;
use crate::inner::Inner;
use crate::insight::ONE_HIT_IN;
use crate::invalidation::Seen;
use crate::policy::Slot;
use crate::shard::{Held, REPORTED, Shard};
use crate::slots::{Look, Pinned, Protected, tag_of};
use crate::stats::Cause;
use equivalent::Equivalent;
use std::sync::atomic::Ordering;

/// What a glimpse has shown.
enum Glimpse<'a, K, V> {
    Hit(Protected<'a, K, V>),
    Miss,
    Unsure,
}

/// What became of a lookup.
pub(crate) enum Lookup<'a, K, V> {
    Hit(Protected<'a, K, V>),
    Miss,
    /// This thread can protect nothing more: to be done under the lock.
    Locked,
}

impl<K, V> Inner<K, V> {
    /// Finds what may be answered for a key, notes that it was used, and counts that; a miss only if
    /// `counts_misses`, which is not so for who will ask again under the lock.
    #[inline]
    pub(crate) fn look_up<Q>(&self, hash: u64, key: &Q, counts_misses: bool) -> Lookup<'_, K, V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        match self.glimpse(hash, key, counts_misses) {
            Glimpse::Hit(entry) => Lookup::Hit(entry),
            Glimpse::Miss => Lookup::Miss,
            Glimpse::Unsure => self.look_up_closely(hash, key, counts_misses),
        }
    }

    /// What `answer` makes of the value.
    #[inline]
    pub(crate) fn read<Q, R>(
        &self,
        hash: u64,
        key: &Q,
        clone: impl FnOnce(&V) -> V,
        answer: impl FnOnce(&V) -> R,
    ) -> Option<R>
    where
        Q: Equivalent<K> + ?Sized,
    {
        match self.glimpse(hash, key, true) {
            Glimpse::Hit(entry) => Some(answer(&entry.value)),
            Glimpse::Miss => None,
            Glimpse::Unsure => self.read_closely(hash, key, clone, answer),
        }
    }

    #[inline(never)]
    fn read_closely<Q, R>(
        &self,
        hash: u64,
        key: &Q,
        clone: impl FnOnce(&V) -> V,
        answer: impl FnOnce(&V) -> R,
    ) -> Option<R>
    where
        Q: Equivalent<K> + ?Sized,
    {
        match self.look_up_closely(hash, key, true) {
            Lookup::Hit(entry) => Some(answer(&entry.value)),
            Lookup::Miss => None,
            Lookup::Locked => self.read_locked(hash, key, clone).map(|value| answer(&value)),
        }
    }

    /// Most lookups: they find the key where it is most likely to be, or nothing that is like it,
    /// and nothing is to be thought of but that. It is small, since it is inlined into callers.
    #[inline]
    fn glimpse<Q>(&self, hash: u64, key: &Q, counts_misses: bool) -> Glimpse<'_, K, V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let Some(record) = self.readers.own() else { return Glimpse::Unsure };
        let shard = self.shard(hash);
        let tag = tag_of(hash);
        match shard.index.likely(u64::from(tag)) {
            Likely::Slot(slot) => {
                let look = shard.slots.protect(slot, tag, &self.readers, record);
                let Look::Live(entry) = look else { return Glimpse::Unsure };
                let is_it = key.equivalent(&entry.key);
                let era = self.invalidations.era().bits();
                if !is_it || !entry.is_plain_and_hot(era, shard.most_hits()) {
                    return Glimpse::Unsure;
                }
                if record.count_hit().is_multiple_of(ONE_HIT_IN) {
                    self.watch_hit(hash);
                }
                if self.is_sampled(hash) && !record.repeats.pass_by(hash) {
                    self.sample_hit(record, hash);
                }
                Glimpse::Hit(entry)
            }
            Likely::Nothing => {
                if self.is_sampled(hash) {
                    self.sample_miss(hash);
                }
                if counts_misses {
                    record.count_miss();
                }
                Glimpse::Miss
            }
            Likely::Unsure => Glimpse::Unsure,
        }
    }

    #[inline(never)]
    fn look_up_closely<Q>(&self, hash: u64, key: &Q, counts_misses: bool) -> Lookup<'_, K, V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let Some(record) = self.readers.own() else { return Lookup::Locked };
        let shard = self.shard(hash);
        let found = match self.protect(shard, record, hash, key) {
            Look::Live(entry) => self.admit(shard, record, hash, entry),
            Look::Gone => Lookup::Miss,
            Look::NoWord => return Lookup::Locked,
        };
        if counts_misses && matches!(found, Lookup::Miss) {
            record.count_miss();
        }
        if self.is_sampled(hash) {
            match found {
                Lookup::Hit(_) if record.repeats.pass_by(hash) => {}
                Lookup::Hit(_) => self.sample_hit(record, hash),
                _ => self.sample_miss(hash),
            }
        }
        found
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn read_locked<Q>(
        &self,
        hash: u64,
        key: &Q,
        clone: impl FnOnce(&V) -> V,
    ) -> Option<V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let shard = self.shard(hash);
        let mut left = self.leavers();
        let (mut held, found) = self.lock_and_find(shard, hash, key);
        let found = found.and_then(|found| self.use_found(shard, &mut held, found, &mut left));
        match found {
            Some(_) => held.counts.hits += 1,
            None => held.counts.misses += 1,
        }
        drop(held);
        let value = found.map(|entry| {
            self.note_read(&entry);
            clone(&entry.value)
        });
        self.see_off(left);
        value
    }

    /// Marks what was found as used, unless it is dead, and leaves it to the caller to count.
    fn use_found<'a>(
        &'a self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        Seen { slot, dead }: Seen,
        left: &mut Leavers<'a, K, V>,
    ) -> Option<Pinned<'a, K, V>> {
        if let Some(cause) = dead {
            self.remove_unless_kept(shard, held, slot, cause, left);
            return None;
        }
        if shard.most_hits() == REPORTED {
            shard.report_hit(held, slot);
        } else {
            let hits = shard.slots.hits(slot);
            if hits < shard.most_hits() {
                shard.slots.set_hits(slot, hits + 1);
            }
        }
        // What is cloned is cloned without the lock.
        self.pin(shard, held, slot)
    }

    /// Finds an entry and keeps it where it is, whatever its state. Counts nothing.
    pub(crate) fn protect<'a, Q>(
        &'a self,
        shard: &'a Shard<K, V>,
        record: &'a Record,
        hash: u64,
        key: &Q,
    ) -> Look<'a, K, V>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let tag = tag_of(hash);
        let found = shard.index.find(u64::from(tag), |slot| {
            match shard.slots.protect(slot, tag, &self.readers, record) {
                Look::Live(entry) if key.equivalent(&entry.key) => Some(Look::Live(entry)),
                Look::NoWord => Some(Look::NoWord),
                _ => None,
            }
        });
        found.unwrap_or(Look::Gone)
    }

    fn admit<'a>(
        &self,
        shard: &Shard<K, V>,
        record: &Record,
        hash: u64,
        entry: Protected<'a, K, V>,
    ) -> Lookup<'a, K, V> {
        if !entry.is_plain(self.invalidations.era().bits())
            && let Some(cause) = self.examine(&entry)
        {
            if !self.is_kept(&entry, cause) {
                self.remove_dead(shard, entry, cause);
            }
            return Lookup::Miss;
        }
        if entry.hits() < shard.most_hits() {
            note_hit(shard, &entry);
        }
        if record.count_hit().is_multiple_of(ONE_HIT_IN) {
            self.watch_hit(hash);
        }
        Lookup::Hit(entry)
    }

    /// Why an entry is no answer; if it is one, its use is noted where it keeps account of that.
    #[inline(never)]
    fn examine(&self, entry: &Protected<'_, K, V>) -> Option<Cause> {
        // Read before the entry is looked at: what is given meanwhile asks for another look.
        let era = self.invalidations.era().bits();
        let dead = self.why_dead(entry, entry.era());
        if dead.is_none() && entry.era() != era {
            entry.set_era(era);
        }
        if dead.is_none() {
            self.note_read(entry);
        }
        dead
    }

    /// Notes that an entry is answered, where it keeps account of that. Runs the caller's code.
    fn note_read(&self, entry: &Entry<K, V>) {
        if let Some(extra) = &entry.extra {
            self.lifetimes.note_read(&entry.key, &entry.value, &extra.life, &self.clock);
            extra.usage.note_hit();
        }
    }

    /// Why an entry may not be answered, if so. Runs the caller's code: not to be called under a
    /// lock.
    pub(crate) fn why_dead(&self, entry: &Entry<K, V>, era: u32) -> Option<Cause> {
        self.why_invalid(entry, era).or_else(|| self.why_over(entry))
    }

    /// The same where it is known not to be covered by a pattern.
    pub(crate) fn why_over(&self, entry: &Entry<K, V>) -> Option<Cause> {
        if let Some(cause) = entry.why_marked() {
            return Some(cause);
        }
        let life = entry.extra.as_ref().map(|extra| &extra.life);
        match look_closer(entry.look_at(), life, &self.clock) {
            State::Fresh | State::RefreshDue => None,
            State::Stale | State::Dead => Some(Cause::Expired),
        }
    }

    /// Whether an entry that is no answer for this cause stays for the case that loading it anew
    /// fails.
    pub(crate) fn is_kept(&self, entry: &Entry<K, V>, cause: Cause) -> bool {
        let life = entry.extra.as_ref().map(|extra| &extra.life);
        matches!(cause, Cause::Expired)
            && look_closer(entry.look_at(), life, &self.clock) == State::Stale
    }

    /// Takes a dead entry out that is of no use to loads either.
    pub(crate) fn remove_unless_kept<'a>(
        &'a self,
        shard: &'a Shard<K, V>,
        held: &mut Held<K, V>,
        slot: Slot,
        cause: Cause,
        left: &mut Leavers<'a, K, V>,
    ) {
        let entry = shard.slots.get(&held.ledger, slot);
        if !entry.is_some_and(|entry| self.is_kept(entry, cause)) {
            self.remove_slot(shard, held, slot, cause, left);
        }
    }

    #[cold]
    fn remove_dead(&self, shard: &Shard<K, V>, entry: Protected<'_, K, V>, cause: Cause) {
        let mut left = self.leavers();
        let mut held = shard.lock();
        if entry.is_live() {
            self.remove_slot(shard, &mut held, entry.slot(), cause, &mut left);
        }
        drop(held);
        drop(entry);
        self.see_off(left);
        self.reclaim_soon(shard);
    }

    #[inline]
    fn is_sampled(&self, hash: u64) -> bool {
        hash & self.sample_mask.load(Ordering::Relaxed) == 0
    }

    /// Lets those learn of a miss who learn from the sample.
    #[cold]
    #[inline(never)]
    fn sample_miss(&self, hash: u64) {
        self.watch_access(hash);
        self.choosing.observe_miss(hash);
    }

    /// Lets those learn of a hit who learn from the sample.
    #[cold]
    #[inline(never)]
    fn sample_hit(&self, record: &Record, hash: u64) {
        self.watch_access(hash);
        let suffices = self.choosing.observe(hash);
        record.repeats.learn(hash, suffices, |hash, times| {
            self.choosing.pass_by(hash, times);
            self.watch_repeats(hash, times);
        });
    }
}

/// Lets the policy know of a hit, in the way it wants to.
#[inline]
fn note_hit<K, V>(shard: &Shard<K, V>, entry: &Protected<'_, K, V>) {
    if shard.most_hits() == REPORTED {
        report_hit(shard, entry);
    } else {
        entry.count_hit();
    }
}

#[cold]
#[inline(never)]
fn report_hit<K, V>(shard: &Shard<K, V>, entry: &Protected<'_, K, V>) {
    let mut held = shard.lock();
    if entry.is_live() {
        shard.report_hit(&mut held, entry.slot());
    }
}
