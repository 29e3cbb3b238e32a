//! Filling a cache before it is asked.

use perf_cache::warming::{WarmReport, WarmUp};
use perf_cache::{Cache, Terms};
use perf_core::Clock;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn cache() -> Cache<u64, u64> {
    Cache::builder().max_entries(1_000).build().unwrap()
}

fn twice(key: &u64) -> Result<(u64, Terms), String> {
    match key {
        13 => Err("unlucky".to_owned()),
        14 => panic!("as it has to"),
        key => Ok((2 * key, Terms::new())),
    }
}

fn counts(report: WarmReport) -> [u64; 3] {
    [report.loaded, report.failed, report.skipped]
}

#[test]
fn keys_are_loaded_and_what_came_of_them_is_told() {
    let cache = cache();
    cache.insert(5, 0);
    let told = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&told);
    let up = WarmUp::new().on_progress(move |report| {
        own.lock().unwrap().push(counts(report).iter().sum::<u64>());
    });
    let report = cache.warm(&up, 0..100, twice);
    assert_eq!((counts(report), report.is_cut), ([97, 2, 1], false));
    assert_eq!((cache.get(&50), cache.get(&5), cache.get(&13)), (Some(100), Some(0), None));
    assert_eq!(cache.stats().misses, 1, "only ours");
    let mut told = told.lock().unwrap().clone();
    told.sort_unstable();
    assert_eq!((told.len(), told.last()), (100, Some(&100)));
}

#[test]
fn no_more_run_at_a_time_than_were_asked_for() {
    for at_once in [0, 1, 3] {
        let (running, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let report = cache().warm(&WarmUp::new().at_once(at_once), 0..200, |key: &u64| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            std::thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Infallible>((*key, Terms::new()))
        });
        assert_eq!(report.loaded, 200);
        assert!(most.load(Ordering::SeqCst) <= at_once.max(1) as u64);
    }
}

#[test]
fn the_time_ends_it_between_keys() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u64, u64> = Cache::builder().max_entries(1_000).clock(clock).build().unwrap();
    let up = WarmUp::new().at_once(1).for_at_most(Duration::from_secs(5));
    let second = |key: &u64| {
        hand.advance(Duration::from_secs(1));
        Ok::<_, Infallible>((*key, Terms::new()))
    };
    let report = cache.warm(&up, 0.., second);
    assert_eq!((report.loaded, report.is_cut), (5, true));
    assert_eq!(report.took, Duration::from_secs(5));
    let report = cache.warm(&up, 100..105, second);
    assert_eq!((report.loaded, report.is_cut), (5, false), "none was left");
}

#[test]
fn futures_warm_on_one_task() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (cache, running, most) = (cache(), AtomicU64::new(0), AtomicU64::new(0));
    cache.insert(5, 0);
    let load = |key: u64| {
        let (running, most) = (&running, &most);
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::Relaxed);
            if key == 13 { Err("unlucky") } else { Ok((2 * key, Terms::new())) }
        }
    };
    let report = runtime.block_on(cache.warm_async(&WarmUp::new().at_once(4), 0..100, load));
    assert_eq!((counts(report), most.load(Ordering::Relaxed)), ([98, 1, 1], 4));
    assert_eq!(cache.get(&50), Some(100));
}

#[cfg(feature = "tiered")]
#[test]
fn a_cache_of_tiers_is_warmed_by_its_loader() {
    use perf_cache::TieredCache;

    let memory = Cache::builder().max_entries(100);
    let cache: TieredCache<u64, u64> = TieredCache::builder().memory(memory).build().unwrap();
    cache.get_with(5, || 0);
    let report = cache.warm(&WarmUp::new(), 0..20, twice);
    assert_eq!(counts(report), [17, 2, 1]);
    assert_eq!(cache.get(&7), Some(14));
}
