//! What the handles of a cache share.

use crate::budget::Budget;
use crate::choosing::Choosing;
use crate::expiry::{LearnedLives, Lifetimes};
use crate::hazard::Readers;
use crate::insight::Observer;
use crate::invalidation::{Fence, Invalidations};
use crate::listener::Listeners;
use crate::loading::LoadOptions;
use crate::loading::flight::Load;
use crate::policy::{Choice, PolicyKind};
use crate::shard::Shard;
use crate::stats::Counts;
use crate::{Terms, barrier};
use perf_core::Clock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub(crate) type Weigher<K, V> = Box<dyn Fn(&K, &V) -> u64 + Send + Sync>;

pub(crate) struct Inner<K, V> {
    /// A power of two of them.
    pub(crate) shards: Box<[Shard<K, V>]>,
    pub(crate) readers: Readers,
    pub(crate) invalidations: Invalidations<K>,
    /// Accesses whose hash has none of these bits are sampled.
    pub(crate) sample_mask: AtomicU64,
    /// What learns from the sample.
    pub(crate) observer: Option<Observer>,
    pub(crate) choosing: Choosing,
    pub(crate) limbo: Limbo,
    /// Who is told of entries that leave.
    pub(crate) listeners: Listeners<K, V>,
    /// When a removal last made a barrier, in nanoseconds of the system's clock.
    pub(crate) last_reclaimed: AtomicU64,
    pub(crate) name: String,
    pub(crate) clock: Clock,
    pub(crate) weigher: Option<Weigher<K, V>>,
    pub(crate) default_weight: u64,
    pub(crate) entries: Budget,
    pub(crate) bytes: Budget,
    pub(crate) lifetimes: Lifetimes<K, V>,
    /// Where lives are learned.
    pub(crate) learned: Option<LearnedLives>,
    /// Whether an insertion has nobody to ask and nobody to tell.
    pub(crate) is_plain: bool,
    /// Whether each entry keeps account of its use.
    pub(crate) tracks_entries: bool,
    /// When counting began, in nanoseconds of the clock.
    pub(crate) since: AtomicU64,
    /// What the records of the readers had counted then.
    pub(crate) counted_before: Mutex<(u64, u64)>,
    /// Lookups that were counted before the statistics were last reset.
    pub(crate) lookups_before: AtomicU64,
    pub(crate) settings: Mutex<Settings>,
    pub(crate) loading: LoadOptions<K>,
}

/// How much may wait in one shard before it is harvested, see [`crate::slots`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limbo {
    pub(crate) entries: usize,
    pub(crate) weight: u64,
    /// Whether dropping an entry may do something that somebody waits for.
    pub(crate) is_prompt: bool,
}

/// What was set when the cache was built, and the policy. Its lock is held by whoever changes a
/// setting.
pub(crate) struct Settings {
    pub(crate) capacity: u64,
    pub(crate) ttl: Duration,
    pub(crate) first_policy: PolicyKind,
    pub(crate) cold_share: Option<Choice>,
    /// What the program has fixed last, to which the knob can come back.
    pub(crate) own_cold_share: Option<Choice>,
    /// The policy now, `None` for one that is not ours.
    pub(crate) policy: Option<PolicyKind>,
}

/// Entries for which policies may make room before they come.
const MANY: u64 = 1 << 24;

/// No access is sampled.
pub(crate) const SAMPLE_NONE: u64 = u64::MAX;

/// What comes in.
#[derive(Debug)]
pub(crate) struct Incoming<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    pub(crate) terms: Terms,
}

impl<K, V> Incoming<K, V> {
    /// On the terms of the cache.
    pub(crate) const fn new(key: K, value: V) -> Incoming<K, V> {
        Incoming { key, value, terms: Terms::new() }
    }
}

/// Who puts an entry in.
pub(crate) enum Origin<'a, V> {
    /// A caller. What is loading for this key is older news and may not follow.
    Caller,
    /// A load that took so long. It may put it in only while it has its claim, and has none after.
    Load(&'a Arc<Load<V>>, Duration),
    /// Who has reserved the key, under this number.
    Reserved(u64, Fence),
    /// Who puts back what was there some time ago: not in the place of anything alive, and what is
    /// loading for this key is newer.
    Restored,
}

impl<V> Origin<'_, V> {
    /// What the value may be older than.
    pub(crate) fn fence(&self) -> Option<Fence> {
        match self {
            Origin::Caller | Origin::Restored => None,
            Origin::Load(load, _) => Some(load.fence()),
            Origin::Reserved(_, fence) => Some(*fence),
        }
    }
}

impl<K, V> Inner<K, V> {
    #[inline]
    pub(crate) fn shard(&self, hash: u64) -> &Shard<K, V> {
        &self.shards[self.index(hash)]
    }

    #[inline]
    pub(crate) fn index(&self, hash: u64) -> usize {
        // Bits that entries do not keep: what they keep, the index of the shard uses.
        (hash >> 40) as usize & (self.shards.len() - 1)
    }

    pub(crate) fn weigh(&self, key: &K, value: &V) -> u64 {
        self.weigher.as_ref().map_or(self.default_weight, |weigher| weigher(key, value))
    }

    /// Number of entries, without a lock. Never more than the bound.
    pub(crate) fn len(&self) -> u64 {
        self.entries.no_more_than_used(self.shards.iter().map(Shard::entries).sum())
    }

    /// Sum of the weights, without a lock. Never more than the bound.
    pub(crate) fn weight(&self) -> u64 {
        let sum = self.shards.iter().fold(0, |sum: u64, shard| sum.wrapping_add(shard.bytes()));
        self.bytes.no_more_than_used(sum)
    }

    /// Whether the cache holds more than a capacity that was lowered allows.
    pub(crate) fn has_excess(&self) -> bool {
        self.entries.excess() > 0 || self.bytes.excess() > 0
    }

    /// The counters of all shards and readers, added up, and the number of running loads.
    pub(crate) fn counts(&self) -> (Counts, u64) {
        let mut sum = Counts::new();
        let mut loading = 0;
        for shard in &self.shards {
            let held = shard.lock();
            sum.merge(&held.counts);
            loading += held.loads.len() as u64;
        }
        let before = *self.counted_before();
        let (hits, misses) = self.readers.counted();
        sum.hits += hits.wrapping_sub(before.0);
        sum.misses += misses.wrapping_sub(before.1);
        (sum, loading)
    }

    pub(crate) fn reset_counts(&self) {
        let (counts, _) = self.counts();
        // Relaxed: a number for estimates.
        self.lookups_before.fetch_add(counts.hits + counts.misses, Ordering::Relaxed);
        let mut before = self.counted_before();
        for shard in &self.shards {
            shard.lock().counts = Counts::new();
        }
        *before = self.readers.counted();
        self.invalidations.counts.reset();
        self.listeners.reset_count();
        self.since.store(self.clock.now().as_nanos(), Ordering::Relaxed);
    }

    fn counted_before(&self) -> MutexGuard<'_, (u64, u64)> {
        self.counted_before.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Drops what has left and nobody reads any more. One barrier at most.
    pub(crate) fn reclaim(&self) {
        let mut needs_barrier = false;
        for round in 0..2 {
            for shard in &self.shards {
                let mut gone = Vec::new();
                let mut held = shard.lock();
                if held.ledger.retired() > 0 {
                    needs_barrier |= self.harvest_now(shard, &mut held, &mut gone);
                }
                drop(held);
                drop(gone);
            }
            if round == 1 || !needs_barrier {
                break;
            }
            barrier::heavy();
        }
    }

    /// How many entries are to be expected: as many as the cache may hold, or where bytes are
    /// bounded or that is very many, a few more than it holds now.
    fn expected(&self) -> usize {
        let most = self.entries.max().unwrap_or(u64::MAX);
        let soon = (self.len() / 4 * 5).max(self.bytes.max().map_or(MANY, |_| 64));
        usize::try_from(most.min(soon)).unwrap_or(usize::MAX)
    }

    /// Tells those who decide what leaves how many entries to expect.
    pub(crate) fn expect_entries(&self, is_adaptive: bool) {
        let in_all = self.expected();
        let share = in_all.div_ceil(self.shards.len());
        for shard in &self.shards {
            shard.expect(&mut shard.lock(), share, in_all);
        }
        self.choosing.expect(is_adaptive, in_all);
        let mask = self.choosing.mask().map_or(SAMPLE_NONE, u64::from);
        self.sample_mask.store(self.watched_mask(mask), Ordering::Relaxed);
        self.watch_bounds();
    }

    /// The same for a cache of which a shard has more entries than was thought, when so many were
    /// expected in all: nothing where the shard is only fuller than others.
    #[cold]
    pub(crate) fn expect_more(&self, in_all: usize) {
        if self.expected() > in_all.saturating_add(in_all / 8)
            && let Ok(settings) = self.settings.try_lock()
        {
            self.expect_entries(settings.policy == Some(PolicyKind::Adaptive));
        }
    }
}

#[cfg(all(test, not(perf_loom)))]
mod tests {
    use crate::Cache;
    use perf_core::ByteSize;

    #[test]
    fn where_bytes_are_bounded_no_more_entries_are_expected_than_there_may_be_soon() {
        let builder = Cache::builder().max_entries(u64::MAX).max_bytes(ByteSize::from_bytes(1_000));
        let cache: Cache<u64, u64> = builder.weigher(|_, _| 1).shards(4).build().unwrap();
        assert_eq!(cache.inner.expected(), 64);
        (0..3_000).for_each(|key| cache.insert(key, key));
        assert_eq!((cache.len(), cache.inner.expected()), (1_000, 1_250));
    }
}
