//! Saving what a cache holds and putting it back.

use perf_cache::policy::PolicyKind;
use perf_cache::{Cache, Terms};
use perf_core::{ByteSize, Clock, ManualClock};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::HashMap;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn cache(entries: u64) -> (Cache<u64, u64>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let cache = Cache::builder().max_entries(entries).policy(PolicyKind::Lru).clock(clock);
    (cache.build().unwrap(), hand)
}

#[test]
fn the_coldest_come_first() {
    let (cache, _hand) = cache(100);
    (0..10).for_each(|key| cache.insert(key, key));
    assert_eq!(cache.get(&0), Some(0));
    let keys: Vec<u64> = cache.snapshot().map(|(key, ..)| key).collect();
    assert_eq!(keys, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
}

#[test]
fn a_smaller_cache_keeps_the_hottest() {
    let (large, _hand) = cache(100);
    (0..100).for_each(|key| large.insert(key, key));
    (0..5).for_each(|key| assert!(large.get(&key).is_some()));
    let (small, _hand) = cache(10);
    assert_eq!(small.restore(large.snapshot()), 100);
    assert_eq!(small.len(), 10);
    let mut kept: Vec<u64> = small.iter().map(|(key, _)| key).collect();
    kept.sort_unstable();
    assert_eq!(kept, [0, 1, 2, 3, 4, 95, 96, 97, 98, 99]);
}

#[test]
fn what_is_being_loaded_is_newer_than_what_is_restored() {
    let (cache, _hand) = cache(100);
    cache.insert(1, 10);
    let saved = vec![(1, 0, Terms::new()), (2, 0, Terms::new())];
    let loaded = cache.get_with(2, || {
        assert_eq!(cache.restore(saved), 1, "one is there already");
        assert_eq!(cache.get(&2), Some(0), "better than nothing");
        20
    });
    assert_eq!((loaded, cache.get(&1), cache.get(&2)), (20, Some(10), Some(20)));
}

#[test]
fn what_is_left_of_a_life_goes_along() {
    let (cache, hand) = cache(100);
    cache.insert_with(1, 1, Terms::new().time_to_live(10 * SECOND).tags(["a"]).compressed(true));
    cache.insert_with(2, 2, Terms::new().time_to_idle(4 * SECOND));
    cache.insert_with(3, 3, Terms::new().time_to_live(3 * SECOND));
    cache.insert(4, 4);
    hand.advance(3 * SECOND);
    let saved: Vec<_> = cache.snapshot().collect();
    assert_eq!(saved.len(), 3, "one has expired");

    let (clock, hand) = Clock::manual();
    let later: Cache<u64, u64> =
        Cache::builder().max_entries(100).time_to_live(SECOND).clock(clock).build().unwrap();
    assert_eq!(later.restore(saved), 3);
    let left = |key| later.entry_info(&key).map(|info| (info.time_to_live, info.time_to_idle));
    assert_eq!(left(1), Some((Some(7 * SECOND), None)));
    assert_eq!(left(2), Some((None, Some(SECOND))));
    assert_eq!(left(4), Some((None, None)), "it was for ever");
    let info = later.entry_info(&1).unwrap();
    assert!(info.compressed);
    hand.advance(SECOND);
    assert_eq!(left(2), None);
}

#[test]
fn what_is_there_already_stays() {
    let (old, _hand) = cache(10);
    (0..3).for_each(|key| old.insert(key, 1));
    let (new, _hand) = cache(10);
    new.insert(1, 2);
    assert_eq!(new.restore(old.snapshot()), 2);
    assert_eq!([0, 1, 2].map(|key| new.get(&key)), [Some(1), Some(2), Some(1)]);
}

#[test]
fn saved_entries_age() {
    let (cache, _hand) = cache(10);
    cache.insert_with(1, 1, Terms::new().time_to_live(5 * SECOND));
    cache.insert_with(2, 2, Terms::new().time_to_live(20 * SECOND));
    let saved: Vec<_> = cache.snapshot().collect();
    cache.clear();
    let aged =
        |(key, value, terms): (u64, u64, Terms)| Some((key, value, terms.aged(10 * SECOND)?));
    assert_eq!(cache.restore(saved.into_iter().filter_map(aged)), 1);
    assert_eq!(cache.entry_info(&2).unwrap().time_to_live, Some(10 * SECOND));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64, rng_seed: RngSeed::Fixed(0x5a9), failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn a_restored_cache_holds_what_lived_and_no_more_than_it_may(
        entries in prop::collection::vec((0..200_u64, 0..9_u64, 1..100_u64), 1..300),
        wait in 0..9_u64, bound in 1..2_000_u64, shards in 0..3_u32,
    ) {
        let (clock, hand) = Clock::manual();
        let make = |bytes: u64, clock: Clock| -> Cache<u64, u64> {
            Cache::builder()
                .max_bytes(ByteSize::from_bytes(bytes))
                .weigher(|_, weight| *weight)
                .shards(1 << shards)
                .clock(clock)
                .build()
                .unwrap()
        };
        let cache = make(1 << 20, clock.clone());
        let mut model = HashMap::new();
        for (key, live, weight) in entries {
            cache.insert_with(key, weight, Terms::new().time_to_live(u32::try_from(live).unwrap() * SECOND));
            model.insert(key, (live, weight));
        }
        hand.advance(u32::try_from(wait).unwrap() * SECOND);
        model.retain(|_, (live, _)| *live > wait);

        let saved: HashMap<u64, u64> = cache.snapshot().map(|(key, value, _)| (key, value)).collect();
        let lived: HashMap<u64, u64> = model.iter().map(|(key, (_, weight))| (*key, *weight)).collect();
        prop_assert_eq!(&saved, &lived);

        let later = make(bound, clock);
        later.restore(cache.snapshot());
        prop_assert!(later.memory_usage().as_u64() <= bound);
        if lived.values().sum::<u64>() <= bound {
            prop_assert_eq!(later.len(), lived.len());
        }
        for (key, value) in &later {
            prop_assert_eq!(lived.get(&key), Some(&value));
            let left = later.entry_info(&key).unwrap().time_to_live;
            prop_assert_eq!(left, Some(u32::try_from(model[&key].0 - wait).unwrap() * SECOND));
        }
    }
}
