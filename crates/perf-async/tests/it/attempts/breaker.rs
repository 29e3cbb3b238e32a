//! What a kind's circuit breaker learns of attempts, and does to them.

use super::{Calls, within};
use crate::{assert_idle, ms, nap, settle};
use perf_async::{Attempt, Manager, Operation, OperationError, Retry, Source, Work};
use perf_core::Ratio;
use perf_guard::{BreakerState, CircuitBreaker, CircuitBreakerBuilder};
use std::time::Duration;
use tokio::time::sleep;

/// Opens at two failures out of two, for a second, with one probe.
fn breaker() -> CircuitBreakerBuilder {
    let all = Ratio::new(1.0).unwrap();
    CircuitBreaker::builder().minimum_calls(2).failure_ratio(all).open_for(ms(1_000)).probes(1)
}

fn guarded() -> Manager {
    Manager::builder().kind("call", |kind| kind.breaker(breaker())).build().unwrap()
}

fn state(manager: &Manager) -> BreakerState {
    manager.metrics("call").unwrap().breaker.unwrap()
}

fn fails() -> Operation<u32, impl Work<u32> + Send + 'static> {
    Operation::new("call", async { Err::<u32, _>("no") })
}

fn works() -> Operation<u32, impl Work<u32> + Send + 'static> {
    Operation::new("call", async { Ok::<u32, OperationError>(1) })
}

#[tokio::test(start_paused = true)]
async fn it_opens_refuses_probes_and_closes() {
    let manager = guarded();
    for _ in 0..2 {
        assert!(matches!(manager.run(fails()).await, Err(OperationError::Failed(_))));
    }
    assert_eq!(state(&manager), BreakerState::Open);
    sleep(ms(400)).await;
    let result = manager.run(works()).await;
    let Err(OperationError::CircuitOpen { retry_after }) = result else { panic!("{result:?}") };
    assert_eq!(retry_after, ms(600));
    let handle = manager.submit(works()).unwrap();
    assert!(matches!(handle.await, Err(OperationError::CircuitOpen { .. })));
    assert_eq!(manager.stats().refused, 2);
    sleep(ms(600)).await;
    assert_eq!(state(&manager), BreakerState::HalfOpen);
    assert!(matches!(manager.run(fails()).await, Err(OperationError::Failed(_))));
    assert_eq!(state(&manager), BreakerState::Open);
    sleep(ms(1_000)).await;
    assert_eq!(manager.run(works()).await.unwrap(), 1);
    assert_eq!(state(&manager), BreakerState::Closed);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_or_cancelled_gives_its_reservation_back() {
    let manager = guarded();
    for _ in 0..2 {
        manager.run(fails()).await.unwrap_err();
    }
    sleep(ms(1_000)).await;
    let never = || Operation::infallible("call", std::future::pending::<u32>());
    // The only probe there is: while it is under way, others are refused.
    let probe = manager.submit(never()).unwrap();
    settle().await;
    assert!(matches!(manager.run(works()).await, Err(OperationError::CircuitOpen { .. })));
    probe.cancel();
    assert!(matches!(probe.await, Err(OperationError::Cancelled)));
    assert_eq!(state(&manager), BreakerState::HalfOpen);
    assert!(tokio::time::timeout(ms(1), manager.run(never())).await.is_err());
    settle().await; // Its own task drops it.
    assert_eq!(state(&manager), BreakerState::HalfOpen);
    assert_eq!(manager.run(works()).await.unwrap(), 1);
    assert_eq!(state(&manager), BreakerState::Closed);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_counts_and_so_do_those_that_take_too_long() {
    let manager = guarded();
    let fails = Operation::retryable("call", |_| async { Err::<u32, _>("no") });
    // Two attempts open it, and an open circuit lets no third follow.
    let result = manager.run(fails.retry(within(5, ms(10)))).await;
    assert!(matches!(result, Err(OperationError::Failed(_))));
    assert_eq!(state(&manager), BreakerState::Open);
    assert_eq!(manager.stats().retried, 1);
    // It took nothing out of the budget.
    assert_eq!(manager.stats().retries_refused, 0);
    sleep(ms(1_000)).await;
    let slow = Operation::infallible("call", nap(Duration::from_secs(9))).timeout(ms(10));
    assert!(matches!(manager.run(slow).await, Err(OperationError::TimedOut { .. })));
    assert_eq!(state(&manager), BreakerState::Open);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_test_says_which_errors_count() {
    let manager = guarded();
    let not_found = |error: &OperationError| !matches!(error, OperationError::Failed(e) if e.to_string() == "404");
    manager.configure("call", |kind| kind.failure_if(not_found)).unwrap();
    let missing = || Operation::new("call", async { Err::<u32, _>("404") });
    for _ in 0..3 {
        assert!(manager.run(missing()).await.is_err());
        assert!(manager.submit(missing()).unwrap().await.is_err());
    }
    assert_eq!(state(&manager), BreakerState::Closed);
    // They count as successes: two failures are no longer all of the calls.
    for _ in 0..2 {
        assert!(manager.run(fails()).await.is_err());
    }
    assert_eq!(state(&manager), BreakerState::Closed);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn while_it_is_open_the_fallback_answers() {
    let manager = guarded();
    for _ in 0..2 {
        manager.run(fails()).await.unwrap_err();
    }
    let fallback =
        |error: &OperationError| matches!(error, OperationError::CircuitOpen { .. }).then_some(7);
    let answered = manager.run_answered(works().fallback(fallback)).await.unwrap();
    assert_eq!((answered.value, answered.source), (7, Source::Fallback));
    assert_eq!((manager.stats().fallbacks, manager.stats().stale), (1, 0));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_finds_the_circuit_open_is_refused() {
    let manager = guarded();
    let calls = Calls::default();
    let counting = calls.clone();
    let fails_once = Operation::retryable("call", move |attempt: Attempt| {
        counting.call();
        async move { if attempt.number() == 1 { Err("no") } else { Ok(2) } }
    });
    let handle = manager.submit(fails_once.retry(within(1, ms(500)))).unwrap();
    settle().await;
    // Another one's failure opens it meanwhile.
    manager.run(fails().retry(Retry::never())).await.unwrap_err();
    assert_eq!(state(&manager), BreakerState::Open);
    assert!(matches!(handle.await, Err(OperationError::CircuitOpen { .. })));
    assert_eq!(calls.count(), 1);
    assert_idle(&manager);
}
