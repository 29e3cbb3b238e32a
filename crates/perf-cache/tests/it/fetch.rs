//! Loads that their callers need not wait for.

use crate::spawner::{Later, poll, poll_now};
use perf_cache::{Cache, CacheBuilder, LoadError, Terms, Threads, Work};
use perf_core::Clock;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

type Answer = Result<(u64, Terms), &'static str>;

fn builder() -> CacheBuilder<u64, u64> {
    Cache::builder().max_entries(100)
}

fn ok(value: u64) -> Answer {
    Ok((value, Terms::new()))
}

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn without_a_spawner_it_loads_on_this_thread() {
    let cache = builder().build().unwrap();
    let here = thread::current().id();
    let load = move || {
        assert_eq!(thread::current().id(), here);
        ok(1)
    };
    assert_eq!(cache.fetch(1, load).unwrap(), 1);
    assert_eq!(cache.fetch(1, || -> Answer { unreachable!() }).unwrap(), 1);
    match cache.fetch(2, || Err::<(u64, Terms), _>("no")) {
        Err(LoadError::Failed(error)) => assert_eq!(*error, "no"),
        other => panic!("{other:?}"),
    }
    assert_eq!(poll_now(cache.fetch_async(3, async { ok(3) })).unwrap(), 3);
}

#[test]
fn with_threads_it_loads_elsewhere_and_shares_the_load() {
    let cache = builder().spawner(Threads).build().unwrap();
    let here = thread::current().id();
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            cache.fetch(1, move || {
                assert_ne!(thread::current().id(), here);
                wait.recv().unwrap();
                ok(7)
            })
        });
        while cache.stats().loading == 0 {
            thread::yield_now();
        }
        let others: Vec<_> = (0..4).map(|_| scope.spawn(|| cache.get_with(1, || 8))).collect();
        while cache.stats().joins < 4 {
            thread::yield_now();
        }
        go.send(()).unwrap();
        assert_eq!(first.join().unwrap().unwrap(), 7);
        assert!(others.into_iter().all(|other| other.join().unwrap() == 7));
    });
    assert_eq!((cache.stats().loads, cache.stats().abandoned), (1, 0));
}

#[test]
fn a_panic_in_the_background_is_told_to_its_caller_only() {
    let cache = builder().spawner(Threads).build().unwrap();
    let broken = cache.fetch(1, || -> Answer { panic!("broken, as the test wants it") });
    assert!(matches!(broken, Err(LoadError::Abandoned)), "{broken:?}");
    assert_eq!(cache.fetch(1, || ok(1)).unwrap(), 1);
    assert_eq!((cache.stats().abandoned, cache.stats().loading), (1, 0));
}

#[test]
fn a_spawner_that_panics_or_drops_its_work_strands_nobody() {
    let panics = builder().spawner(|_: Work| panic!("no more threads")).build().unwrap();
    let run = || panics.fetch(1, || ok(1));
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    assert_eq!((panics.stats().loading, panics.get_with(1, || 2)), (0, 2));
    let drops = builder().spawner(drop::<Work>).max_background_loads(1).build().unwrap();
    for _ in 0..3 {
        // Each gives its place back.
        assert!(matches!(drops.fetch(1, || ok(1)), Err(LoadError::Abandoned)));
        assert!(matches!(
            poll_now(drops.fetch_async(1, async { ok(1) })),
            Err(LoadError::Abandoned)
        ));
    }
    assert_eq!((drops.stats().loading, drops.stats().abandoned), (0, 6));
}

#[test]
fn beyond_the_places_in_the_background_callers_load_themselves() {
    let later = Later::default();
    let cache = builder().spawner(later.clone()).max_background_loads(1).build().unwrap();
    let mut first = pin!(cache.fetch_async(1, async { ok(1) }));
    assert!(poll(first.as_mut()).is_pending());
    assert_eq!(poll_now(cache.fetch_async(2, async { ok(2) })).unwrap(), 2);
    assert_eq!(cache.fetch(3, || ok(3)).unwrap(), 3);
    assert_eq!(later.len(), 1);
    later.take().run();
    assert_eq!(poll_now(first).unwrap(), 1);
    let mut fourth = pin!(cache.fetch_async(4, async { ok(4) }));
    assert!(poll(fourth.as_mut()).is_pending());
    later.take().run();
    assert_eq!(poll_now(fourth).unwrap(), 4);
}

#[test]
fn a_caller_that_leaves_does_not_end_a_load_in_the_background() {
    let later = Later::default();
    let cache = builder().spawner(later.clone()).build().unwrap();
    {
        let mut caller = pin!(cache.fetch_async(1, async { ok(1) }));
        assert!(poll(caller.as_mut()).is_pending());
    }
    assert_eq!(cache.stats().loading, 1);
    later.take().run();
    assert_eq!((cache.get(&1), cache.stats().abandoned), (Some(1), 0));
}

#[test]
fn a_load_in_the_background_outlives_the_handle() {
    let later = Later::default();
    let cache = builder().spawner(later.clone()).build().unwrap();
    {
        let mut caller = pin!(cache.fetch_async(1, async { ok(1) }));
        assert!(poll(caller.as_mut()).is_pending());
    }
    drop(cache);
    later.take().run();
}

#[test]
fn a_task_whose_time_is_up_gets_an_error_and_the_load_goes_on() {
    let later = Later::default();
    let cache = builder().spawner(later.clone()).hard_timeout(5 * MILLI).build().unwrap();
    let mut leader = pin!(cache.fetch_async(1, async { ok(1) }));
    let mut waiter = pin!(cache.fetch_async(1, async { ok(2) }));
    assert!(poll(leader.as_mut()).is_pending() && poll(waiter.as_mut()).is_pending());
    later.ring(4 * MILLI);
    assert!(poll(leader.as_mut()).is_pending() && poll(waiter.as_mut()).is_pending());
    later.ring(5 * MILLI);
    assert!(matches!(poll_now(leader), Err(LoadError::TimedOut)));
    assert!(matches!(poll_now(waiter), Err(LoadError::TimedOut)));
    assert_eq!((cache.stats().timed_out, cache.stats().loading), (2, 1));
    later.take().run();
    assert_eq!((cache.get(&1), cache.stats().load_failures), (Some(1), 0));
}

#[test]
fn a_thread_whose_time_is_up_gets_an_error_and_the_load_goes_on() {
    let (clock, hand) = Clock::manual();
    let cache = builder().spawner(Threads).clock(clock).hard_timeout(MILLI).build().unwrap();
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let caller = scope.spawn(|| {
            cache.fetch(1, move || {
                wait.recv().unwrap();
                ok(1)
            })
        });
        // The caller's time begins when it waits, a moment after its load began.
        while !caller.is_finished() {
            hand.advance(MILLI);
            thread::yield_now();
        }
        assert!(matches!(caller.join().unwrap(), Err(LoadError::TimedOut)));
    });
    go.send(()).unwrap();
    while cache.stats().loading > 0 {
        thread::yield_now();
    }
    assert_eq!((cache.get(&1), cache.stats().timed_out), (Some(1), 1));
}

#[test]
fn who_knows_no_time_out_takes_over_and_its_value_is_kept() {
    let later = Later::default();
    let cache = builder().spawner(later.clone()).hard_timeout(MILLI).build().unwrap();
    let mut slow = pin!(cache.get_with_async(1, async {
        pending::<()>().await;
        1
    }));
    assert!(poll(slow.as_mut()).is_pending());
    let mut second = pin!(cache.get_with_async(1, async { 2 }));
    assert!(poll(second.as_mut()).is_pending());
    later.ring(MILLI);
    assert_eq!(poll_now(second), 2);
    assert_eq!((cache.get(&1), cache.stats().timed_out), (Some(2), 1));
}

#[test]
fn a_late_load_does_not_overwrite_the_value_of_who_took_over() {
    let (clock, hand) = Clock::manual();
    let cache = builder().clock(clock).hard_timeout(MILLI).build().unwrap();
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            cache.get_with(1, move || {
                wait.recv().unwrap();
                1
            })
        });
        while cache.stats().loading == 0 {
            thread::yield_now();
        }
        let second = scope.spawn(|| cache.get_with(1, || 2));
        while !second.is_finished() {
            hand.advance(MILLI);
            thread::yield_now();
        }
        assert_eq!(second.join().unwrap(), 2);
        go.send(()).unwrap();
        assert_eq!(slow.join().unwrap(), 1);
    });
    assert_eq!(cache.get(&1), Some(2));
}

#[test]
fn loaders_that_wait_for_each_other_in_a_ring_are_let_out_by_the_time_out() {
    let (clock, hand) = Clock::manual();
    let cache = builder().clock(clock).hard_timeout(MILLI).build().unwrap();
    let begun = AtomicU64::new(0);
    let both_have_begun = || {
        begun.fetch_add(1, Ordering::SeqCst);
        while begun.load(Ordering::SeqCst) < 2 {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        let ring = |own: u64, other: u64| {
            cache.get_with(own, || {
                both_have_begun();
                cache.get_with(other, || other * 10) + 1
            })
        };
        let first = scope.spawn(move || ring(1, 2));
        let second = scope.spawn(move || ring(2, 1));
        while !(first.is_finished() && second.is_finished()) {
            hand.advance(MILLI);
            thread::yield_now();
        }
        let both = (first.join().unwrap(), second.join().unwrap());
        assert!(both.0 > 1 && both.1 > 1, "{both:?}");
    });
    assert_eq!(cache.stats().loading, 0);
}

#[test]
fn a_fetch_cancelled_at_any_await_strands_nobody() {
    for polls in 0..4 {
        let later = Later::default();
        let cache = builder().spawner(later.clone()).build().unwrap();
        let mut leader = Box::pin(cache.fetch_async(1, async { ok(1) }));
        for _ in 0..polls {
            assert!(poll(leader.as_mut()).is_pending());
        }
        let mut waiter = pin!(cache.get_with_async(1, async { 2 }));
        assert_eq!(poll(waiter.as_mut()).is_pending(), polls > 0);
        drop(leader);
        if polls > 0 {
            assert!(poll(waiter.as_mut()).is_pending(), "the load goes on without its caller");
            drop(later.take());
            assert_eq!(poll_now(waiter), 2, "and who waits takes over if it is dropped");
        }
        assert_eq!(cache.stats().loading, 0);
    }
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn the_timers_of_tokio_end_a_wait() {
    let handle = tokio::runtime::Handle::current();
    let cache = builder().spawner(handle).hard_timeout(Duration::from_secs(5)).build().unwrap();
    let begun = tokio::time::Instant::now();
    let late = cache.fetch_async(1, async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        ok(1)
    });
    assert!(matches!(late.await, Err(LoadError::TimedOut)));
    assert_eq!(begun.elapsed().as_secs(), 5);
    let second = cache.fetch_async(1, async { ok(2) });
    assert!(matches!(second.await, Err(LoadError::TimedOut)));
    while cache.stats().loading > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((cache.get(&1), cache.stats().loads), (Some(1), 1));
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_runtime_runs_blocking_loads_apart() {
    let handle = tokio::runtime::Handle::current();
    let cache = builder().spawner(handle).build().unwrap();
    let fetched = tokio::task::spawn_blocking(move || cache.fetch(1, || ok(5)));
    assert_eq!(fetched.await.unwrap().unwrap(), 5);
}
