//! What the handles of a cache share, and how room is made in it.
//!
//! Bounds are for the whole cache, locks are for shards. Who inserts makes the room itself before
//! the entry goes in: first from the oldest entries of its own shard, and where that shard holds
//! less than its share already, from the fullest. No two locks are ever held at once, and nothing
//! waits in a queue to be evicted later.

use crate::budget::{Budget, Deal};
use crate::expiry::{self, NEVER};
use crate::loading::LoadOptions;
use crate::loading::flight::Load;
use crate::lru::{Entry, Id};
use crate::shard::{Held, Shard};
use crate::stats::{Cause, Counts};
use hashbrown::DefaultHashBuilder;
use perf_core::Clock;
use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub(crate) type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u64 + Send + Sync>;

pub(crate) struct Inner<K, V> {
    pub(crate) name: String,
    pub(crate) clock: Clock,
    pub(crate) weigher: Option<Weigher<K, V>>,
    pub(crate) jitter: f64,
    pub(crate) default_weight: u64,
    pub(crate) entries: Budget,
    pub(crate) bytes: Budget,
    /// Nanoseconds; zero: entries never expire.
    pub(crate) ttl: AtomicU64,
    /// When counting began, in nanoseconds of the clock.
    pub(crate) since: AtomicU64,
    pub(crate) settings: Mutex<Defaults>,
    pub(crate) loading: LoadOptions<K>,
    pub(crate) hasher: DefaultHashBuilder,
    /// A power of two of them.
    pub(crate) shards: Box<[Shard<K, V>]>,
}

/// What was set when the cache was built. Its lock is held by whoever changes a setting.
#[derive(Debug)]
pub(crate) struct Defaults {
    pub(crate) capacity: u64,
    pub(crate) ttl: Duration,
}

/// Who puts an entry in.
pub(crate) enum Origin<'a, V> {
    /// A caller. What is loading for this key is older news and may not follow.
    Caller,
    /// A load that took so long. It may put it in only while it has its claim, and has none after.
    Load(&'a Arc<Load<V>>, Duration),
}

/// Entries that left, to be dropped after the lock. The first needs no allocation.
struct Gone<K, V> {
    first: Option<Entry<K, V>>,
    rest: Vec<Entry<K, V>>,
}

impl<K, V> Gone<K, V> {
    const fn new() -> Gone<K, V> {
        Gone { first: None, rest: Vec::new() }
    }

    fn push(&mut self, entry: Entry<K, V>) {
        if self.first.is_none() {
            self.first = Some(entry);
        } else {
            self.rest.push(entry);
        }
    }

    const fn len(&self) -> usize {
        self.rest.len() + self.first.is_some() as usize
    }
}

/// Places that each insertion looks at for something expired.
const SWEPT_BY_A_WRITE: usize = 4;
/// Entries of another shard that are evicted before the own one is asked again.
const EVICTED_ELSEWHERE: usize = 16;
/// Places looked at, or entries removed, in one holding of a lock.
const CHUNK: usize = 256;

impl<K, V> Inner<K, V> {
    #[inline]
    pub(crate) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    #[inline]
    pub(crate) fn shard(&self, hash: u64) -> &Shard<K, V> {
        &self.shards[self.index(hash)]
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        // Bits that the tables of the shards use neither as position nor as tag.
        (hash >> 40) as usize & (self.shards.len() - 1)
    }

    pub(crate) fn weigh(&self, key: &K, value: &V) -> u64 {
        self.weigher.as_ref().map_or(self.default_weight, |weigher| weigher(key, value))
    }

    /// The deadline of an entry that comes in now without one of its own.
    pub(crate) fn default_deadline(&self, hash: u64) -> u64 {
        match self.ttl.load(Ordering::Relaxed) {
            0 => NEVER,
            ttl => {
                let now = self.clock.now();
                let ttl = Duration::from_nanos(ttl);
                (now + expiry::jittered(ttl, self.jitter, hash ^ now.as_nanos())).as_nanos()
            }
        }
    }

    /// Takes an entry out and gives its room back.
    pub(crate) fn take(
        &self,
        shard: &Shard<K, V>,
        held: &mut Held<K, V>,
        id: Id,
        cause: Cause,
    ) -> Entry<K, V> {
        let entry = shard.remove(held, id, cause);
        self.entries.give(1);
        self.bytes.give(entry.weight);
        entry
    }

    /// Number of entries, without a lock.
    pub(crate) fn len(&self) -> u64 {
        self.shards.iter().map(Shard::entries).sum()
    }

    /// Sum of the weights, without a lock.
    pub(crate) fn weight(&self) -> u64 {
        self.shards.iter().fold(0, |sum, shard| sum.wrapping_add(shard.bytes()))
    }

    /// Whether the cache holds more than a capacity that was lowered allows.
    pub(crate) fn has_excess(&self) -> bool {
        self.entries.excess() > 0 || self.bytes.excess() > 0
    }

    /// The counters of all shards, added up, and the number of running loads.
    pub(crate) fn counts(&self) -> (Counts, u64) {
        let mut sum = Counts::new();
        let mut loading = 0;
        for shard in &self.shards {
            let held = shard.lock();
            sum.merge(&held.counts);
            loading += held.loads.len() as u64;
        }
        (sum, loading)
    }

    pub(crate) fn settings(&self) -> MutexGuard<'_, Defaults> {
        self.settings.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Evicts up to `limit` entries of what is above a lowered capacity; answers how many.
    pub(crate) fn evict_excess(&self, limit: u64) -> u64 {
        let mut evicted = 0;
        while evicted < limit && self.has_excess() {
            let mut gone = Gone::new();
            let shard = &self.shards[self.fullest(self.bytes.excess() > 0)];
            let mut held = shard.lock();
            while self.has_excess() && evicted < limit && gone.len() < CHUNK {
                let Some(id) = held.store.victim() else { break };
                gone.push(self.take(shard, &mut held, id, Cause::Size));
                evicted += 1;
            }
            drop(held);
            if gone.len() == 0 {
                break;
            }
        }
        evicted
    }

    /// Removes what has expired, up to `limit` entries; answers how many.
    pub(crate) fn remove_expired(&self, limit: u64) -> u64 {
        let mut removed = 0;
        for shard in &self.shards {
            // Two rounds at most: the one that was going on, and a whole one.
            for _ in 0..2 {
                while removed < limit {
                    let mut gone = Gone::new();
                    let mut held = shard.lock();
                    if !held.sweep.is_due(&self.clock) {
                        break;
                    }
                    let most = usize::try_from(limit - removed).unwrap_or(CHUNK).min(CHUNK);
                    let round_is_over = self.sweep(shard, &mut held, CHUNK, most, &mut gone);
                    drop(held);
                    removed += gone.len() as u64;
                    if round_is_over {
                        break;
                    }
                }
            }
        }
        removed
    }

    /// Looks at some places of a shard and takes out what has expired; whether a round has ended.
    fn sweep(
        &self,
        shard: &Shard<K, V>,
        held: &mut Held<K, V>,
        places: usize,
        most: usize,
        gone: &mut Gone<K, V>,
    ) -> bool {
        let before = gone.len();
        for _ in 0..places {
            if gone.len() - before >= most {
                return false;
            }
            let Some(place) = held.sweep.next(held.store.places()) else { return true };
            let Some((id, entry)) = held.store.at(place) else { continue };
            let deadline = entry.deadline.get();
            if expiry::has_passed(deadline, &self.clock) {
                gone.push(self.take(shard, held, id, Cause::Expired));
            } else {
                held.sweep.left(deadline);
            }
        }
        false
    }

    /// The shard that holds most, in bytes or in entries.
    fn fullest(&self, bytes: bool) -> usize {
        let fill = |shard: &Shard<K, V>| if bytes { shard.bytes() } else { shard.entries() };
        let shards = self.shards.iter().enumerate();
        shards.max_by_key(|(_, shard)| fill(shard)).map_or(0, |(index, _)| index)
    }
}

impl<K: Hash + Eq, V> Inner<K, V> {
    /// Finds a value and marks it as used; whether that was a hit or a miss is for the caller to
    /// count. An expired entry goes to `gone`, to be dropped after the lock.
    #[inline]
    pub(crate) fn look_up<Q>(
        &self,
        shard: &Shard<K, V>,
        held: &mut Held<K, V>,
        hash: u64,
        key: &Q,
        gone: &mut Option<Entry<K, V>>,
    ) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
        V: Clone,
    {
        let id = held.store.find(hash, key)?;
        if expiry::has_passed(held.store.get(id).deadline.get(), &self.clock) {
            *gone = Some(self.take(shard, held, id, Cause::Expired));
            return None;
        }
        held.store.touch(id);
        Some(held.store.get(id).value.clone())
    }

    /// Puts a value in, having made room; answers whether it went in.
    pub(crate) fn put(
        &self,
        hash: u64,
        key: K,
        value: V,
        deadline: u64,
        origin: &Origin<'_, V>,
    ) -> bool {
        let weight = self.weigh(&key, &value);
        // What leaves is dropped after the lock: these are declared before the guard.
        let mut gone = Gone::new();
        let mut ended = Vec::new();
        let deadline = NonZeroU64::new(deadline).unwrap_or(NonZeroU64::MIN);
        let mut entry = Some(Entry { key, value, weight, deadline });
        let mut counted = false;
        let mut deal = Deal::new(&self.entries, &self.bytes);
        let index = self.index(hash);
        let shard = &self.shards[index];
        loop {
            let Some(new) = entry.as_ref() else { return false };
            let mut held = shard.lock();
            match origin {
                Origin::Caller => ended.extend(held.loads.detach(hash, &new.key)),
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
                self.sweep(shard, &mut held, SWEPT_BY_A_WRITE, SWEPT_BY_A_WRITE, &mut gone);
            }
            let old = held.store.find(hash, &new.key);
            if self.bytes.refuses(weight) {
                if let Some(id) = old {
                    gone.push(self.take(shard, &mut held, id, Cause::Replaced));
                }
                if let Origin::Load(load, _) = origin {
                    ended.extend(held.loads.end(hash, load));
                }
                held.counts.evictions[Cause::TooLarge as usize] += 1;
                drop(held);
                drop(ended);
                return false;
            }
            if let Some(id) = old {
                let same = held.store.get(id).weight == weight;
                if same && deal.is_untouched() && !self.has_excess() {
                    // Most overwrites: the room is there already.
                    if let Some(entry) = entry.take() {
                        gone.push(shard.replace(&mut held, id, entry));
                    }
                    return true;
                }
                let old = shard.remove(&mut held, id, Cause::Replaced);
                deal.freed(old.weight);
                gone.push(old);
            }
            loop {
                if deal.pay(weight) {
                    if let Origin::Load(load, _) = origin {
                        ended.extend(held.loads.end(hash, load));
                    }
                    if let Some(entry) = entry.take() {
                        shard.insert(&mut held, hash, entry);
                    }
                    drop(held);
                    drop(ended);
                    return true;
                }
                let Some(id) = held.store.victim() else { break };
                if !self.is_at_its_share(index, deal.wants_bytes()) {
                    break;
                }
                let victim = shard.remove(&mut held, id, Cause::Size);
                deal.evicted(victim.weight);
                gone.push(victim);
            }
            drop(held);
            if !self.evict_elsewhere(weight, &mut deal, &mut gone) {
                // What is missing is on its way in or out on other threads, which may need what
                // this one has freed.
                deal.give_back();
                std::thread::yield_now();
            }
        }
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
        own >= max.unwrap_or(u64::MAX) / count / 8 * 7 || self.fullest(bytes) == index
    }

    /// Evicts some entries of the fullest shard; whether there was one.
    fn evict_elsewhere(&self, weight: u64, deal: &mut Deal<'_>, gone: &mut Gone<K, V>) -> bool {
        let shard = &self.shards[self.fullest(deal.wants_bytes())];
        let mut held = shard.lock();
        let before = gone.len();
        for _ in 0..EVICTED_ELSEWHERE {
            let Some(id) = held.store.victim() else { break };
            let victim = shard.remove(&mut held, id, Cause::Size);
            deal.evicted(victim.weight);
            gone.push(victim);
            if deal.may_go_on(weight) {
                break;
            }
        }
        gone.len() > before
    }
}
