//! Every key and value is dropped once, and not under a lock.

use perf_cache::{Cache, Capacity, Terms};
use perf_core::{Clock, KnobValue, Tune, Turn};
use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

static LIVE: AtomicI64 = AtomicI64::new(0);

struct Counted;

impl Counted {
    fn new() -> Arc<Counted> {
        LIVE.fetch_add(1, Ordering::SeqCst);
        Arc::new(Counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn what_lives_is_what_the_cache_holds() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u64, Arc<Counted>> =
        Cache::builder().max_entries(64).shards(2).clock(clock).build().unwrap();
    let check = |what: &str| {
        assert_eq!(LIVE.load(Ordering::SeqCst), cache.len() as i64, "{what}");
    };
    (0..200).for_each(|key| cache.insert(key, Counted::new()));
    check("eviction");
    (180..200).for_each(|key| cache.insert(key, Counted::new()));
    check("replacement");
    (190..195).for_each(|key| drop(cache.remove(&key)));
    check("removal");
    (0..10).for_each(|key| drop(cache.get_with(key, Counted::new)));
    check("loading");
    cache.get_with(777, || {
        cache.remove(&777);
        Counted::new()
    });
    check("a load that was overtaken");
    cache.retain(|key, _| key % 2 == 0);
    check("retain");
    (0..30).for_each(|key| cache.insert_with_ttl(key, Counted::new(), Duration::from_secs(1)));
    hand.advance(Duration::from_secs(1));
    cache.get(&3);
    cache.remove_expired(5);
    check("expiry");
    cache.set_capacity(Capacity::entries(3));
    check("a lower capacity");
    assert_eq!(cache.len(), 3);
    cache.clear();
    check("clear");
    (0..9).for_each(|key| cache.insert(key, Counted::new()));
    drop(cache);
    assert_eq!(LIVE.load(Ordering::SeqCst), 0, "the cache itself");
}

/// A value that looks into its cache when it is dropped: a deadlock, if that is under the lock.
struct Nosy {
    cache: Cache<u64, Arc<Nosy>>,
    key: u64,
}

impl Drop for Nosy {
    fn drop(&mut self) {
        assert!(self.cache.len() < 1_000 && !self.cache.contains(&(self.key + 10_000)));
    }
}

#[test]
fn values_are_dropped_outside_of_the_locks() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u64, Arc<Nosy>> =
        Cache::builder().max_entries(8).shards(1).clock(clock).build().unwrap();
    let nosy = |key| Arc::new(Nosy { cache: cache.clone(), key });
    (0..20).for_each(|key| cache.insert(key, nosy(key)));
    cache.insert(19, nosy(19));
    drop(cache.remove(&18));
    cache.get_with(5, || nosy(5));
    cache.insert_with_ttl(6, nosy(6), Duration::from_secs(1));
    cache.insert_with_ttl(7, nosy(7), Duration::from_secs(1));
    hand.advance(Duration::from_secs(1));
    cache.get_with(6, || nosy(6));
    cache.remove_expired(9);
    cache.retain(|key, _| *key != 6);
    cache.set_capacity(Capacity::entries(2));
    cache.insert_with_ttl(6, nosy(6), Duration::ZERO);
    cache.clear();
}

/// A value that turns the settings of its cache when it is dropped.
struct Bossy(Cache<u64, Arc<Bossy>>);

impl Drop for Bossy {
    fn drop(&mut self) {
        self.0.set_time_to_live(Some(Duration::from_secs(9)));
    }
}

#[test]
fn what_a_lower_capacity_evicts_is_dropped_when_it_is_set() {
    let cache: Cache<u64, Arc<Bossy>> = Cache::builder().max_entries(64).build().unwrap();
    let fill = || (0..64).for_each(|key| cache.insert(key, Arc::new(Bossy(cache.clone()))));
    fill();
    cache.set_capacity(Capacity::entries(32));
    assert_eq!(cache.len(), 32);
    cache.set_capacity(Capacity::entries(64));
    fill();
    let turn = Turn { knob: "capacity".into(), to: KnobValue::Count(16), expect: None };
    cache.turn(turn).unwrap();
    assert_eq!((cache.len(), cache.time_to_live()), (16, Some(Duration::from_secs(9))));
    cache.clear();
}

/// A key that looks into its cache when it is dropped.
#[derive(Clone)]
struct NosyKey(Option<Cache<NosyKey, u64>>);

impl Hash for NosyKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.is_some().hash(state);
    }
}

impl PartialEq for NosyKey {
    fn eq(&self, other: &NosyKey) -> bool {
        self.0.is_some() == other.0.is_some()
    }
}

impl Eq for NosyKey {}

impl Drop for NosyKey {
    fn drop(&mut self) {
        if let Some(cache) = self.0.take() {
            cache.contains(&NosyKey(None));
        }
    }
}

#[test]
fn a_panic_in_retain_drops_the_keys_of_loads_outside_of_the_lock() {
    let cache: Cache<NosyKey, u64> = Cache::builder().max_entries(8).shards(1).build().unwrap();
    cache.insert(NosyKey(None), 1);
    let value = cache.get_with(NosyKey(Some(cache.clone())), || {
        let panics = || cache.retain(|_, _| panic!("in keep"));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        2
    });
    assert_eq!((value, cache.len()), (2, 1));
}

/// A value that looks into its cache when it is cloned.
struct Curious(Cache<u64, Curious>);

impl Clone for Curious {
    fn clone(&self) -> Curious {
        assert!(self.0.peek(&1_000).is_none() && self.0.remove(&1_000).is_none());
        Curious(self.0.clone())
    }
}

/// Panics when it is dropped, if it is the one that does.
struct Bomb {
    explodes: bool,
    dropped: Arc<AtomicI64>,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
        assert!(!self.explodes, "a value that panics when it is dropped");
    }
}

#[test]
fn a_panic_of_a_destructor_keeps_nothing_else_that_listeners_are_told_of() {
    let dropped = Arc::new(AtomicI64::new(0));
    let cache: Cache<u64, Arc<Bomb>> = Cache::builder()
        .max_entries(1_000)
        .shards(1)
        .on_eviction(|_: &u64, _: &Arc<Bomb>, _| {})
        .build()
        .unwrap();
    for key in 0..100 {
        cache.insert(key, Arc::new(Bomb { explodes: key == 0, dropped: Arc::clone(&dropped) }));
    }
    assert!(catch_unwind(AssertUnwindSafe(|| cache.clear())).is_err());
    assert_eq!(cache.len(), 0);
    cache.reclaim();
    assert_eq!(dropped.load(Ordering::SeqCst), 100);
}

#[test]
fn values_are_cloned_outside_of_the_locks() {
    let cache: Cache<u64, Curious> = Cache::builder().max_entries(50).shards(1).build().unwrap();
    (0..20).for_each(|key| cache.insert(key, Curious(cache.clone())));
    assert!(cache.remove(&0).is_some() && cache.get(&0).is_none());
    let guards: Vec<_> = (1..9).map(|key| cache.get_ref(&key).unwrap()).collect();
    assert!(cache.get(&10).is_some() && cache.peek(&11).is_some() && cache.remove(&12).is_some());
    assert_eq!(cache.iter().count(), 18);
    drop(guards);
    cache.clear();
}

/// A key that asks the cache about others when it is cloned or written out.
#[derive(PartialEq, Eq, Hash)]
struct Asking(u64);

thread_local! {
    static ASKED: RefCell<Option<Cache<Asking, Curious>>> = const { RefCell::new(None) };
}

impl Asking {
    fn ask(&self) {
        let cache = ASKED.with_borrow(Clone::clone);
        assert!(cache.is_some_and(|cache| cache.remove(&Asking(1_000)).is_none()));
    }
}

impl Clone for Asking {
    fn clone(&self) -> Asking {
        self.ask();
        Asking(self.0)
    }
}

/// What is told of entries, saved, and kept for failing loaders is cloned outside of the locks, also
/// by a thread that has no guard left.
#[test]
fn keys_and_values_are_cloned_outside_of_the_locks_by_whoever_asks_about_them() {
    let (clock, hand) = Clock::manual();
    let builder = Cache::builder().max_entries(50).shards(1).clock(clock).track_entries(true);
    let builder = builder.stale_if_error(Duration::from_secs(60));
    let cache: Cache<Asking, Curious> = builder.build().unwrap();
    let value = Curious(Cache::builder().max_entries(1).build().unwrap());
    (0..20).for_each(|key| cache.insert(Asking(key), value.clone()));
    let short = Terms::new().time_to_live(Duration::from_secs(1));
    assert!(cache.insert_with(Asking(99), value.clone(), short));
    ASKED.set(Some(cache.clone()));
    let guards: Vec<_> = (1..9).map(|key| cache.get_ref(&Asking(key)).unwrap()).collect();
    assert!(cache.entry_info(&Asking(10)).is_some() && cache.entry_info(&Asking(70)).is_none());
    assert_eq!((cache.hottest(5).len(), cache.snapshot().count()), (5, 21));
    hand.advance(Duration::from_secs(2));
    let failed = cache.try_get_with(Asking(99), || Err::<Curious, _>("down"));
    assert!(failed.is_ok(), "the old value is answered");
    assert_eq!(cache.stats().stale_served, 1);
    drop(guards);
    ASKED.set(None);
    cache.clear();
}
