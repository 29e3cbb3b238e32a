//! Values that are renewed before they expire, and old ones that are better than none.

use crate::spawner::{Later, poll, poll_now};
use perf_cache::{Cache, CacheBuilder, LoadError, Terms, Threads, Work};
use perf_core::{Clock, ManualClock, Ratio};
use std::collections::HashMap;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const NANO: Duration = Duration::from_nanos(1);

type Answer = Result<(u64, Terms), &'static str>;

/// Values live for ten seconds.
fn builder() -> (CacheBuilder<u64, u64>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Cache::builder().max_entries(100).clock(clock).time_to_live(10 * SECOND), hand)
}

/// And are renewed after eight.
fn refreshing() -> (CacheBuilder<u64, u64>, ManualClock) {
    let (builder, hand) = builder();
    (builder.refresh_after(Ratio::new(0.8).unwrap()), hand)
}

fn ok(value: u64) -> Answer {
    Ok((value, Terms::new()))
}

#[test]
fn the_first_caller_after_its_time_renews_the_value() {
    let (builder, hand) = refreshing();
    let cache = builder.build().unwrap();
    assert_eq!(cache.get_with(1, || 1), 1);
    hand.advance(8 * SECOND - NANO);
    assert_eq!(cache.get_with(1, || unreachable!()), 1);
    hand.advance(NANO);
    assert_eq!(cache.get(&1), Some(1), "who brings no loader gets what is there");
    assert_eq!(cache.get_with(1, || 2), 2);
    assert_eq!(cache.get_with(1, || unreachable!()), 2);
    // Its time to live began anew.
    hand.advance(8 * SECOND - NANO);
    assert_eq!(cache.get_with(1, || unreachable!()), 2);
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.refreshes, stats.misses), (2, 1, 1));
}

#[test]
fn a_refresh_can_come_at_an_age_and_for_what_was_inserted() {
    let (builder, hand) = builder();
    let cache = builder.refresh_after(3 * SECOND).build().unwrap();
    cache.insert(1, 1);
    cache.insert(2, 2);
    hand.advance(3 * SECOND);
    assert_eq!(cache.get_with(1, || 10), 10);
    assert_eq!(cache.try_get_with(2, || Ok::<_, ()>(20)), Ok(20));
    assert_eq!(cache.stats().refreshes, 2);
    // One entry may say otherwise.
    cache.get_with_terms(3, || (3, Terms::new().refresh_after(SECOND)));
    hand.advance(SECOND);
    assert_eq!(cache.get_with(3, || 30), 30);
}

#[test]
fn a_refresh_runs_once_however_many_ask() {
    const THREADS: usize = 16;
    for round in 0..20 {
        let (builder, hand) = refreshing();
        let cache = builder.spawner(Threads).build().unwrap();
        cache.insert(1, 1);
        hand.advance(9 * SECOND);
        let loads = AtomicU64::new(0);
        let loads: &'static AtomicU64 = Box::leak(Box::new(loads));
        let (go, wait) = channel::<()>();
        let wait = std::sync::Mutex::new(Some(wait));
        let barrier = Barrier::new(THREADS);
        thread::scope(|scope| {
            let asking: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        let wait = wait.lock().unwrap().take();
                        barrier.wait();
                        // Only one thread has it: whoever else loads is caught by the count.
                        cache.fetch(1, move || {
                            loads.fetch_add(1, Ordering::SeqCst);
                            if let Some(wait) = wait {
                                wait.recv().unwrap();
                            }
                            ok(2)
                        })
                    })
                })
                .collect();
            for thread in asking {
                let value = thread.join().unwrap().unwrap();
                // Nobody waited for the refresh; who came after its end has the new value.
                assert!(value == 1 || value == 2, "{value}");
            }
        });
        // Nobody receives it if the loader ran in another thread than that which took the receiver.
        let _ = go.send(());
        while cache.stats().loading > 0 {
            thread::yield_now();
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1, "round {round}");
        assert_eq!((cache.get(&1), cache.stats().refreshes), (Some(2), 1));
    }
}

#[test]
fn callers_meanwhile_get_the_present_value() {
    let (builder, hand) = refreshing();
    let cache = builder.build().unwrap();
    cache.insert(1, 1);
    hand.advance(8 * SECOND);
    let renewed = cache.get_with(1, || {
        assert_eq!(cache.get(&1), Some(1));
        thread::scope(|scope| {
            let other = scope.spawn(|| cache.get_with(1, || unreachable!()));
            assert_eq!(other.join().unwrap(), 1);
        });
        2
    });
    assert_eq!(renewed, 2);
}

#[test]
fn a_refresh_in_the_background_keeps_nobody_waiting() {
    let (builder, hand) = refreshing();
    let later = Later::default();
    let cache = builder.spawner(later.clone()).build().unwrap();
    cache.insert(1, 1);
    hand.advance(8 * SECOND);
    assert_eq!(cache.fetch(1, || ok(2)).unwrap(), 1);
    assert_eq!(cache.fetch(1, || ok(3)).unwrap(), 1);
    assert_eq!(poll_now(cache.fetch_async(1, async { ok(4) })).unwrap(), 1);
    assert_eq!((later.len(), cache.stats().loading), (1, 1));
    later.take().run();
    assert_eq!(cache.get(&1), Some(2));
    hand.advance(8 * SECOND);
    assert_eq!(poll_now(cache.fetch_async(1, async { ok(5) })).unwrap(), 2);
    later.take().run();
    assert_eq!((cache.get(&1), cache.stats().refreshes), (Some(5), 2));
}

#[test]
fn a_refresh_without_a_place_is_skipped_and_comes_later() {
    let (builder, hand) = refreshing();
    let later = Later::default();
    let cache = builder.spawner(later.clone()).max_background_loads(1).build().unwrap();
    cache.insert(1, 1);
    cache.insert(2, 2);
    hand.advance(8 * SECOND);
    assert_eq!(cache.fetch(1, || ok(10)).unwrap(), 1);
    assert_eq!(cache.fetch(2, || ok(20)).unwrap(), 2);
    assert_eq!((cache.stats().refreshes_skipped, cache.stats().loading), (1, 1));
    later.take().run();
    assert_eq!(cache.fetch(2, || ok(20)).unwrap(), 2);
    later.take().run();
    assert_eq!((cache.get(&1), cache.get(&2)), (Some(10), Some(20)));
}

#[test]
fn a_failed_refresh_keeps_the_value_and_is_not_tried_again_at_once() {
    for (negative_ttl, wait) in [(Duration::ZERO, SECOND), (SECOND / 2, SECOND / 2)] {
        let (builder, hand) = refreshing();
        let cache = builder.negative_ttl(negative_ttl).build().unwrap();
        cache.insert(1, 1);
        hand.advance(8 * SECOND);
        assert_eq!(cache.try_get_with(1, || Err("down")), Ok(1));
        hand.advance(wait - NANO);
        assert_eq!(cache.try_get_with(1, || -> Result<u64, &str> { unreachable!() }), Ok(1));
        hand.advance(NANO);
        assert_eq!(cache.try_get_with(1, || Ok::<_, &str>(2)), Ok(2));
        let stats = cache.stats();
        assert_eq!((stats.refreshes, stats.load_failures, stats.stale_served), (2, 1, 0));
    }
}

#[test]
fn a_refresh_that_panics_keeps_the_value() {
    let (builder, hand) = refreshing();
    let cache = builder.build().unwrap();
    cache.insert(1, 1);
    hand.advance(8 * SECOND);
    let run = || cache.get_with(1, || panic!("broken"));
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    assert_eq!((cache.get(&1), cache.stats().loading), (Some(1), 0));
    let (builder, hand) = refreshing();
    let cache = builder.spawner(|work: Work| drop(work)).build().unwrap();
    cache.insert(1, 1);
    hand.advance(8 * SECOND);
    assert_eq!(cache.fetch(1, || ok(2)).unwrap(), 1);
    assert_eq!((cache.get(&1), cache.stats().abandoned), (Some(1), 1));
}

#[test]
fn a_refresh_that_finds_no_value_removes_the_old_one() {
    let (builder, hand) = refreshing();
    let cache = builder.build().unwrap();
    cache.insert(1, 1);
    cache.insert(2, 2);
    hand.advance(8 * SECOND);
    assert_eq!(cache.optionally_get_with(1, || None), None);
    let found = cache.get_many_with([2], |keys| {
        assert_eq!(keys, [2]);
        []
    });
    assert!(found.is_empty());
    assert_eq!((cache.get(&1), cache.get(&2), cache.len()), (None, None, 0));
}

#[test]
fn an_invalidation_during_a_refresh_keeps_its_value_out() {
    let (builder, hand) = refreshing();
    let cache = builder.build().unwrap();
    cache.insert(1, 1);
    hand.advance(8 * SECOND);
    let loaded = cache.get_with(1, || {
        assert_eq!(cache.remove(&1), Some(1));
        2
    });
    assert_eq!((loaded, cache.get(&1)), (2, None));
}

#[test]
fn a_refresh_cancelled_at_any_await_is_begun_by_another() {
    for polls in 0..4 {
        let (builder, hand) = refreshing();
        let cache = builder.build().unwrap();
        cache.insert(1, 1);
        hand.advance(8 * SECOND);
        {
            let mut refresh = pin!(cache.get_with_async(1, std::future::pending()));
            for _ in 0..polls {
                assert!(poll(refresh.as_mut()).is_pending());
                assert_eq!(poll_now(cache.get_with_async(1, async { 3 })), 1, "it is under way");
            }
        }
        assert_eq!(cache.stats().loading, 0);
        assert_eq!(poll_now(cache.get_with_async(1, async { 2 })), 2);
    }
}

#[test]
fn a_batch_renews_what_is_due_and_keeps_it_where_that_fails() {
    let (builder, hand) = refreshing();
    let cache = builder.build().unwrap();
    cache.insert(1, 1);
    hand.advance(8 * SECOND);
    cache.insert(2, 2);
    let failed = cache.try_get_many_with([1, 2], |keys| {
        assert_eq!(keys, [1]);
        Err::<Vec<_>, _>("down")
    });
    assert_eq!(failed, Ok(HashMap::from([(1, 1), (2, 2)])));
    hand.advance(SECOND);
    let found = cache.get_many_with([1, 2], |keys| {
        assert_eq!(keys, [1]);
        [(1, 10)]
    });
    assert_eq!(found, HashMap::from([(1, 10), (2, 2)]));
}

/// Values are kept for five seconds after their time to live.
fn forgiving() -> (CacheBuilder<u64, u64>, ManualClock) {
    let (builder, hand) = builder();
    (builder.stale_if_error(5 * SECOND), hand)
}

#[test]
fn an_old_value_is_answered_where_loading_it_fails_and_no_longer() {
    let (builder, hand) = forgiving();
    let cache = builder.build().unwrap();
    cache.insert(1, 1);
    hand.advance(10 * SECOND - NANO);
    assert_eq!(cache.get(&1), Some(1));
    hand.advance(NANO);
    assert_eq!(cache.get(&1), None, "to who has no loader it is gone");
    assert_eq!(cache.try_get_with(1, || Err("down")), Ok(1));
    assert_eq!(cache.try_get_many_with([1], |_| Err::<Vec<_>, _>("down")).unwrap()[&1], 1);
    hand.advance(5 * SECOND - NANO);
    assert_eq!(cache.try_get_with(1, || Err("down")), Ok(1));
    hand.advance(NANO);
    assert_eq!(*cache.try_get_with(1, || Err("down")).unwrap_err(), "down");
    let stats = cache.stats();
    assert_eq!((stats.stale_served, stats.load_failures, stats.hits), (3, 4, 1));
    assert_eq!(cache.len(), 0);
}

#[test]
fn an_old_value_gives_way_to_a_new_one() {
    let (builder, hand) = forgiving();
    let cache = builder.build().unwrap();
    cache.insert(1, 1);
    hand.advance(12 * SECOND);
    assert_eq!(cache.try_get_with(1, || Ok::<_, ()>(2)), Ok(2));
    assert_eq!((cache.get(&1), cache.len(), cache.stats().stale_served), (Some(2), 1, 0));
}

#[test]
fn who_waits_for_a_load_that_fails_gets_the_old_value_too() {
    let (builder, hand) = forgiving();
    let cache = builder.build().unwrap();
    cache.insert(1, 1);
    hand.advance(10 * SECOND);
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let leader = scope.spawn(|| {
            cache.try_get_with(1, move || {
                wait.recv().unwrap();
                Err("down")
            })
        });
        while cache.stats().loading == 0 {
            thread::yield_now();
        }
        let waiter = scope.spawn(|| cache.try_get_with(1, || Err("not asked")));
        while cache.stats().joins == 0 {
            thread::yield_now();
        }
        go.send(()).unwrap();
        assert_eq!((leader.join().unwrap(), waiter.join().unwrap()), (Ok(1), Ok(1)));
    });
    assert_eq!(cache.stats().stale_served, 2);
}

#[test]
fn an_old_value_that_was_removed_meanwhile_is_not_answered() {
    let (builder, hand) = forgiving();
    let cache = builder.build().unwrap();
    cache.insert(1, 1);
    hand.advance(10 * SECOND);
    let failed = cache.try_get_with(1, || {
        cache.remove(&1);
        Err("down")
    });
    assert_eq!(*failed.unwrap_err(), "down");
}

#[test]
fn with_a_remembered_error_the_old_value_costs_no_load() {
    let (builder, hand) = forgiving();
    let cache = builder.negative_ttl(SECOND).build().unwrap();
    cache.insert(1, 1);
    hand.advance(10 * SECOND);
    assert_eq!(cache.try_get_with(1, || Err("down")), Ok(1));
    hand.advance(SECOND - NANO);
    assert_eq!(cache.try_get_with(1, || -> Result<u64, &str> { unreachable!() }), Ok(1));
    assert_eq!(cache.get_with(1, || unreachable!()), 1);
    hand.advance(NANO);
    assert_eq!(cache.try_get_with(1, || Ok::<_, &str>(2)), Ok(2));
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.negative_hits, stats.stale_served), (2, 2, 3));
}

#[test]
fn after_the_soft_time_out_the_old_value_will_do_and_the_load_goes_on() {
    let (builder, hand) = forgiving();
    let later = Later::default();
    let builder = builder.spawner(later.clone()).soft_timeout(SECOND).hard_timeout(3 * SECOND);
    let cache = builder.build().unwrap();
    cache.insert(1, 1);
    hand.advance(10 * SECOND);
    let mut first = pin!(cache.fetch_async(1, async { ok(2) }));
    let mut second = pin!(cache.get_with_async(1, async { 3 }));
    let mut without = pin!(cache.fetch_async(9, async { ok(9) }));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    assert!(poll(without.as_mut()).is_pending());
    later.ring(SECOND);
    assert_eq!(poll_now(first).unwrap(), 1);
    assert_eq!(poll_now(second), 1);
    assert!(poll(without.as_mut()).is_pending(), "there is nothing old to answer");
    later.ring(3 * SECOND);
    assert!(matches!(poll_now(without), Err(LoadError::TimedOut)));
    let stats = cache.stats();
    // Three callers gave up, each once, though two limits passed for one of them.
    assert_eq!((stats.stale_served, stats.timed_out, stats.loading), (2, 3, 2));
    later.take().run();
    later.take().run();
    assert_eq!((cache.get(&1), cache.get(&9)), (Some(2), Some(9)));
}

#[test]
fn who_waits_in_vain_again_and_again_is_counted_once() {
    let later = Later::default();
    let (builder, _hand) = forgiving();
    let builder = builder.spawner(later.clone()).soft_timeout(SECOND).hard_timeout(2 * SECOND);
    let cache = builder.build().unwrap();
    let never = || async {
        pending::<()>().await;
        0
    };
    let mut slow = pin!(cache.get_with_async(1, never()));
    assert!(poll(slow.as_mut()).is_pending());
    let mut patient = pin!(cache.get_with_async(1, async { 3 }));
    assert!(poll(patient.as_mut()).is_pending());
    later.ring(SECOND);
    assert!(poll(patient.as_mut()).is_pending(), "there is nothing old to answer");
    assert_eq!(cache.stats().timed_out, 0, "so it goes on waiting");
    // The first load is let go, and another caller is faster in running its own.
    cache.remove(&1);
    let mut second = pin!(cache.get_with_async(1, never()));
    assert!(poll(second.as_mut()).is_pending());
    later.ring(2 * SECOND);
    // Late for the first load; the second is waited for, whose time is up at once; then its own.
    assert_eq!(poll_now(patient), 3);
    assert_eq!((cache.stats().timed_out, cache.stats().joins), (1, 1));
}

#[test]
fn a_thread_gets_the_old_value_after_the_soft_time_out() {
    let (builder, hand) = forgiving();
    let micro = Duration::from_micros(1);
    let cache = builder.spawner(Threads).soft_timeout(micro).build().unwrap();
    cache.insert(1, 1);
    hand.advance(10 * SECOND);
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let caller = scope.spawn(|| {
            cache.fetch(1, move || {
                wait.recv().unwrap();
                ok(2)
            })
        });
        // Its time begins when it waits, so the hand moves on, in steps too small for the old
        // value to end before the caller has its time.
        while !caller.is_finished() {
            hand.advance(micro);
            thread::yield_now();
        }
        assert_eq!(caller.join().unwrap().unwrap(), 1);
    });
    go.send(()).unwrap();
    while cache.stats().loading > 0 {
        thread::yield_now();
    }
    assert_eq!((cache.get(&1), cache.stats().stale_served), (Some(2), 1));
}

#[test]
fn a_batch_does_with_old_values_when_its_time_is_up() {
    let (builder, hand) = forgiving();
    let later = Later::default();
    let cache = builder.spawner(later.clone()).soft_timeout(SECOND).build().unwrap();
    cache.insert(1, 1);
    cache.insert(2, 2);
    hand.advance(10 * SECOND);
    let mut slow = pin!(cache.get_with_async(1, std::future::pending()));
    let mut too = pin!(cache.get_with_async(2, std::future::pending()));
    assert!(poll(slow.as_mut()).is_pending() && poll(too.as_mut()).is_pending());
    let mut batch = pin!(cache.get_many_with_async([1, 2, 3], |keys| async move {
        assert_eq!(keys, [3]);
        [(3, 3)]
    }));
    assert!(poll(batch.as_mut()).is_pending());
    later.ring(SECOND);
    assert_eq!(poll_now(batch), HashMap::from([(1, 1), (2, 2), (3, 3)]));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let wrong = [
        builder().0.refresh_after(Duration::ZERO),
        builder().0.refresh_after(Ratio::ONE),
        builder().0.soft_timeout(SECOND).hard_timeout(SECOND),
    ];
    for builder in wrong {
        assert!(builder.build().is_err());
    }
}
