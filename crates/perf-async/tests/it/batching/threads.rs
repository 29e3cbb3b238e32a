//! Many threads at once, on a real clock. Nothing is asserted of durations.

use crate::{Alive, assert_idle};
use perf_async::{Batch, Manager, Operation, OperationError};
use std::convert::Infallible;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everyone_gets_the_answer_of_its_own_item_under_contention() {
    let manager = Manager::builder().max_concurrent(3).queue_limit(1_000_000).build().unwrap();
    let alive = Alive::default();
    let handler = move |items: Vec<u32>| {
        let alive = alive.clone();
        async move {
            let _token = alive.token();
            assert_eq!(alive.count(), 1, "one natural batch at a time");
            assert!(items.len() <= 7);
            tokio::task::yield_now().await;
            items.into_iter().map(Ok::<_, Infallible>).collect::<Vec<_>>()
        }
    };
    manager.enable_batching("echo", Batch::natural(7), handler).unwrap();
    let callers: Vec<_> = (0..16_u32)
        .map(|caller| {
            let manager = manager.clone();
            tokio::spawn(async move {
                for i in 0..400_u32 {
                    let key = i % 5 == 0;
                    let item = if key { i } else { caller * 1_000 + i };
                    let mut operation = Operation::item::<u32, u32>("echo", item);
                    if key {
                        operation = operation.key(i.to_string());
                    }
                    let handle = manager.submit_item_operation(operation).unwrap();
                    let cancels = (caller + i) % 4 == 0;
                    if cancels {
                        // Before, while, or after its batch is under way.
                        if i % 3 == 0 {
                            tokio::task::yield_now().await;
                        }
                        handle.cancel();
                    }
                    match handle.await {
                        Ok(answer) => assert_eq!(answer, item),
                        Err(OperationError::Cancelled) => assert!(cancels),
                        Err(other) => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    // The last to be cancelled may have been told before its batch has ended.
    while manager.running_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_idle(&manager);
}
