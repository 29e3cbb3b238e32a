//! One part of a cache: what is read without a lock, and what is behind its lock.

use crate::entry::Entry;
use crate::expiry::{Sweep, end_of};
use crate::hazard::Readers;
use crate::index::{Found, Index};
use crate::invalidation::Round;
use crate::load::Loads;
use crate::policy::{Choice, Entries, Hits, Slot};
use crate::ruling::Ruling;
use crate::slots::{Detached, Ledger, Slots, tag_of};
use crate::stats::{Cause, Counts};
use crate::weights::Weights;
use equivalent::Equivalent;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Aligned so that two shards never share a pair of cache lines, nor what readers read a pair with
/// what writers write.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Shard<K, V> {
    pub(crate) index: Index,
    pub(crate) slots: Slots<K, V>,
    /// Hits that are worth noting, or [`REPORTED`].
    most_hits: AtomicU8,
    written: Written<K, V>,
}

#[derive(Debug)]
#[repr(align(128))]
struct Written<K, V> {
    held: Mutex<Held<K, V>>,
    // Copies for those who only want to know: written under the lock, read without it.
    entries: AtomicU64,
    bytes: AtomicU64,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct Held<K, V> {
    pub(crate) ledger: Ledger,
    pub(crate) policy: Ruling,
    /// How many entries the policy was told to expect, here and in all.
    expected: (usize, usize),
    pub(crate) weights: Weights,
    pub(crate) loads: Loads<K, V>,
    pub(crate) sweep: Sweep,
    /// How far the sweep for what was invalidated has come.
    pub(crate) round: Round,
    pub(crate) counts: Counts,
    /// What the entries weigh that have left and are not freed, roughly.
    pub(crate) retired_weight: u64,
    /// Sum of the weights, modulo 2^64.
    bytes: u64,
}

impl<K, V> Held<K, V> {
    /// How many entries the policy was told to expect in all, if here are more than it was told.
    #[inline]
    pub(crate) fn has_outgrown(&self) -> Option<usize> {
        // An eighth more: shards are not all equally full.
        let (here, in_all) = self.expected;
        (self.ledger.len() > here.saturating_add(here / 8)).then_some(in_all)
    }

    /// What the entries weigh that only wait to be dropped.
    pub(crate) fn unread_weight(&self) -> u64 {
        let weights = self.ledger.unread().map(|slot| self.weights.get(slot));
        weights.fold(0, u64::saturating_add)
    }
}

/// In the place of a number of hits: each one is told to the policy.
pub(crate) const REPORTED: u8 = u8::MAX;

/// Looks at a lock that is held, each after twice as long: some hundred instructions in all.
const SPINS: u32 = 6;
/// Looks after that, before a thread goes to sleep.
const YIELDS: u32 = 8;

/// The entries of a shard as its policy sees them.
struct View<'a, K, V> {
    slots: &'a Slots<K, V>,
    weights: &'a Weights,
}

impl<K, V> Entries for View<'_, K, V> {
    fn hits(&self, slot: Slot) -> u8 {
        self.slots.hits(slot)
    }

    fn set_hits(&self, slot: Slot, hits: u8) {
        self.slots.set_hits(slot, hits);
    }

    fn hash(&self, slot: Slot) -> u32 {
        self.slots.tag(slot)
    }

    fn weight(&self, slot: Slot) -> u64 {
        if self.weights.differ() { self.weights.get(slot) } else { 1 }
    }
}

impl<K, V> Shard<K, V> {
    /// For how many entries to make the index, and how many places.
    pub(crate) fn new(
        indexed: u64,
        places: usize,
        weights: Weights,
        policy: Ruling,
    ) -> Shard<K, V> {
        let (slots, ledger) = Slots::new(places);
        let index = Index::with_capacity(indexed);
        let held = Held {
            ledger,
            policy,
            expected: (0, 0),
            weights,
            loads: Loads::new(),
            sweep: Sweep::new(),
            round: Round::new(),
            counts: Counts::new(),
            retired_weight: 0,
            bytes: 0,
        };
        let written = Written {
            held: Mutex::new(held),
            entries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        };
        Shard { index, slots, most_hits: AtomicU8::new(0), written }
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Held<K, V>> {
        match self.written.held.try_lock() {
            Ok(held) => held,
            // A panic of somebody's `Clone` or `Eq` leaves the shard whole.
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => self.lock_patiently(),
        }
    }

    /// The lock is held for less time than it takes to go to sleep and be woken, and once one thread
    /// sleeps, all that come must: so they look a few times more, ever less often.
    #[cold]
    #[inline(never)]
    fn lock_patiently(&self) -> MutexGuard<'_, Held<K, V>> {
        for round in 0..SPINS + YIELDS {
            if round < SPINS {
                (0..1_u32 << round).for_each(|_| std::hint::spin_loop());
            } else {
                std::thread::yield_now();
            }
            match self.written.held.try_lock() {
                Ok(held) => return held,
                Err(TryLockError::Poisoned(held)) => return held.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.written.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of entries, without the lock.
    #[inline]
    pub(crate) fn entries(&self) -> u64 {
        self.written.entries.load(Ordering::Relaxed)
    }

    /// Sum of the weights, without the lock.
    #[inline]
    pub(crate) fn bytes(&self) -> u64 {
        self.written.bytes.load(Ordering::Relaxed)
    }

    /// Hits that are worth noting, or [`REPORTED`].
    #[inline]
    pub(crate) fn most_hits(&self) -> u8 {
        // Relaxed: for a moment after a switch hits may be noted for the wrong policy.
        self.most_hits.load(Ordering::Relaxed)
    }

    /// The entry of a key.
    pub(crate) fn find<Q>(&self, held: &Held<K, V>, hash: u64, key: &Q) -> Option<Slot>
    where
        Q: Equivalent<K> + ?Sized,
    {
        self.seek(held, hash, key).map(|found| found.slot)
    }

    /// The entry of a key, and where the index has it.
    #[inline(always)]
    pub(crate) fn seek<Q>(&self, held: &Held<K, V>, hash: u64, key: &Q) -> Option<Found>
    where
        Q: Equivalent<K> + ?Sized,
    {
        let tag = tag_of(hash);
        self.index.seek(u64::from(tag), |slot| {
            let entry = self.slots.get(&held.ledger, slot);
            entry.is_some_and(|entry| key.equivalent(&entry.key))
        })
    }

    /// Puts in an entry whose key is not there, and answers what was left to be dropped in its place.
    pub(crate) fn insert(
        &self,
        held: &mut Held<K, V>,
        hash: u64,
        era: u32,
        entry: Entry<K, V>,
        weight: u64,
        choice: Choice,
    ) -> Option<Entry<K, V>> {
        let (slot, left) = self.place(held, hash, era, entry, weight);
        let rehash = |slot| u64::from(self.slots.tag(slot));
        self.index.insert(u64::from(tag_of(hash)), slot, rehash);
        let view = View { slots: &self.slots, weights: &held.weights };
        held.policy.choose(choice);
        held.policy.insert(slot, &view);
        self.publish(held);
        left
    }

    /// Puts a value in the place of another of the same key, which is unlinked then and has to
    /// be retired. Answers what was left to be dropped where the value lies now.
    pub(crate) fn replace(
        &self,
        held: &mut Held<K, V>,
        old: Slot,
        hash: u64,
        era: u32,
        entry: Entry<K, V>,
        weight: u64,
    ) -> Option<Entry<K, V>> {
        let found = self.index.seek(u64::from(tag_of(hash)), |slot| slot == old)?;
        self.replace_found(held, found, hash, era, entry, weight)
    }

    /// The same where it has just been found.
    #[inline]
    pub(crate) fn replace_found(
        &self,
        held: &mut Held<K, V>,
        old: Found,
        hash: u64,
        era: u32,
        entry: Entry<K, V>,
        weight: u64,
    ) -> Option<Entry<K, V>> {
        let (slot, left) = self.place(held, hash, era, entry, weight);
        self.index.replace(old, slot);
        let view = View { slots: &self.slots, weights: &held.weights };
        held.policy.replace(old.slot, slot, &view);
        self.count_out(held, old.slot, Cause::Replaced);
        // Not published before the old one is retired: there is never one more than before.
        left
    }

    /// Puts a value where another of the same key and weight is, and answers that; `Err` where
    /// somebody else may look there, or the policy is to know of it.
    #[inline(always)]
    pub(crate) fn swap(
        &self,
        held: &mut Held<K, V>,
        readers: &Readers,
        slot: Slot,
        era: u32,
        entry: Entry<K, V>,
    ) -> Result<Entry<K, V>, Entry<K, V>> {
        if !held.policy.replaces_in_place() {
            return Err(entry);
        }
        let life = entry.extra.as_ref().map(|extra| &extra.life);
        let end = end_of(entry.look_at(), life);
        let most_hits = self.most_hits();
        let old = self.slots.swap(&mut held.ledger, readers, slot, most_hits, (era, entry))?;
        held.sweep.note(end);
        held.counts.insertions += 1;
        held.counts.evictions[Cause::Replaced as usize] += 1;
        Ok(old)
    }

    /// Puts an entry whose key is not there in the place of a victim of the same weight, and answers
    /// that; `Err` where somebody else may look there.
    #[inline(always)]
    pub(crate) fn supersede(
        &self,
        held: &mut Held<K, V>,
        readers: &Readers,
        victim: Slot,
        new: (u64, u32, Entry<K, V>),
        choice: Choice,
    ) -> Result<Entry<K, V>, Entry<K, V>> {
        let (hash, era, entry) = new;
        let life = entry.extra.as_ref().map(|extra| &extra.life);
        let end = end_of(entry.look_at(), life);
        let tag = tag_of(hash);
        let before = self.slots.tag(victim);
        let old = self.slots.supersede(&mut held.ledger, readers, victim, (tag, era, entry))?;
        let rehash = |slot| u64::from(self.slots.tag(slot));
        self.index.remove(u64::from(before), victim, rehash);
        self.index.insert(u64::from(tag), victim, rehash);
        held.sweep.note(end);
        held.counts.insertions += 1;
        held.counts.evictions[Cause::Size as usize] += 1;
        let view = View { slots: &self.slots, weights: &held.weights };
        held.policy.choose(choice);
        held.policy.insert(victim, &view);
        Ok(old)
    }

    /// Has the processor fetch what the next evictions are likely to ask for: of the first that will
    /// go where its hash is kept, by the tag that was fetched last time, and the tag of the second.
    /// Each would be waited for in turn.
    #[inline]
    pub(crate) fn foresee_victims(&self, held: &Held<K, V>) {
        let (first, second) = held.policy.next_two();
        if let Some(first) = first {
            let tag = self.slots.tag(first);
            self.index.foresee(u64::from(tag));
            held.policy.foresee(tag);
        }
        if let Some(second) = second {
            self.slots.foresee(second);
        }
    }

    /// Ends the life of an unlinked entry and answers it, if nobody else can look at it.
    #[inline]
    pub(crate) fn take(
        &self,
        held: &mut Held<K, V>,
        readers: &Readers,
        slot: Slot,
    ) -> Option<Entry<K, V>> {
        let entry = self.slots.take(&mut held.ledger, readers, slot)?;
        // It was counted out as one that is to be freed later.
        held.retired_weight = held.retired_weight.saturating_sub(held.weights.get(slot));
        self.publish(held);
        Some(entry)
    }

    #[inline]
    fn place(
        &self,
        held: &mut Held<K, V>,
        hash: u64,
        era: u32,
        entry: Entry<K, V>,
        weight: u64,
    ) -> (Slot, Option<Entry<K, V>>) {
        held.counts.insertions += 1;
        held.bytes = held.bytes.wrapping_add(weight);
        let life = entry.extra.as_ref().map(|extra| &extra.life);
        held.sweep.note(end_of(entry.look_at(), life));
        let (slot, left) = self.slots.put(&mut held.ledger, tag_of(hash), era, entry);
        held.weights.set(slot, weight);
        (slot, left)
    }

    /// The next entry to make room; the policy has let go of it, so it must be unlinked.
    pub(crate) fn victim(&self, held: &mut Held<K, V>) -> Option<Slot> {
        let view = View { slots: &self.slots, weights: &held.weights };
        let victim = held.policy.victim(&view)?;
        // Of a policy that is not ours anything may come.
        let is_there = victim.as_u32() < self.slots.used() && self.slots.live_tag(victim).is_some();
        is_there.then_some(victim)
    }

    /// Tells the policy that an entry leaves for another reason than room.
    pub(crate) fn withdraw(&self, held: &mut Held<K, V>, slot: Slot) {
        let view = View { slots: &self.slots, weights: &held.weights };
        held.policy.remove(slot, &view);
    }

    /// Takes an entry out of the index and counts why; answers its weight. It is to be retired
    /// then.
    pub(crate) fn unlink(&self, held: &mut Held<K, V>, slot: Slot, cause: Cause) -> u64 {
        let rehash = |slot| u64::from(self.slots.tag(slot));
        self.index.remove(rehash(slot), slot, rehash);
        self.count_out(held, slot, cause)
    }

    fn count_out(&self, held: &mut Held<K, V>, slot: Slot, cause: Cause) -> u64 {
        let weight = held.weights.get(slot);
        held.counts.evictions[cause as usize] += 1;
        held.bytes = held.bytes.wrapping_sub(weight);
        held.retired_weight = held.retired_weight.saturating_add(weight);
        weight
    }

    /// Ends the life of an unlinked entry.
    pub(crate) fn retire(&self, held: &mut Held<K, V>, slot: Slot) {
        self.slots.retire(&mut held.ledger, slot);
        self.publish(held);
    }

    /// The same, and keeps it readable.
    pub(crate) fn detach<'a>(&'a self, held: &mut Held<K, V>, slot: Slot) -> Detached<'a, K, V> {
        let detached = self.slots.detach(&mut held.ledger, slot);
        self.publish(held);
        detached
    }

    /// Tells the policy of a hit, if the entry is still there.
    pub(crate) fn report_hit(&self, held: &mut Held<K, V>, slot: Slot) {
        let view = View { slots: &self.slots, weights: &held.weights };
        held.policy.report(slot, &view);
    }

    /// Tells the policy how many entries to expect, here and in all, if that has changed much.
    pub(crate) fn expect(&self, held: &mut Held<K, V>, entries: usize, in_all: usize) {
        let (before, all_before) = held.expected;
        let differs = |n: usize, before: usize| n.abs_diff(before) > before / 8;
        if differs(entries, before) || differs(in_all, all_before) {
            held.expected = (entries, in_all);
            held.policy.expect(entries, in_all);
            self.ask_for_hits(held);
        }
    }

    /// Puts another policy in charge of the entries, and answers the old one. O(entries).
    pub(crate) fn set_policy(&self, held: &mut Held<K, V>, mut policy: Ruling) -> Ruling {
        policy.expect(held.expected.0, held.expected.1);
        let view = View { slots: &self.slots, weights: &held.weights };
        policy.succeed(&held.policy, &view);
        let old = std::mem::replace(&mut held.policy, policy);
        self.ask_for_hits(held);
        old
    }

    fn ask_for_hits(&self, held: &Held<K, V>) {
        let most = match held.policy.hits() {
            Hits::Ignored => 0,
            Hits::Counted(most) => most.min(3),
            Hits::Reported => REPORTED,
        };
        self.most_hits.store(most, Ordering::Relaxed);
    }

    fn publish(&self, held: &Held<K, V>) {
        self.written.entries.store(held.ledger.len() as u64, Ordering::Relaxed);
        self.written.bytes.store(held.bytes, Ordering::Relaxed);
    }
}
