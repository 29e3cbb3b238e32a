//! Many values in one load.

use perf_cache::Cache;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::thread;

fn cache() -> Cache<u64, u64> {
    Cache::builder().max_entries(1_000).build().unwrap()
}

fn tens(keys: &[u64]) -> Vec<(u64, u64)> {
    keys.iter().map(|key| (*key, key * 10)).collect()
}

#[test]
fn only_what_is_missing_is_asked_for_and_once() {
    let cache = cache();
    cache.insert(2, 99);
    let found = cache.get_many_with([3, 2, 1, 3], |missing| {
        assert_eq!(missing, [3, 1]);
        tens(missing)
    });
    assert_eq!(found, HashMap::from([(1, 10), (2, 99), (3, 30)]));
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.loads, stats.loading), (1, 2, 2, 0));
    let found = cache.get_many_with([1, 3], |_| -> Vec<(u64, u64)> { unreachable!() });
    assert_eq!(found.len(), 2);
    assert!(cache.get_many_with([], |_| -> Vec<(u64, u64)> { unreachable!() }).is_empty());
}

#[test]
fn keys_without_an_answer_are_left_out_and_strangers_are_dropped() {
    let cache = cache();
    let found = cache.get_many_with([1, 2], |_| [(2, 20), (2, 21), (7, 70)]);
    assert_eq!(found, HashMap::from([(2, 20)]));
    assert_eq!((cache.get(&1), cache.get(&2), cache.get(&7)), (None, Some(20), None));
    assert_eq!((cache.stats().loading, cache.stats().load_failures), (0, 0));
}

#[test]
fn an_error_fails_the_whole_batch_and_leaves_no_load_behind() {
    let cache = cache();
    cache.insert(1, 1);
    let failed = cache.try_get_many_with([1, 2, 3], |_| Err::<Vec<_>, _>("down"));
    assert_eq!(*failed.unwrap_err(), "down");
    assert_eq!((cache.stats().load_failures, cache.stats().loading), (2, 0));
    let found = cache.try_get_many_with([1, 2, 3], |missing| Ok::<_, &str>(tens(missing)));
    assert_eq!(found.unwrap().len(), 3);
}

#[test]
fn a_panic_ends_all_loads_of_the_batch() {
    let cache = cache();
    let run = || cache.get_many_with([1, 2], |_| -> Vec<(u64, u64)> { panic!("broken") });
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    let stats = cache.stats();
    assert_eq!((stats.loading, stats.abandoned), (0, 2));
    // The iterator that the loader answers may panic as well.
    let broken = || {
        cache.get_many_with([1, 2], |_| {
            (1..3).map(|n| if n == 2 { panic!("broken") } else { (n, n) })
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(broken)).is_err());
    assert_eq!(cache.stats().loading, 0);
}

#[test]
fn asking_for_a_key_of_the_own_batch_panics() {
    let cache = cache();
    let run = || cache.get_many_with([1, 2], |_| [(1, cache.get_with(2, || 2))]);
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    // An iterator that asks is still the loader.
    let run = || cache.get_many_with([1, 2], |_| (0..1).map(|_| (1, cache.get_with(2, || 2))));
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    assert_eq!(cache.stats().loading, 0);
}

#[test]
fn overlapping_batches_load_each_key_once() {
    const KEYS: u64 = 40;
    let cache = cache();
    let loaded: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        for thread in 0..8 {
            let (cache, loaded) = (&cache, &loaded);
            scope.spawn(move || {
                // Each starts elsewhere, and half of them walk backwards.
                let keys = (0..KEYS).map(|n| {
                    let n = (n + thread * 5) % KEYS;
                    if thread % 2 == 0 { n } else { KEYS - 1 - n }
                });
                let found = cache.get_many_with(keys, |missing| {
                    for key in missing {
                        loaded[*key as usize].fetch_add(1, Ordering::Relaxed);
                    }
                    thread::yield_now();
                    tens(missing)
                });
                assert_eq!(found.len() as u64, KEYS);
                assert!(found.iter().all(|(key, value)| *value == key * 10));
            });
        }
    });
    assert!(loaded.iter().all(|n| n.load(Ordering::Relaxed) == 1), "{loaded:?}");
    assert_eq!(cache.stats().loads, KEYS);
}

#[test]
fn a_batch_takes_over_from_one_that_panicked() {
    let cache = cache();
    let (go, wait) = channel::<()>();
    thread::scope(|scope| {
        let cache = &cache;
        let leader = scope.spawn(move || {
            let load = |_: &[u64]| -> Vec<(u64, u64)> {
                wait.recv().unwrap();
                panic!("broken")
            };
            catch_unwind(AssertUnwindSafe(|| cache.get_many_with([1, 2], load))).is_err()
        });
        while cache.stats().loading < 2 {
            thread::yield_now();
        }
        let waiter = scope.spawn(|| {
            let mut asked = Vec::new();
            let found = cache.get_many_with([1, 2, 3], |missing| {
                asked.push(missing.to_vec());
                tens(missing)
            });
            (found.len(), asked)
        });
        while cache.stats().joins < 2 {
            thread::yield_now();
        }
        go.send(()).unwrap();
        assert!(leader.join().unwrap());
        let (found, mut asked) = waiter.join().unwrap();
        asked[1..].iter_mut().for_each(|keys| keys.sort_unstable());
        assert_eq!((found, asked), (3, vec![vec![3], vec![1, 2]]));
    });
}

#[test]
fn a_batch_that_an_invalidation_overtook_keeps_the_rest() {
    let cache = cache();
    let found = cache.get_many_with([1, 2], |missing| {
        cache.remove(&1);
        tens(missing)
    });
    assert_eq!(found.len(), 2);
    assert_eq!((cache.get(&1), cache.get(&2)), (None, Some(20)));
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

#[test]
fn a_batch_cancelled_at_any_await_strands_nobody() {
    const AWAITS: usize = 3;
    for polls in 0..=2 * AWAITS {
        let cache = cache();
        let mut context = Context::from_waker(Waker::noop());
        // Key 3 is being loaded by another, so that the batch awaits its own load and then that.
        let mut other = Box::pin(cache.get_with_async(3, async {
            pend(2 * AWAITS).await;
            30
        }));
        assert!(other.as_mut().poll(&mut context).is_pending());
        let mut batch = Box::pin(cache.get_many_with_async([1, 2, 3], |missing| async move {
            pend(AWAITS).await;
            tens(&missing)
        }));
        for _ in 0..polls {
            assert!(batch.as_mut().poll(&mut context).is_pending());
        }
        let mut waiter = Box::pin(cache.get_with_async(1, async { 11 }));
        let waits = polls > 0 && polls <= AWAITS;
        assert_eq!(waiter.as_mut().poll(&mut context).is_pending(), waits, "after {polls}");
        drop(batch);
        if waits {
            assert_eq!(waiter.as_mut().poll(&mut context), Poll::Ready(11));
        }
        let value = if polls > AWAITS { 10 } else { 11 };
        assert_eq!(cache.get(&1), Some(value), "after {polls}");
        assert_eq!(cache.stats().loading, 1, "only the other load runs");
    }
}

#[test]
fn an_asynchronous_batch_gets_everything() {
    let cache = cache();
    cache.insert(2, 99);
    let mut context = Context::from_waker(Waker::noop());
    let mut batch = pin!(cache.try_get_many_with_async([1, 2, 3], |missing| async move {
        pend(1).await;
        assert_eq!(missing, [1, 3]);
        Ok::<_, ()>(tens(&missing))
    }));
    assert!(batch.as_mut().poll(&mut context).is_pending());
    let found = HashMap::from([(1, 10), (2, 99), (3, 30)]);
    assert_eq!(batch.as_mut().poll(&mut context), Poll::Ready(Ok(found)));
}

#[tokio::test]
async fn an_asynchronous_batch_can_be_spawned() {
    let cache = cache();
    let own = cache.clone();
    let batch = tokio::spawn(async move {
        own.get_many_with_async([1, 2], |missing| async move {
            tokio::task::yield_now().await;
            tens(&missing)
        })
        .await
    });
    assert_eq!(batch.await.unwrap().len(), 2);
}
