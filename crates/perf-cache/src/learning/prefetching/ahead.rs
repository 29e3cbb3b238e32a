//! What the handles share, and the loads that are under way.

use super::super::Prefetch;
use crate::loading::scope::LeaderId;
use crate::{Cache, Spawn, Terms};
use perf_core::{Counter, Instant};
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

pub(super) struct Shared<K> {
    prefetch: Mutex<Prefetch<K>>,
    spawner: Arc<dyn Spawn>,
    /// Loads under way, and as many as there may be.
    loading: AtomicU64,
    most: u64,
    enabled: AtomicBool,
    /// The bits of a share of the capacity.
    budget: AtomicU64,
    unnoted: Unnoted,
    crowded_out: Counter,
    /// Held by whoever turns a knob.
    pub(super) turning: Mutex<()>,
    pub(super) defaults: Defaults,
    pub(super) since: Instant,
}

/// What it was built with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) budget: f64,
    pub(super) least_precision: f64,
}

impl<K> Shared<K> {
    pub(super) fn new(
        prefetch: Prefetch<K>,
        spawner: Arc<dyn Spawn>,
        most: u64,
        defaults: Defaults,
        since: Instant,
    ) -> Shared<K> {
        Shared {
            prefetch: Mutex::new(prefetch),
            spawner,
            loading: AtomicU64::new(0),
            most,
            enabled: AtomicBool::new(true),
            budget: AtomicU64::new(defaults.budget.to_bits()),
            unnoted: Unnoted::new(),
            crowded_out: Counter::new(),
            turning: Mutex::new(()),
            defaults,
            since,
        }
    }

    pub(super) fn spawner(&self) -> &dyn Spawn {
        &*self.spawner
    }

    pub(super) fn prefetch(&self) -> MutexGuard<'_, Prefetch<K>> {
        // Where a key panicked that was being hashed or compared, a count may be off; no more.
        self.prefetch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_enabled(&self) -> bool {
        // Relaxed, as all of these: a setting says nothing of other memory.
        self.enabled.load(Ordering::Relaxed)
    }

    pub(super) fn set_enabled(&self, on: bool) {
        if self.enabled.swap(on, Ordering::Relaxed) && !on {
            self.prefetch().forget();
        }
    }

    pub(super) fn budget(&self) -> f64 {
        f64::from_bits(self.budget.load(Ordering::Relaxed))
    }

    pub(super) fn set_budget(&self, share: f64) {
        self.budget.store(share.to_bits(), Ordering::Relaxed);
    }

    pub(super) fn unnoted(&self) -> u64 {
        self.unnoted.count.get()
    }

    pub(super) fn crowded_out(&self) -> u64 {
        self.crowded_out.get()
    }

    /// A place for one more load.
    fn begin(&self) -> bool {
        let more = |loading| (loading < self.most).then_some(loading + 1);
        self.loading.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

impl<K> Shared<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Notes a request and answers what to load ahead, unless another one is being noted.
    pub(super) fn note<V, S: BuildHasher>(
        &self,
        cache: &Cache<K, V, S>,
        hash: u64,
        key: &K,
        was_held: bool,
    ) -> Vec<K> {
        if !self.is_enabled() {
            return Vec::new();
        }
        let mut prefetch = match self.prefetch.try_lock() {
            Ok(prefetch) => prefetch,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.unnoted.note(hash);
                return Vec::new();
            }
        };
        prefetch.set_budget(in_units(cache, self.budget()));
        let mut advice = prefetch.request(key, was_held, |other| cache.contains(other));
        // A loader that asks for what it is made of has nothing loaded ahead: that might be made of
        // what is being loaded further up, and run on this thread.
        if LeaderId::any_is_running_here() {
            advice.load.drain(..).for_each(|key| prefetch.failed(&key));
        }
        drop(prefetch);
        self.drop_in_vain(cache, advice.drop);
        advice.load
    }

    fn drop_in_vain<V, S: BuildHasher>(&self, cache: &Cache<K, V, S>, keys: Vec<K>) {
        for key in keys {
            let hash = cache.hash(&key);
            // Somebody may have asked for it without being noted.
            if !self.unnoted.has(hash) {
                cache.inner.evict(hash, &key);
            }
        }
    }

    fn failed(&self, key: &K) {
        self.prefetch().failed(key);
    }

    fn loaded(&self, key: &K, weight: u64) -> Vec<K> {
        self.prefetch().loaded(key, weight)
    }
}

/// A share of what a cache may hold, in bytes where those are bounded, else in entries.
pub(super) fn in_units<K, V, S>(cache: &Cache<K, V, S>, share: f64) -> u64 {
    let most = cache.inner.bytes.max().or(cache.inner.entries.max()).unwrap_or(u64::MAX);
    ((most as f64 * share) as u64).max(1)
}

/// One key that is to be loaded ahead. Dropped before it has run, it was not loaded.
pub(super) struct Errand<K, V, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    cache: Cache<K, V, S>,
    place: Place<K>,
}

/// A place among the loads under way.
struct Place<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    shared: Arc<Shared<K>>,
    key: K,
    /// Whether `Prefetch` knows what came of it.
    is_told: bool,
}

impl<K, V, S> Errand<K, V, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone,
    S: BuildHasher + Clone,
{
    /// `None` where there is no room for it. The load itself begins when it runs: whoever asks before
    /// does not wait for a place, but loads.
    pub(super) fn begin(
        cache: &Cache<K, V, S>,
        shared: &Arc<Shared<K>>,
        key: K,
    ) -> Option<Errand<K, V, S>> {
        if !shared.begin() {
            shared.crowded_out.increment();
            shared.failed(&key);
            return None;
        }
        let place = Place { shared: Arc::clone(shared), key, is_told: false };
        Some(Errand { cache: cache.clone(), place })
    }

    pub(super) fn run<E>(self, load: impl FnOnce(&K) -> Result<(V, Terms), E>)
    where
        E: Send + Sync + 'static,
    {
        let Errand { cache, place } = self;
        let (hash, key) = (cache.hash(&place.key), &place.key);
        if cache.inner.load_unasked(hash, key, || load(key)) == Some(true) {
            place.loaded(&cache, hash);
        }
    }

    pub(super) async fn run_async<E, F>(self, load: impl FnOnce(K) -> F)
    where
        F: Future<Output = Result<(V, Terms), E>>,
        E: Send + Sync + 'static,
    {
        let Errand { cache, place } = self;
        let (hash, key) = (cache.hash(&place.key), &place.key);
        let load = async { load(key.clone()).await };
        if cache.inner.load_unasked_async(hash, key, load).await == Some(true) {
            place.loaded(&cache, hash);
        }
    }
}

impl<K> Place<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn loaded<V, S: BuildHasher>(mut self, cache: &Cache<K, V, S>, hash: u64) {
        let by_bytes = cache.inner.bytes.max().is_some();
        // Where it was not taken in, or is gone again, it was not loaded.
        let Some(weight) = cache.inner.weight_of(hash, &self.key) else { return };
        self.is_told = true;
        let in_vain = self.shared.loaded(&self.key, if by_bytes { weight } else { 1 });
        self.shared.drop_in_vain(cache, in_vain);
    }
}

impl<K> Drop for Place<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        self.shared.loading.fetch_sub(1, Ordering::Relaxed);
        if !self.is_told {
            self.shared.failed(&self.key);
        }
    }
}

/// Which keys were asked for without being noted, about: what was loaded for them was not in vain.
///
/// A bit for each of some thousand hashes. They are cleared when a quarter is set, so at worst
/// something that was asked for is dropped, or something stays that the policy then evicts.
struct Unnoted {
    bits: [AtomicU64; WORDS],
    count: Counter,
    set: AtomicU64,
}

impl Unnoted {
    const fn new() -> Unnoted {
        let bits = [const { AtomicU64::new(0) }; WORDS];
        Unnoted { bits, count: Counter::new(), set: AtomicU64::new(0) }
    }

    fn note(&self, hash: u64) {
        self.count.increment();
        let (word, bit) = Unnoted::place(hash);
        if word_of(&self.bits, word) & bit != 0 {
            return;
        }
        if self.set.fetch_add(1, Ordering::Relaxed) >= MOST_SET {
            self.set.store(0, Ordering::Relaxed);
            self.bits.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        }
        self.bits[word].fetch_or(bit, Ordering::Relaxed);
    }

    fn has(&self, hash: u64) -> bool {
        let (word, bit) = Unnoted::place(hash);
        word_of(&self.bits, word) & bit != 0
    }

    const fn place(hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize % WORDS, 1 << (hash % 64))
    }
}

fn word_of(bits: &[AtomicU64; WORDS], word: usize) -> u64 {
    bits[word].load(Ordering::Relaxed)
}

const WORDS: usize = 64;
const MOST_SET: u64 = 16 * WORDS as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_noted_is_known_for_a_while() {
        let unnoted = Unnoted::new();
        unnoted.note(7);
        assert!(unnoted.has(7) && !unnoted.has(8));
        (0..100).for_each(|_| unnoted.note(7));
        assert_eq!(unnoted.set.load(Ordering::Relaxed), 1);
        (100..100 + MOST_SET).for_each(|hash| unnoted.note(hash));
        assert!(!unnoted.has(7), "all was cleared");
        assert_eq!(unnoted.count.get(), 101 + MOST_SET);
    }
}
