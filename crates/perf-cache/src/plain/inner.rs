//! What the handles of a cache share.

use super::shard::{Held, Shard};
use super::slots::{Copied, Meta};
use super::words::Plain;
use crate::budget::{Budget, Deal};
use crate::choosing::Choosing;
use crate::expiry::{self, NEVER};
use crate::hazard::NEAR;
use crate::index::Likely;
use crate::inner::SAMPLE_NONE;
use crate::loading::flight::Load;
use crate::policy::{Hits, PolicyKind, Slot};
use crate::repeats::Repeats;
use crate::ruling::Ruling;
use crate::stats::{Cause, Counts};
use perf_core::{Clock, Stripes};
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) struct Inner<K, V, S> {
    /// What readers use comes first.
    pub(super) shards: Box<[Shard<K, V>]>,
    pub(super) hasher: S,
    /// Up to so many hits are noted beside an entry; [`REPORTED`]: the policy is told of each.
    pub(super) hits: AtomicU64,
    /// Accesses whose hashes have none of these bits are sampled.
    pub(super) sample_mask: AtomicU64,
    pub(super) lookups: Stripes<Lookups, NEAR>,
    pub(super) clock: Clock,
    pub(super) name: String,
    pub(super) jitter: f64,
    pub(super) choosing: Choosing,
    pub(super) entries: Budget,
    /// Plain pairs are all of one size, so entries are all that is counted.
    pub(super) bytes: Budget,
    /// Nanoseconds; zero: entries never expire.
    pub(super) ttl: AtomicU64,
    /// When counting began, in nanoseconds of the clock.
    pub(super) since: AtomicU64,
    /// Lookups of threads that have no stripe.
    pub(super) shared_lookups: Lookups,
    pub(super) settings: Mutex<Defaults>,
}

/// What was set when the cache was built, and what must not change at once. Its lock is held by
/// whoever changes a setting.
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) capacity: u64,
    pub(super) ttl: Duration,
    pub(super) policy: PolicyKind,
    /// Hits and misses before counting began.
    pub(super) before: (u64, u64),
}

/// Lookups that one thread has counted.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Lookups {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    repeats: Repeats,
}

impl Lookups {
    #[inline]
    fn count(&self, counter: &AtomicU64) {
        // Only this thread writes it.
        counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// In place of a number of hits: each is told to the policy under the lock.
pub(super) const REPORTED: u64 = u64::MAX;

/// Who puts an entry in.
pub(super) enum Origin<'a, V> {
    /// A caller. What is loading for this key is older news and may not follow.
    Caller,
    /// A load that took so long. It may put it in only while it has its claim, and has none after.
    Load(&'a Arc<Load<V>>, Duration),
}

/// Places that each insertion looks at for something expired.
const SWEPT_BY_A_WRITE: usize = 4;
/// Entries of another shard that are evicted before the own one is asked again.
const EVICTED_ELSEWHERE: usize = 16;
/// Places looked at, or entries removed, in one holding of a lock.
pub(super) const CHUNK: usize = 256;

impl<K: Plain + Hash + Eq, V: Plain, S: BuildHasher> Inner<K, V, S> {
    #[inline]
    pub(super) fn hash(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }

    #[inline]
    pub(super) fn shard(&self, hash: u64) -> &Shard<K, V> {
        &self.shards[self.place(hash)]
    }

    #[inline]
    fn place(&self, hash: u64) -> usize {
        // The index uses the lower 32 bits.
        (hash >> 40) as usize & (self.shards.len() - 1)
    }

    /// The value of a key, counted as a lookup and as a use.
    ///
    /// Always inlined: saving registers and bringing them back is a sixth of it otherwise.
    #[inline(always)]
    pub(super) fn get(&self, hash: u64, key: &K) -> Option<V> {
        let shard = self.shard(hash);
        match shard.index.likely(hash) {
            Likely::Slot(slot) => {
                if let Some((value, meta)) = shard.slots.glance(slot, key) {
                    self.hit(shard, hash, slot, meta);
                    return Some(value);
                }
            }
            Likely::Nothing => {
                self.miss(hash);
                return None;
            }
            Likely::Unsure => {}
        }
        self.get_slowly(shard, hash, key)
    }

    /// The same, with all that is rare.
    #[inline(never)]
    fn get_slowly(&self, shard: &Shard<K, V>, hash: u64, key: &K) -> Option<V> {
        let found = shard.find(hash, key);
        let found = found.filter(|(slot, copied)| self.is_fresh(shard, *slot, copied));
        let Some((slot, copied)) = found else {
            self.miss(hash);
            return None;
        };
        self.hit(shard, hash, slot, copied.meta);
        Some(copied.value)
    }

    /// Notes and counts a hit.
    #[inline]
    fn hit(&self, shard: &Shard<K, V>, hash: u64, slot: Slot, meta: Meta) {
        let counted = self.hits.load(Ordering::Relaxed);
        if meta.hits() < counted {
            self.note_hit(shard, counted, slot, meta);
        }
        let Some(own) = self.lookups.own() else {
            self.observe(hash);
            return self.count_shared(true);
        };
        own.count(&own.hits);
        if self.is_sampled(hash) && !own.repeats.pass_by(hash) {
            self.observe_hit(own, hash);
        }
    }

    #[inline]
    fn is_sampled(&self, hash: u64) -> bool {
        hash & self.sample_mask.load(Ordering::Relaxed) == 0
    }

    #[cold]
    #[inline(never)]
    fn observe_hit(&self, own: &Lookups, hash: u64) {
        let suffices = self.choosing.observe(hash);
        own.repeats.learn(hash, suffices, |hash, times| self.choosing.pass_by(hash, times));
    }

    /// Tells who chooses for the adaptive policy, if this is one of the accesses that it samples.
    #[inline]
    fn observe(&self, hash: u64) {
        if self.is_sampled(hash) {
            self.choosing.observe(hash);
        }
    }

    /// The same for a pair that has come in.
    #[inline]
    fn observe_insertion(&self, hash: u64) {
        if self.is_sampled(hash) {
            self.choosing.observe_insertion(hash);
        }
    }

    /// Counts a lookup that found nothing.
    #[inline]
    fn miss(&self, hash: u64) {
        self.count(false);
        if self.is_sampled(hash) {
            self.choosing.observe_miss(hash);
        }
    }

    /// Counts a lookup.
    #[inline]
    pub(super) fn count(&self, hit: bool) {
        let Some(own) = self.lookups.own() else { return self.count_shared(hit) };
        own.count(if hit { &own.hits } else { &own.misses });
    }

    #[cold]
    fn count_shared(&self, hit: bool) {
        let counts = &self.shared_lookups;
        let counter = if hit { &counts.hits } else { &counts.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Hits and misses since the cache was built.
    pub(super) fn all_lookups(&self) -> (u64, u64) {
        let all = self.lookups.iter().chain([&self.shared_lookups]);
        all.fold((0, 0), |(hits, misses), counts| {
            let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            (hits + load(&counts.hits), misses + load(&counts.misses))
        })
    }

    #[cold]
    #[inline(never)]
    fn note_hit(&self, shard: &Shard<K, V>, counted: u64, slot: Slot, meta: Meta) {
        if counted == REPORTED {
            self.report_hit(shard, slot, meta);
        } else {
            shard.slots.note_hit(slot, meta);
        }
    }

    #[cold]
    fn report_hit(&self, shard: &Shard<K, V>, slot: Slot, meta: Meta) {
        let mut held = shard.lock();
        if shard.slots.is_still(slot, meta) {
            held.policy.report(slot, &shard.slots);
        }
    }

    /// Whether an entry with a deadline may be answered; if not, it goes.
    fn is_fresh(&self, shard: &Shard<K, V>, slot: Slot, copied: &Copied<K, V>) -> bool {
        if !expiry::has_passed(copied.deadline, &self.clock) {
            return true;
        }
        let mut held = shard.lock();
        if shard.slots.is_still(slot, copied.meta) {
            self.take(shard, &mut held, slot, Cause::Expired);
        }
        false
    }

    /// Takes an entry out and gives its room back.
    pub(super) fn take(
        &self,
        shard: &Shard<K, V>,
        held: &mut Held<K, V>,
        slot: Slot,
        cause: Cause,
    ) {
        shard.remove(held, slot, cause);
        self.entries.give(1);
    }

    /// The deadline of an entry that comes in now without one of its own.
    pub(super) fn default_deadline(&self, hash: u64) -> u64 {
        match self.ttl.load(Ordering::Relaxed) {
            0 => NEVER,
            ttl => {
                let now = self.clock.now();
                let ttl = Duration::from_nanos(ttl);
                (now + expiry::jittered(ttl, self.jitter, hash ^ now.as_nanos())).as_nanos()
            }
        }
    }

    /// Puts a value in, having made room; answers whether it went in.
    pub(super) fn put(
        &self,
        hash: u64,
        key: K,
        value: V,
        deadline: u64,
        origin: &Origin<'_, V>,
    ) -> bool {
        let mut counted = false;
        let mut deal = Deal::new(&self.entries, &self.bytes);
        let place = self.place(hash);
        let shard = &self.shards[place];
        loop {
            // Dropped after the lock.
            let _ended;
            let mut held = shard.lock();
            match origin {
                Origin::Caller => _ended = held.loads.detach(hash, &key),
                Origin::Load(load, took) => {
                    if !std::mem::replace(&mut counted, true) {
                        held.counts.loads += 1;
                        held.counts.load_duration.record_duration(*took);
                    }
                    if !held.loads.holds(hash, load) {
                        return false;
                    }
                }
            }
            if held.sweep.is_due(&self.clock) {
                let most = SWEPT_BY_A_WRITE;
                let (removed, _) = shard.sweep(&mut held, &self.clock, most, most as u64);
                self.entries.give(removed);
            }
            if let Some((slot, copied)) = shard.find_held(hash, &key) {
                self.overwrite(shard, &mut held, slot, &copied, &value, deadline);
                if let Origin::Load(load, _) = origin {
                    let _ended = held.loads.end(hash, load);
                }
                drop(held);
                self.observe_insertion(hash);
                if self.has_excess() {
                    self.evict_excess(2);
                }
                return true;
            }
            loop {
                if deal.pay(1) {
                    if let Origin::Load(load, _) = origin {
                        let _ended = held.loads.end(hash, load);
                    }
                    let choice = self.choosing.choice();
                    shard.insert(&mut held, hash, &key, &value, deadline, choice);
                    drop(held);
                    self.observe_insertion(hash);
                    return true;
                }
                if !self.is_at_its_share(place) || !shard.evict(&mut held) {
                    break;
                }
                deal.evicted(1);
            }
            drop(held);
            if !self.evict_elsewhere(&mut deal) {
                // What is missing is on its way in or out on other threads, which may need what
                // this one has freed.
                deal.give_back();
                std::thread::yield_now();
            }
        }
    }

    /// A new value in the old place counts as a use of it.
    fn overwrite(
        &self,
        shard: &Shard<K, V>,
        held: &mut Held<K, V>,
        slot: Slot,
        copied: &Copied<K, V>,
        value: &V,
        deadline: u64,
    ) {
        shard.overwrite(held, slot, value, deadline);
        let counted = self.hits.load(Ordering::Relaxed);
        if counted == REPORTED {
            held.policy.report(slot, &shard.slots);
        } else if copied.meta.hits() < counted {
            crate::policy::Entries::set_hits(&shard.slots, slot, copied.meta.hits() as u8 + 1);
        }
    }

    /// Whether a shard should make room from its own entries rather than from another's.
    fn is_at_its_share(&self, place: usize) -> bool {
        let count = self.shards.len() as u64;
        let max = self.entries.max().unwrap_or(u64::MAX);
        // An eighth of slack: taking from others costs a second lock.
        count == 1 || self.shards[place].entries() >= max / count / 8 * 7 || self.fullest() == place
    }

    /// Evicts some entries of the fullest shard; whether there was one.
    fn evict_elsewhere(&self, deal: &mut Deal<'_>) -> bool {
        let shard = &self.shards[self.fullest()];
        let mut held = shard.lock();
        let mut evicted = false;
        for _ in 0..EVICTED_ELSEWHERE {
            if !shard.evict(&mut held) {
                break;
            }
            evicted = true;
            deal.evicted(1);
            if deal.may_go_on(1) {
                break;
            }
        }
        evicted
    }

    fn fullest(&self) -> usize {
        let shards = self.shards.iter().enumerate();
        shards.max_by_key(|(_, shard)| shard.entries()).map_or(0, |(place, _)| place)
    }

    /// Evicts up to `limit` entries of what is above a lowered capacity; answers how many.
    pub(super) fn evict_excess(&self, limit: u64) -> u64 {
        let mut evicted = 0;
        while evicted < limit && self.has_excess() {
            let shard = &self.shards[self.fullest()];
            let mut held = shard.lock();
            let before = evicted;
            while self.has_excess() && evicted < limit && evicted - before < CHUNK as u64 {
                if !shard.evict(&mut held) {
                    break;
                }
                self.entries.give(1);
                evicted += 1;
            }
            drop(held);
            if evicted == before {
                break;
            }
        }
        evicted
    }

    /// Removes what has expired, up to `limit` entries; answers how many.
    pub(super) fn remove_expired(&self, limit: u64) -> u64 {
        let mut removed = 0;
        for shard in &self.shards {
            // Two rounds at most: the one that was going on, and a whole one.
            for _ in 0..2 {
                while removed < limit {
                    let mut held = shard.lock();
                    if !held.sweep.is_due(&self.clock) {
                        break;
                    }
                    let most = (limit - removed).min(CHUNK as u64);
                    let (gone, round_is_over) = shard.sweep(&mut held, &self.clock, CHUNK, most);
                    self.entries.give(gone);
                    removed += gone;
                    if round_is_over {
                        break;
                    }
                }
            }
        }
        removed
    }
}

impl<K: Plain + Eq, V: Plain, S> Inner<K, V, S> {
    /// Number of entries, without a lock. Never more than the bound.
    pub(super) fn len(&self) -> u64 {
        self.entries.no_more_than_used(self.shards.iter().map(Shard::entries).sum())
    }

    /// Tells those who decide what leaves how many entries to expect.
    pub(super) fn expect_entries(&self, policy: PolicyKind) {
        let in_all = usize::try_from(self.entries.max().unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let share = in_all.div_ceil(self.shards.len());
        for shard in &self.shards {
            shard.lock().policy.expect(share, in_all);
        }
        self.choosing.expect(policy == PolicyKind::Adaptive, in_all);
        let mask = self.choosing.mask().map_or(SAMPLE_NONE, u64::from);
        self.sample_mask.store(mask, Ordering::Relaxed);
    }

    /// Whether the cache holds more than a capacity that was lowered allows.
    pub(super) fn has_excess(&self) -> bool {
        self.entries.excess() > 0
    }

    /// The counters of all shards, added up, and the number of running loads.
    pub(super) fn counts(&self) -> (Counts, u64) {
        let mut sum = Counts::new();
        let mut loading = 0;
        for shard in &self.shards {
            let held = shard.lock();
            sum.merge(&held.counts);
            loading += held.loads.len() as u64;
        }
        (sum, loading)
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Defaults> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many hits are noted for a policy.
    pub(super) fn noted(policy: &Ruling) -> u64 {
        match policy.hits() {
            Hits::Ignored => 0,
            Hits::Counted(most) => u64::from(most.min(3)),
            Hits::Reported => REPORTED,
        }
    }
}
