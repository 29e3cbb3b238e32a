//! Bounds hold at any instant, whoever looks, and what fits goes in.

use perf_cache::policy::PolicyKind;
use perf_cache::{Cache, Capacity, PlainCache};
use perf_core::ByteSize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, OnceLock};

/// A draw from a sequence of its own for each thread.
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    (*state >> 33) % below
}

/// What a test does with a cache, of either kind.
trait Held: Sync {
    fn put(&self, key: u64, value: u64);
    fn take(&self, key: u64);
    fn read(&self, key: u64) -> Option<u64>;
    fn counted(&self) -> usize;
}

impl Held for Cache<u64, u64> {
    fn put(&self, key: u64, value: u64) {
        self.insert(key, value);
    }
    fn take(&self, key: u64) {
        self.remove(&key);
    }
    fn read(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }
    fn counted(&self) -> usize {
        self.len()
    }
}

impl Held for PlainCache<u64, u64> {
    fn put(&self, key: u64, value: u64) {
        self.insert(key, value);
    }
    fn take(&self, key: u64) {
        self.remove(&key);
    }
    fn read(&self, key: u64) -> Option<u64> {
        self.get(&key)
    }
    fn counted(&self) -> usize {
        self.len()
    }
}

/// Sixteen threads read, write, overwrite and remove few keys, and each looks at the bound after
/// each step, while one more does nothing else.
fn crowd(cache: &dyn Held, bound: usize, steps: u64, what: &str) {
    let over = AtomicBool::new(false);
    let start = Barrier::new(16);
    let crowd = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|thread| {
                let start = &start;
                scope.spawn(move || {
                    let mut state = thread;
                    start.wait();
                    for _ in 0..steps {
                        let key = draw(&mut state, 3 * bound as u64);
                        assert!(cache.read(key).is_none_or(|value| value % 1_000 == key));
                        cache.put(key, 1_000 * draw(&mut state, 1 << 20) + key);
                        let held = cache.counted();
                        assert!(held <= bound, "{what}: {held}");
                        if draw(&mut state, 8) == 0 {
                            cache.take(draw(&mut state, 3 * bound as u64));
                        }
                    }
                })
            })
            .collect();
        let watching = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let held = cache.counted();
                assert!(held <= bound, "{what}: {held}");
                std::thread::yield_now();
            }
        });
        let crowd: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, Ordering::Relaxed);
        watching.join().unwrap();
        crowd
    });
    crowd.into_iter().for_each(|thread| thread.unwrap());
    (0..20 * bound as u64).for_each(|key| cache.put(key, key));
    assert_eq!(cache.counted(), bound, "{what}: all of the room is of use again");
}

#[test]
fn seven_entries_are_never_eight_while_sixteen_threads_write() {
    for kind in PolicyKind::ALL {
        for shards in [1, 64] {
            let cache: Cache<u64, u64> =
                Cache::builder().max_entries(7).shards(shards).policy(kind).build().unwrap();
            crowd(&cache, 7, 300, &format!("{kind}, {shards} shards"));
            let cache: PlainCache<u64, u64> =
                PlainCache::builder().max_entries(7).shards(shards).policy(kind).build().unwrap();
            crowd(&cache, 7, 300, &format!("plain, {kind}, {shards} shards"));
        }
    }
}

#[test]
fn a_listener_who_looks_finds_the_bound_kept() {
    let most = Arc::new(AtomicUsize::new(0));
    let (seen, found) = (Arc::new(OnceLock::<Cache<u64, u64>>::new()), Arc::clone(&most));
    let itself = Arc::clone(&seen);
    let cache = Cache::builder().max_entries(7).shards(64).on_eviction(move |_, _, _| {
        let held = itself.get().map_or(0, Cache::len);
        found.fetch_max(held, Ordering::Relaxed);
    });
    let cache = cache.build().unwrap();
    seen.set(cache.clone()).unwrap();
    crowd(&cache, 7, 300, "with a listener");
    assert_eq!(most.load(Ordering::Relaxed), 7);
}

#[test]
fn weights_stay_in_their_bound_while_many_threads_overwrite_with_others() {
    const BOUND: u64 = 1_000;
    for kind in PolicyKind::ALL {
        for shards in [1, 64] {
            let cache: Cache<u64, u64> = Cache::builder()
                .max_bytes(ByteSize::from_bytes(BOUND))
                .weigher(|_, weight| *weight)
                .shards(shards)
                .policy(kind)
                .build()
                .unwrap();
            let start = Barrier::new(8);
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let (cache, start) = (&cache, &start);
                    scope.spawn(move || {
                        let mut state = thread;
                        start.wait();
                        for _ in 0..400 {
                            // Few keys, so that most insertions overwrite; one in 40 does not fit.
                            let weight = 1 + draw(&mut state, BOUND / 39 * 40 / 10);
                            let weight =
                                if weight.is_multiple_of(40) { BOUND + weight } else { weight };
                            cache.insert(draw(&mut state, 40), weight);
                            let held = cache.memory_usage().as_u64();
                            assert!(held <= BOUND, "{kind}, {shards} shards: {held}");
                        }
                    });
                }
            });
            let sum: u64 = (0..40).filter_map(|key| cache.peek(&key)).sum();
            assert_eq!(cache.memory_usage().as_u64(), sum, "{kind}, {shards} shards");
            // All of the room is of use: one of the weight of all.
            cache.insert(99, BOUND);
            assert_eq!((cache.peek(&99), cache.len()), (Some(BOUND), 1), "{kind}");
        }
    }
}

#[test]
fn a_value_of_most_of_the_room_goes_in_and_evicts_no_more_than_it_must() {
    const MIB: usize = 1 << 20;
    for kind in PolicyKind::ALL {
        let cache: Cache<u32, Arc<Vec<u8>>> = Cache::builder()
            .max_bytes(ByteSize::mib(256))
            .weigher(|_, value: &Arc<Vec<u8>>| value.len() as u64)
            .policy(kind)
            .build()
            .unwrap();
        // Zeroed memory takes no room before it is written to.
        (0..256).for_each(|key| cache.insert(key, Arc::new(vec![0; MIB])));
        assert_eq!((cache.len(), cache.memory_usage()), (256, ByteSize::mib(256)), "{kind}");

        cache.insert(1_000, Arc::new(vec![0; 200 * MIB]));
        assert_eq!(cache.get(&1_000).map(|value| value.len()), Some(200 * MIB), "{kind}");
        let left = (0..256).filter(|key| cache.contains(key)).count();
        assert_eq!(left, 56, "{kind}: what it must, no more");
        assert_eq!(cache.memory_usage(), ByteSize::mib(256), "{kind}");

        // Larger in its place, then another of that size.
        cache.insert(1_000, Arc::new(vec![0; 256 * MIB]));
        assert_eq!((cache.len(), cache.memory_usage()), (1, ByteSize::mib(256)), "{kind}");
        cache.insert(1_001, Arc::new(vec![0; 200 * MIB]));
        assert!(cache.contains(&1_001) && !cache.contains(&1_000), "{kind}");
        // Smaller in its place: the room comes back.
        cache.insert(1_001, Arc::new(vec![0; MIB]));
        (0..255).for_each(|key| cache.insert(key, Arc::new(vec![0; MIB])));
        assert_eq!(cache.len(), 256, "{kind}");

        // What never fits takes what it was to replace with it, and nothing else.
        cache.insert(7, Arc::new(vec![0; 256 * MIB + 1]));
        assert_eq!((cache.contains(&7), cache.len()), (false, 255), "{kind}");
    }
}

#[test]
fn a_lowered_bound_is_kept_to_from_then_on() {
    let cache: Cache<u64, u64> = Cache::builder().max_entries(64).shards(64).build().unwrap();
    (0..200).for_each(|key| cache.insert(key, key));
    cache.set_capacity(Capacity::entries(7));
    assert!(cache.len() <= 7);
    crowd(&cache, 7, 300, "lowered");
}
