//! The cache of plain pairs, seen from outside.

use perf_cache::policy::PolicyKind;
use perf_cache::{Capacity, Plain, PlainCache};
use perf_core::{ByteSize, Clock, KnobValue, Tune, Turn};
use proptest::prelude::*;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

fn cache(entries: u64) -> PlainCache<u64, u64> {
    PlainCache::builder().max_entries(entries).build().unwrap()
}

#[test]
fn a_value_goes_in_and_comes_out() {
    let cache: PlainCache<(u32, bool), [f64; 2]> =
        PlainCache::builder().max_entries(100).build().unwrap();
    cache.insert((1, true), [0.5, -1.0]);
    assert_eq!(cache.get(&(1, true)), Some([0.5, -1.0]));
    assert_eq!(cache.get(&(1, false)), None);
    cache.insert((1, true), [2.0, 2.0]);
    assert_eq!(cache.peek(&(1, true)), Some([2.0, 2.0]));
    assert_eq!(cache.len(), 1);
    assert_eq!(cache.remove(&(1, true)), Some([2.0, 2.0]));
    assert_eq!((cache.remove(&(1, true)), cache.is_empty()), (None, true));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.insertions), (1, 1, 2));
    assert_eq!((stats.evictions.replaced, stats.evictions.removed), (1, 1));
}

#[test]
fn settings_that_make_no_sense_are_told() {
    let build = PlainCache::<u64, u64>::builder;
    for (builder, says) in [
        (build(), "max_entries"),
        (build().max_entries(0), "use 1 or more"),
        (build().max_bytes(ByteSize::from_bytes(0)), "use 1 B or more"),
        (build().max_entries(9).shards(3), "power of two"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let small = build().max_bytes(ByteSize::from_bytes(1)).build().unwrap();
    assert_eq!(small.capacity(), Capacity::entries(1));
}

#[test]
fn every_policy_keeps_the_bound_and_a_switch_keeps_the_entries() {
    for kind in PolicyKind::ALL {
        let cache = PlainCache::builder().max_entries(300).policy(kind).build().unwrap();
        for key in 0..5_000_u64 {
            cache.insert(key % 700, key);
            cache.get(&(key % 13));
            assert!(cache.len() <= 300, "{kind}");
        }
        assert_eq!(cache.len(), 300, "{kind}");
        for other in PolicyKind::ALL {
            cache.set_policy(other);
            assert_eq!((cache.policy(), cache.len()), (other, 300));
            (10_000..10_400).for_each(|key| cache.insert(key, key));
            assert_eq!(cache.len(), 300, "{kind} to {other}");
        }
        assert!((10_000..10_400).any(|key| cache.get(&key) == Some(key)), "{kind}");
    }
}

#[test]
fn lru_evicts_what_was_not_used_for_longest() {
    let cache =
        PlainCache::builder().max_entries(3).shards(1).policy(PolicyKind::Lru).build().unwrap();
    (1..=3_u64).for_each(|key| cache.insert(key, key));
    cache.get(&1);
    cache.insert(2, 20);
    cache.insert(4, 4);
    let held: Vec<_> = (1..=4).map(|key| cache.contains(&key)).collect();
    assert_eq!(held, [true, true, false, true]);
}

#[test]
fn what_has_expired_is_not_answered_and_goes() {
    let (clock, hand) = Clock::manual();
    let second = Duration::from_secs(1);
    let cache: PlainCache<u64, u64> =
        PlainCache::builder().max_entries(100).time_to_live(second).clock(clock).build().unwrap();
    cache.insert(1, 1);
    cache.insert_with_ttl(2, 2, 2 * second);
    cache.insert_with_ttl(3, 3, Duration::MAX);
    hand.advance(second - Duration::from_nanos(1));
    assert_eq!(cache.get(&1), Some(1));
    hand.advance(Duration::from_nanos(1));
    assert_eq!((cache.peek(&1), cache.get(&1), cache.len()), (None, None, 2));
    hand.advance(second);
    assert_eq!(cache.remove_expired(10), 1);
    assert_eq!((cache.get(&3), cache.len()), (Some(3), 1));
    // An overwrite gives another life, for ever as well.
    cache.insert(3, 30);
    hand.advance(second);
    assert_eq!(cache.get(&3), None);
    cache.insert_with_ttl(4, 4, Duration::ZERO);
    assert_eq!((cache.len(), cache.stats().evictions.expired), (0, 3));
}

#[test]
fn a_lower_bound_takes_effect_and_a_knob_moves_it() {
    let cache = cache(1_000);
    (0..1_000).for_each(|key| cache.insert(key, key));
    cache.set_capacity(Capacity::entries(600));
    cache.evict_excess(u64::MAX);
    assert_eq!(cache.len(), 600);
    let turn = |to| Turn { knob: "capacity".into(), to: KnobValue::Count(to), expect: None };
    cache.turn(turn(100)).unwrap();
    cache.evict_excess(u64::MAX);
    (0..1_000).for_each(|key| cache.insert(key, key));
    assert_eq!(cache.len(), 100);
    assert!(cache.turn(turn(1_000_000)).is_err());
    let bytes = ByteSize::from_bytes(50 * PlainCache::<u64, u64>::ENTRY_BYTES);
    cache.set_capacity(Capacity::bytes(bytes));
    assert_eq!(cache.capacity(), Capacity::entries(50));
}

#[test]
fn all_that_has_not_expired_is_met_once() {
    let (clock, hand) = Clock::manual();
    let cache: PlainCache<u64, u64> =
        PlainCache::builder().max_entries(2_000).clock(clock).build().unwrap();
    (0..1_000).for_each(|key| cache.insert(key, key + 1));
    cache.insert_with_ttl(5_000, 0, Duration::from_secs(1));
    hand.advance(Duration::from_secs(1));
    // Nothing is locked while the caller has one in its hands.
    let mut met: Vec<_> = cache.iter().inspect(|(key, _)| _ = cache.remove(key)).collect();
    met.sort_unstable();
    assert_eq!(met, (0..1_000).map(|key| (key, key + 1)).collect::<Vec<_>>());
    assert_eq!((cache.iter().next(), cache.stats().hits), (None, 0));
}

#[test]
fn retain_asks_outside_of_the_locks() {
    let cache = cache(5_000);
    (0..5_000).for_each(|key| cache.insert(key, key * 2));
    let removed = cache.retain(|key, value| {
        assert_eq!(*value, key * 2);
        // It may use the cache itself.
        cache.peek(key).is_some() && key % 3 == 0
    });
    assert_eq!((removed, cache.len()), (3_333, 1_667));
    cache.clear();
    assert_eq!((cache.len(), cache.get(&0)), (0, None));
    (0..5_000).for_each(|key| cache.insert(key, key));
    assert_eq!(cache.len(), 5_000);
}

#[test]
fn one_load_for_all_who_ask() {
    let cache = cache(100);
    let loads = AtomicU64::new(0);
    let together = Barrier::new(4);
    let values: Vec<u64> = thread::scope(|scope| {
        let ask = || {
            together.wait();
            cache.get_with(7, || {
                loads.fetch_add(1, Ordering::Relaxed);
                while cache.stats().joins < 3 {
                    thread::yield_now();
                }
                70
            })
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!((values, loads.into_inner()), (vec![70; 4], 1));
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.joins, stats.loads, stats.loading), (4, 3, 1, 0));
}

#[test]
fn a_failed_load_leaves_nothing_and_a_value_removed_meanwhile_is_not_kept() {
    let cache = cache(100);
    assert_eq!(*cache.try_get_with(1, || Err::<u64, _>("broken")).unwrap_err(), "broken");
    let load = || -> u64 { panic!("on purpose") };
    let panics = AssertUnwindSafe(|| cache.get_with(1, load));
    assert!(catch_unwind(panics).is_err());
    assert_eq!(cache.stats().load_failures, 2);
    let value = cache.get_with(1, || {
        cache.remove(&1);
        5
    });
    assert_eq!((value, cache.get(&1)), (5, None));
    assert_eq!(cache.get_with(1, || 6), 6);
    assert_eq!(cache.get(&1), Some(6));
}

#[test]
#[should_panic(expected = "it would wait for itself")]
fn a_loader_that_asks_for_its_own_key_is_told() {
    let cache = cache(100);
    cache.get_with(1, || cache.get_with(1, || 1));
}

#[test]
fn statistics_begin_anew() {
    let cache = cache(10);
    cache.get(&1);
    cache.reset_statistics();
    cache.insert(1, 1);
    cache.get(&1);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.insertions), (1, 0, 1));
}

/// Keys whose values tell them, overwritten, evicted and removed by some threads while others read:
/// a value of another key, or a mixture of two, would show.
#[test]
fn threads_never_see_a_value_that_does_not_belong_to_its_key() {
    const KEYS: u64 = 3_000;
    let cache: PlainCache<u64, [u64; 3]> = PlainCache::builder().max_entries(500).build().unwrap();
    let value = |key: u64, round: u64| [key ^ round, round, key.wrapping_mul(round | 1)];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for reader in 0..2 {
            let (cache, done) = (&cache, &done);
            scope.spawn(move || {
                let mut key = reader;
                while !done.load(Ordering::Relaxed) {
                    key = (key + 7) % KEYS;
                    if let Some(found) = cache.get(&key) {
                        assert_eq!(found, value(key, found[1]), "of key {key}");
                    }
                }
            });
        }
        let writers: Vec<_> = (0..2_u64)
            .map(|writer| {
                let cache = &cache;
                scope.spawn(move || {
                    for n in 0..60_000 {
                        let key = (n * (writer + 3)) % KEYS;
                        cache.insert(key, value(key, n + 1));
                        // One that is written again and again.
                        cache.insert(5, value(5, n + 1));
                        if n % 5 == 0 {
                            cache.remove(&(key / 2));
                        }
                        assert!(cache.len() <= 500);
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_full_cache_of_seven_holds_with_sixteen_threads() {
    let cache = cache(7);
    thread::scope(|scope| {
        for thread in 0..16 {
            let cache = &cache;
            scope.spawn(move || {
                for n in 0..2_000 {
                    cache.insert(thread * 10_000 + n, n);
                    assert!(cache.len() <= 7);
                }
            });
        }
    });
    assert_eq!(cache.len(), 7);
}

/// A type that breaks its promise gets wrong values, and nothing worse.
#[test]
fn an_ill_implementation_gives_wrong_values() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Ill(u64);
    impl Plain for Ill {
        const WORDS: usize = 1;
        fn write(&self, put: &mut impl FnMut(u64)) {
            (0..5).for_each(|n| put(self.0 + n));
        }
        fn read(take: &mut impl FnMut() -> u64) -> Ill {
            Ill(take() + take() + take())
        }
    }
    let cache: PlainCache<u64, Ill> = PlainCache::builder().max_entries(10).build().unwrap();
    (0..10).for_each(|key| cache.insert(key, Ill(key)));
    (0..10).for_each(|key| assert_eq!(cache.get(&key), Some(Ill(key))));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        rng_seed: proptest::test_runner::RngSeed::Fixed(4),
        ..ProptestConfig::default()
    })]

    /// A map with deadlines. What the cache has evicted it may miss, all else it must answer.
    #[test]
    fn it_answers_what_a_map_answers(
        bound in 1_u64..60,
        shards in 0_u32..3,
        steps in prop::collection::vec((0_u8..8, 0_u64..80, 1_u64..50), 1..500),
    ) {
        let (clock, hand) = Clock::manual();
        let cache: PlainCache<u64, u64> =
            PlainCache::builder().max_entries(bound).shards(1 << shards).clock(clock).build().unwrap();
        let mut model = HashMap::<u64, (u64, u64)>::new();
        let mut now = 0;
        for (n, (step, key, x)) in steps.into_iter().enumerate() {
            let n = n as u64;
            match step {
                0..=2 => {
                    cache.insert(key, n);
                    model.insert(key, (n, u64::MAX));
                }
                3 => {
                    cache.insert_with_ttl(key, n, Duration::from_millis(x));
                    model.insert(key, (n, now + x));
                }
                4 => {
                    let removed = cache.remove(&key);
                    let expected = model.remove(&key).filter(|(_, until)| *until > now);
                    prop_assert!(removed.is_none() || removed == expected.map(|(value, _)| value));
                }
                5 => {
                    hand.advance(Duration::from_millis(x));
                    now += x;
                }
                6 if key < 3 => {
                    cache.retain(|key, _| key % 7 != x % 7);
                    model.retain(|key, _| key % 7 != x % 7);
                }
                _ => {
                    let got = cache.get(&key);
                    let expected = model.get(&key).filter(|(_, until)| *until > now);
                    prop_assert!(got.is_none() || got == expected.map(|(value, _)| *value));
                }
            }
            let live = model.values().filter(|(_, until)| *until > now).count() as u64;
            prop_assert!(cache.len() as u64 <= bound);
            if model.len() as u64 <= bound && model.len() as u64 == live && shards == 0 {
                // It has had room for everything since the model was last larger.
                let evicted = cache.stats().evictions.size;
                prop_assert!(evicted > 0 || cache.len() as u64 >= live);
            }
        }
        let stats = cache.stats();
        let left = stats.evictions;
        let gone = left.size + left.expired + left.replaced + left.removed;
        prop_assert_eq!(stats.insertions, gone + stats.entries);
    }
}
