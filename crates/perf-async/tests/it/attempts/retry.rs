//! Which attempts are followed by another, when, and who says no.

use super::{Calls, succeeds_at, within};
use crate::{assert_idle, manager, ms, nap};
use perf_async::{Attempt, Manager, Operation, OperationError, Retry, Status, TimeoutClock};
use perf_guard::{Backoff, RetryBudget};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn an_operation_is_tried_again_inline_submitted_and_queued() {
    let manager = manager(1);
    let flaky = || succeeds_at(3).retry(Retry::times(2));
    assert_eq!(manager.run(flaky()).await.unwrap(), 3);
    assert_eq!(manager.submit(flaky()).unwrap().await.unwrap(), 3);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let queued = manager.submit(flaky()).unwrap();
    let inline = manager.run(flaky());
    assert_eq!(inline.await.unwrap(), 3);
    assert_eq!(queued.await.unwrap(), 3);
    blocking.await.unwrap();
    let stats = manager.stats();
    assert_eq!((stats.submitted, stats.completed, stats.failed), (5, 5, 0));
    assert_eq!(stats.retried, 8);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn after_the_last_attempt_its_error_is_the_answer() {
    let manager = manager(1);
    let calls = Calls::default();
    let counting = calls.clone();
    let fails = Operation::retryable("fails", move |attempt: Attempt| {
        let call = counting.call();
        assert_eq!(attempt.number(), call);
        // Each is told why the one before it ended.
        let last = attempt.last_error().map(|error| match error {
            OperationError::Failed(error) => error.to_string(),
            other => other.to_string(),
        });
        assert_eq!(last, (call > 1).then(|| format!("no {}", call - 1)));
        async move { Err::<(), _>(format!("no {call}")) }
    });
    let result = manager.run(fails.retry(Retry::times(3))).await;
    assert!(matches!(result, Err(OperationError::Failed(e)) if e.to_string() == "no 4"));
    assert_eq!(calls.count(), 4);
    assert_eq!((manager.stats().failed, manager.stats().retried), (1, 3));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_seed_decides_the_waits() {
    let backoff = Backoff::builder().base(ms(1_000)).retries(4).build().unwrap();
    let waits = async |seed| {
        let manager = Manager::builder().seed(seed).build().unwrap();
        let start = Instant::now();
        let operation = Operation::retryable("flaky", move |attempt: Attempt| {
            let at = start.elapsed();
            async move { if attempt.number() < 5 { Err("not yet") } else { Ok(at) } }
        });
        manager.run(operation.retry(Retry::with_backoff(backoff))).await.unwrap()
    };
    let (first, again, other) = (waits(1).await, waits(1).await, waits(2).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    // Full jitter: somewhere below 1 + 2 + 4 + 8 seconds, and each wait is of its own.
    assert!(first > Duration::ZERO && first < ms(15_000));
}

#[tokio::test(start_paused = true)]
async fn the_kind_says_how_often_and_the_operation_may_say_otherwise() {
    let manager =
        Manager::builder().kind("flaky", |kind| kind.retry(Retry::times(2))).build().unwrap();
    assert_eq!(manager.run(succeeds_at(3)).await.unwrap(), 3);
    assert!(manager.run(succeeds_at(2).retry(Retry::never())).await.is_err());
    assert!(manager.run(succeeds_at(4)).await.is_err());
    manager.configure("flaky", |kind| kind.retry(Retry::times(3))).unwrap();
    assert_eq!(manager.submit(succeeds_at(4)).unwrap().await.unwrap(), 4);
    // What was made from a future cannot be done again.
    let once = Operation::new("flaky", async { Err::<(), _>("no") });
    assert!(manager.run(once).await.is_err());
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn panics_are_tried_again_only_where_a_test_says_so() {
    let manager = manager(1);
    let panics = || {
        Operation::retryable("panics", |attempt: Attempt| async move {
            assert!(attempt.number() > 1, "boom");
            Ok::<_, OperationError>(())
        })
    };
    let result = manager.run(panics().retry(Retry::times(3))).await;
    assert!(matches!(result, Err(OperationError::Panicked(m)) if &*m == "boom"));
    let all = Retry::times(3).retry_if(|_| true);
    manager.run(panics().retry(all)).await.unwrap();
    let broken = Retry::times(3).retry_if(|_| panic!("in the test"));
    assert!(matches!(manager.run(panics().retry(broken)).await, Err(OperationError::Panicked(_))));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_dropped_and_followed_by_another() {
    let manager = manager(1);
    let alive = crate::Alive::default();
    let slow = || {
        let alive = alive.clone();
        Operation::retryable("slow", move |attempt: Attempt| {
            assert_eq!(alive.count(), 0, "the last attempt has been dropped");
            let token = alive.token();
            async move {
                let _token = token;
                nap(ms(if attempt.number() < 3 { 100 } else { 5 })).await;
                Ok::<_, OperationError>(attempt.number())
            }
        })
    };
    let limited = || slow().timeout(ms(10)).retry(within(2, ms(1)));
    let start = Instant::now();
    assert_eq!(manager.run(limited()).await.unwrap(), 3);
    assert!(start.elapsed() >= ms(25) && start.elapsed() < ms(40));
    assert_eq!(manager.submit(limited()).unwrap().await.unwrap(), 3);
    let result = manager.run(slow().timeout(ms(4)).retry(within(2, ms(1)))).await;
    let Err(OperationError::TimedOut { clock, limit }) = result else { panic!() };
    assert_eq!((clock, limit), (TimeoutClock::Run, ms(4)));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn no_attempt_begins_that_the_total_time_would_not_let_end() {
    let manager = Manager::builder().seed(7).build().unwrap();
    let calls = Calls::default();
    let fails = || {
        let calls = calls.clone();
        Operation::retryable("fails", move |_| {
            calls.call();
            async { Err::<(), _>("no") }
        })
    };
    let late = fails().total_timeout(ms(50)).retry(within(1_000, ms(1_000)));
    let handle = manager.submit(late).unwrap();
    let id = handle.id();
    let start = Instant::now();
    assert!(matches!(handle.await, Err(OperationError::Failed(e)) if e.to_string() == "no"));
    assert!(start.elapsed() < ms(50));
    assert_eq!(manager.stats().retries_too_late, 1);
    let record = manager.record(id).unwrap();
    assert_eq!(record.status, Status::Failed);
    let says = "no; not tried again: the total time-out would pass first";
    assert_eq!(record.error.as_deref(), Some(says));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_total_time_ends_an_attempt_too() {
    let manager = manager(1);
    let slow = Operation::retryable("slow", |_| async {
        nap(ms(40)).await;
        Err::<(), _>("no")
    });
    let start = Instant::now();
    let result = manager.run(slow.total_timeout(ms(100)).retry(within(9, ms(1)))).await;
    let Err(OperationError::TimedOut { clock, .. }) = result else { panic!() };
    assert_eq!(clock, TimeoutClock::Total);
    assert!(start.elapsed() >= ms(100) && start.elapsed() < ms(110));
    assert_eq!(manager.stats().retried, 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_kind_has_one_budget_for_all_its_retries() {
    let budget = RetryBudget::builder().capacity(3).reserve_per_second(0);
    let manager = Manager::builder()
        .kind("flaky", |kind| kind.retry(Retry::times(1)).retry_budget(budget))
        .build()
        .unwrap();
    // It starts full: three retries, and the fifth of one for each operation is not yet a whole.
    for _ in 0..3 {
        manager.run(succeeds_at(2)).await.unwrap();
    }
    let handle = manager.submit(succeeds_at(2)).unwrap();
    let id = handle.id();
    assert!(handle.await.is_err());
    let error = manager.record(id).unwrap().error.unwrap();
    assert_eq!(error, "not yet; not tried again: the retry budget is used up");
    // Six have come by now, of which the first filled nothing up: the bucket was full.
    for _ in 0..2 {
        manager.run(succeeds_at(1)).await.unwrap();
    }
    manager.run(succeeds_at(2)).await.unwrap();
    let stats = manager.stats();
    assert_eq!((stats.retried, stats.retries_refused), (4, 1));
    // Another kind has its own, and without one there is no limit.
    manager.configure("flaky", |kind| kind.retry_budget(None)).unwrap();
    for _ in 0..20 {
        manager.run(succeeds_at(2)).await.unwrap();
    }
    assert_eq!(manager.metrics("flaky").unwrap().totals.retries_refused, 1);
    assert_idle(&manager);
}
