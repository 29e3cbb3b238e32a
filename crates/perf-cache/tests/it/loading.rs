//! One load for all who ask.

use perf_cache::Cache;
use perf_core::{ByteSize, Clock};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

fn cache() -> Cache<u64, u64> {
    Cache::builder().max_entries(100).build().unwrap()
}

/// Returns once that many callers wait for loads.
fn await_joins(cache: &Cache<u64, u64>, joins: u64) {
    while cache.stats().joins < joins {
        thread::yield_now();
    }
}

#[test]
fn a_missing_value_is_made_and_kept() {
    let cache = cache();
    assert_eq!(cache.get_with(1, || 10), 10);
    assert_eq!(cache.get_with(1, || unreachable!()), 10);
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.loads, stats.loading), (1, 1, 1, 0));
    assert_eq!(stats.load_duration.count(), 1);
}

#[test]
fn an_error_reaches_its_caller_and_is_not_kept() {
    let cache = cache();
    let failed = cache.try_get_with(1, || Err::<u64, _>("no"));
    assert_eq!(*failed.unwrap_err(), "no");
    assert_eq!(cache.try_get_with(1, || Ok::<_, &str>(5)), Ok(5));
    assert_eq!((cache.stats().loads, cache.stats().load_failures), (2, 1));
}

#[test]
fn callers_on_many_threads_share_one_load() {
    let cache = cache();
    let loads = AtomicU64::new(0);
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let leader = scope.spawn(|| {
            cache.get_with(1, move || {
                wait.recv().unwrap();
                7
            })
        });
        while cache.stats().loading == 0 {
            thread::yield_now();
        }
        let others: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    cache.get_with(1, || {
                        loads.fetch_add(1, Ordering::Relaxed);
                        8
                    })
                })
            })
            .collect();
        await_joins(&cache, 8);
        go.send(()).unwrap();
        assert_eq!(leader.join().unwrap(), 7);
        assert!(others.into_iter().all(|other| other.join().unwrap() == 7));
    });
    assert_eq!(loads.into_inner(), 0);
    assert_eq!((cache.stats().loads, cache.stats().misses), (1, 9));
}

#[test]
fn a_shared_error_is_the_same_error_and_another_type_loads_again() {
    let cache = cache();
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let leader = scope.spawn(|| {
            cache.try_get_with(1, move || {
                wait.recv().unwrap();
                Err::<u64, _>("down".to_owned())
            })
        });
        while cache.stats().loading == 0 {
            thread::yield_now();
        }
        let same = scope.spawn(|| cache.try_get_with(1, || Err("not asked".to_owned())));
        let other = scope.spawn(|| cache.try_get_with(1, || Ok::<_, u8>(3)));
        await_joins(&cache, 2);
        go.send(()).unwrap();
        let error = leader.join().unwrap().unwrap_err();
        assert_eq!(*error, "down");
        assert_eq!(other.join().unwrap(), Ok(3));
        match same.join().unwrap() {
            Err(shared) => assert!(Arc::ptr_eq(&shared, &error)),
            Ok(value) => panic!("the error was there, not {value}"),
        }
    });
}

#[test]
fn a_panic_reaches_its_caller_and_a_waiter_takes_over() {
    let cache = cache();
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let cache = &cache;
        let leader = scope.spawn(move || {
            let load = move || -> u64 {
                wait.recv().unwrap();
                panic!("the loader is broken")
            };
            catch_unwind(AssertUnwindSafe(|| cache.get_with(1, load))).is_err()
        });
        while cache.stats().loading == 0 {
            thread::yield_now();
        }
        let waiter = scope.spawn(|| cache.get_with(1, || 2));
        await_joins(cache, 1);
        go.send(()).unwrap();
        assert!(leader.join().unwrap());
        assert_eq!(waiter.join().unwrap(), 2);
    });
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.load_failures, stats.loading), (2, 1, 0));
    assert_eq!(cache.get(&1), Some(2));
}

#[test]
fn a_load_that_an_invalidation_overtook_is_not_kept() {
    type Invalidation = fn(&Cache<u64, u64>);
    let cases: [(&str, Invalidation, Option<u64>); 4] = [
        ("remove", |c| assert_eq!(c.remove(&1), None), None),
        ("clear", |c| c.clear(), None),
        ("retain", |c| assert_eq!(c.retain(|_, _| true), 0), None),
        ("insert", |c| c.insert(1, 99), Some(99)),
    ];
    for (name, invalidate, left) in cases {
        let cache = cache();
        let loaded = cache.get_with(1, || {
            invalidate(&cache);
            // Whoever asks from now on must not get what was read before.
            assert_eq!(cache.stats().loading, 0, "{name}");
            5
        });
        assert_eq!(loaded, 5, "{name}");
        assert_eq!(cache.get(&1), left, "{name}");
        assert_eq!(cache.stats().loads, 1, "{name}");
    }
}

#[test]
fn an_invalidation_of_another_key_does_not_matter() {
    let cache = cache();
    cache.get_with(1, || {
        cache.insert(2, 2);
        cache.remove(&3);
        1
    });
    assert_eq!(cache.get(&1), Some(1));
}

#[test]
fn asking_for_the_key_that_is_being_loaded_panics_instead_of_waiting_for_ever() {
    let cache = cache();
    let run = || cache.get_with(1, || cache.get_with(1, || 1));
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    assert_eq!(cache.stats().loading, 0);
    assert_eq!(cache.get_with(1, || cache.get_with(2, || 2)), 2);
}

#[test]
fn a_loaded_value_expires_and_may_be_too_large() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u64, u64> = Cache::builder()
        .max_bytes(ByteSize::from_bytes(10))
        .weigher(|_, v| *v)
        .time_to_live(Duration::from_secs(1))
        .clock(clock)
        .build()
        .unwrap();
    assert_eq!((cache.get_with(1, || 11), cache.len()), (11, 0));
    assert_eq!(cache.stats().evictions.too_large, 1);
    cache.get_with(1, || 9);
    hand.advance(Duration::from_secs(1));
    assert_eq!(cache.get_with(1, || 8), 8);
    assert_eq!(cache.stats().evictions.expired, 1);
}

#[test]
fn load_durations_come_from_the_clock() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u64, u64> = Cache::builder().max_entries(9).clock(clock).build().unwrap();
    cache.get_with(1, || {
        hand.advance(Duration::from_millis(3));
        1
    });
    assert_eq!(cache.stats().load_duration.max(), Some(3_000_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_and_threads_share_one_load() {
    let cache = cache();
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let spawn = |load: Option<tokio::sync::oneshot::Receiver<()>>| {
        let cache = cache.clone();
        tokio::spawn(async move {
            cache
                .try_get_with_async(1, async move {
                    match load {
                        Some(wait) => wait.await.map(|()| 7),
                        None => Ok(8),
                    }
                })
                .await
        })
    };
    let leader = spawn(Some(wait));
    while cache.stats().loading == 0 {
        tokio::task::yield_now().await;
    }
    let tasks: Vec<_> = (0..50).map(|_| spawn(None)).collect();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let cache = cache.clone();
            thread::spawn(move || cache.get_with(1, || 9))
        })
        .collect();
    while cache.stats().joins < 54 {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    assert_eq!(leader.await.unwrap(), Ok(7));
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(7));
    }
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 7));
    assert_eq!(cache.stats().loads, 1);
}

#[tokio::test]
async fn a_task_waits_for_the_load_of_a_thread() {
    let cache = cache();
    let (go, wait) = channel::<()>();
    let leader = thread::spawn({
        let cache = cache.clone();
        move || {
            cache.get_with(1, move || {
                wait.recv().unwrap();
                4
            })
        }
    });
    while cache.stats().loading == 0 {
        thread::yield_now();
    }
    let task = tokio::spawn({
        let cache = cache.clone();
        async move { cache.get_with_async(1, async { 5 }).await }
    });
    while cache.stats().joins == 0 {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    assert_eq!((task.await.unwrap(), leader.join().unwrap()), (4, 4));
}
