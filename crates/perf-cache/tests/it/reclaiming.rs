//! Values are dropped once, when they have left and nobody reads them.

use perf_cache::policy::PolicyKind;
use perf_cache::{Cache, CacheBuilder, Capacity};
use perf_core::ByteSize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

/// A value on the heap that says what it is as long as it lives.
struct Witness {
    says: Box<u64>,
    dropped: Arc<AtomicU64>,
    made: Arc<AtomicU64>,
}

const ALIVE: u64 = 0x600d_600d_600d_600d;

impl Witness {
    fn new(number: u64, made: &Arc<AtomicU64>, dropped: &Arc<AtomicU64>) -> Witness {
        made.fetch_add(1, SeqCst);
        let (made, dropped) = (Arc::clone(made), Arc::clone(dropped));
        Witness { says: Box::new(ALIVE ^ number), dropped, made }
    }

    fn check(&self, number: u64) {
        assert_eq!(*self.says, ALIVE ^ number, "another value, or none");
    }
}

impl Clone for Witness {
    fn clone(&self) -> Witness {
        Witness::new(*self.says ^ ALIVE, &self.made, &self.dropped)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        *self.says = 0;
        self.dropped.fetch_add(1, SeqCst);
    }
}

fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

#[test]
fn reclaiming_under_load_drops_everything_once_and_nothing_early() {
    let [made, dropped] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    for (policy, shards) in [(PolicyKind::Adaptive, 1), (PolicyKind::Lru, 4)] {
        let cache: Cache<u64, Witness> =
            Cache::builder().max_entries(100).policy(policy).shards(shards).build().unwrap();
        let value = |key| Witness::new(key, &made, &dropped);
        thread::scope(|scope| {
            for seed in 0..6 {
                let (cache, value) = (&cache, &value);
                scope.spawn(move || {
                    let mut state = seed;
                    for round in 0..4_000 {
                        let key = draw(&mut state, 200);
                        match draw(&mut state, 100) {
                            0..25 => drop(cache.get(&key).inspect(|found| found.check(key))),
                            25..45 => drop(cache.with(&key, |found| found.check(key))),
                            45..60 => {
                                let held: Vec<_> =
                                    (key..key + 10).map(|key| (key, cache.get_ref(&key))).collect();
                                cache.insert(key, value(key));
                                for (key, found) in &held {
                                    found.iter().for_each(|found| found.check(*key));
                                }
                            }
                            60..85 => cache.insert(key, value(key)),
                            85..92 => cache.remove(&key).iter().for_each(|found| found.check(key)),
                            92..95 => cache.get_with(key, || value(key)).check(key),
                            95 => drop(cache.iter().map(|(key, found)| found.check(key)).count()),
                            96 => drop(cache.retain(|key, found| {
                                found.check(*key);
                                key % 9 != 0
                            })),
                            97 => cache.set_capacity(Capacity::entries(20 + key)),
                            _ if round % 64 == 0 => cache.clear(),
                            _ => cache.reclaim(),
                        }
                    }
                });
            }
        });
        cache.clear();
        assert_eq!(made.load(SeqCst), dropped.load(SeqCst), "{policy}: nobody reads any more");
        (0..50).for_each(|key| cache.insert(key, value(key)));
        drop(cache);
        assert_eq!(made.load(SeqCst), dropped.load(SeqCst), "{policy}");
    }
}

#[test]
fn reclaiming_waits_for_a_guard_and_for_nothing_else() {
    let [made, dropped] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let cache: Cache<u64, Witness> = Cache::builder().max_entries(10).build().unwrap();
    (0..10).for_each(|key| cache.insert(key, Witness::new(key, &made, &dropped)));
    let held = cache.get_ref(&3).unwrap();
    cache.clear();
    assert_eq!((cache.len(), dropped.load(SeqCst)), (0, 9));
    held.check(3);
    drop(held);
    cache.reclaim();
    assert_eq!(dropped.load(SeqCst), 10);
}

#[test]
fn reclaiming_is_at_once_where_one_thread_is_alone() {
    let [made, dropped] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let cache: Cache<u64, Witness> =
        Cache::builder().max_entries(10).policy(PolicyKind::Fifo).build().unwrap();
    for key in 0..30 {
        cache.insert(key, Witness::new(key, &made, &dropped));
        assert!(cache.with(&key, |_| ()).is_some());
        assert_eq!(made.load(SeqCst) - dropped.load(SeqCst), cache.len() as u64);
    }
    drop(cache.remove(&25));
    assert_eq!(made.load(SeqCst) - dropped.load(SeqCst), 9);
}

/// A cache that two threads have read, so that nothing is freed without a barrier.
fn shared(builder: CacheBuilder<u64, Witness>, first: Witness) -> Cache<u64, Witness> {
    let cache = builder.shards(1).build().unwrap();
    cache.insert(1, first);
    let read = || cache.with(&1, |first| first.check(1)).unwrap();
    read();
    thread::scope(|scope| scope.spawn(read).join().unwrap());
    cache
}

#[test]
fn reclaiming_is_a_value_or_two_with_each_write_where_several_read() {
    let [made, dropped] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let builder = Cache::builder().max_entries(4_096);
    let cache = shared(builder, Witness::new(1, &made, &dropped));
    let mut most = 0;
    for write in 0..40_000 {
        let before = dropped.load(SeqCst);
        cache.insert(write % 5_000, Witness::new(write % 5_000, &made, &dropped));
        most = most.max(dropped.load(SeqCst) - before);
    }
    assert!((1..=2).contains(&most), "{most} at once");
    let waiting = made.load(SeqCst) - dropped.load(SeqCst) - cache.len() as u64;
    assert!(waiting <= 4_096 / 32 + 8, "{waiting} wait");
    cache.reclaim();
    assert_eq!(made.load(SeqCst) - dropped.load(SeqCst), cache.len() as u64);
    cache.clear();
    assert_eq!(made.load(SeqCst), dropped.load(SeqCst));
}

#[test]
fn reclaiming_is_at_once_where_values_are_heavy() {
    let [made, dropped] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let bound = ByteSize::from_bytes(1 << 20);
    let builder = Cache::builder().max_bytes(bound).weigher(|_, _| 100 << 10);
    let cache = shared(builder, Witness::new(1, &made, &dropped));
    for write in 0..200 {
        cache.insert(write, Witness::new(write, &made, &dropped));
        let live = made.load(SeqCst) - dropped.load(SeqCst);
        assert_eq!(live, cache.len() as u64, "nothing waits for another insertion");
    }
}

#[test]
fn more_guards_than_a_thread_can_hold_are_clones() {
    let cache: Cache<u64, String> = Cache::builder().max_entries(100).build().unwrap();
    (0..20).for_each(|key| cache.insert(key, key.to_string()));
    let held: Vec<_> = (0..20).map(|key| cache.get_ref(&key).unwrap()).collect();
    cache.clear();
    (0..20).zip(&held).for_each(|(key, held)| assert_eq!(**held, key.to_string()));
    assert_eq!(cache.stats().hits, 20);
}
