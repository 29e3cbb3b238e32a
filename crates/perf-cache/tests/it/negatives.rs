//! Loads that give no value, and what is remembered of them.

use perf_cache::{Cache, CacheBuilder};
use perf_core::{Clock, ManualClock};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn builder() -> (CacheBuilder<u64, u64>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Cache::builder().max_entries(100).shards(1).clock(clock), hand)
}

fn cache() -> (Cache<u64, u64>, ManualClock) {
    let (builder, hand) = builder();
    (builder.negative_ttl(SECOND).build().unwrap(), hand)
}

#[test]
fn without_a_time_nothing_is_remembered() {
    let cache = builder().0.build().unwrap();
    for loads in 1..4 {
        assert_eq!(cache.optionally_get_with(1, || None), None);
        assert!(cache.try_get_with(2, || Err(())).is_err());
        assert_eq!(cache.stats().loads, 2 * loads);
    }
    assert_eq!((cache.stats().load_failures, cache.stats().negative_hits), (3, 0));
}

#[test]
fn a_missing_value_is_remembered_for_its_time() {
    let (cache, hand) = cache();
    assert_eq!(cache.optionally_get_with(1, || None), None);
    hand.advance(SECOND - Duration::from_nanos(1));
    assert_eq!(cache.optionally_get_with(1, || unreachable!()), None);
    hand.advance(Duration::from_nanos(1));
    assert_eq!(cache.optionally_get_with(1, || Some(5)), Some(5));
    assert_eq!(cache.optionally_get_with(1, || unreachable!()), Some(5));
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.load_failures, stats.negative_hits), (2, 0, 1));
}

#[test]
fn an_error_is_remembered_as_the_same_error() {
    let (cache, hand) = cache();
    let first = cache.try_get_with(1, || Err("down")).unwrap_err();
    let again = cache.try_get_with(1, || -> Result<u64, &str> { unreachable!() }).unwrap_err();
    assert!(Arc::ptr_eq(&first, &again));
    // Who knows no such error loads by itself.
    assert_eq!(cache.try_get_with(1, || Ok::<_, u8>(3)), Ok(3));
    assert_eq!(cache.try_get_with(1, || Err("not asked")), Ok(3));
    cache.remove(&1);
    hand.advance(SECOND);
    assert_eq!(cache.get_with(1, || 4), 4);
}

#[test]
fn who_needs_a_value_is_not_told_that_there_is_none() {
    let (cache, _hand) = cache();
    assert_eq!(cache.optionally_get_with(1, || None), None);
    assert_eq!(cache.get_with(1, || 7), 7);
    assert_eq!(cache.optionally_get_with(1, || unreachable!()), Some(7));
}

#[test]
fn whatever_is_newer_makes_it_forgotten() {
    type Newer = fn(&Cache<u64, u64>);
    let cases: [(&str, Newer); 4] = [
        ("insert", |c| {
            c.insert(1, 1);
            c.remove(&1);
        }),
        ("remove", |c| {
            c.remove(&1);
        }),
        ("clear", Cache::clear),
        ("retain", |c| {
            c.retain(|_, _| true);
        }),
    ];
    for (name, newer) in cases {
        let (cache, _hand) = cache();
        assert_eq!(cache.optionally_get_with(1, || None), None);
        newer(&cache);
        assert_eq!(cache.optionally_get_with(1, || Some(9)), Some(9), "{name}");
        // And one that was overtaken is not even remembered.
        let loaded = cache.optionally_get_with(2, || {
            newer(&cache);
            assert_eq!(cache.remove(&2), None);
            None
        });
        assert_eq!(loaded, None);
        assert_eq!(cache.optionally_get_with(2, || Some(9)), Some(9), "{name}");
    }
}

#[test]
fn what_a_batch_did_not_get_is_remembered() {
    let (cache, _hand) = cache();
    assert_eq!(cache.get_many_with([1, 2], |_| [(2, 20)]).len(), 1);
    let found = cache.get_many_with([1, 2, 3], |missing| {
        assert_eq!(missing, [3]);
        [(3, 30)]
    });
    assert_eq!(found.len(), 2);
    assert_eq!(cache.stats().negative_hits, 1);
    let failed = cache.try_get_many_with([4], |_| Err::<Vec<_>, _>("down"));
    assert!(failed.is_err());
    let failed = cache.try_get_many_with([4, 5], |missing| {
        assert_eq!(missing, [5]);
        Ok::<_, &str>(vec![(5, 50)])
    });
    assert_eq!(*failed.unwrap_err(), "down");
    assert_eq!((cache.get(&5), cache.stats().loading), (Some(50), 0));
}

#[test]
fn no_more_is_remembered_than_there_is_room_for() {
    let (cache, _hand) = cache();
    for key in 0..1_000 {
        assert_eq!(cache.optionally_get_with(key, || None), None);
    }
    assert_eq!(cache.stats().negatives_dropped, 1_000 - 256);
    assert_eq!(cache.optionally_get_with(999, || unreachable!()), None);
    assert_eq!(cache.optionally_get_with(0, || Some(1)), Some(1));
}

#[test]
fn the_hook_learns_of_each_error_once_all_know() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&seen);
    let (builder, _hand) = builder();
    let cache: Cache<u64, u64> = builder
        .negative_ttl(SECOND)
        .on_load_failure(move |failure| {
            let error = failure.error::<&str>().copied().unwrap_or("of another type");
            tell.lock().unwrap().push((*failure.key(), error));
        })
        .build()
        .unwrap();
    assert!(cache.try_get_with(1, || Err("down")).is_err());
    assert!(cache.try_get_with(1, || Err("down")).is_err());
    assert!(cache.try_get_with(2, || Err(2)).is_err());
    assert_eq!(cache.optionally_get_with(3, || None), None);
    assert!(cache.try_get_many_with([4, 5], |_| Err::<Vec<_>, _>("both")).is_err());
    let mut seen = seen.lock().unwrap().clone();
    seen[2..].sort_unstable();
    assert_eq!(seen, [(1, "down"), (2, "of another type"), (4, "both"), (5, "both")]);
}

#[test]
fn a_load_with_a_value_makes_it_forgotten_for_good() {
    let (clock, _hand) = Clock::manual();
    let cache: Cache<u64, u64> =
        Cache::builder().max_entries(1).clock(clock).negative_ttl(SECOND).build().unwrap();
    assert_eq!(cache.optionally_get_with(1, || None), None);
    assert_eq!(cache.get_with(1, || 7), 7);
    for key in 2..10 {
        cache.insert(key, key);
    }
    assert_eq!(cache.get(&1), None, "evicted, not invalidated");
    assert_eq!(cache.optionally_get_with(1, || Some(8)), Some(8));
}
