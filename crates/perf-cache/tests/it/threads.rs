//! Many threads at once.

use perf_cache::{Cache, Capacity};
use perf_core::ByteSize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A generator of numbers that need not be good.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn by_value(max: u64, shards: usize) -> Cache<u64, u64> {
    Cache::builder()
        .max_bytes(ByteSize::from_bytes(max))
        .weigher(|_, weight| *weight)
        .shards(shards)
        .build()
        .unwrap()
}

/// What must hold once all is quiet.
fn check(cache: &Cache<u64, u64>) {
    let stats = cache.stats();
    let (mut entries, mut bytes) = (0, 0);
    cache.retain(|_, weight| {
        entries += 1;
        bytes += weight;
        true
    });
    assert_eq!((stats.entries, stats.bytes.as_u64()), (entries, bytes));
    let left: u64 = stats.evictions.by_cause().iter().map(|(_, n)| n).sum();
    assert_eq!(stats.insertions, stats.entries + left - stats.evictions.too_large);
    assert_eq!(stats.loading, 0);
}

/// The shape of a cache that once grew without end: concurrent overwrites that reuse keys.
#[test]
fn overwrites_of_reused_keys_stay_within_the_bound() {
    const MAX: u64 = 10_000;
    for shards in [1, 4, 32] {
        let cache = by_value(MAX, shards);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|seed| {
                    let cache = &cache;
                    scope.spawn(move || {
                        let mut numbers = Numbers(seed);
                        for _ in 0..20_000 {
                            let weight = 1 + numbers.next(400);
                            cache.insert(numbers.next(300), weight);
                        }
                    })
                })
                .collect();
            let watcher = scope.spawn(|| {
                let mut worst = 0;
                while !done.load(Ordering::Relaxed) {
                    worst = worst.max(cache.stats().evictions.size);
                    thread::yield_now();
                }
                worst
            });
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            done.store(true, Ordering::Relaxed);
            assert!(watcher.join().unwrap() <= cache.stats().evictions.size);
        });
        assert!(cache.memory_usage().as_u64() <= MAX);
        assert!(cache.memory_usage().as_u64() > MAX / 2, "{}", cache.memory_usage());
        check(&cache);
        // Nothing of the budget has leaked: all of it can still be used.
        cache.clear();
        (0..MAX).for_each(|key| cache.insert(key, 1));
        assert_eq!(cache.memory_usage().as_u64(), MAX, "{shards} shards");
    }
}

#[test]
fn everything_at_once_leaves_the_books_in_order() {
    const MAX: u64 = 4_000;
    let cache = by_value(MAX, 8);
    thread::scope(|scope| {
        for seed in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                let mut numbers = Numbers(seed);
                for round in 0..8_000_u64 {
                    let key = numbers.next(200);
                    match numbers.next(100) {
                        0..30 => drop(cache.get(&key)),
                        30..55 => cache.insert(key, numbers.next(120)),
                        // Large enough that other shards must make room.
                        55..58 => cache.insert(key, 900 + numbers.next(4_000)),
                        58..65 => {
                            let ttl = Duration::from_nanos(numbers.next(50_000));
                            cache.insert_with_ttl(key, 50, ttl);
                        }
                        65..75 => drop(cache.remove(&key)),
                        75..92 => drop(cache.get_with(key, || 40)),
                        92..97 => drop(cache.try_get_with(key, || Err::<u64, _>(()))),
                        97 => drop(cache.remove_expired(20)),
                        98 => drop(cache.retain(|key, _| key % 7 != 0)),
                        _ if round % 16 == 0 => cache.clear(),
                        _ => {
                            let bytes = ByteSize::from_bytes(MAX / 4 * (1 + numbers.next(4)));
                            cache.set_capacity(Capacity::bytes(bytes));
                        }
                    }
                }
            });
        }
    });
    cache.set_capacity(Capacity::bytes(ByteSize::from_bytes(MAX)));
    assert!(cache.memory_usage().as_u64() <= MAX);
    check(&cache);
    cache.clear();
    (0..MAX).for_each(|key| cache.insert(key, 1));
    assert_eq!(cache.memory_usage().as_u64(), MAX);
}

#[test]
fn loads_of_one_key_never_overlap() {
    let cache: Cache<u64, u64> = Cache::builder().max_entries(4).build().unwrap();
    let running: [AtomicBool; 8] = Default::default();
    thread::scope(|scope| {
        for seed in 0..6 {
            let (cache, running) = (&cache, &running);
            scope.spawn(move || {
                let mut numbers = Numbers(seed);
                for _ in 0..4_000 {
                    let key = numbers.next(8);
                    let value = cache.get_with(key, || {
                        let flag = &running[key as usize];
                        assert!(!flag.swap(true, Ordering::SeqCst), "two loads of {key}");
                        thread::yield_now();
                        assert!(flag.swap(false, Ordering::SeqCst));
                        key * 10
                    });
                    assert_eq!(value, key * 10);
                }
            });
        }
    });
    let stats = cache.stats();
    assert_eq!(stats.hits + stats.misses, 24_000);
    assert_eq!(stats.misses, stats.loads + stats.joins);
    assert!(cache.len() <= 4);
}

/// A thread that holds as many guards as it may looks at entries under the lock, but asks nobody
/// there.
#[test]
fn closures_may_use_the_cache_when_no_more_guards_are_to_be_had() {
    let cache: Cache<u64, u64> = Cache::builder().max_entries(100).shards(1).build().unwrap();
    (0..50).for_each(|key| cache.insert(key, key));
    let guards: Vec<_> = (0..8).map(|key| cache.get_ref(&key).unwrap()).collect();
    let removed = cache.retain(|key, value| {
        cache.insert(*key, *value);
        assert_eq!(cache.remove(&(key + 1_000)), None);
        cache.peek(key) == Some(*value) && key % 2 == 0
    });
    assert!(removed <= 50, "{removed}");
    assert_eq!(cache.iter().count(), cache.len());
    cache.clear();
    assert!(guards.iter().map(|guard| **guard).eq(0..8));
}
