use crate::{Alive, assert_idle, manager, ms, nap, settle};
use perf_async::{Manager, Operation, OperationError, Status, TimeoutClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

fn clock_of<T>(result: Result<T, OperationError>) -> (TimeoutClock, Duration) {
    match result {
        Err(OperationError::TimedOut { clock, limit }) => (clock, limit),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it has a value"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_runs_too_long_is_dropped() {
    let manager = manager(1);
    let alive = Alive::default();
    let endless = || {
        let token = alive.token();
        let work = async move {
            let _token = token;
            std::future::pending::<()>().await;
        };
        Operation::infallible("endless", work).timeout(ms(50))
    };
    let start = Instant::now();
    let inline = manager.run(endless()).await;
    assert_eq!(clock_of(inline), (TimeoutClock::Run, ms(50)));
    assert_eq!(alive.count(), 0);
    let handle = manager.submit(endless()).unwrap();
    let id = handle.id();
    assert_eq!(clock_of(handle.await), (TimeoutClock::Run, ms(50)));
    assert_eq!(alive.count(), 0);
    assert!(start.elapsed() < ms(110));
    assert_eq!(manager.status(id), Some(Status::Timeout));
    assert_eq!(manager.stats().timed_out, 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_managers_time_out_holds_where_the_operation_has_none() {
    let manager = Manager::builder().timeout(ms(20)).build().unwrap();
    let never = || Operation::infallible("never", std::future::pending::<()>());
    assert_eq!(clock_of(manager.run(never()).await), (TimeoutClock::Run, ms(20)));
    manager.set_timeout(ms(40));
    assert_eq!(clock_of(manager.run(never()).await), (TimeoutClock::Run, ms(40)));
    let slow = Operation::infallible("slow", nap(ms(500))).timeout(Duration::MAX);
    manager.run(slow).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_does_not_count_as_running() {
    let manager = manager(1);
    let work = || Operation::infallible("work", nap(ms(30))).timeout(ms(40));
    let handles: Vec<_> = (0..4).map(|_| manager.submit(work()).unwrap()).collect();
    for handle in handles {
        handle.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_whose_time_passed_in_the_queue_never_starts() {
    let manager = manager(1);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(100)))).unwrap();
    let started = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let late = || {
        let started = Arc::clone(&started);
        Operation::infallible("late", async move { started.store(true, Ordering::SeqCst) })
    };
    let queue = manager.submit(late().queue_timeout(ms(30))).unwrap();
    let earlier = manager.submit(late().queue_timeout(ms(10))).unwrap();
    let total = manager.submit(late().queue_timeout(ms(60)).total_timeout(ms(20))).unwrap();
    assert_eq!(clock_of(earlier.await), (TimeoutClock::Queue, ms(10)));
    assert_eq!(clock_of(total.await), (TimeoutClock::Total, ms(20)));
    assert_eq!(clock_of(queue.await), (TimeoutClock::Queue, ms(30)));
    assert!(start.elapsed() < ms(40));
    blocking.await.unwrap();
    settle().await;
    assert!(!started.load(Ordering::SeqCst));
    assert_eq!(manager.stats().timed_out, 3);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn nobody_needs_to_await_for_the_queue_to_be_cleaned() {
    let manager = manager(1);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(100)))).unwrap();
    let alive = Alive::default();
    let token = alive.token();
    let late = async move { drop(token) };
    drop(manager.submit(Operation::infallible("late", late).queue_timeout(ms(10))).unwrap());
    sleep(ms(20)).await;
    assert_eq!(alive.count(), 0);
    assert_eq!(manager.pending_count(), 0);
    blocking.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_total_counts_from_the_submission() {
    let manager = manager(1);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(30)))).unwrap();
    let start = Instant::now();
    let work = Operation::infallible("work", nap(ms(100))).total_timeout(ms(50));
    let result = manager.run(work).await;
    assert_eq!(clock_of(result), (TimeoutClock::Total, ms(50)));
    assert!(start.elapsed() >= ms(50) && start.elapsed() < ms(60));
    blocking.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_there_in_time_wins() {
    let manager = manager(1);
    let exact = Operation::infallible("exact", nap(ms(10))).timeout(ms(10));
    manager.run(exact).await.unwrap();
}

#[test]
fn a_limit_on_waiting_outlives_the_runtime_that_looked_after_it() {
    let runtime = |paused| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(paused).build().unwrap()
    };
    let (first, second, third) = (runtime(false), runtime(false), runtime(true));
    // Built where the clock stands still, so that it goes by it.
    let manager = third.block_on(async { manager(1) });
    let submit = |runtime: &tokio::runtime::Runtime, limit| {
        let _entered = runtime.enter();
        let never = Operation::infallible("never", std::future::pending::<()>());
        manager.submit(never.timeout(Duration::MAX).queue_timeout(limit)).unwrap()
    };
    let blocking = submit(&third, Duration::MAX);
    let _early = submit(&first, ms(10_000));
    let _also = submit(&second, ms(20_000));
    let late = submit(&third, ms(30_000));
    drop((first, second));
    let answer = third.block_on(async { tokio::time::timeout(ms(60_000), late).await });
    assert_eq!(clock_of(answer.unwrap()), (TimeoutClock::Queue, ms(30_000)));
    blocking.cancel();
    drop(third);
    assert_idle(&manager);
}
