//! Which entries make room, and changing that while the cache is in use.

use perf_cache::Cache;
use perf_cache::policy::{Entries, Hits, Policy, PolicyKind, Simulation, Slot};
use perf_core::{ByteSize, KnobError, KnobValue, Tune, Turn, assert_tune_contract};
use std::collections::BTreeSet;
use std::hash::{BuildHasherDefault, DefaultHasher};

/// Hashes are the same in every run.
type Fixed = BuildHasherDefault<DefaultHasher>;

fn cache(kind: PolicyKind, capacity: u64) -> Cache<u32, u32, Fixed> {
    let cache = Cache::builder().max_entries(capacity).shards(1).policy(kind);
    cache.hasher(Fixed::default()).build().unwrap()
}

/// Reads a key through the cache. Answers whether it was there.
fn access(cache: &Cache<u32, u32, Fixed>, key: u32) -> bool {
    if let Some(value) = cache.get(&key) {
        assert_eq!(value, key * 3);
        return true;
    }
    cache.insert(key, key * 3);
    false
}

fn mix(n: u32) -> u32 {
    (u64::from(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// A key of so many: the product of two even draws, so that low ones come more often.
fn draw(n: u32, keys: u64) -> u32 {
    let even = |n: u32| (u64::from(mix(n)) * keys) >> 32;
    (even(2 * n) * even(2 * n + 1) / keys) as u32
}

#[test]
fn each_policy_evicts_as_its_simulation_does() {
    use PolicyKind::{Fifo, Lfu, Lru, S3Fifo};
    for kind in [Lru, Lfu, Fifo, S3Fifo] {
        // Small ones, where ghost lists are exact whatever the hashes are.
        for capacity in [1, 2, 7] {
            let cache = cache(kind, capacity);
            let mut simulation = Simulation::new(kind.build(0), capacity);
            for n in 0..3_000 {
                let key = draw(n, 4 * capacity);
                let expected = simulation.access(key, mix(key), 1);
                assert_eq!(access(&cache, key), expected, "{kind} at {capacity}, step {n}");
            }
            assert_eq!(cache.len() as u64, capacity, "{kind}");
        }
    }
}

#[test]
fn each_policy_hits_as_often_as_its_simulation() {
    const STEPS: u32 = 30_000;
    let mut ratios = Vec::new();
    for kind in PolicyKind::ALL {
        let cache = cache(kind, 200);
        let mut simulation = Simulation::new(kind.build(0), 200);
        let (mut hits, mut simulated) = (0, 0);
        for key in (0..STEPS).map(|n| draw(n, 2_000)) {
            hits += u32::from(access(&cache, key));
            simulated += u32::from(simulation.access(key, mix(key), 1));
        }
        assert!(hits.abs_diff(simulated) < STEPS / 50, "{kind}: {hits} against {simulated}");
        ratios.push((hits, kind));
    }
    // Popularity does not change here.
    ratios.sort_unstable_by_key(|ratio| ratio.0);
    let of = |kind| ratios.iter().find(|ratio| ratio.1 == kind).unwrap().0;
    assert!(of(PolicyKind::Lfu) > of(PolicyKind::Lru), "{ratios:?}");
    assert!(of(PolicyKind::Lru) > of(PolicyKind::Fifo), "{ratios:?}");
    assert!(of(PolicyKind::S3Fifo) > of(PolicyKind::Lru), "{ratios:?}");
    assert!(of(PolicyKind::Adaptive) > of(PolicyKind::Lru), "{ratios:?}");
}

#[test]
fn a_switch_keeps_all_entries() {
    for from in PolicyKind::ALL {
        for to in PolicyKind::ALL {
            let cache = cache(from, 50);
            (0..300).for_each(|n| _ = access(&cache, draw(n, 100)));
            let held: Vec<u32> = (0..100).filter(|key| cache.contains(key)).collect();
            assert_eq!(held.len(), 50);
            cache.set_policy(to);
            assert_eq!(cache.policy(), Some(to));
            for &key in &held {
                assert_eq!(cache.peek(&key), Some(key * 3), "{from} to {to}");
            }
            // And each of them is evicted in time.
            (0..3_000).for_each(|n| cache.insert(1_000 + n, 0));
            assert_eq!(cache.len(), 50, "{from} to {to}");
            let left = held.iter().filter(|&key| cache.contains(key)).count();
            assert!(left < 50, "{from} to {to}");
            cache.set_policy(PolicyKind::Fifo);
            (0..50).for_each(|n| cache.insert(10_000 + n, 0));
            assert!((10_000..10_050).all(|key| cache.contains(&key)), "{from} to {to}");
        }
    }
}

#[test]
fn a_switch_keeps_the_order() {
    let cache = cache(PolicyKind::Lru, 3);
    (0..3).for_each(|key| cache.insert(key, key));
    cache.get(&0);
    cache.set_policy(PolicyKind::Fifo);
    cache.insert(3, 3);
    assert!(!cache.contains(&1), "the least recently used");
    cache.get(&2);
    cache.insert(4, 4);
    assert!(!cache.contains(&2), "uses count no longer");
}

#[test]
fn a_switch_while_threads_read_and_write_loses_nothing() {
    const CAPACITY: usize = 512;
    let cache: Cache<u32, u32> =
        Cache::builder().max_entries(CAPACITY as u64).shards(4).build().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for n in 0..4_000 {
                    let key = draw(n * 4 + thread, 2_000);
                    if let Some(value) = cache.get(&key) {
                        assert_eq!(value, key * 3);
                    } else {
                        cache.insert(key, key * 3);
                    }
                    if n % 16 == 0 {
                        cache.remove(&draw(n * 7, 2_000));
                    }
                }
            });
        }
        for kind in PolicyKind::ALL.into_iter().cycle().take(60) {
            cache.set_policy(kind);
            assert!(cache.len() <= CAPACITY);
        }
    });
    // An entry that a policy had lost would stay for ever.
    cache.set_policy(PolicyKind::Fifo);
    (0..8 * CAPACITY as u32).for_each(|n| cache.insert(10_000 + n, 0));
    assert!((0..2_000).all(|key| !cache.contains(&key)));
    assert_eq!(cache.len(), CAPACITY);
}

#[test]
fn seven_entries_are_enough_for_many_threads() {
    for kind in PolicyKind::ALL {
        let cache: Cache<u32, u32> = Cache::builder().max_entries(7).policy(kind).build().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..16 {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..300 {
                        let key = draw(n * 16 + thread, 20);
                        assert!(cache.get(&key).is_none_or(|value| value == key));
                        cache.insert(key, key);
                        assert!(cache.len() <= 7, "{kind}");
                    }
                });
            }
        });
        assert_eq!(cache.len(), 7, "{kind}");
    }
}

#[test]
fn bytes_stay_in_their_bound_under_each_policy() {
    for kind in PolicyKind::ALL {
        for capacity in [1, 2, 7, 100] {
            let max = ByteSize::from_bytes(capacity);
            let cache: Cache<u32, u64> = Cache::builder()
                .max_bytes(max)
                .weigher(|_, weight| *weight)
                .policy(kind)
                .build()
                .unwrap();
            for n in 0..2_000 {
                let weight = 1 + u64::from(mix(n)) % (capacity + 1);
                let key = draw(n, 60);
                cache.insert(key, weight);
                let fits = weight <= capacity;
                assert_eq!(cache.peek(&key), fits.then_some(weight), "{kind} at {capacity}");
                assert!(cache.memory_usage().as_u64() <= capacity, "{kind}");
            }
        }
    }
}

#[test]
fn a_new_value_of_another_weight_is_a_use_like_others() {
    for kind in [PolicyKind::Lru, PolicyKind::Lfu, PolicyKind::S3Fifo, PolicyKind::Adaptive] {
        let cache: Cache<u32, u64> = Cache::builder()
            .max_bytes(ByteSize::from_bytes(100))
            .weigher(|_, weight| *weight)
            .shards(1)
            .policy(kind)
            .build()
            .unwrap();
        cache.insert(0, 4);
        (0..3).for_each(|_| _ = cache.get(&0));
        (1..40).for_each(|key| cache.insert(key, 4));
        assert!(cache.get(&0).is_some() || kind == PolicyKind::Lru, "{kind}");
        cache.insert(0, 8);
        // Longer than anything would stay by its age alone.
        (100..124).for_each(|key| cache.insert(key, 4));
        assert_eq!(cache.peek(&0), if kind == PolicyKind::Lru { None } else { Some(8) }, "{kind}");
    }
}

/// Evicts what came in last.
#[derive(Debug, Default)]
struct Lifo(Vec<Slot>);

impl Policy for Lifo {
    fn name(&self) -> &'static str {
        "lifo"
    }
    fn hits(&self) -> Hits {
        Hits::Ignored
    }
    fn set_capacity(&mut self, _: usize) {}
    fn on_insert(&mut self, slot: Slot, _: &dyn Entries) {
        self.0.push(slot);
    }
    fn on_remove(&mut self, slot: Slot, _: &dyn Entries) {
        self.0.retain(|&other| other != slot);
    }
    fn victim(&mut self, _: &dyn Entries) -> Option<Slot> {
        self.0.pop()
    }
    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        self.0.iter().rev().for_each(|&slot| visit(slot));
    }
}

#[test]
fn a_policy_of_the_callers_own_decides() {
    let cache: Cache<u32, u32> =
        Cache::builder().max_entries(3).custom_policy(Lifo::default).build().unwrap();
    (0..10).for_each(|key| cache.insert(key, key));
    let held: BTreeSet<u32> = (0..10).filter(|key| cache.contains(key)).collect();
    assert_eq!(held, [0, 1, 9].into());
    assert_eq!(cache.policy(), None);

    cache.set_policy(PolicyKind::Fifo);
    cache.insert(10, 10);
    assert!(!cache.contains(&9), "the next victim of the old policy");
    cache.set_custom_policy(Lifo::default);
    assert_eq!(cache.policy(), None);
    assert_eq!(cache.len(), 3);
}

/// Holds nothing, and says what it likes.
#[derive(Debug)]
struct Wrong(Option<Slot>);

impl Policy for Wrong {
    fn name(&self) -> &'static str {
        "wrong"
    }
    fn hits(&self) -> Hits {
        Hits::Reported
    }
    fn set_capacity(&mut self, _: usize) {}
    fn on_insert(&mut self, _: Slot, _: &dyn Entries) {}
    fn on_remove(&mut self, _: Slot, _: &dyn Entries) {}
    fn victim(&mut self, _: &dyn Entries) -> Option<Slot> {
        self.0
    }
    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        self.0.into_iter().for_each(visit);
    }
}

#[test]
fn a_wrong_policy_costs_hits_only() {
    for said in [None, Some(Slot::new(0)), Some(Slot::new(1_000_000)), Some(Slot::new(u32::MAX))] {
        let cache: Cache<u32, u32> =
            Cache::builder().max_entries(5).custom_policy(move || Wrong(said)).build().unwrap();
        for n in 0..1_000 {
            cache.insert(n, n);
            assert_eq!(cache.get(&n), Some(n));
            assert!(cache.len() <= 5);
        }
        cache.set_policy(PolicyKind::Lru);
        (2_000..2_005).for_each(|n| cache.insert(n, n));
        assert!((2_000..2_005).all(|n| cache.contains(&n)), "all others left");
    }
}

#[test]
fn the_policy_is_a_knob() {
    let cache = cache(PolicyKind::Lru, 10);
    assert_tune_contract(&cache);
    let knob = || cache.knobs().into_iter().find(|knob| knob.id.as_str() == "policy");
    assert_eq!(knob().unwrap().value, KnobValue::Choice("lru".into()));
    assert_eq!(knob().unwrap().default, KnobValue::Choice("lru".into()));

    let turn = |to: &'static str| {
        let to = KnobValue::Choice(to.into());
        cache.turn(Turn { knob: "policy".into(), to, expect: None })
    };
    (0..10).for_each(|key| cache.insert(key, key));
    assert!(turn("s3-fifo").is_ok());
    assert_eq!((cache.policy(), cache.len()), (Some(PolicyKind::S3Fifo), 10));
    assert_eq!(knob().unwrap().value, KnobValue::Choice("s3-fifo".into()));
    assert!(matches!(turn("mru"), Err(KnobError::OutOfBounds { .. })));

    cache.set_custom_policy(Lifo::default);
    assert_eq!(knob(), None, "there is no way back to a custom policy");
    assert!(matches!(turn("lru"), Err(KnobError::Unknown { .. })));
}
