//! What the handler answers, and what it does not.

use super::{all, busy, double, doubling};
use crate::{assert_idle, manager, ms, settle};
use perf_async::{Batch, BatchError, Operation, OperationError, TimeoutClock, WrongAnswers};
use std::convert::Infallible;

#[tokio::test(start_paused = true)]
async fn each_item_fails_for_itself() {
    let manager = manager(2);
    let handler = async |items: Vec<u32>| -> Vec<Result<u32, String>> {
        items
            .into_iter()
            .map(|i| if i % 2 == 0 { Ok(i) } else { Err(format!("{i} is odd")) })
            .collect()
    };
    manager.enable_batching("even", Batch::natural(10), handler).unwrap();
    let handles = manager.submit_items::<u32, _>("even", 0..4_u32).unwrap();
    for (item, handle) in (0..).zip(handles) {
        match handle.await {
            Ok(value) => assert_eq!((value, item % 2), (item, 0)),
            Err(OperationError::Failed(error)) => {
                assert_eq!(error.to_string(), format!("{item} is odd"))
            }
            Err(other) => panic!("{other}"),
        }
    }
    let stats = manager.stats();
    assert_eq!((stats.completed, stats.failed), (2, 2));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn too_few_or_too_many_answers_fail_every_item() {
    for answers in [0, 2, 4] {
        let manager = manager(2);
        let handler = move |_: Vec<u32>| async move { vec![Ok::<_, Infallible>(1_u32); answers] };
        manager.enable_batching("short", Batch::natural(10), handler).unwrap();
        for handle in manager.submit_items::<u32, _>("short", 0..3_u32).unwrap() {
            let error = handle.await.unwrap_err();
            let wrong = error.downcast_ref::<WrongAnswers>().unwrap();
            assert_eq!((wrong.items, wrong.answers), (3, answers));
        }
        assert_eq!(manager.batch_stats("short").unwrap().wrong_answers, 1);
        assert_eq!(manager.stats().failed, 3);
        assert_idle(&manager);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_fails_every_item_and_the_next_batch_goes_on() {
    // While it is called, and while it is polled.
    for later in [false, true] {
        let manager = manager(1);
        let handler = move |items: Vec<u32>| {
            assert!(later || !items.contains(&1), "no ones");
            async move {
                assert!(!items.contains(&1), "no ones");
                items.into_iter().map(Ok::<_, Infallible>).collect::<Vec<_>>()
            }
        };
        manager.enable_batching("ones", Batch::natural(3), handler).unwrap();
        let handles = manager.submit_items::<u32, _>("ones", 0..6_u32).unwrap();
        for (item, handle) in (0_u32..).zip(handles) {
            match handle.await {
                Ok(value) => assert!(item >= 3 && value == item),
                Err(OperationError::Panicked(text)) => {
                    assert!(item < 3 && text.contains("no ones"))
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(manager.stats().failed, 3);
        assert_idle(&manager);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_dropped_and_every_item_timed_out() {
    let manager = manager(1);
    let alive = crate::Alive::default();
    let counted = alive.clone();
    let handler = move |items: Vec<u32>| {
        let token = counted.token();
        async move {
            let _token = token;
            if items.contains(&1) {
                std::future::pending::<()>().await;
            }
            items.into_iter().map(Ok::<_, Infallible>).collect::<Vec<_>>()
        }
    };
    manager.enable_batching("stuck", Batch::natural(3), handler).unwrap();
    manager.set_timeout(ms(200));
    let start = tokio::time::Instant::now();
    let handles = manager.submit_items::<u32, _>("stuck", 0..4_u32).unwrap();
    settle().await;
    assert_eq!(alive.count(), 1);
    for (item, handle) in (0_u32..).zip(handles) {
        match handle.await {
            Ok(value) => assert_eq!((value, item), (3, 3)),
            Err(OperationError::TimedOut { clock: TimeoutClock::Run, limit }) => {
                assert_eq!((limit, start.elapsed()), (ms(200), ms(200)));
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(alive.count(), 0);
    assert_eq!(manager.stats().timed_out, 3);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn items_that_do_not_fit_are_refused_with_both_types_and_the_remedy() {
    let manager = manager(1);
    let error = manager.submit_item::<u32, _>("double", 1_u32).unwrap_err();
    assert_eq!(error, BatchError::NotBatching { kind: "double".into() });
    assert!(error.to_string().contains("enable_batching"), "{error}");
    doubling(&manager, Batch::natural(3), ms(0));
    let error = manager.submit_item::<u32, _>("double", "one").unwrap_err();
    assert_eq!(
        error.to_string(),
        "an item of type &str with answer u32 for kind `double`, whose handler takes u32 and \
         answers u32: submit those, or use another kind"
    );
    assert!(manager.submit_item::<u64, _>("double", 1_u32).is_err());
    assert_eq!(manager.stats().submitted, 0);
    assert!(manager.enable_batching("none", Batch::natural(0), doubler).is_err());
}

async fn doubler(items: Vec<u32>) -> Vec<Result<u32, Infallible>> {
    items.into_iter().map(|item| Ok(item * 2)).collect()
}

#[tokio::test(start_paused = true)]
async fn plain_operations_of_a_kind_that_batches_run_by_themselves() {
    let manager = manager(8);
    let (calls, _first) = busy(&manager, 10).await;
    let one = all(&manager, 1..2);
    let plain = manager.submit(Operation::infallible("double", async { 7 })).unwrap();
    let two = double(&manager, 2);
    super::assert_doubled(one).await;
    assert_eq!(plain.await.unwrap(), 7);
    assert_eq!(two.await.unwrap(), 4);
    assert_eq!(calls.all(), [[0], [1], [2]]);
    assert_idle(&manager);
}
