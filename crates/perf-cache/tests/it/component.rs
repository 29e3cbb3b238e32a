//! Signals and knobs.

use perf_cache::Cache;
use perf_core::{
    ByteSize, Component, KnobValue, Observe, Reading, Tune, Turn, assert_tune_contract,
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
