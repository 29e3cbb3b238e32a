//! Operations that wait for their next attempt.

use super::{Calls, succeeds_at, within};
use crate::{Alive, assert_idle, manager, ms, nap, settle};
use perf_async::{
    Attempt, Batch, CancelOutcome, Manager, Operation, OperationError, Retry, Status, Throttle,
    TimeoutClock, Work,
};
use perf_core::Priority;
use std::sync::{Arc, Mutex};
use tokio::time::{Instant, sleep, timeout};

/// Fails at once, and is to wait up to a second for its next attempt.
fn fails_once() -> Operation<u32, impl Work<u32> + Send + 'static> {
    succeeds_at(2).retry(within(1, ms(1_000)))
}

#[tokio::test(start_paused = true)]
async fn one_that_backs_off_holds_no_place() {
    let manager = Manager::builder().max_concurrent(1).seed(3).build().unwrap();
    let handle = manager.submit(fails_once()).unwrap();
    settle().await;
    assert_eq!((manager.running_count(), manager.pending_count()), (0, 1));
    assert_eq!(handle.status(), Some(Status::Queued));
    let start = Instant::now();
    assert_eq!(manager.run(Operation::infallible("next", async { 1 })).await.unwrap(), 1);
    assert_eq!(start.elapsed(), ms(0));
    assert_eq!(handle.await.unwrap(), 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn cancelling_in_back_off_answers_at_once_and_drops_the_work() {
    let manager = Manager::builder().seed(3).build().unwrap();
    let alive = Alive::default();
    let token = alive.token();
    let operation = Operation::retryable("flaky", move |_| {
        let _token = &token;
        async { Err::<(), _>("no") }
    });
    let handle = manager.submit(operation.retry(within(9, ms(60_000)))).unwrap();
    settle().await;
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    assert_eq!(alive.count(), 0);
    let answer = timeout(ms(1), handle).await.unwrap();
    assert!(matches!(answer, Err(OperationError::Cancelled)));
    assert_eq!(manager.stats().cancelled, 1);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn dropping_run_in_back_off_drops_the_work() {
    let manager = Manager::builder().seed(3).build().unwrap();
    let alive = Alive::default();
    let token = alive.token();
    let operation = Operation::retryable("flaky", move |_| {
        let _token = &token;
        async { Err::<(), _>("no") }
    });
    let run = manager.run(operation.retry(within(9, ms(60_000))));
    assert!(timeout(ms(1), run).await.is_err());
    assert_eq!(alive.count(), 0);
    assert_eq!(manager.stats().cancelled, 1);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_meets_a_failing_attempt_lets_no_other_follow() {
    let manager = manager(1);
    let calls = Calls::default();
    for inline in [false, true] {
        let (counting, cancelling) = (calls.clone(), manager.clone());
        let operation = Operation::retryable("flaky", move |_| {
            counting.call();
            let manager = cancelling.clone();
            async move {
                // In the attempt itself, which fails before it gives way.
                manager.cancel(manager.running()[0].id);
                Err::<(), _>("no")
            }
        });
        let operation = operation.retry(Retry::times(3));
        let result = if inline {
            manager.run(operation).await
        } else {
            manager.submit(operation).unwrap().await
        };
        assert!(matches!(result, Err(OperationError::Cancelled)));
    }
    assert_eq!(calls.count(), 2);
    assert_eq!(manager.stats().cancelled, 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn followers_wait_through_the_leaders_attempts() {
    let manager = Manager::builder().seed(3).build().unwrap();
    let keyed = || fails_once().key("k");
    let leader = manager.submit(keyed()).unwrap();
    settle().await;
    assert_eq!(leader.status(), Some(Status::Queued));
    // One that joins in back-off, and lifts it.
    let follower = manager.submit(keyed().priority(Priority::HIGHEST)).unwrap();
    assert_eq!(follower.id(), leader.id());
    assert_eq!(manager.pending()[0].priority, Priority::HIGHEST);
    // The leader's caller goes; the work goes on for the other.
    assert_eq!(leader.cancel(), CancelOutcome::Left);
    assert!(matches!(leader.await, Err(OperationError::Cancelled)));
    assert_eq!(follower.await.unwrap(), 2);
    let stats = manager.stats();
    assert_eq!((stats.submitted, stats.joined, stats.retried), (1, 1, 1));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_retry_keeps_its_priority_and_its_age() {
    let manager = Manager::builder().max_concurrent(1).seed(3).build().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let noting = |name: &'static str| {
        let order = Arc::clone(&order);
        Operation::retryable("noted", move |attempt: Attempt| {
            order.lock().unwrap().push(name);
            async move { if name == "retried" && attempt.number() == 1 { Err("no") } else { Ok(()) } }
        })
    };
    let retried = manager.submit(noting("retried").retry(within(1, ms(100)))).unwrap();
    settle().await;
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(500)))).unwrap();
    settle().await;
    let urgent = manager.submit(noting("urgent").priority(Priority::HIGHEST)).unwrap();
    let later = manager.submit(noting("later")).unwrap();
    // Its time comes while the other runs; then it is its turn before one that came later.
    for handle in [retried, urgent, later] {
        handle.await.unwrap();
    }
    blocking.await.unwrap();
    assert_eq!(*order.lock().unwrap(), ["retried", "urgent", "retried", "later"]);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_clocks_of_the_queue_hold_for_each_wait() {
    let manager = Manager::builder().max_concurrent(1).seed(3).build().unwrap();
    let waiting = |time| within(1, ms(time));
    let queue = manager.submit(succeeds_at(2).retry(waiting(10)).queue_timeout(ms(50))).unwrap();
    let total = manager.submit(succeeds_at(2).retry(waiting(10)).total_timeout(ms(80))).unwrap();
    settle().await;
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(500)))).unwrap();
    sleep(ms(20)).await;
    let clock_of = |result| match result {
        Err(OperationError::TimedOut { clock, limit }) => (clock, limit),
        other => panic!("{other:?}"),
    };
    assert_eq!(clock_of(queue.await), (TimeoutClock::Queue, ms(50)));
    assert_eq!(clock_of(total.await), (TimeoutClock::Total, ms(80)));
    blocking.await.unwrap();
    assert_eq!(manager.stats().timed_out, 2);
    assert_idle(&manager);
}

#[test]
fn a_runtime_that_shuts_down_ends_what_backs_off_there() {
    let manager = manager(1);
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let entered = first.enter();
    let handle = manager.submit(succeeds_at(2).retry(within(1, ms(1_000)))).unwrap();
    drop(entered);
    first.block_on(settle());
    assert_eq!(handle.status(), Some(Status::Queued));
    drop(first);
    // Nobody else has to do anything for it.
    let answer = second.block_on(handle);
    assert!(matches!(answer, Err(OperationError::Cancelled)));
    assert_idle(&manager);
}

#[test]
fn a_runtime_that_shuts_down_ends_what_waits_there_for_a_moment() {
    let manager = Manager::builder()
        .max_concurrent(10)
        .kind("spaced", |kind| kind.throttle(Throttle::spacing(ms(60_000))))
        .build()
        .unwrap();
    manager
        .enable_batching("batch", Batch::window(10, ms(60_000)), async |items: Vec<u8>| {
            items.into_iter().map(Ok::<u8, std::io::Error>).collect()
        })
        .unwrap();
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let (first, second) = (runtime().unwrap(), runtime().unwrap());
    let (spaced, batched) = first.block_on(async {
        manager.run(Operation::infallible("spaced", async {})).await.unwrap();
        let spaced = manager.submit(Operation::infallible("spaced", async {})).unwrap();
        let batched = manager.submit_item::<u8, u8>("batch", 1).unwrap();
        settle().await;
        (spaced, batched)
    });
    drop(first);
    assert!(matches!(second.block_on(spaced), Err(OperationError::Cancelled)));
    assert!(matches!(second.block_on(batched), Err(OperationError::Cancelled)));
    assert_idle(&manager);
}
