//! The cache against naive models.

use perf_cache::Cache;
use perf_cache::policy::PolicyKind;
use perf_core::{ByteSize, Clock};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

fn cases(cases: u32) -> Config {
    let rng_seed = RngSeed::Fixed(20_261_121);
    Config { cases, rng_seed, failure_persistence: None, ..Config::default() }
}

#[derive(Clone, Debug)]
enum Step {
    Get(u8),
    Contains(u8),
    Insert(u8, u64),
    InsertFor(u8, u64, u64),
    Remove(u8),
    Load(u8, u64),
    Retain(u8),
    Clear,
    Wait(u64),
    RemoveExpired,
}

fn step() -> impl Strategy<Value = Step> {
    let (key, weight) = (0_u8..24, 0_u64..40);
    prop_oneof![
        8 => key.clone().prop_map(Step::Get),
        1 => key.clone().prop_map(Step::Contains),
        8 => (key.clone(), weight.clone()).prop_map(|(k, w)| Step::Insert(k, w)),
        3 => (key.clone(), weight.clone(), 1_u64..20).prop_map(|(k, w, t)| Step::InsertFor(k, w, t)),
        2 => key.clone().prop_map(Step::Remove),
        4 => (key.clone(), weight).prop_map(|(k, w)| Step::Load(k, w)),
        1 => (2_u8..5).prop_map(Step::Retain),
        1 => Just(Step::Clear),
        2 => (1_u64..12).prop_map(Step::Wait),
        1 => Just(Step::RemoveExpired),
    ]
}

/// Oldest first; an entry is its key, value, weight and deadline.
#[derive(Default)]
struct Model {
    order: Vec<u8>,
    entries: HashMap<u8, (u64, u64)>,
    now: u64,
    max_entries: usize,
    max_bytes: u64,
}

impl Model {
    fn get(&mut self, key: u8) -> Option<u64> {
        let (weight, deadline) = *self.entries.get(&key)?;
        self.order.retain(|k| *k != key);
        if deadline <= self.now {
            self.entries.remove(&key);
            return None;
        }
        self.order.push(key);
        Some(weight)
    }

    fn insert(&mut self, key: u8, weight: u64, deadline: u64) {
        self.remove(key);
        if weight > self.max_bytes {
            return;
        }
        let bytes =
            |entries: &HashMap<u8, (u64, u64)>| entries.values().map(|(w, _)| w).sum::<u64>();
        while self.entries.len() >= self.max_entries
            || bytes(&self.entries) + weight > self.max_bytes
        {
            let oldest = self.order.remove(0);
            self.entries.remove(&oldest);
        }
        self.entries.insert(key, (weight, deadline));
        self.order.push(key);
    }

    fn remove(&mut self, key: u8) -> Option<u64> {
        self.order.retain(|k| *k != key);
        self.entries.remove(&key).filter(|(_, d)| *d > self.now).map(|(w, _)| w)
    }

    fn retain(&mut self, keep: impl Fn(&u8, &(u64, u64)) -> bool) {
        self.entries.retain(|key, entry| keep(key, entry));
        self.order.retain(|key| self.entries.contains_key(key));
    }
}

proptest! {
    #![proptest_config(cases(400))]
    #[test]
    fn one_shard_does_what_a_map_and_a_list_do(
        steps in proptest::collection::vec(step(), 1..120),
        max_entries in 1_usize..20,
        max_bytes in 1_u64..120,
    ) {
        let (clock, hand) = Clock::manual();
        let cache: Cache<u8, u64> = Cache::builder().policy(PolicyKind::Lru)
            .max_entries(max_entries as u64)
            .max_bytes(ByteSize::from_bytes(max_bytes))
            .weigher(|_, weight| *weight)
            .shards(1)
            .clock(clock)
            .build()
            .unwrap();
        let mut model = Model { max_entries, max_bytes, ..Model::default() };
        for step in steps {
            match step {
                Step::Get(key) => prop_assert_eq!(cache.get(&key), model.get(key)),
                Step::Contains(key) => {
                    let there = model.entries.get(&key).is_some_and(|(_, d)| *d > model.now);
                    prop_assert_eq!(cache.contains(&key), there);
                }
                Step::Insert(key, weight) => {
                    // The model frees what has expired at once, the cache some of it.
                    cache.remove_expired(u64::MAX);
                    let now = model.now;
                    model.retain(|_, (_, deadline)| *deadline > now);
                    cache.insert(key, weight);
                    model.insert(key, weight, u64::MAX);
                }
                Step::InsertFor(key, weight, ttl) => {
                    cache.remove_expired(u64::MAX);
                    let now = model.now;
                    model.retain(|_, (_, deadline)| *deadline > now);
                    cache.insert_with_ttl(key, weight, Duration::from_nanos(ttl));
                    model.insert(key, weight, now + ttl);
                }
                Step::Remove(key) => prop_assert_eq!(cache.remove(&key), model.remove(key)),
                Step::Load(key, weight) => {
                    cache.remove_expired(u64::MAX);
                    let now = model.now;
                    model.retain(|_, (_, deadline)| *deadline > now);
                    let loaded = cache.get_with(key, || weight);
                    let expected = model.get(key).unwrap_or_else(|| {
                        model.insert(key, weight, u64::MAX);
                        weight
                    });
                    prop_assert_eq!(loaded, expected);
                }
                Step::Retain(modulus) => {
                    cache.retain(|key, _| key % modulus == 0);
                    model.retain(|key, _| key % modulus == 0);
                }
                Step::Clear => {
                    cache.clear();
                    model.retain(|_, _| false);
                }
                Step::Wait(nanos) => {
                    hand.advance(Duration::from_nanos(nanos));
                    model.now += nanos;
                }
                Step::RemoveExpired => {
                    let now = model.now;
                    let before = model.entries.len();
                    model.retain(|_, (_, deadline)| *deadline > now);
                    prop_assert_eq!(cache.remove_expired(u64::MAX), (before - model.entries.len()) as u64);
                }
            }
            let bytes: u64 = model.entries.values().map(|(weight, _)| weight).sum();
            prop_assert_eq!(cache.len(), model.entries.len());
            prop_assert_eq!(cache.memory_usage().as_u64(), bytes);
        }
        let stats = cache.stats();
        let left: u64 = stats.evictions.by_cause().iter().map(|(_, n)| n).sum();
        prop_assert_eq!(stats.insertions, stats.entries + left - stats.evictions.too_large);
    }

    #[test]
    fn many_shards_never_pass_a_bound_and_hold_what_came_last(
        inserts in proptest::collection::vec((any::<u8>(), 0_u64..300), 1..200),
        shards in 0_u32..5,
        max_entries in 1_u64..60,
        max_bytes in 1_u64..1_000,
    ) {
        let cache: Cache<u8, u64> = Cache::builder().policy(PolicyKind::Lru)
            .max_entries(max_entries)
            .max_bytes(ByteSize::from_bytes(max_bytes))
            .weigher(|_, weight| *weight)
            .shards(1 << shards)
            .build()
            .unwrap();
        for (key, weight) in inserts {
            cache.insert(key, weight);
            let fits = weight <= max_bytes;
            prop_assert_eq!(cache.get(&key), fits.then_some(weight));
            prop_assert!(cache.len() as u64 <= max_entries);
            prop_assert!(cache.memory_usage().as_u64() <= max_bytes);
        }
        let mut bytes = 0;
        cache.retain(|_, weight| { bytes += weight; true });
        prop_assert_eq!(cache.memory_usage().as_u64(), bytes);
    }

    #[test]
    fn the_order_of_eviction_is_that_of_the_lru_crate(
        steps in proptest::collection::vec((any::<bool>(), 0_u16..200), 1..800),
        capacity in 1_usize..60,
    ) {
        let cache: Cache<u16, u16> =
            Cache::builder().policy(PolicyKind::Lru).max_entries(capacity as u64).shards(1).build().unwrap();
        let mut model = lru::LruCache::new(NonZeroUsize::new(capacity).unwrap());
        for (write, key) in steps {
            if write {
                cache.insert(key, key);
                model.put(key, key);
            } else {
                prop_assert_eq!(cache.get(&key), model.get(&key).copied());
            }
        }
        prop_assert!(model.iter().all(|(key, _)| cache.contains(key)));
        prop_assert_eq!(cache.len(), model.len());
    }
}
