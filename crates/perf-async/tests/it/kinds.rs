use crate::{Alive, assert_idle, ms, nap, settle};
use perf_async::{
    Fairness, KindSettings, MAX_KINDS, Manager, Operation, OperationError, Refused, Status,
    Throttle,
};
use perf_async::{OperationMetrics, TimeoutClock};
use perf_core::{Priority, Ratio};
use perf_guard::{BreakerState, CircuitBreaker, CircuitBreakerBuilder};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A manager with room for a hundred, and one kind set.
fn with(kind: &'static str, change: impl FnOnce(KindSettings) -> KindSettings) -> Manager {
    Manager::builder().max_concurrent(100).kind(kind, change).build().unwrap()
}

fn metrics(manager: &Manager, kind: &str) -> OperationMetrics {
    manager.metrics(kind).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_kind_runs_no_more_at_once_than_it_may_and_keeps_no_other_waiting() {
    let manager = with("fetch", |kind| kind.max_concurrent(2));
    let fetch = || Operation::infallible("fetch", nap(ms(100)));
    let handles: Vec<_> = (0..5).map(|_| manager.submit(fetch()).unwrap()).collect();
    let start = Instant::now();
    manager.run(Operation::infallible("other", nap(ms(1)))).await.unwrap();
    assert_eq!(start.elapsed(), ms(1));
    let fetches = metrics(&manager, "fetch");
    assert_eq!((fetches.pending, fetches.running), (3, 2));
    for handle in handles {
        handle.await.unwrap();
    }
    assert_eq!(start.elapsed(), ms(300));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_kind_has_a_queue_limit_of_its_own() {
    let manager = with("fetch", |kind| kind.max_concurrent(1).queue_limit(1));
    let fetch = || manager.submit(Operation::infallible("fetch", nap(ms(10))));
    let kept = (fetch().unwrap(), fetch().unwrap());
    let overloaded = fetch().unwrap_err();
    let Refused::Overloaded(overloaded) = overloaded else { panic!("{overloaded}") };
    assert_eq!((overloaded.waiting, overloaded.limit), (1, 1));
    assert!(manager.submit(Operation::infallible("other", async {})).is_ok());
    assert_eq!(metrics(&manager, "fetch").totals.rejected, 1);
    kept.0.await.unwrap();
    kept.1.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_throttle_spaces_the_starts_of_its_kind_only() {
    let manager = with("mail", |kind| kind.throttle(Throttle::spacing(ms(50))));
    let start = Instant::now();
    let mail = || Operation::infallible("mail", async move { start.elapsed() });
    let handles: Vec<_> = (0..4).map(|_| manager.submit(mail()).unwrap()).collect();
    assert_eq!(
        manager.submit(Operation::infallible("other", async { 1 })).unwrap().await.unwrap(),
        1
    );
    assert_eq!(start.elapsed(), ms(0));
    assert!(metrics(&manager, "mail").throttled);
    let mut starts = Vec::new();
    for handle in handles {
        starts.push(handle.await.unwrap());
    }
    for (i, start) in (0..).zip(starts) {
        // tokio's timer goes by the millisecond.
        assert!((ms(50 * i)..=ms(50 * i + i)).contains(&start), "start {i} at {start:?}");
    }
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_operation_uses_up_no_ticket() {
    let manager = with("mail", |kind| kind.throttle(Throttle::rate(1, ms(1_000))));
    let mail = || manager.submit(Operation::infallible("mail", async {})).unwrap();
    mail().await.unwrap();
    let waiting: Vec<_> = (0..10).map(|_| mail()).collect();
    let last = mail();
    waiting.iter().for_each(|handle| _ = handle.cancel());
    let start = Instant::now();
    last.await.unwrap();
    assert!(start.elapsed() <= ms(1_001), "{:?}", start.elapsed());
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn run_waits_for_the_throttle_too() {
    let manager = with("mail", |kind| kind.throttle(Throttle::spacing(ms(20))));
    let start = Instant::now();
    for _ in 0..3 {
        manager.run(Operation::infallible("mail", async {})).await.unwrap();
    }
    assert!(start.elapsed() >= ms(40));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_throttle_can_be_set_and_taken_away_while_operations_wait_for_it() {
    let manager = with("mail", |kind| kind);
    let hour = Duration::from_secs(3_600);
    manager.set_operation_throttle("mail", hour).unwrap();
    assert_eq!(manager.operation_throttle("mail"), hour);
    let mail = || manager.submit(Operation::infallible("mail", async {})).unwrap();
    let handles = [mail(), mail(), mail()];
    settle().await;
    assert_eq!(manager.pending_count(), 2);
    manager.set_operation_throttle("mail", Duration::ZERO).unwrap();
    let start = Instant::now();
    for handle in handles {
        handle.await.unwrap();
    }
    assert_eq!((start.elapsed(), manager.operation_throttle("mail")), (ms(0), ms(0)));
}

fn easily() -> CircuitBreakerBuilder {
    let half = Ratio::new(0.5).unwrap();
    CircuitBreaker::builder().minimum_calls(2).failure_ratio(half).open_for(ms(100)).probes(1)
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_refuses_at_once_and_a_probe_closes_it() {
    let manager = with("call", |kind| kind.breaker(easily()));
    let call = |well: bool| {
        Operation::new("call", async move { if well { Ok(()) } else { Err("no such host") } })
    };
    for _ in 0..2 {
        manager.run(call(false)).await.unwrap_err();
    }
    assert_eq!(metrics(&manager, "call").breaker, Some(BreakerState::Open));
    let alive = Alive::default();
    let token = alive.token();
    let refused = Operation::infallible("call", async move { drop(token) });
    let error = manager.submit(refused).unwrap().await.unwrap_err();
    assert!(
        matches!(error, OperationError::CircuitOpen { retry_after } if retry_after == ms(100)),
        "{error}"
    );
    assert_eq!(alive.count(), 0);
    let error = manager.run(call(true)).await.unwrap_err();
    assert!(matches!(error, OperationError::CircuitOpen { .. }), "{error}");
    // Others go on.
    manager.run(Operation::infallible("other", async {})).await.unwrap();
    let totals = metrics(&manager, "call").totals;
    assert_eq!((totals.submitted, totals.failed, totals.refused), (4, 4, 2));

    sleep(ms(100)).await;
    manager.run(call(true)).await.unwrap();
    assert_eq!(metrics(&manager, "call").breaker, Some(BreakerState::Closed));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_cancelled_makes_room_for_another() {
    let manager = with("call", |kind| kind.breaker(easily()));
    let fail = || Operation::new("call", async { Err::<(), _>("no") });
    for _ in 0..2 {
        manager.run(fail()).await.unwrap_err();
    }
    sleep(ms(100)).await;
    let probe = manager.submit(Operation::infallible("call", nap(ms(10_000)))).unwrap();
    settle().await;
    assert_eq!(probe.status(), Some(Status::InProgress));
    let error = manager.run(Operation::infallible("call", async {})).await.unwrap_err();
    assert!(matches!(error, OperationError::CircuitOpen { .. }), "{error}");
    probe.cancel();
    settle().await;
    manager.run(Operation::infallible("call", async {})).await.unwrap();
    assert_eq!(metrics(&manager, "call").breaker, Some(BreakerState::Closed));
}

#[tokio::test(start_paused = true)]
async fn an_operations_own_time_outs_win_over_its_kinds_and_those_over_the_managers() {
    let manager = Manager::builder()
        .timeout(ms(1_000))
        .max_concurrent(1)
        .kind("quick", |kind| kind.timeout(ms(100)).queue_timeout(ms(50)).total_timeout(ms(300)))
        .build()
        .unwrap();
    let long = || nap(ms(100_000));
    let timed_out = async |operation| match manager.run(operation).await {
        Err(OperationError::TimedOut { clock, limit }) => (clock, limit),
        other => panic!("{other:?}"),
    };
    let run = TimeoutClock::Run;
    assert_eq!(timed_out(Operation::infallible("any", long())).await, (run, ms(1_000)));
    assert_eq!(timed_out(Operation::infallible("quick", long())).await, (run, ms(100)));
    let own = Operation::infallible("quick", long()).timeout(ms(200));
    assert_eq!(timed_out(own).await, (run, ms(200)));
    let own = Operation::infallible("quick", long()).timeout(Duration::MAX);
    assert_eq!(timed_out(own).await, (TimeoutClock::Total, ms(300)));
    let busy = manager.submit(Operation::infallible("any", nap(ms(90)))).unwrap();
    let waits = Operation::infallible("quick", long());
    assert_eq!(timed_out(waits).await, (TimeoutClock::Queue, ms(50)));
    busy.await.unwrap();
    manager.set_operation_timeout("quick", ms(20)).unwrap();
    assert_eq!(manager.operation_timeout("quick"), ms(20));
    assert_eq!(timed_out(Operation::infallible("quick", long())).await, (run, ms(20)));
    assert_eq!(manager.operation_timeout("any"), ms(1_000));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn weights_share_the_starts_out() {
    let manager = Manager::builder()
        .max_concurrent(1)
        .fairness(Fairness::Weighted)
        .kind("big", |kind| kind.weight(3))
        .build()
        .unwrap();
    let started = Arc::new(Mutex::new(Vec::new()));
    let one = |kind: &'static str, priority| {
        let started = Arc::clone(&started);
        let work = async move {
            started.lock().unwrap().push(kind);
            sleep(ms(1)).await;
        };
        manager.submit(Operation::infallible(kind, work).priority(priority)).unwrap()
    };
    // The priority orders within a kind, not between kinds.
    let handles: Vec<_> = (0..400)
        .flat_map(|_| [one("small", Priority::HIGHEST), one("big", Priority::LOWEST)])
        .collect();
    for handle in handles {
        handle.await.unwrap();
    }
    let first = &started.lock().unwrap()[..400];
    let big = first.iter().filter(|kind| **kind == "big").count();
    assert!((297..=303).contains(&big), "{big} of 400 are big, and 300 should be");
}

#[tokio::test(start_paused = true)]
async fn settings_can_be_read_and_changed_and_wrong_ones_are_named() {
    let manager = with("fetch", |kind| kind.max_concurrent(1).weight(2));
    assert!(manager.kind_settings("mail").is_none());
    let fetch = || Operation::infallible("fetch", nap(ms(10)));
    let handles: Vec<_> = (0..3).map(|_| manager.submit(fetch()).unwrap()).collect();
    manager.configure("fetch", |kind| kind.max_concurrent(None)).unwrap();
    assert_eq!(manager.running_count(), 3);
    let settings = manager.kind_settings("fetch").unwrap();
    assert_eq!((settings.max_concurrent, settings.weight), (None, 2));
    for handle in handles {
        handle.await.unwrap();
    }

    let error = manager.configure("fetch", |kind| kind.max_concurrent(0)).unwrap_err();
    assert_eq!(error.to_string(), "`max_concurrent` cannot be 0: use 1 to 10000");
    let error = manager.configure("fetch", |kind| kind.weight(0)).unwrap_err();
    assert_eq!(error.to_string(), "`weight` cannot be 0: use 1 to 1000");
    let error = manager.configure("fetch", |kind| kind.timeout(Duration::ZERO)).unwrap_err();
    assert_eq!(error.setting(), "timeout");
    let nothing = Throttle::rate(0, ms(1));
    let error = manager.configure("fetch", |kind| kind.throttle(nothing)).unwrap_err();
    assert_eq!(error.setting(), "rate");
    let breaker = CircuitBreaker::builder().window(0);
    let error = Manager::builder().kind("fetch", |kind| kind.breaker(breaker)).build().unwrap_err();
    assert_eq!(error.setting(), "window");
    assert_eq!(manager.kind_settings("fetch").unwrap().max_concurrent, None);
}

#[tokio::test(start_paused = true)]
async fn kinds_beyond_the_bound_go_under_one_and_are_counted() {
    let manager = with("fetch", |kind| kind);
    for i in 0..2 * MAX_KINDS {
        let operation = Operation::infallible(format!("kind {i}"), async { 1 });
        assert_eq!(manager.run(operation).await.unwrap(), 1);
    }
    assert_eq!(manager.kinds().len(), MAX_KINDS + 1);
    let others = metrics(&manager, "other").totals.completed;
    assert_eq!(others, MAX_KINDS as u64 + 1);
    assert_eq!(manager.stats().unnamed, others);
    assert_eq!(manager.stats().completed, 2 * MAX_KINDS as u64);
    let error = manager.configure("one more", |kind| kind).unwrap_err();
    assert_eq!(error.to_string(), "`kind` cannot be one more: use at most 256 kinds");
    // Names without a kind of their own are told apart all the same.
    let [a, b] = ["x", "y"].map(|kind| {
        let name = format!("new {kind}");
        manager.submit(Operation::infallible(name, async move { kind }).key("same")).unwrap()
    });
    assert_eq!((a.await.unwrap(), b.await.unwrap()), ("x", "y"));
}

#[tokio::test(start_paused = true)]
async fn every_kind_has_figures_of_its_own() {
    let manager = with("slow", |kind| kind.max_concurrent(1));
    let slow = || manager.submit(Operation::infallible("slow", nap(ms(100)))).unwrap();
    let handles = [slow(), slow()];
    manager.run(Operation::new("fast", async { Err::<(), _>("no") })).await.unwrap_err();
    for handle in handles {
        handle.await.unwrap();
    }
    let slow = metrics(&manager, "slow");
    assert_eq!((slow.totals.submitted, slow.totals.completed, slow.totals.failed), (2, 2, 0));
    assert_eq!(slow.wait_duration.count(), 2);
    assert_eq!(slow.run_duration.min(), Some(100_000_000));
    assert_eq!(metrics(&manager, "fast").totals.failed, 1);
    assert_eq!(manager.metrics_by_kind().len(), 2);
    let stats = manager.stats();
    assert_eq!(
        (stats.submitted, stats.run_duration.count(), stats.wait_duration.count()),
        (3, 3, 3)
    );
    manager.reset_statistics();
    assert_eq!(metrics(&manager, "slow").run_duration.count(), 0);
    assert_eq!(metrics(&manager, "slow").totals.submitted, 0);
}
