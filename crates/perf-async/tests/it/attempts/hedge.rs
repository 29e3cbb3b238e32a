//! Second attempts beside slow ones.

use super::{Calls, within};
use crate::{Alive, assert_idle, manager, ms, nap, settle};
use perf_async::{Attempt, Hedge, Manager, Operation, OperationError, Status, Work};
use perf_guard::RetryBudget;
use std::time::Duration;
use tokio::time::Instant;

/// The first attempt takes so long and the hedge so long; the value says who answered.
fn race(first: u64, hedge: u64) -> Operation<&'static str, impl Work<&'static str> + Send> {
    let work = move |attempt: Attempt| async move {
        nap(ms(if attempt.is_hedge() { hedge } else { first })).await;
        Ok::<_, OperationError>(if attempt.is_hedge() { "hedge" } else { "first" })
    };
    Operation::retryable("race", work).hedge(Hedge::after(ms(10)))
}

#[tokio::test(start_paused = true)]
async fn the_first_that_succeeds_wins() {
    let manager = manager(2);
    let start = Instant::now();
    assert_eq!(manager.run(race(100, 5)).await.unwrap(), "hedge");
    assert!(start.elapsed() >= ms(15) && start.elapsed() < ms(20));
    assert_eq!(manager.submit(race(20, 50)).unwrap().await.unwrap(), "first");
    // One that ends in time has none.
    assert_eq!(manager.run(race(5, 5)).await.unwrap(), "first");
    let stats = manager.stats();
    assert_eq!((stats.hedges, stats.hedges_won, stats.hedges_refused), (2, 1, 0));
    // Three operations and two hedges, of which the one that lost was cancelled.
    assert_eq!((stats.submitted, stats.completed, stats.cancelled), (5, 4, 1));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_one_that_loses_is_dropped_and_gives_its_place_back() {
    let manager = manager(2);
    let alive = Alive::default();
    for first in [100, 20] {
        let counting = alive.clone();
        let work = move |attempt: Attempt| {
            let token = counting.token();
            async move {
                let _token = token;
                nap(ms(if attempt.is_hedge() { 30 } else { first })).await;
                Ok::<_, OperationError>(())
            }
        };
        let operation = Operation::retryable("race", work).hedge(Hedge::after(ms(10)));
        let handle = manager.submit(operation).unwrap();
        tokio::time::sleep(ms(15)).await;
        assert_eq!((alive.count(), manager.running_count()), (2, 2));
        handle.await.unwrap();
        assert_eq!(alive.count(), 0);
        assert_idle(&manager);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_place_or_while_others_wait_none_is_made() {
    let manager = manager(1);
    assert_eq!(manager.run(race(50, 5)).await.unwrap(), "first");
    assert_eq!((manager.stats().hedges, manager.stats().hedges_refused), (0, 1));
    // One free place that somebody waits for, held back by a limit of its own kind.
    let manager = Manager::builder()
        .max_concurrent(8)
        .kind("race", |kind| kind.max_concurrent(2))
        .build()
        .unwrap();
    let (one, two) = (manager.submit(race(50, 5)).unwrap(), manager.submit(race(50, 5)).unwrap());
    assert_eq!((one.await.unwrap(), two.await.unwrap()), ("first", "first"));
    assert_eq!((manager.stats().hedges, manager.stats().hedges_refused), (0, 2));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn hedges_come_out_of_the_budget_for_retries() {
    let budget = RetryBudget::builder().capacity(1).reserve_per_second(0);
    let manager =
        Manager::builder().kind("race", |kind| kind.retry_budget(budget)).build().unwrap();
    assert_eq!(manager.run(race(50, 5)).await.unwrap(), "hedge");
    assert_eq!(manager.run(race(50, 5)).await.unwrap(), "first");
    assert_eq!((manager.stats().hedges, manager.stats().hedges_refused), (1, 1));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_leaves_the_answer_to_the_other() {
    let manager = manager(2);
    let calls = Calls::default();
    let race = |first_fails: bool, hedge_fails: bool| {
        let calls = calls.clone();
        let work = move |attempt: Attempt| {
            calls.call();
            async move {
                nap(ms(20)).await;
                match attempt.is_hedge() {
                    false if first_fails => Err("first"),
                    true if hedge_fails => Err("hedge"),
                    is_hedge => Ok(is_hedge),
                }
            }
        };
        Operation::retryable("race", work).hedge(Hedge::after(ms(10)))
    };
    assert!(manager.run(race(true, false)).await.unwrap());
    assert!(!manager.run(race(false, true)).await.unwrap());
    let result = manager.run(race(true, true)).await;
    assert!(matches!(result, Err(OperationError::Failed(e)) if e.to_string() == "hedge"));
    assert_eq!(calls.count(), 6);
    // Both have failed: then there may be another attempt.
    let result = manager.run(race(true, true).retry(within(1, ms(1)))).await;
    assert!(result.is_err());
    assert_eq!(calls.count(), 10);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_time_out_holds_for_both_and_cancelling_either_cancels_both() {
    let manager = manager(4);
    let result = manager.run(race(1_000, 1_000).timeout(ms(30))).await;
    assert!(matches!(result, Err(OperationError::TimedOut { .. })));
    assert_idle(&manager);
    let handle = manager.submit(race(1_000, 1_000)).unwrap();
    tokio::time::sleep(ms(15)).await;
    let hedge = manager.running().into_iter().find(|record| record.id != handle.id()).unwrap();
    manager.cancel(hedge.id);
    assert!(matches!(handle.await, Err(OperationError::Cancelled)));
    settle().await;
    assert_eq!(manager.status(hedge.id), Some(Status::Cancelled));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_kind_can_say_that_what_takes_unusually_long_has_a_hedge() {
    let manager = Manager::builder()
        .max_concurrent(4)
        .kind("usual", |kind| kind.hedge(Hedge::p95()).timeout(Duration::MAX))
        .build()
        .unwrap();
    let usual = |first| {
        let work = move |attempt: Attempt| async move {
            nap(ms(if attempt.is_hedge() { 10 } else { first })).await;
            Ok::<_, OperationError>(attempt.is_hedge())
        };
        Operation::retryable("usual", work)
    };
    // Too few to know what is usual.
    assert!(!manager.run(usual(60_000)).await.unwrap());
    manager.reset_statistics();
    for _ in 0..30 {
        assert!(!manager.run(usual(10)).await.unwrap());
    }
    let start = Instant::now();
    assert!(manager.run(usual(60_000)).await.unwrap());
    assert!(start.elapsed() >= ms(20) && start.elapsed() < ms(25));
    assert_eq!(manager.stats().hedges_won, 1);
    assert_idle(&manager);
}
