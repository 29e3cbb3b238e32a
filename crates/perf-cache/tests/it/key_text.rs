//! A key that uses the cache while it is asked for its text: no road may ask under a lock.

use perf_cache::{Cache, Glob, KeyText, Terms};
use perf_core::Clock;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

/// Uses the cache that it knows of when it is asked for its text.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Meddler(String);

thread_local! {
    static KNOWN: RefCell<Option<Cache<Meddler, u64>>> = const { RefCell::new(None) };
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

impl KeyText for Meddler {
    fn key_text(&self) -> Cow<'_, str> {
        ASKED.set(ASKED.get() + 1);
        // Not again for what this asks for.
        if let Some(cache) = KNOWN.take() {
            let other = key("other");
            cache.insert(other.clone(), 1);
            assert_eq!(cache.get_with(other.clone(), || 2), 1);
            cache.insert_with(key("child"), 3, Terms::new().depends_on(["other"]));
            assert_eq!(cache.remove(&other), Some(1));
            let _ = (cache.stats(), cache.len(), cache.dead_estimate());
            KNOWN.set(Some(cache));
        }
        Cow::Borrowed(&self.0)
    }
}

fn key(text: &str) -> Meddler {
    Meddler(text.to_owned())
}

/// Runs a test on a thread of its own: one that waits for itself would hang.
fn or_hang(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        KNOWN.take();
        let _ = done.send(());
    });
    if is_done.recv_timeout(Duration::from_secs(120)) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("it waits for a lock that it holds");
    }
    thread.join().unwrap();
}

/// Calls `road` while there are 50 entries of which half were invalidated by a pattern and nobody
/// has looked since, by a thread that reads without locks and by one that cannot.
fn travel(road: impl Fn(&Cache<Meddler, u64>) + Send + Copy + 'static) {
    for guards in [0, 8] {
        or_hang(move || {
            let (clock, hand) = Clock::manual();
            let builder = Cache::builder().max_entries(200).shards(1).clock(clock);
            let cache: Cache<Meddler, u64> =
                builder.stale_if_error(Duration::from_secs(5)).build().unwrap();
            (0..guards).for_each(|n| cache.insert(key(&format!("guarded:{n}")), n));
            let held: Vec<_> = (0..guards)
                .map(|n| cache.get_ref(&key(&format!("guarded:{n}"))).unwrap())
                .collect();
            for n in 0..50 {
                let kind = if n % 2 == 0 { "dead" } else { "live" };
                let terms = Terms::new().time_to_live(Duration::from_secs(60 + n));
                cache.insert_with(key(&format!("a:{n}:{kind}")), n, terms);
            }
            hand.advance(Duration::from_secs(20));
            assert_eq!(cache.invalidate_by_pattern("a:*:dead").unwrap().at_most, 50 + guards);
            KNOWN.set(Some(cache.clone()));
            let before = ASKED.get();
            road(&cache);
            assert!(ASKED.get() > before, "a road that asks for no text shows nothing");
            drop(held);
        });
    }
}

#[test]
fn a_lookup() {
    travel(|cache| {
        assert_eq!((cache.get(&key("a:2:dead")), cache.get(&key("a:3:live"))), (None, Some(3)));
        assert_eq!(cache.peek(&key("a:5:live")), Some(5));
        assert!(cache.get_ref(&key("a:7:live")).is_some());
        assert!(cache.entry_info(&key("a:8:dead")).is_none());
    });
}

#[test]
fn a_load() {
    travel(|cache| {
        assert_eq!(cache.get_with(key("a:2:dead"), || 20), 20);
        assert_eq!(cache.get_with(key("a:3:live"), || 30), 3);
        assert!(cache.try_get_with(key("a:4:dead"), || Err::<u64, _>("down")).is_err());
        let many = cache.get_many_with([key("a:5:live"), key("a:6:dead")], |missing| {
            missing.iter().map(|key| (key.clone(), 60)).collect::<Vec<_>>()
        });
        assert_eq!(many.values().sum::<u64>(), 65);
    });
}

#[test]
fn a_removal() {
    travel(|cache| {
        assert_eq!(
            (cache.remove(&key("a:2:dead")), cache.remove(&key("a:3:live"))),
            (None, Some(3))
        );
        assert_eq!(cache.cascade_invalidate(&key("a:4:dead")).at_most, 0);
        assert_eq!(cache.cascade_invalidate(&key("a:5:live")).at_most, 1);
    });
}

#[test]
fn an_insertion_that_sweeps() {
    travel(|cache| {
        for n in 0..100 {
            cache.insert(key(&format!("new:{n}")), n);
        }
        assert_eq!(cache.dead(), 0);
    });
}

#[test]
fn a_sweep_of_all() {
    travel(|cache| {
        // Insertions of the meddler may have been there before.
        assert!(cache.remove_dead(7) <= 7);
        assert!(cache.remove_dead(u64::MAX) <= 25);
        assert_eq!((cache.dead(), cache.count_namespace("a")), (0, 25));
    });
}

#[test]
fn a_restoration() {
    travel(|cache| {
        let terms = Terms::new;
        let (dead, live) = (key("a:2:dead"), key("a:3:live"));
        assert_eq!(cache.restore([(dead.clone(), 20, terms()), (live.clone(), 30, terms())]), 1);
        assert_eq!((cache.peek(&dead), cache.peek(&live)), (Some(20), Some(3)));
    });
}

#[test]
fn a_walk() {
    travel(|cache| {
        assert_eq!(cache.count_pattern(&Glob::new("a:*").unwrap()), 25);
        assert_eq!(cache.snapshot().filter(|(key, ..)| key.0.starts_with("a:")).count(), 25);
        assert_eq!(cache.iter().filter(|(key, _)| key.0.starts_with("a:")).count(), 25);
        cache.retain(|key, _| !key.0.starts_with("a:"));
        assert_eq!(cache.count_namespace("a"), 0);
    });
}

#[test]
fn one_pattern_too_many() {
    travel(|cache| {
        for n in 0..100 {
            let _ = cache.invalidate_by_pattern(&format!("b:*:{n}")).unwrap();
        }
        assert_eq!(cache.count_namespace("a"), 25);
    });
}

#[test]
fn what_is_filled_in() {
    travel(|cache| {
        let token = cache.reserve(key("a:2:dead"));
        let _ = cache.invalidate_by_pattern("b:*:dead").unwrap();
        assert_eq!(token.fill(20), Ok(()));
        assert!(cache.set_dependency(&key("a:3:live"), "parent"));
        assert_eq!(cache.invalidate_dependencies("parent").at_most, 1);
    });
}

#[test]
fn what_has_a_parent_and_no_name() {
    or_hang(|| {
        let cache: Cache<Meddler, u64> =
            Cache::builder().max_entries(100).shards(1).build().unwrap();
        // The first that is asked for its text takes itself out.
        for text in ["other", "one", "two"] {
            cache.insert_with(key(text), 1, Terms::new().depends_on(["parent"]));
        }
        KNOWN.set(Some(cache.clone()));
        // It is learnt only now how keys become text.
        assert_eq!(cache.cascade_invalidate(&key("nobody")).at_most, 0);
        assert_eq!(cache.count_dependents("parent"), 2);
    });
}

#[test]
fn who_panics_is_met_once() {
    #[derive(PartialEq, Eq, Hash)]
    struct Sour(u64);
    impl KeyText for Sour {
        fn key_text(&self) -> Cow<'_, str> {
            assert_ne!(self.0, 3, "sour");
            Cow::Owned(format!("n:{}", self.0))
        }
    }
    let cache: Cache<Sour, u64> = Cache::builder().max_entries(100).shards(1).build().unwrap();
    (0..10).for_each(|n| cache.insert(Sour(n), n));
    let _ = cache.invalidate_by_pattern("*:5").unwrap();
    let insert = |n| catch_unwind(AssertUnwindSafe(|| cache.insert(Sour(n), n)));
    assert_eq!((10..50).map(insert).filter(Result::is_err).count(), 1);
    assert_eq!((cache.len(), cache.dead()), (48, 0));
    assert!((0..50).all(|n| cache.contains(&Sour(n)) != [3, 5].contains(&n)));
}
