//! Work on threads. Threads are not on the paused clock, so nothing here waits for a time on one:
//! tests and threads meet at channels, and time passes only where the test lets it.

mod ends;
mod pooling;
#[cfg(feature = "rayon")]
mod rayon;
mod sync;

use crate::{Alive, assert_idle, ms};
use perf_async::{CancelOutcome, LaneContext, Manager, Operation, OperationError, Status};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

fn manager() -> Manager {
    Manager::builder().max_concurrent(8).cpu_threads(2).build().unwrap()
}

/// Lets a thread wait until it is told to go on, and tells when it has begun.
struct Gate {
    begun: Receiver<()>,
    go: Sender<()>,
}

impl Gate {
    /// The gate, and what waits at it. That goes on at once when the gate is gone.
    fn new() -> (Gate, impl FnOnce() + Send + 'static) {
        let (begin, begun) = channel();
        let (go, told) = channel::<()>();
        let wait = move || {
            let _test_is_over = begin.send(()).is_err();
            let _gate_is_gone = told.recv().is_err();
        };
        (Gate { begun, go }, wait)
    }

    async fn wait_until_begun(&self) {
        until(|| self.begun.try_recv().is_ok()).await;
    }

    fn open(&self) {
        self.go.send(()).unwrap();
    }
}

/// Lets the runtime go on until that is so. Threads take the time that they take.
async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
        thread::yield_now();
    }
}

fn name_of_thread(_: &LaneContext<'_>) -> String {
    thread::current().name().unwrap().to_owned()
}

#[tokio::test]
async fn work_runs_on_threads_of_its_lane() {
    let manager = manager();
    let name = manager.run(Operation::cpu("sum", name_of_thread)).await.unwrap();
    assert!(name.starts_with("perf-cpu-"), "{name}");
    let name = manager.submit(Operation::blocking("read", name_of_thread)).unwrap().await.unwrap();
    assert!(name.starts_with("perf-blocking-"), "{name}");
    let failed = Operation::try_cpu("parse", |_| "x".parse::<u32>());
    let error = manager.run(failed).await.unwrap_err();
    assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
    assert_eq!(manager.stats().failed, 1);
    assert_idle(&manager);
}

#[tokio::test]
async fn no_more_run_than_there_are_threads_and_the_rest_wait_in_order_of_priority() {
    use perf_core::Priority;
    let manager = manager();
    let (gates, waits): (Vec<_>, Vec<_>) = [(); 2].map(|()| Gate::new()).into_iter().unzip();
    let holds: Vec<_> = waits
        .into_iter()
        .map(|wait| manager.submit(Operation::cpu("hold", |_| wait())).unwrap())
        .collect();
    for gate in &gates {
        gate.wait_until_begun().await;
    }
    let (sender, order) = channel();
    let handles: Vec<_> = [1, 9, 5]
        .map(|level| {
            let sender = sender.clone();
            let work = Operation::cpu("next", move |_| sender.send(level).unwrap());
            manager.submit(work.priority(Priority::new(level).unwrap())).unwrap()
        })
        .into_iter()
        .collect();
    assert_eq!((manager.running_count(), manager.pending_count()), (2, 3));
    // Neither a place of the manager nor another lane is taken by those who wait.
    manager.run(Operation::blocking("read", |_| ())).await.unwrap();
    gates[0].open();
    for handle in handles {
        handle.await.unwrap();
    }
    assert_eq!(order.try_iter().collect::<Vec<_>>(), [9, 5, 1]);
    gates[1].open();
    for hold in holds {
        hold.await.unwrap();
    }
    assert_idle(&manager);
}

#[tokio::test]
async fn a_panic_is_an_answer_and_the_thread_survives() {
    let manager = Manager::builder().cpu_threads(1).build().unwrap();
    let panics = Operation::cpu("panics", |_| -> u32 { panic!("as planned") });
    let error = manager.run(panics).await.unwrap_err();
    assert!(matches!(error, OperationError::Panicked(text) if &*text == "as planned"));
    let name = manager.run(Operation::cpu("next", name_of_thread)).await.unwrap();
    assert_eq!(name, "perf-cpu-1");
    assert_idle(&manager);
}

#[tokio::test]
async fn one_that_waits_never_starts_once_it_is_cancelled() {
    let manager = Manager::builder().cpu_threads(1).build().unwrap();
    let (gate, wait) = Gate::new();
    let hold = manager.submit(Operation::cpu("hold", |_| wait())).unwrap();
    gate.wait_until_begun().await;
    let alive = Alive::default();
    let token = alive.token();
    let work = move |_: &LaneContext<'_>| -> () {
        let _token = token;
        unreachable!("it was cancelled")
    };
    let handle = manager.submit(Operation::cpu("never", work)).unwrap();
    assert_eq!(handle.cancel(), CancelOutcome::Removed);
    // Its captured values are gone before the thread is free.
    assert_eq!(alive.count(), 0);
    assert!(matches!(handle.await.unwrap_err(), OperationError::Cancelled));
    gate.open();
    hold.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_too_slow_answers_at_once_and_keeps_its_thread_and_place_until_it_returns() {
    let manager = Manager::builder().max_concurrent(8).cpu_threads(1).build().unwrap();
    let (gate, wait) = Gate::new();
    let (sender, saw_it) = channel();
    let work = Operation::cpu("slow", move |context| {
        wait();
        sender.send(context.is_cancelled()).unwrap();
    });
    let handle = manager.submit(work.timeout(ms(50)).key("one")).unwrap();
    let id = handle.id();
    gate.wait_until_begun().await;
    assert!(matches!(handle.await.unwrap_err(), OperationError::TimedOut { .. }));
    assert_eq!((manager.stats().zombies, manager.running_count()), (1, 1));
    assert_eq!(manager.status(id), Some(Status::InProgress));
    // Nobody joins what has been answered; and the thread is not free.
    // Without a time-out: the clock leaps to the next timer while the thread is at work.
    let next = Operation::cpu("slow", |_| ()).key("one").timeout(Duration::MAX);
    let next = manager.submit(next).unwrap();
    assert_ne!(next.id(), id);
    assert_eq!(next.status(), Some(Status::Queued));
    // Cancelling it again changes nothing.
    manager.cancel(id);
    gate.open();
    next.await.unwrap();
    assert!(saw_it.recv().unwrap());
    assert_eq!((manager.stats().zombies, manager.stats().timed_out), (0, 1));
    assert_eq!(manager.status(id), Some(Status::Timeout));
    assert_idle(&manager);
}

#[tokio::test]
async fn one_that_is_cancelled_while_it_runs_is_asked_to_stop() {
    let manager = manager();
    let (begin, begun) = channel();
    let alive = Alive::default();
    let token = alive.token();
    let work = Operation::blocking("loop", move |context| {
        let _token = token;
        begin.send(()).unwrap();
        while !context.is_cancelled() {
            thread::yield_now();
        }
    });
    let handle = manager.submit(work).unwrap();
    until(|| begun.try_recv().is_ok()).await;
    assert_eq!(handle.cancel(), CancelOutcome::Signalled);
    assert!(matches!(handle.await.unwrap_err(), OperationError::Cancelled));
    until(|| manager.running_count() == 0).await;
    assert_eq!(alive.count(), 0);
    assert_eq!((manager.stats().zombies, manager.stats().cancelled), (0, 1));
    assert_idle(&manager);
}

#[tokio::test]
async fn dropping_the_future_of_run_leaves_a_zombie_too() {
    let manager = manager();
    let (gate, wait) = Gate::new();
    let mut run = Box::pin(manager.run(Operation::cpu("slow", |_| wait())));
    assert!(futures_poll(run.as_mut()).await.is_pending());
    gate.wait_until_begun().await;
    drop(run);
    assert_eq!((manager.stats().zombies, manager.running_count()), (1, 1));
    gate.open();
    until(|| manager.running_count() == 0).await;
    assert_eq!(manager.stats().zombies, 0);
    assert_idle(&manager);
}

async fn futures_poll<F: Future + Unpin>(mut future: F) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(cx)))
        .await
}

#[tokio::test]
async fn so_many_zombies_as_may_give_their_place_back_early() {
    let manager = Manager::builder().cpu_threads(1).max_zombies(1).build().unwrap();
    let (gates, waits): (Vec<_>, Vec<_>) = [(); 2].map(|()| Gate::new()).into_iter().unzip();
    let mut ids = Vec::new();
    for (gate, wait) in gates.iter().zip(waits) {
        let handle = manager.submit(Operation::cpu("slow", |_| wait())).unwrap();
        gate.wait_until_begun().await;
        ids.push(handle.id());
        handle.cancel();
        handle.await.unwrap_err();
    }
    // The first has let go: the second ran on another thread. The second has not.
    assert_eq!((manager.stats().zombies, manager.running_count()), (2, 1));
    assert_eq!(manager.status(ids[0]), Some(Status::Cancelled));
    assert_eq!(manager.status(ids[1]), Some(Status::InProgress));
    gates[0].open();
    gates[1].open();
    until(|| manager.stats().zombies == 0 && manager.running_count() == 0).await;
    assert_idle(&manager);
}

#[tokio::test]
async fn work_that_fails_is_told_so_when_it_is_tried_again() {
    use perf_async::Retry;
    use perf_guard::Backoff;
    let backoff = Backoff::builder().retries(3).base(ms(1)).cap(ms(1)).build().unwrap();
    let manager = Manager::builder()
        .kind("flaky", |kind| kind.retry(Retry::with_backoff(backoff)))
        .build()
        .unwrap();
    let work = Operation::retryable_blocking("flaky", |context| {
        let attempt = context.attempt();
        attempt.progress(u64::from(attempt.number()), 3);
        if attempt.number() < 3 { Err("not yet") } else { Ok(attempt.last_error().is_some()) }
    });
    assert!(manager.submit(work).unwrap().await.unwrap());
    assert_eq!(manager.stats().retried, 2);
    assert_idle(&manager);
}
