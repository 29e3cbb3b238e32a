//! A future may be dropped at any await; nobody is left waiting.

use perf_cache::{Cache, Terms};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Is pending so many times, waking nobody: the test polls by hand.
async fn pend(times: usize) {
    let mut left = times;
    poll_fn(|_| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        Poll::Pending
    })
    .await;
}

type Running<'a> = Pin<Box<dyn Future<Output = u64> + Send + 'a>>;

fn load(cache: &Cache<u64, u64>, awaits: usize, value: u64) -> Running<'_> {
    Box::pin(cache.get_with_async(1, async move {
        pend(awaits).await;
        value
    }))
}

fn poll(future: &mut Running<'_>, waker: &Waker) -> Poll<u64> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

fn cache() -> Cache<u64, u64> {
    Cache::builder().max_entries(10).build().unwrap()
}

const AWAITS: usize = 4;

#[test]
fn a_leader_cancelled_at_any_await_is_followed_by_a_waiter() {
    for polls in 1..=AWAITS {
        let cache = cache();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut leader = load(&cache, AWAITS, 1);
        let (mut first, mut second) = (load(&cache, 0, 2), load(&cache, 0, 3));
        for _ in 0..polls {
            assert!(poll(&mut leader, Waker::noop()).is_pending());
            assert!(poll(&mut first, &waker).is_pending());
            assert!(poll(&mut second, &waker).is_pending());
        }
        assert_eq!(cache.stats().joins, 2);
        drop(leader);
        assert_eq!(woken.0.load(Ordering::SeqCst), 2, "cancelled after {polls} polls");
        assert_eq!(poll(&mut second, &waker), Poll::Ready(3));
        assert_eq!(poll(&mut first, &waker), Poll::Ready(3));
        let stats = cache.stats();
        assert_eq!((stats.loads, stats.load_failures, stats.loading), (2, 1, 0));
        assert_eq!((stats.hits, stats.misses), (0, 3));
    }
}

#[test]
fn a_waiter_cancelled_at_any_await_disturbs_nobody() {
    for polls in 0..=AWAITS {
        let cache = cache();
        let mut leader = load(&cache, AWAITS, 1);
        let mut waiter = load(&cache, 0, 2);
        let mut patient = load(&cache, 0, 3);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        for round in 0..AWAITS {
            assert!(poll(&mut leader, Waker::noop()).is_pending());
            assert!(poll(&mut patient, &waker).is_pending());
            if round < polls {
                assert!(poll(&mut waiter, &waker).is_pending());
            }
        }
        drop(waiter);
        assert_eq!(poll(&mut leader, Waker::noop()), Poll::Ready(1));
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert_eq!(poll(&mut patient, &waker), Poll::Ready(1));
        assert_eq!((cache.get(&1), cache.stats().loading), (Some(1), 0));
    }
}

#[test]
fn the_chain_of_take_overs_has_no_end_but_the_last() {
    let cache = cache();
    let mut futures: Vec<_> = (0..20).map(|n| load(&cache, 1, n)).collect();
    for future in &mut futures {
        assert!(poll(future, Waker::noop()).is_pending());
    }
    while futures.len() > 1 {
        // The first leads; who comes next takes over at its next poll.
        drop(futures.remove(0));
        assert!(poll(&mut futures[0], Waker::noop()).is_pending());
        assert_eq!(cache.stats().loading, 1);
    }
    assert_eq!(poll(&mut futures[0], Waker::noop()), Poll::Ready(19));
    assert_eq!(cache.get(&1), Some(19));
}

#[test]
fn a_future_that_was_never_polled_loads_nothing() {
    let cache = cache();
    drop(load(&cache, 0, 1));
    assert_eq!((cache.stats().loads, cache.stats().misses), (0, 0));
}

#[test]
fn a_cancelled_load_that_was_overtaken_leaves_the_next_one_alone() {
    let cache = cache();
    let mut old = load(&cache, 1, 1);
    assert!(poll(&mut old, Waker::noop()).is_pending());
    cache.remove(&1);
    let mut new = load(&cache, 1, 2);
    assert!(poll(&mut new, Waker::noop()).is_pending());
    assert_eq!(cache.stats().joins, 0);
    drop(old);
    assert_eq!(cache.stats().loading, 1);
    assert_eq!(poll(&mut new, Waker::noop()), Poll::Ready(2));
    assert_eq!(cache.get(&1), Some(2));
}

/// Every call that loads as a future: key 1, pending so many times, with this value.
fn forms(cache: &Cache<u64, u64>, awaits: usize, value: u64) -> Vec<(&'static str, Running<'_>)> {
    let one = |found: HashMap<u64, u64>| found[&1];
    vec![
        ("get_with", load(cache, awaits, value)),
        ("get_with_terms", {
            let load = async move { (after(awaits, value).await, Terms::new()) };
            Box::pin(cache.get_with_terms_async(1, load))
        }),
        ("try_get_with", {
            let load = async move { Ok::<_, ()>(after(awaits, value).await) };
            Box::pin(async { cache.try_get_with_async(1, load).await.unwrap() })
        }),
        ("try_get_with_terms", {
            let load = async move { Ok::<_, ()>((after(awaits, value).await, Terms::new())) };
            Box::pin(async { cache.try_get_with_terms_async(1, load).await.unwrap() })
        }),
        ("optionally_get_with", {
            let load = async move { Some(after(awaits, value).await) };
            Box::pin(async { cache.optionally_get_with_async(1, load).await.unwrap() })
        }),
        ("get_many_with", {
            let load = move |_| async move { [(1, after(awaits, value).await)] };
            Box::pin(async move { one(cache.get_many_with_async([1], load).await) })
        }),
        ("try_get_many_with", {
            let load = move |_| async move { Ok::<_, ()>([(1, after(awaits, value).await)]) };
            Box::pin(async move { one(cache.try_get_many_with_async([1], load).await.unwrap()) })
        }),
        ("fetch", {
            let load = async move { Ok::<_, ()>((after(awaits, value).await, Terms::new())) };
            Box::pin(async { cache.fetch_async(1, load).await.unwrap() })
        }),
    ]
}

async fn after(awaits: usize, value: u64) -> u64 {
    pend(awaits).await;
    value
}

#[test]
fn whatever_leads_may_be_cancelled_at_any_await_and_whatever_waits_follows() {
    let count = forms(&cache(), 0, 0).len();
    for polls in 1..=AWAITS {
        for (leads, waits) in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
            let cache = cache();
            let (leads, mut leader) = forms(&cache, AWAITS, 1).swap_remove(leads);
            let (waits, mut waiter) = forms(&cache, 1, 2).swap_remove(waits);
            let what = format!("{leads} cancelled after {polls}, then {waits}");
            for _ in 0..polls {
                assert!(poll(&mut leader, Waker::noop()).is_pending(), "{what}");
                assert!(poll(&mut waiter, Waker::noop()).is_pending(), "{what}");
            }
            assert_eq!((cache.stats().loading, cache.stats().joins), (1, 1), "{what}");
            drop(leader);
            assert_eq!(cache.stats().abandoned, 1, "{what}");
            assert!(poll(&mut waiter, Waker::noop()).is_pending(), "it leads: {what}");
            assert_eq!(poll(&mut waiter, Waker::noop()), Poll::Ready(2), "{what}");
            assert_eq!((cache.get(&1), cache.stats().loading), (Some(2), 0), "{what}");
        }
    }
}

#[test]
fn whatever_waits_may_be_cancelled_at_any_await() {
    for polls in 1..=AWAITS {
        for waits in 0..forms(&cache(), 0, 0).len() {
            let cache = cache();
            let mut leader = load(&cache, AWAITS, 1);
            let (waits, mut waiter) = forms(&cache, 0, 2).swap_remove(waits);
            for _ in 0..polls {
                assert!(poll(&mut leader, Waker::noop()).is_pending());
                assert!(poll(&mut waiter, Waker::noop()).is_pending());
            }
            drop(waiter);
            for _ in polls..AWAITS {
                assert!(poll(&mut leader, Waker::noop()).is_pending());
            }
            assert_eq!(poll(&mut leader, Waker::noop()), Poll::Ready(1), "{waits}");
            assert_eq!((cache.stats().loads, cache.stats().abandoned), (1, 0), "{waits}");
        }
    }
}
