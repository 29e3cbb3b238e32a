//! Time to live.

use perf_cache::Cache;
use perf_core::{Clock, ManualClock, Ratio};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn cache(ttl: Duration) -> (Cache<u64, u64>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let cache = Cache::builder().max_entries(1_000).time_to_live(ttl).clock(clock);
    (cache.build().unwrap(), hand)
}

#[test]
fn a_value_is_there_until_its_nanosecond() {
    let (cache, hand) = cache(SECOND);
    cache.insert(1, 1);
    hand.advance(SECOND - Duration::from_nanos(1));
    assert_eq!(cache.get(&1), Some(1));
    hand.advance(Duration::from_nanos(1));
    assert!(!cache.contains(&1));
    assert_eq!((cache.len(), cache.get(&1), cache.len()), (1, None, 0));
    assert_eq!(cache.stats().evictions.expired, 1);
}

#[test]
fn an_entry_may_have_its_own_time_to_live() {
    let (cache, hand) = cache(SECOND);
    cache.insert_with_ttl(1, 1, 10 * SECOND);
    cache.insert_with_ttl(2, 2, SECOND / 2);
    cache.insert_with_ttl(3, 3, Duration::MAX);
    cache.insert(4, 4);
    cache.insert_with_ttl(4, 4, Duration::ZERO);
    let there = |c: &Cache<u64, u64>| [1, 2, 3, 4].map(|key| c.contains(&key));
    assert_eq!(there(&cache), [true, true, true, false]);
    hand.advance(SECOND);
    assert_eq!(there(&cache), [true, false, true, false]);
    assert_eq!(cache.remove(&2), None);
    hand.advance(1_000_000 * SECOND);
    assert_eq!(there(&cache), [false, false, true, false]);
}

#[test]
fn a_new_time_to_live_holds_for_what_comes_in_next() {
    let (cache, hand) = cache(Duration::ZERO);
    assert_eq!(cache.time_to_live(), None);
    cache.insert(1, 1);
    cache.set_time_to_live(Some(SECOND));
    cache.insert(2, 2);
    hand.advance(SECOND);
    assert_eq!((cache.get(&1), cache.get(&2)), (Some(1), None));
}

#[test]
fn insertions_free_what_has_expired() {
    let (cache, hand) = cache(Duration::ZERO);
    for key in 0..500 {
        cache.insert_with_ttl(key, key, SECOND);
    }
    hand.advance(SECOND);
    for key in 500..1_000 {
        cache.insert(key, key);
    }
    assert_eq!((cache.len(), cache.stats().evictions.expired), (500, 500));
    assert_eq!(cache.stats().evictions.size, 0);
}

#[test]
fn expired_entries_are_freed_on_request_within_the_limit() {
    let (cache, hand) = cache(10 * SECOND);
    for key in 0..400 {
        cache.insert_with_ttl(key, key, if key % 2 == 0 { SECOND } else { 9 * SECOND });
    }
    assert_eq!(cache.remove_expired(u64::MAX), 0);
    hand.advance(SECOND);
    assert_eq!((cache.remove_expired(50), cache.len()), (50, 350));
    assert_eq!((cache.remove_expired(u64::MAX), cache.len()), (150, 200));
    assert_eq!(cache.remove_expired(u64::MAX), 0);
    hand.advance(8 * SECOND);
    assert_eq!((cache.remove_expired(u64::MAX), cache.len()), (200, 0));
}

#[test]
fn jitter_spreads_the_deadlines_of_the_cache_only() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u64, u64> = Cache::builder()
        .max_entries(10_000)
        .time_to_live(100 * SECOND)
        .jitter(Ratio::new(0.5).unwrap())
        .clock(clock)
        .build()
        .unwrap();
    for key in 0..1_000 {
        cache.insert(key, key);
    }
    cache.insert_with_ttl(5_000, 1, 100 * SECOND);
    hand.advance(50 * SECOND - Duration::from_nanos(1));
    assert_eq!(cache.remove_expired(u64::MAX), 0);
    hand.advance(25 * SECOND);
    let half = cache.remove_expired(u64::MAX);
    assert!((400..600).contains(&half), "{half}");
    hand.advance(25 * SECOND);
    cache.remove_expired(u64::MAX);
    assert_eq!(cache.len(), 1);
}
