//! Many threads at once, on a real clock. Nothing is asserted of durations.

use crate::{Alive, assert_idle};
use perf_async::{Manager, Operation, OperationError};
use perf_core::Priority;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limit_holds_and_everyone_is_answered_under_contention() {
    const LIMIT: usize = 3;
    let manager = Manager::builder().max_concurrent(LIMIT).queue_limit(1_000_000).build().unwrap();
    let (alive, most) = (Alive::default(), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..16_u32)
        .map(|caller| {
            let (manager, alive, most) = (manager.clone(), alive.clone(), Arc::clone(&most));
            tokio::spawn(async move {
                let mut answered = 0;
                for i in 0..400_u32 {
                    let (alive, most) = (alive.clone(), Arc::clone(&most));
                    let work = async move {
                        let _token = alive.token();
                        most.fetch_max(alive.count(), Ordering::SeqCst);
                        if i % 3 == 0 {
                            tokio::task::yield_now().await;
                        }
                        assert_ne!(i % 50, 49, "as planned");
                        i
                    };
                    let level = Priority::new((i % 10 + 1) as u8).unwrap();
                    let operation = Operation::infallible("work", work).priority(level);
                    let result = match i % 4 {
                        0 | 1 => manager.run(operation).await,
                        2 => manager.submit(operation).unwrap().await,
                        _ => {
                            let handle = manager.submit(operation).unwrap();
                            if (caller + i) % 3 == 0 {
                                handle.cancel();
                            }
                            handle.await
                        }
                    };
                    match result {
                        Ok(value) => assert_eq!(value, i),
                        Err(OperationError::Panicked(_)) => assert_eq!(i % 50, 49),
                        Err(OperationError::Cancelled) => assert_eq!(i % 4, 3),
                        Err(other) => panic!("{other}"),
                    }
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 400);
    }
    assert!(most.load(Ordering::SeqCst) <= LIMIT);
    assert_eq!(alive.count(), 0);
    assert_idle(&manager);
    assert_eq!(manager.stats().submitted, 16 * 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn aborted_callers_leave_nothing_behind() {
    let manager = Manager::builder().max_concurrent(2).build().unwrap();
    let alive = Alive::default();
    for round in 0..200 {
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let (manager, token) = (manager.clone(), alive.token());
                let work = async move {
                    let _token = token;
                    for _ in 0..caller {
                        tokio::task::yield_now().await;
                    }
                };
                let mut operation = Operation::infallible("work", work);
                if caller % 2 == 0 {
                    operation = operation.key((caller % 3).to_string());
                }
                tokio::spawn(async move { manager.run(operation).await })
            })
            .collect();
        for (i, caller) in callers.iter().enumerate() {
            if (i + round) % 3 == 0 {
                caller.abort();
            }
        }
        for caller in callers {
            if let Ok(answer) = caller.await {
                answer.unwrap();
            }
        }
    }
    // What was told to stop does so on another thread, in its own time.
    while manager.running_count() + manager.pending_count() + alive.count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_idle(&manager);
}
