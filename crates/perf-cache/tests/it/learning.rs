//! Times to live learned from what loads find.

#[path = "../../examples/adaptive_ttl/origin.rs"]
mod origin;

use origin::{Class, Origin, Outcome, Request};
use perf_cache::learning::{AdaptiveTtl, ByChange};
use perf_cache::{Cache, Terms};
use perf_core::{
    Clock, Component, KnobValue, ManualClock, Observe, Ratio, Reading, Tune, Turn,
    assert_tune_contract,
};
use std::sync::Arc;
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

/// Two classes, even and odd, of which the odd values change every 40 s.
fn in_one_call(share: f64) -> (Cache<u64, u64>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let settings = AdaptiveTtl::builder(Ratio::new(share).unwrap());
    let builder = Cache::builder().max_entries(100).adaptive_ttl(settings, |key: &u64| key % 2);
    (builder.clock(clock).build().unwrap(), hand)
}

fn run(cache: &Cache<u64, u64>, hand: &ManualClock, rounds: u64) {
    for n in 0..rounds {
        for key in 0..4 {
            cache.get_with(key, || if key % 2 == 0 { 7 } else { n / 20 });
        }
        hand.advance(Duration::from_secs(2));
    }
}

#[test]
fn one_call_has_a_cache_find_its_times_to_live() {
    let (cache, hand) = in_one_call(0.05);
    run(&cache, &hand, 1_000);
    let learned = cache.learned_ttl().unwrap();
    let [even, odd] = &learned.classes[..] else { panic!("{learned:?}") };
    assert!(even.time_to_live > 10 * odd.time_to_live, "{learned:?}");
    assert_eq!(learned.given.count(), cache.stats().loads);
    let left = |key| cache.entry_info(&key).unwrap().time_to_live.unwrap();
    cache.remove(&0);
    cache.get_with(0, || 7);
    assert!(left(0) > Duration::from_secs(20));
    let plain: Cache<u64, u64> = Cache::builder().max_entries(1).build().unwrap();
    assert!(plain.learned_ttl().is_none());
}

#[test]
fn learned_times_have_signals_and_a_knob() {
    let (cache, hand) = in_one_call(0.05);
    assert_tune_contract(&cache);
    run(&cache, &hand, 1_000);
    let gauge = |name: &str| {
        let mut found = None;
        cache.observe(&mut |signal| match signal.reading {
            Reading::Gauge(value) if signal.name == name => found = Some(value),
            Reading::Counter(value) if signal.name == name => found = Some(value as f64),
            Reading::Histogram(all) if signal.name == name => found = Some(all.count() as f64),
            _ => {}
        });
        found.unwrap()
    };
    let stats = cache.learned_ttl().unwrap().stats;
    assert_eq!(gauge("stale_share_stated"), 0.05);
    assert_eq!(gauge("stale_share_expected"), stats.expected_stale);
    assert_eq!(gauge("ttl_given"), cache.stats().loads as f64);
    assert_eq!(gauge("ttl_reloads"), stats.reloads as f64);
    assert_eq!(gauge("ttl_changed"), stats.changed as f64);

    let times = || cache.learned_ttl().unwrap().classes;
    let before = times();
    let to = KnobValue::Number(0.4);
    cache.turn(Turn { knob: "stale_share".into(), to: to.clone(), expect: None }).unwrap();
    assert_eq!(gauge("stale_share_stated"), 0.4);
    assert!(times()[0].time_to_live > before[0].time_to_live, "{before:?} {:?}", times());
    let _: Arc<dyn Component> = Arc::new(cache);
}

#[test]
fn shares_that_cannot_be_are_refused_when_the_cache_is_built() {
    for share in [Ratio::ZERO, Ratio::ONE] {
        let settings = AdaptiveTtl::builder(share);
        let builder = Cache::<u64, u64>::builder().max_entries(1).adaptive_ttl(settings, |_| 0);
        assert!(builder.build().unwrap_err().to_string().contains("`stale_share`"));
    }
}

#[cfg(feature = "tiered")]
#[test]
fn a_cache_of_tiers_takes_times_from_its_loaders() {
    use perf_cache::TieredCache;

    let (clock, hand) = Clock::manual();
    let by_change = ByChange::new(learned(0.05), clock.clone(), 100, |_: &u64| 0);
    let memory = Cache::builder().max_entries(100);
    let builder = TieredCache::<u64, u64>::builder().memory(memory).clock(clock);
    let cache = builder.build().unwrap();
    for _ in 0..500 {
        cache.get_with_terms(1, || (7, by_change.terms(&1, &7)));
        hand.advance(Duration::from_secs(2));
    }
    assert!(by_change.time_to_live(&1) > Duration::from_secs(10));
    assert!(cache.stats().loads < 200, "{:?}", cache.stats());
}
