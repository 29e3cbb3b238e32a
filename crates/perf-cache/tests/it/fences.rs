//! A value that was read before an invalidation is never stored after it, nor answered to who asks
//! after it.

use crate::spawner::{Later, poll, poll_now};
use perf_cache::{Cache, CacheBuilder, Terms};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::task::Poll;
use std::thread;
use std::time::Duration;

type Pages = Cache<String, u64>;
type Invalidation = fn(&Pages);

const KEY: &str = "user:7";

fn builder() -> CacheBuilder<String, u64> {
    Cache::builder().max_entries(100).key_text()
}

fn terms() -> Terms {
    Terms::new().tags(["users"]).depends_on(["table"])
}

/// Everything that ends the value, by what it is called.
const ALL: [(&str, Invalidation); 9] = [
    ("remove", |pages| _ = pages.remove(KEY)),
    ("clear", |pages| pages.clear()),
    ("retain", |pages| _ = pages.retain(|_, _| false)),
    ("tag", |pages| _ = pages.invalidate_tag("users")),
    ("dependencies", |pages| _ = pages.invalidate_dependencies("table")),
    ("cascade", |pages| _ = pages.cascade_invalidate("table")),
    ("namespace", |pages| _ = pages.invalidate_namespace("user")),
    ("prefix", |pages| _ = pages.invalidate_by_pattern("user:*").unwrap()),
    ("pattern", |pages| _ = pages.invalidate_by_pattern("*:[0-9]").unwrap()),
];

/// Those that need not know the value's tags.
fn by_key() -> impl Iterator<Item = (&'static str, Invalidation)> {
    let by_terms = ["tag", "dependencies", "cascade"];
    ALL.into_iter().filter(move |(name, _)| !by_terms.contains(name))
}

fn key() -> String {
    KEY.to_owned()
}

#[test]
fn a_loader_that_read_before_does_not_bring_the_old_value_back() {
    for (name, invalidate) in ALL {
        let pages = builder().build().unwrap();
        let truth = AtomicU64::new(1);
        let loaded = pages.get_with_terms(key(), || {
            let read = truth.load(Ordering::SeqCst);
            truth.store(2, Ordering::SeqCst);
            invalidate(&pages);
            (read, terms())
        });
        assert_eq!((loaded, pages.get(KEY)), (1, None), "{name}");
        let again = pages.get_with_terms(key(), || (truth.load(Ordering::SeqCst), terms()));
        assert_eq!((again, pages.get(KEY)), (2, Some(2)), "{name}");
    }
}

#[test]
fn nor_do_a_batch_a_refresh_and_a_load_in_the_background() {
    for (name, invalidate) in by_key() {
        let pages = builder().build().unwrap();
        let found = pages.get_many_with([key(), "page:1".to_owned()], |missing| {
            invalidate(&pages);
            missing.iter().map(|key| (key.clone(), 1)).collect::<Vec<_>>()
        });
        assert_eq!((found[KEY], pages.get(KEY)), (1, None), "{name}");
    }
    for (name, invalidate) in ALL {
        let later = Later::default();
        let pages = builder().spawner(later.clone()).build().unwrap();
        let mut caller = pin!(pages.fetch_async(key(), async { Ok::<_, ()>((1, terms())) }));
        assert!(poll(caller.as_mut()).is_pending());
        invalidate(&pages);
        later.take().run();
        assert_eq!((poll_now(caller).unwrap(), pages.get(KEY)), (1, None), "{name}");

        let (clock, hand) = perf_core::Clock::manual();
        let pages = builder().clock(clock).refresh_after(Duration::from_secs(1)).build().unwrap();
        assert!(pages.insert_with(key(), 1, terms()));
        hand.advance(Duration::from_secs(2));
        let renewed = pages.get_with_terms(key(), || {
            invalidate(&pages);
            (2, terms())
        });
        assert_eq!((renewed, pages.get(KEY)), (2, None), "{name}");
    }
}

#[test]
fn who_asks_after_an_invalidation_is_not_told_what_was_read_before() {
    for (name, invalidate) in ALL {
        let pages = builder().build().unwrap();
        let truth = Arc::new(AtomicU64::new(1));
        let (tell, told) = channel();
        let (go, wait) = channel::<()>();
        thread::scope(|scope| {
            let before = scope.spawn(|| {
                let (truth, wait) = (Arc::clone(&truth), wait);
                pages.get_with_terms(key(), move || {
                    let read = truth.load(Ordering::SeqCst);
                    tell.send(()).unwrap();
                    wait.recv().unwrap();
                    (read, terms())
                })
            });
            told.recv().unwrap();
            let too = scope.spawn(|| pages.get_with(key(), || unreachable!()));
            while pages.stats().joins == 0 {
                thread::yield_now();
            }
            truth.store(2, Ordering::SeqCst);
            invalidate(&pages);
            let after = scope
                .spawn(|| pages.get_with_terms(key(), || (truth.load(Ordering::SeqCst), terms())));
            while pages.stats().joins + pages.stats().loads < 2 {
                thread::yield_now();
            }
            go.send(()).unwrap();
            assert_eq!((before.join().unwrap(), too.join().unwrap()), (1, 1), "{name}");
            assert_eq!(after.join().unwrap(), 2, "{name}");
        });
        assert_eq!(pages.get(KEY), Some(2), "{name}");
    }
}

#[test]
fn an_unrelated_invalidation_costs_no_second_load() {
    let pages = builder().build().unwrap();
    let mut leader = pin!(pages.get_with_terms_async(key(), async {
        tokio::task::yield_now().await;
        (1, terms())
    }));
    assert!(poll(leader.as_mut()).is_pending());
    pages.invalidate_tag("posts");
    let mut waiter = pin!(pages.get_with_async(key(), async { unreachable!() }));
    assert!(poll(waiter.as_mut()).is_pending());
    pages.invalidate_namespace("page");
    assert_eq!((poll_now(leader), poll(waiter.as_mut())), (1, Poll::Ready(1)));
    assert_eq!((pages.get(KEY), pages.stats().loads), (Some(1), 1));
}

#[test]
fn that_there_is_no_value_is_forgotten_with_what_covers_its_key() {
    for (name, invalidate) in by_key() {
        let pages = builder().negative_ttl(Duration::from_secs(60)).build().unwrap();
        assert_eq!(pages.optionally_get_with(key(), || None), None);
        assert_eq!(pages.optionally_get_with(key(), || unreachable!()), None);
        pages.invalidate_namespace("page");
        assert_eq!(pages.optionally_get_with(key(), || unreachable!()), None);
        invalidate(&pages);
        assert_eq!(pages.optionally_get_with(key(), || Some(1)), Some(1), "{name}");
        // And it is not even remembered where that came while it was being found out.
        let pages = builder().negative_ttl(Duration::from_secs(60)).build().unwrap();
        let none = pages.optionally_get_with(key(), || {
            invalidate(&pages);
            None
        });
        assert_eq!(none, None);
        assert_eq!(pages.optionally_get_with(key(), || Some(1)), Some(1), "{name}");
    }
}

#[test]
fn an_old_value_that_was_invalidated_is_not_better_than_none() {
    for (name, invalidate) in ALL {
        let (clock, hand) = perf_core::Clock::manual();
        let second = Duration::from_secs(1);
        let pages = builder().clock(clock).time_to_live(second).stale_if_error(second * 9);
        let pages = pages.build().unwrap();
        assert!(pages.insert_with(key(), 1, terms()));
        hand.advance(2 * second);
        assert_eq!(pages.try_get_with(key(), || Err("down")), Ok(1));
        invalidate(&pages);
        assert_eq!(*pages.try_get_with(key(), || Err("down")).unwrap_err(), "down", "{name}");
    }
}

/// Threads read the truth, change it and invalidate: what is answered is never older than the last
/// invalidation before the question.
#[test]
fn no_order_of_threads_brings_an_old_value_back() {
    for (name, invalidate) in ALL {
        let pages = builder().build().unwrap();
        let (truth, published) = (AtomicU64::new(1), AtomicU64::new(1));
        thread::scope(|scope| {
            scope.spawn(|| {
                for new in 2..200 {
                    truth.store(new, Ordering::SeqCst);
                    invalidate(&pages);
                    published.store(new, Ordering::SeqCst);
                    thread::yield_now();
                }
            });
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        let least = published.load(Ordering::SeqCst);
                        let load = || (truth.load(Ordering::SeqCst), terms());
                        let got = pages.get_with_terms(key(), load);
                        assert!(got >= least, "{name}: {got} after {least}");
                        if least == 199 {
                            break;
                        }
                    }
                });
            }
        });
        assert_eq!(pages.stats().loading, 0);
    }
}
