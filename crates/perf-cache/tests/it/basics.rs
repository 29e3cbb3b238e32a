//! Lookup, insertion, removal, bounds.

use perf_cache::policy::PolicyKind;
use perf_cache::{Cache, Capacity, PlainCache};
use perf_core::ByteSize;

fn entries(n: u64) -> Cache<String, u64> {
    Cache::builder().max_entries(n).shards(1).policy(PolicyKind::Lru).build().unwrap()
}

/// Each value says how heavy it is.
fn bytes(n: u64, shards: usize) -> Cache<u64, u64> {
    let max = ByteSize::from_bytes(n);
    Cache::builder().max_bytes(max).weigher(|_, v| *v).shards(shards).build().unwrap()
}

#[test]
fn a_bound_that_is_never_reached_costs_nothing() {
    for kind in [PolicyKind::Adaptive, PolicyKind::S3Fifo] {
        for max in [1 << 33, u64::MAX] {
            let cache: Cache<u64, u64> =
                Cache::builder().max_entries(max).policy(kind).build().unwrap();
            (0..1_000).for_each(|key| cache.insert(key, key));
            assert_eq!(cache.len(), 1_000);
            // Of plain pairs there can be so many.
            let max = max.min(u32::MAX.into());
            let cache: PlainCache<u64, u64> =
                PlainCache::builder().max_entries(max).policy(kind).build().unwrap();
            (0..1_000).for_each(|key| cache.insert(key, key));
            assert_eq!(cache.len(), 1_000);
        }
    }
}

#[test]
fn weights_whose_sum_has_no_number_are_no_bound_on_entries() {
    for kind in PolicyKind::ALL {
        let builder = Cache::builder().max_entries(100).policy(kind).shards(1);
        let cache: Cache<u64, u64> = builder.weigher(|_, _| u64::MAX / 3).build().unwrap();
        for n in 0..20_000 {
            cache.get_with(n * n % 223, || n);
        }
        assert_eq!(cache.len(), 100);
    }
}

#[test]
fn finds_what_was_put_in_by_a_borrowed_key() {
    let cache = entries(10);
    cache.insert("a".to_owned(), 1);
    assert_eq!((cache.get("a"), cache.get("b")), (Some(1), None));
    assert!(cache.contains("a") && !cache.contains("b"));
    assert_eq!(cache.clone().remove("a"), Some(1));
    assert_eq!((cache.remove("a"), cache.len()), (None, 0));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.insertions), (1, 1, 1));
    assert_eq!(stats.evictions.removed, 1);
    assert_eq!(stats.hit_ratio().unwrap().as_f64(), 0.5);
}

#[test]
fn the_least_recently_used_makes_room() {
    let cache = entries(2);
    cache.insert("a".to_owned(), 1);
    cache.insert("b".to_owned(), 2);
    cache.get("a");
    cache.insert("c".to_owned(), 3);
    assert_eq!((cache.get("a"), cache.get("b"), cache.get("c")), (Some(1), None, Some(3)));
    assert_eq!(cache.stats().evictions.size, 1);
}

#[test]
fn overwriting_replaces_and_counts() {
    let cache = bytes(100, 1);
    cache.insert(1, 60);
    cache.insert(1, 60);
    cache.insert(1, 90);
    assert_eq!((cache.get(&1), cache.len()), (Some(90), 1));
    assert_eq!(cache.memory_usage(), ByteSize::from_bytes(90));
    assert_eq!((cache.stats().insertions, cache.stats().evictions.replaced), (3, 2));
}

#[test]
fn a_value_as_heavy_as_the_whole_cache_fits_whatever_its_shard() {
    for shards in [1, 2, 8, 64] {
        let cache = bytes(1_000, shards);
        for key in 0..500 {
            cache.insert(key, 2);
        }
        assert_eq!(cache.memory_usage(), ByteSize::from_bytes(1_000), "{shards} shards");
        cache.insert(7_000, 1_000);
        assert_eq!((cache.get(&7_000), cache.len()), (Some(1_000), 1), "{shards} shards");
        cache.insert(7_001, 1);
        assert!(cache.contains(&7_001));
    }
}

#[test]
fn a_value_heavier_than_the_cache_is_refused_counted_and_ends_the_old_one() {
    let cache = bytes(100, 4);
    cache.insert(1, 10);
    cache.insert(2, 10);
    cache.insert(1, 101);
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(10)));
    let stats = cache.stats();
    assert_eq!((stats.evictions.too_large, stats.evictions.replaced), (1, 1));
    assert_eq!(cache.memory_usage(), ByteSize::from_bytes(10));
}

#[test]
fn both_bounds_hold() {
    let cache: Cache<u64, u64> = Cache::builder()
        .max_entries(5)
        .max_bytes(ByteSize::from_bytes(100))
        .weigher(|_, v| *v)
        .build()
        .unwrap();
    for key in 0..100 {
        cache.insert(key, 1);
    }
    assert_eq!(cache.len(), 5);
    cache.insert(200, 60);
    cache.insert(201, 60);
    assert!(cache.memory_usage() <= ByteSize::from_bytes(100));
    assert!(cache.contains(&201));
}

#[test]
fn retain_and_clear_remove_and_count() {
    let cache = entries(100);
    for n in 0..10 {
        cache.insert(n.to_string(), n);
    }
    assert_eq!(cache.retain(|_, n| n % 2 == 0), 5);
    assert_eq!((cache.len(), cache.get("3")), (5, None));
    cache.clear();
    assert!(cache.is_empty());
    assert_eq!(cache.memory_usage(), ByteSize::from_bytes(0));
    let evictions = cache.stats().evictions;
    assert_eq!((evictions.removed, evictions.cleared), (5, 5));
    for n in 0..100 {
        cache.insert(n.to_string(), n);
    }
    assert_eq!(cache.len(), 100);
}

#[test]
fn a_smaller_capacity_takes_effect_in_steps() {
    let cache = bytes(10_000, 1);
    for key in 0..10_000 {
        cache.insert(key, 1);
    }
    cache.set_capacity(Capacity::bytes(ByteSize::from_bytes(100)));
    assert_eq!(cache.len(), 10_000 - 128);
    let mut before = cache.len();
    cache.insert(20_000, 1);
    assert!(cache.len() < before, "an insertion evicts more than it brings");
    before = cache.len();
    assert_eq!(cache.evict_excess(10), 10);
    assert_eq!(cache.len(), before - 10);
    cache.evict_excess(u64::MAX);
    assert_eq!(cache.memory_usage(), ByteSize::from_bytes(100));
    assert!(cache.contains(&20_000));
}

#[test]
fn the_builder_names_the_value_and_the_remedy() {
    let error = |cache: Result<Cache<u8, u8>, perf_cache::ConfigError>| {
        cache.map(|_| ()).unwrap_err().to_string()
    };
    let builder = Cache::<u8, u8>::builder;
    assert!(error(builder().build()).contains("max_bytes"));
    assert!(error(builder().max_entries(0).build()).contains("use 1 or more"));
    assert!(error(builder().max_bytes(ByteSize::mib(1)).build()).contains("1 MiB: it needs a"));
    assert!(error(builder().max_entries(9).shards(3).build()).contains("`shards` cannot be 3"));
    // Its keys would have to begin with two colons, which nobody means.
    let colon = error(builder().max_entries(9).namespace("users").namespace("a:").build());
    assert!(colon.contains("`namespace` cannot be \"a:\": leave out the colon"), "{colon}");
}

#[test]
fn counting_begins_again_after_a_reset() {
    let (clock, hand) = perf_core::Clock::manual();
    let cache: Cache<u8, u8> = Cache::builder().max_entries(9).clock(clock).build().unwrap();
    cache.get(&1);
    let before = cache.stats();
    hand.advance(std::time::Duration::from_secs(1));
    cache.reset_statistics();
    let after = cache.stats();
    assert_eq!((before.misses, after.misses, after.hit_ratio()), (1, 0, None));
    assert_eq!(after.since - before.since, std::time::Duration::from_secs(1));
}
