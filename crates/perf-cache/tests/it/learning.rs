//! Times to live learned from what loads find.

#[path = "../../examples/adaptive_ttl/origin.rs"]
mod origin;

use origin::{Class, Origin, Outcome, Request};
use perf_cache::learning::{AdaptiveTtl, ByChange};
use perf_cache::{Cache, Terms};
use perf_core::{Clock, Ratio};
use std::time::Duration;

fn learned(share: f64) -> AdaptiveTtl {
    AdaptiveTtl::builder(Ratio::new(share).unwrap()).build().unwrap()
}

/// The figure of the example `adaptive_ttl`, smaller.
#[test]
fn learned_times_keep_the_share_and_load_less_than_the_best_fixed_one() {
    let holds = [60.0, 600.0, 3_600.0, 28_800.0, 259_200.0];
    let classes = holds.map(|holds| Class { holds, keys: 100, weight: 1.0 });
    for seed in 1..=3 {
        let origin = Origin::new(&classes, 43_200.0, 120_000, seed);
        let (clock, hand) = Clock::manual();
        let class_of: Vec<u64> = (0..origin.keys()).map(|key| origin.class(key) as u64).collect();
        let by_change =
            ByChange::new(learned(0.05), clock.clone(), 8_192, move |key: &usize| class_of[*key]);
        let expiry = by_change.clone();
        let cache: Cache<usize, usize> =
            Cache::builder().max_entries(10_000).expiry(expiry).clock(clock).build().unwrap();
        let (mut outcome, mut now) = (Outcome::default(), 0.0);
        for &Request { at, key, version } in &origin.requests {
            hand.advance(Duration::from_secs_f64(at - now));
            now = at;
            outcome.answers += 1;
            outcome.stale += u64::from(cache.get_with(key, || version) != version);
        }
        outcome.loads = cache.stats().loads;
        let (_, fixed) = origin.best_fixed(0.05);
        assert!(outcome.stale_share() <= 0.05, "{outcome:?}");
        assert!(fixed.stale_share() > 0.045, "the best fixed time is used up: {fixed:?}");
        assert!(outcome.loads * 10 <= fixed.loads * 7, "{outcome:?} {fixed:?}");
        // What changes less lives longer.
        let times = by_change.with(|learned| learned.classes());
        assert!(times.is_sorted_by(|a, b| a.time_to_live < b.time_to_live), "{times:?}");
    }
}

#[test]
fn entries_with_times_of_their_own_teach_nothing() {
    let (clock, hand) = Clock::manual();
    let by_change = ByChange::new(learned(0.05), clock.clone(), 100, |_: &u64| 0);
    let cache: Cache<u64, u64> =
        Cache::builder().max_entries(100).expiry(by_change.clone()).clock(clock).build().unwrap();
    for n in 0..10 {
        cache.insert_with(1, n, Terms::new().time_to_live(Duration::from_secs(5)));
        hand.advance(Duration::from_secs(6));
    }
    assert_eq!(by_change.with(|learned| learned.stats().reloads), 0);
    for n in 0..10 {
        cache.insert(1, n / 5);
        hand.advance(Duration::from_secs(6));
    }
    let stats = by_change.with(|learned| learned.stats());
    assert_eq!((stats.reloads, stats.changed), (9, 1));
}

#[test]
fn memory_for_values_is_bounded() {
    let clock = Clock::manual().0;
    let by_change = ByChange::new(learned(0.05), clock.clone(), 10, |_: &u64| 0);
    let cache: Cache<u64, u64> =
        Cache::builder().max_entries(1_000).expiry(by_change.clone()).clock(clock).build().unwrap();
    (0..500).for_each(|key| cache.insert(key, key));
    assert!((490..500).contains(&by_change.forgotten()));
}
