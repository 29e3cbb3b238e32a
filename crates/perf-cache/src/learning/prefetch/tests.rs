use super::*;
use proptest::prelude::*;

fn prefetch(budget: u64) -> Prefetch<u32> {
    Prefetch::builder(budget).build().unwrap()
}

/// A cache that loads at once what is advised and keeps all but what it is told to drop.
fn run(prefetch: &mut Prefetch<u32>, held: &mut Vec<u32>, key: u32) -> bool {
    let was_held = held.contains(&key);
    let advice = prefetch.request(&key, was_held, |key| held.contains(key));
    held.retain(|key| !advice.drop.contains(key));
    for key in advice.load {
        held.push(key);
        let drop = prefetch.loaded(&key, 1);
        held.retain(|key| !drop.contains(key));
    }
    // What was not loaded ahead is not kept, so that every repetition can be predicted.
    held.retain(|one| *one != key);
    was_held
}

#[test]
fn what_always_follows_is_loaded_before() {
    let (mut prefetch, mut held) = (prefetch(10), Vec::new());
    let hits = (0..3_000).filter(|n| run(&mut prefetch, &mut held, n % 100)).count();
    assert!(hits > 2_600, "{hits}");
    assert!(prefetch.is_on());
    assert_eq!(prefetch.stats().precision(), Some(1.0));
}

#[test]
fn what_is_not_used_is_no_longer_loaded_until_it_is() {
    let mut prefetch = Prefetch::builder(10).patience(3).build().unwrap();
    let mut held = Vec::new();
    // By chance among 40 keys: hardly any of them comes within three requests.
    let mut state = 7_u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as u32
    };
    for _ in 0..20_000 {
        run(&mut prefetch, &mut held, draw() % 40);
    }
    let before = prefetch.stats();
    assert!(!prefetch.is_on());
    assert!(before.named < before.requests / 50, "{before:?}");
    for n in 0..40_000 {
        run(&mut prefetch, &mut held, 1_000 + n % 100);
    }
    assert!(prefetch.is_on());
    assert!(prefetch.stats().used > before.used + 20_000);
}

#[test]
fn late_and_failed_loads_are_no_outcome() {
    let mut prefetch = prefetch(10);
    let mut advised = Vec::new();
    for _ in 0..3 {
        for key in [1, 2, 3, 4, 5] {
            advised = prefetch.request(&key, false, |_| false).load;
        }
    }
    // After 5 came 1 and 2, and 1 was advised after 4 already.
    assert_eq!(advised, [2]);
    let before = prefetch.stats();
    prefetch.failed(&1);
    prefetch.failed(&1);
    assert!(prefetch.loaded(&1, 1).is_empty());
    let _ = prefetch.request(&2, false, |_| true);
    let after = prefetch.stats();
    assert_eq!((after.failed, after.late), (before.failed + 1, before.late + 1));
    assert_eq!((after.used, after.unused, prefetch.held()), (0, 0, 0));
}

#[test]
fn what_nobody_asks_for_is_given_up_after_a_while() {
    let mut prefetch = Prefetch::builder(10).patience(50).build().unwrap();
    for key in [1, 2, 1, 2, 3] {
        for ahead in prefetch.request(&key, false, |_| true).load {
            prefetch.loaded(&ahead, 4);
        }
    }
    assert_eq!(prefetch.request(&1, false, |_| false).load, [2]);
    prefetch.loaded(&2, 4);
    assert_eq!(prefetch.held(), 4);
    let dropped: Vec<u32> =
        (100..151).flat_map(|key| prefetch.request(&key, false, |_| true).drop).collect();
    assert_eq!((dropped, prefetch.held()), (vec![2], 0));
    assert_eq!(prefetch.stats().unused, 1);
}

#[test]
fn what_is_too_heavy_goes_at_once() {
    let mut prefetch = prefetch(10);
    for key in [1, 2, 1, 2, 3] {
        let _ = prefetch.request(&key, false, |_| true);
    }
    assert_eq!(prefetch.request(&1, false, |_| false).load, [2]);
    assert_eq!(prefetch.loaded(&2, u64::MAX), [2]);
    assert_eq!(prefetch.held(), 0);
}

#[test]
fn weights_without_end_are_taken() {
    for budget in [10, u64::MAX] {
        let mut prefetch = prefetch(budget);
        for key in [1, 2, 1, 2, 3, 4, 3, 4, 5] {
            let _ = prefetch.request(&key, false, |_| true);
        }
        for (key, next) in [(1, 2), (3, 4)] {
            assert_eq!(prefetch.request(&key, false, |_| false).load, [next]);
        }
        let dropped = [prefetch.loaded(&2, 7), prefetch.loaded(&4, u64::MAX)].concat();
        assert!(prefetch.held() <= budget);
        for key in [2, 4] {
            let _ = prefetch.request(&key, !dropped.contains(&key), |_| true);
        }
        assert_eq!((prefetch.held(), prefetch.stats().named), (0, 2));
    }
}

#[test]
fn settings_change_in_use() {
    let mut prefetch = prefetch(10);
    for key in [1, 2, 1, 2, 3] {
        let _ = prefetch.request(&key, false, |_| true);
    }
    prefetch.set_least_precision(Ratio::ONE);
    assert_eq!(prefetch.least_precision(), Ratio::ONE);
    assert_eq!(prefetch.request(&1, false, |_| false).load, [2]);
    prefetch.set_budget(3);
    assert_eq!(prefetch.loaded(&2, 4), [2]);
    assert_eq!(prefetch.held(), 0);
}

#[test]
fn what_is_forgotten_is_neither_used_nor_in_vain() {
    let mut prefetch = prefetch(10);
    for key in [1, 2, 1, 2, 3] {
        let _ = prefetch.request(&key, false, |_| true);
    }
    assert_eq!(prefetch.request(&1, false, |_| false).load, [2]);
    prefetch.loaded(&2, 4);
    prefetch.forget();
    let _ = prefetch.request(&2, true, |_| true);
    let stats = prefetch.stats();
    assert_eq!((stats.used, stats.unused, stats.failed, prefetch.held()), (0, 0, 1, 0));
    assert_eq!(prefetch.request(&1, false, |_| false).load, [2], "it is still known");
}

#[test]
fn bad_settings_are_refused() {
    let refused = |builder: PrefetchBuilder| builder.build::<u32>().unwrap_err().to_string();
    let builder = Prefetch::builder;
    assert!(refused(builder(0)).contains("`budget`"));
    assert!(refused(builder(1).rows(1)).contains("`rows`"));
    assert!(refused(builder(1).rows(usize::MAX)).contains("`rows`"));
    assert!(refused(builder(1).patience(0)).contains("`patience`"));
    assert!(refused(builder(1).patience(u64::MAX)).contains("`patience`"));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128, rng_seed: proptest::test_runner::RngSeed::Fixed(0xf37c), ..Default::default()
    })]

    /// Whatever the caller does, the budget holds and everything that was named is accounted for.
    #[test]
    fn the_budget_holds_and_the_counters_add_up(
        budget in 1_u64..30,
        patience in 1_u64..40,
        steps in prop::collection::vec((0_u32..12, 0_u64..9, 0_u8..8), 0..600),
    ) {
        let builder = Prefetch::builder(budget).patience(patience).rows(8);
        let mut prefetch = builder.build().unwrap();
        let mut loading: Vec<u32> = Vec::new();
        let mut ahead: Vec<(u32, u64)> = Vec::new();
        for (key, weight, what) in steps {
            let mut gone = Vec::new();
            match what {
                0 => if let Some(key) = loading.pop() { prefetch.failed(&key) },
                1 | 2 => if let Some(key) = loading.pop() {
                    ahead.push((key, weight));
                    gone = prefetch.loaded(&key, weight);
                },
                _ => {
                    let was_held = ahead.iter().any(|one| one.0 == key);
                    loading.retain(|one| *one != key);
                    ahead.retain(|one| one.0 != key);
                    let held = |key: &u32| ahead.iter().any(|one| one.0 == *key);
                    let advice = prefetch.request(&key, was_held, held);
                    prop_assert!(advice.load.len() <= 4);
                    for one in &advice.load {
                        prop_assert!(!held(one) && *one != key);
                    }
                    // It may have run out while it was loading, and be advised anew.
                    loading.retain(|one| !advice.load.contains(one));
                    loading.extend(advice.load);
                    gone = advice.drop;
                }
            }
            for key in gone {
                let at = ahead.iter().position(|one| one.0 == key);
                prop_assert!(at.is_some(), "only what was loaded ahead is dropped");
                ahead.swap_remove(at.unwrap());
            }
            // What ran out while it was loading is not known here, but counts as failed.
            loading.retain(|key| prefetch.outstanding.contains_key(key));
            prop_assert!(prefetch.held() <= budget);
            prop_assert_eq!(prefetch.held(), ahead.iter().map(|one| one.1).sum::<u64>());
            let stats = prefetch.stats();
            let known = stats.used + stats.unused + stats.late + stats.failed;
            prop_assert_eq!(stats.named, known + prefetch.outstanding.len() as u64);
            prop_assert!(stats.named <= stats.predicted);
            prop_assert!(prefetch.order.len() as u64 <= 4 * (patience + 1));
        }
    }
}
