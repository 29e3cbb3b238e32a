//! One load for all who ask.

use perf_cache::{Cache, Terms};
use perf_core::{ByteSize, Clock};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Wake, Waker};
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
fn asking_for_the_own_key_is_noticed_in_a_task_as_well() {
    let cache = cache();
    let own = cache.get_with_async(1, async { cache.get_with_async(1, async { 1 }).await });
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(own))).is_err());
    // Also by way of another key, and from a function in a future or a future in a function.
    let ring = cache.get_with_async(1, async {
        cache.get_with_async(2, async { cache.get_with(1, || 1) }).await
    });
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(ring))).is_err());
    let mixed = || cache.get_with(1, || poll_once(cache.get_with_async(1, async { 1 })).unwrap());
    assert!(catch_unwind(AssertUnwindSafe(mixed)).is_err());
    assert_eq!(cache.stats().loading, 0);
    // Another key is nobody's own.
    let nested = cache.get_with_async(1, async { cache.get_with_async(2, async { 2 }).await });
    assert_eq!(poll_once(nested), Some(2));
}

#[test]
fn a_task_that_asks_beside_its_own_load_just_waits() {
    let cache = cache();
    let mut leader = Box::pin(cache.get_with_async(1, async {
        std::future::pending::<()>().await;
        1
    }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(leader.as_mut().poll(&mut context).is_pending());
    // On the same thread, in the same task, but not within the loader.
    assert_eq!(poll_once(cache.get_with_async(1, async { 2 })), None);
}

/// What a future is ready with at once.
fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn a_waker_that_panics_strands_nobody_else() {
    struct Broken;
    impl Wake for Broken {
        fn wake(self: Arc<Self>) {
            panic!("the executor is gone");
        }
    }
    let cache = cache();
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let cache = &cache;
        let leader = scope.spawn(move || {
            let load = || {
                wait.recv().unwrap();
                1
            };
            catch_unwind(AssertUnwindSafe(|| cache.get_with(1, load))).is_err()
        });
        while cache.stats().loading == 0 {
            thread::yield_now();
        }
        let waker = Waker::from(Arc::new(Broken));
        let mut broken = Box::pin(cache.get_with_async(1, async { 2 }));
        assert!(broken.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let waiting: Vec<_> = (0..3).map(|_| scope.spawn(|| cache.get_with(1, || 3))).collect();
        await_joins(cache, 4);
        go.send(()).unwrap();
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap() == 1));
        // It surfaces where the waker was called, and the value is kept all the same.
        assert!(leader.join().unwrap());
    });
    assert_eq!((cache.get(&1), cache.stats().load_failures), (Some(1), 0));
}

/// Panics when it is cloned for the time that it was told.
struct Fragile(Arc<AtomicU64>);

impl Clone for Fragile {
    fn clone(&self) -> Fragile {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            panic!("it broke");
        }
        Fragile(Arc::clone(&self.0))
    }
}

#[test]
fn a_value_that_cannot_be_cloned_strands_nobody() {
    // The first clone goes into the cache, the second to those who wait, the third is a waiter's.
    for at in 1..=3 {
        let cache: Cache<u64, Fragile> = Cache::builder().max_entries(9).build().unwrap();
        let left = Arc::new(AtomicU64::new(u64::MAX));
        let (go, wait) = channel::<()>();
        thread::scope(|scope| {
            let (cache, left) = (&cache, &left);
            let run = move |wait: Option<std::sync::mpsc::Receiver<()>>| {
                let load = move || {
                    if let Some(wait) = wait {
                        wait.recv().unwrap();
                        left.store(at, Ordering::SeqCst);
                    }
                    Fragile(Arc::clone(left))
                };
                catch_unwind(AssertUnwindSafe(|| drop(cache.get_with(1, load)))).is_err()
            };
            let leader = scope.spawn(move || run(Some(wait)));
            while cache.stats().loading == 0 {
                thread::yield_now();
            }
            let waiter = scope.spawn(move || run(None));
            while cache.stats().joins == 0 {
                thread::yield_now();
            }
            go.send(()).unwrap();
            let broken = u64::from(leader.join().unwrap()) + u64::from(waiter.join().unwrap());
            assert_eq!(broken, 1, "at clone {at}");
        });
        assert_eq!(cache.stats().loading, 0);
    }
}

#[test]
fn a_weigher_or_a_hook_that_panics_strands_nobody() {
    let weighed = AtomicU64::new(0);
    let cache: Cache<u64, u64> = Cache::builder()
        .max_entries(9)
        .weigher(move |_, _| match weighed.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("too heavy to weigh"),
            _ => 1,
        })
        .on_load_failure(|_| panic!("no disk left for the log"))
        .build()
        .unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut leader = Box::pin(cache.get_with_async(1, async {
        tokio::task::yield_now().await;
        1
    }));
    assert!(leader.as_mut().poll(&mut context).is_pending());
    let mut waiter = Box::pin(cache.get_with_async(1, async { 2 }));
    assert!(waiter.as_mut().poll(&mut context).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| leader.as_mut().poll(&mut context))).is_err());
    assert_eq!(waiter.as_mut().poll(&mut context), Poll::Ready(2));
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let cache = &cache;
        let leader = scope.spawn(move || {
            let load = || {
                wait.recv().unwrap();
                Err("down")
            };
            catch_unwind(AssertUnwindSafe(|| cache.try_get_with(5, load))).is_err()
        });
        while cache.stats().loading == 0 {
            thread::yield_now();
        }
        let waiter = scope.spawn(|| cache.try_get_with(5, || Err("not asked")));
        await_joins(cache, 2);
        go.send(()).unwrap();
        assert!(leader.join().unwrap());
        assert_eq!(*waiter.join().unwrap().unwrap_err(), "down");
    });
    assert_eq!(cache.stats().loading, 0);
}

#[test]
fn a_loaded_value_brings_its_own_time_to_live() {
    let (clock, hand) = Clock::manual();
    let cache: Cache<u64, u64> = Cache::builder()
        .max_entries(9)
        .clock(clock)
        .time_to_live(Duration::from_secs(1))
        .build()
        .unwrap();
    let terms = || Terms::new().time_to_live(Duration::from_secs(5));
    cache.get_with_terms(1, || (1, terms()));
    let failing = cache.try_get_with_terms(2, || Ok::<_, ()>((2, terms())));
    assert_eq!(failing, Ok(2));
    assert_eq!(poll_once(cache.get_with_terms_async(3, async { (3, terms()) })), Some(3));
    hand.advance(Duration::from_secs(4));
    assert_eq!((cache.get(&1), cache.get(&2), cache.get(&3)), (Some(1), Some(2), Some(3)));
    hand.advance(Duration::from_secs(1));
    assert_eq!((cache.get(&1), cache.get(&2), cache.get(&3)), (None, None, None));
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
