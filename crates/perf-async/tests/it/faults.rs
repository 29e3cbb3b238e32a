//! Every future of the public functions is dropped at every await, and what goes wrong harms nobody
//! else.

use crate::{Alive, assert_balanced, assert_idle, manager, ms, settle};
use perf_async::{Handle, Manager, Operation, OperationError};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use tokio::time::timeout;

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Ends after a few awaits, of the runtime and of the clock.
async fn several_awaits(alive: Alive) -> u32 {
    let _token = alive.token();
    for i in 0..3 {
        tokio::task::yield_now().await;
        tokio::time::sleep(ms(i)).await;
    }
    7
}

/// Polls a fresh future so many times, for every number of polls until it ends by itself, and drops
/// it; after each nothing is left, and others go on.
async fn drop_at_every_await(make: impl Fn(Manager, Alive) -> Boxed) {
    for polls in 0..100 {
        let manager = Manager::builder().max_concurrent(1).queue_limit(3).build().unwrap();
        let alive = Alive::default();
        // Something is in the way, so that the future has to wait for its turn as well.
        let before = several_awaits(alive.clone());
        let before = manager.submit(Operation::infallible("before", before)).unwrap();
        let mut future = make(manager.clone(), alive.clone());
        let mut ended = false;
        for _ in 0..polls {
            if timeout(ms(0), &mut future).await.is_ok() {
                ended = true;
                break;
            }
            tokio::time::advance(ms(1)).await;
        }
        drop(future);
        assert_eq!(timeout(ms(1_000), before).await.unwrap().unwrap(), 7);
        let after = Operation::infallible("after", several_awaits(alive.clone()));
        assert_eq!(timeout(ms(1_000), manager.run(after)).await.unwrap().unwrap(), 7);
        assert!(manager.is_closed() || manager.reserve("free").await.is_ok());
        // What was left to go on has gone on.
        timeout(ms(1_000), manager.drain(ms(1_000))).await.unwrap();
        assert_eq!(alive.count(), 0, "after {polls} polls");
        assert_idle(&manager);
        if ended {
            assert!(polls > 1, "it has an await");
            return;
        }
    }
    panic!("it never ends");
}

#[tokio::test(start_paused = true)]
async fn run_may_be_dropped_at_every_await() {
    for key in [None, Some("k")] {
        drop_at_every_await(|manager, alive| {
            Box::pin(async move {
                let operation = Operation::infallible("work", several_awaits(alive));
                let operation = match key {
                    Some(key) => operation.key(key),
                    None => operation,
                };
                assert_eq!(manager.run(operation.timeout(ms(500))).await.unwrap(), 7);
            })
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_may_be_dropped_at_every_await() {
    for cancels in [false, true] {
        drop_at_every_await(|manager, alive| {
            Box::pin(async move {
                let operation = Operation::infallible("work", several_awaits(alive)).key("k");
                let mut handle = manager.submit(operation).unwrap();
                if cancels {
                    handle = handle.cancel_on_drop();
                }
                assert_eq!(handle.await.unwrap(), 7);
            })
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reservation_may_be_dropped_at_every_await() {
    drop_at_every_await(|manager, alive| {
        Box::pin(async move {
            let kept = [manager.reserve("a").await.unwrap(), manager.reserve("a").await.unwrap()];
            let third = manager.reserve("a").await.unwrap();
            let give_up = async {
                tokio::task::yield_now().await;
                drop(kept);
            };
            let (fourth, ()) = tokio::join!(manager.reserve("a"), give_up);
            drop(third);
            let work = Operation::infallible("work", several_awaits(alive));
            assert_eq!(fourth.unwrap().submit(work).unwrap().await.unwrap(), 7);
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn waiting_by_id_may_be_dropped_at_every_await() {
    drop_at_every_await(|manager, alive| {
        Box::pin(async move {
            let work = Operation::infallible("work", several_awaits(alive));
            let id = manager.queue_operation(work).unwrap();
            assert_eq!(manager.wait_for_operation::<u32>(id, ms(500)).await.unwrap(), 7);
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_followers_of_a_leader_that_is_cancelled_are_all_answered() {
    let manager = manager(1);
    let never = || Operation::infallible("f", std::future::pending::<u32>()).key("k");
    let blocking = manager.submit(Operation::infallible("slow", several_awaits(Alive::default())));
    let handles: Vec<Handle<u32>> = (0..5).map(|_| manager.submit(never()).unwrap()).collect();
    // The one who brought it leaves; the others keep it.
    handles[0].cancel();
    blocking.unwrap().await.unwrap();
    settle().await;
    assert_eq!(manager.running_count(), 1);
    manager.cancel(handles[0].id());
    for handle in handles {
        let answer = timeout(ms(100), handle).await.unwrap();
        assert!(matches!(answer, Err(OperationError::Cancelled)));
    }
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_limit_below_what_runs_lets_it_run_and_holds_afterwards() {
    let manager = manager(8);
    let alive = Alive::default();
    let submit = || {
        let work = several_awaits(alive.clone());
        manager.submit(Operation::infallible("work", work)).unwrap()
    };
    let handles: Vec<_> = (0..20).map(|_| submit()).collect();
    settle().await;
    manager.set_max_concurrent(2);
    assert_eq!(manager.running_count(), 8);
    let mut seen = 8;
    for handle in handles {
        assert_eq!(handle.await.unwrap(), 7);
        // Never more than before, and two in the end.
        assert!(manager.running_count() <= seen);
        seen = manager.running_count().max(2);
    }
    assert_idle(&manager);
}

/// Every handle answers, whoever holds it, when the runtime goes away in the middle of everything.
#[test]
fn a_runtime_that_shuts_down_under_load_leaves_no_handle_without_an_answer() {
    for round in 0..20 {
        let manager = manager(4);
        let alive = Alive::default();
        let mut handles = Vec::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        {
            let _inside = runtime.enter();
            for i in 0..200_u32 {
                let alive = alive.clone();
                let work = async move {
                    let _token = alive.token();
                    match i % 4 {
                        0 => std::future::pending().await,
                        1 => tokio::task::yield_now().await,
                        2 => panic!("as planned"),
                        _ => {}
                    }
                };
                let mut operation = Operation::infallible("work", work);
                if i % 5 == 0 {
                    operation = operation.key((i % 15).to_string());
                }
                handles.push(manager.submit(operation).unwrap());
            }
        }
        for _ in 0..round {
            std::thread::yield_now();
        }
        drop(runtime);
        let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        other.block_on(async {
            for handle in handles {
                // That it answers at all; a handle without an answer would hang here.
                let _ = handle.await;
            }
        });
        assert_eq!(alive.count(), 0);
        assert_idle(&manager);
        assert_balanced(&manager.stats());
    }
}

#[test]
fn submitting_outside_a_runtime_panics_and_leaves_nothing_behind() {
    let manager = manager(1);
    let outside = catch_unwind(AssertUnwindSafe(|| {
        let _ = manager.submit(Operation::infallible("work", async {}));
    }));
    assert!(outside.is_err());
    assert_idle(&manager);
}

/// A hundred thousand operations: what is kept is bounded, whatever ran.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_operations_leave_nothing_behind() {
    let manager = Manager::builder().max_concurrent(64).queue_limit(1_000).build().unwrap();
    for _ in 0..100 {
        let handles: Vec<_> = (0..1_000)
            .map(|i| manager.submit(Operation::infallible("nop", async move { i })).unwrap())
            .collect();
        for (i, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.await.unwrap(), i);
        }
    }
    assert_eq!(manager.finished().len(), 1_024);
    let stats = manager.stats();
    assert_eq!((stats.completed, stats.forgotten), (100_000, 100_000 - 1_024));
    assert_idle(&manager);
}
