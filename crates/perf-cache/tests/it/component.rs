//! Signals and knobs.

use perf_cache::Cache;
use perf_core::{
    ByteSize, Component, KnobValue, Observe, Ratio, Reading, Tune, Turn, assert_tune_contract,
};
use std::sync::Arc;

fn by_bytes(n: u64) -> Cache<u64, u64> {
    let max = ByteSize::from_bytes(n);
    Cache::builder().max_bytes(max).weigher(|_, v| *v).build().unwrap()
}

#[test]
fn knobs_keep_the_contract() {
    let cache = by_bytes(1 << 20);
    assert_tune_contract(&cache);
    for key in 0..100_000 {
        cache.insert(key, 20);
    }
    assert_tune_contract(&cache);
    let cache: Cache<u8, u8> = Cache::builder().max_entries(1).build().unwrap();
    assert_tune_contract(&cache);
    let _: Arc<dyn Component> = Arc::new(cache);
}

#[test]
fn a_capacity_that_is_still_being_reached_is_pending() {
    let cache = by_bytes(160_000);
    for key in 0..160_000 {
        cache.insert(key, 1);
    }
    let knob = || cache.knobs().remove(0);
    assert_eq!(knob().pending, None);
    let to = KnobValue::Bytes(ByteSize::from_bytes(10_000));
    cache.turn(Turn { knob: "capacity".into(), to: to.clone(), expect: None }).unwrap();
    assert_eq!((knob().value, knob().pending), (to.clone(), Some(to)));
    cache.evict_excess(u64::MAX);
    assert_eq!((knob().pending, cache.len()), (None, 10_000));
}

fn turn(cache: &Cache<u64, u64>, knob: &'static str, to: &'static str) {
    let to = KnobValue::Choice(to.into());
    cache.turn(Turn { knob: knob.into(), to, expect: None }).unwrap();
}

/// What is hit of a loop over half as many keys again as there is room for.
fn hits_of_a_loop(cache: &Cache<u64, u64>, rounds: u64) -> f64 {
    cache.reset_statistics();
    for key in (0..rounds).flat_map(|_| 0..150) {
        cache.get_with(key, || key);
    }
    cache.stats().hit_ratio().unwrap().as_f64()
}

#[test]
fn the_cold_share_can_be_fixed_and_found_out_again() {
    let builder = Cache::builder().max_entries(100).cold_share(Ratio::ONE);
    let cache: Cache<u64, u64> = builder.build().unwrap();
    assert_tune_contract(&cache);
    assert_eq!(cache.cold_share(), Some(Ratio::ONE));
    // As least recently used does.
    assert!(hits_of_a_loop(&cache, 100) < 0.05);
    turn(&cache, "cold_share", "0.02");
    hits_of_a_loop(&cache, 20);
    assert!(hits_of_a_loop(&cache, 100) > 0.5);
    turn(&cache, "cold_share", "1.00");
    hits_of_a_loop(&cache, 20);
    assert!(hits_of_a_loop(&cache, 100) < 0.05);
    cache.set_cold_share(None);
    hits_of_a_loop(&cache, 200);
    assert!(hits_of_a_loop(&cache, 100) > 0.5, "it finds out by itself");
    // What the program has fixed is an option of the knob, whatever it is.
    cache.set_cold_share(Some(Ratio::new(0.337).unwrap()));
    assert_tune_contract(&cache);
    turn(&cache, "policy", "lru");
    assert!(cache.knobs().iter().all(|knob| knob.id != "cold_share"));
    turn(&cache, "policy", "adaptive");
    assert!((cache.cold_share().unwrap().as_f64() - 0.337).abs() < 1e-4);
}

#[test]
fn how_many_entries_are_shadowed_in_full_can_be_said() {
    for (wrong, fine) in [(15, 16), (65_537, 65_536)] {
        let builder = |n| Cache::<u64, u64>::builder().max_entries(100).adaptive_min_capacity(n);
        let error = builder(wrong).build().unwrap_err().to_string();
        assert!(error.contains(&format!("`adaptive_min_capacity` cannot be {wrong}")), "{error}");
        assert!(hits_of_a_loop(&builder(fine).build().unwrap(), 1_000) > 0.3);
    }
}

#[test]
fn what_is_known_of_the_workload_is_told_as_soon_as_it_is_known() {
    let cache: Cache<u64, u64> = Cache::builder().max_entries(2_000).build().unwrap();
    let read = |wanted: &str| {
        let mut found = None;
        cache.observe(&mut |signal| {
            if let (true, Reading::Gauge(value)) = (signal.name == wanted, signal.reading) {
                found = Some(value);
            }
        });
        found
    };
    assert_eq!((read("hit_ratio_at_twice"), read("scan_share"), read("skew")), (None, None, None));
    // Half of the accesses go round in what fits into twice the capacity, half are never repeated.
    for n in 0..400_000_u64 {
        let key = if n % 2 == 0 { n / 2 % 1_500 } else { 1_000_000 + n };
        cache.get_with(key, || key);
    }
    let insight = cache.insight().unwrap();
    let (twice, scan) = (read("hit_ratio_at_twice").unwrap(), read("scan_share").unwrap());
    assert!((twice - insight.hit_ratio_with(2.0).unwrap()).abs() < 0.01, "{twice}: {insight}");
    assert!((scan - 0.5).abs() < 0.05, "{scan}");
    let off: Cache<u64, u64> = Cache::builder().max_entries(9).insight(false).build().unwrap();
    off.observe(&mut |signal| assert_ne!(signal.name, "scan_share"));
}

#[test]
fn signals_add_up_and_have_their_own_series() {
    let cache = by_bytes(100);
    cache.insert(1, 50);
    cache.get(&1);
    cache.get(&2);
    cache.get_with(3, || 30);
    let mut seen = Vec::new();
    cache.observe(&mut |signal| {
        let value = match signal.reading {
            Reading::Counter(n) => n as f64,
            Reading::Gauge(value) => value,
            Reading::Histogram(h) => h.count() as f64,
            _ => unreachable!(),
        };
        seen.push((format!("{}{:?}", signal.name, signal.labels), value));
    });
    let of = |name: &str| seen.iter().find(|(n, _)| n.starts_with(name)).unwrap().1;
    assert_eq!((of("hits"), of("misses"), of("insertions"), of("loads")), (1.0, 2.0, 2.0, 1.0));
    assert_eq!((of("entries"), of("bytes"), of("capacity_bytes")), (2.0, 80.0, 100.0));
    assert_eq!((of("load_duration"), of("load_failures"), of("joins")), (1.0, 0.0, 0.0));
    let mut names: Vec<_> = seen.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), seen.len(), "{names:?}");
}
