//! Tasks that run operations, and those who cancel, join, submit or let time pass meanwhile.

use super::{Drops, assert_idle, manager, model, poll_once, runtime, turn, wait};
use crate::{CancelOutcome, Operation, OperationError};
use loom::thread::spawn;
use std::future::pending;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Enough for any task here to come to its end.
const ENOUGH: usize = 12;

#[test]
fn loom_a_cancel_that_meets_the_end_leaves_one_answer() {
    model(3, || {
        let runtime = runtime();
        let _inside = runtime.enter();
        let manager = manager(|builder| builder);
        let drops = Drops::default();
        let token = drops.token();
        let work = async move {
            let _token = token;
            tokio::task::yield_now().await;
        };
        let mut handle = manager.submit(Operation::infallible("work", work)).unwrap();
        let (cancelling, id) = (manager.clone(), handle.id());
        let cancelling = spawn(move || cancelling.cancel(id));
        turn(&runtime, 3);
        let outcome = cancelling.join().unwrap();
        turn(&runtime, ENOUGH);
        let stats = manager.stats();
        match poll_once(&mut handle) {
            Poll::Ready(Ok(())) => assert_eq!(stats.completed, 1),
            Poll::Ready(Err(OperationError::Cancelled)) => {
                assert_eq!((stats.cancelled, outcome), (1, CancelOutcome::Signalled));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(drops.count(), 1);
        assert_idle(&manager);
    });
}

#[test]
fn loom_a_cancel_reaches_one_that_is_run_where_its_caller_stands() {
    model(3, || {
        let manager = manager(|builder| builder);
        let caller = manager.clone();
        let caller = spawn(move || {
            let never = Operation::infallible("never", pending::<()>());
            wait(caller.run(never.timeout(Duration::MAX)))
        });
        loop {
            if let Some(record) = manager.running().first() {
                assert_eq!(manager.cancel(record.id), CancelOutcome::Signalled);
                break;
            }
            loom::thread::yield_now();
        }
        assert!(matches!(caller.join().unwrap(), Err(OperationError::Cancelled)));
        assert_idle(&manager);
    });
}

#[test]
fn loom_whoever_joins_while_the_others_go_is_answered() {
    model(3, || {
        let runtime = runtime();
        let _inside = runtime.enter();
        let manager = manager(|builder| builder);
        let work = |value: u32| {
            let work = async move {
                tokio::task::yield_now().await;
                value
            };
            Operation::infallible("work", work).key("k")
        };
        let first = manager.submit(work(1)).unwrap().cancel_on_drop();
        let follower = manager.clone();
        let follower = spawn(move || follower.submit(work(2)).unwrap());
        let leaving = spawn(move || drop(first));
        turn(&runtime, 2);
        leaving.join().unwrap();
        let mut second = follower.join().unwrap();
        turn(&runtime, ENOUGH);
        // Its own, if it came after the first had been told to stop.
        assert!(matches!(poll_once(&mut second), Poll::Ready(Ok(1 | 2))));
        assert_idle(&manager);
    });
}

#[test]
fn loom_one_that_is_submitted_while_a_task_ends_or_waits_is_run() {
    model(3, || {
        let runtime = runtime();
        let _inside = runtime.enter();
        let manager = manager(|builder| builder.max_concurrent(1));
        let first = manager.submit(Operation::infallible("work", async { 1 })).unwrap();
        let other = manager.clone();
        let other = spawn(move || {
            [2, 3].map(|value| {
                other.submit(Operation::infallible("work", async move { value })).unwrap()
            })
        });
        turn(&runtime, 2);
        let [second, third] = other.join().unwrap();
        turn(&runtime, ENOUGH);
        for (mut handle, value) in [(first, 1), (second, 2), (third, 3)] {
            assert!(matches!(poll_once(&mut handle), Poll::Ready(Ok(got)) if got == value));
        }
        assert_idle(&manager);
    });
}

#[test]
fn loom_a_runtime_that_ends_answers_those_who_still_come() {
    model(3, || {
        let runtime = runtime();
        let manager = manager(|builder| builder.max_concurrent(1));
        let handle = runtime.handle().clone();
        let _inside = handle.enter();
        let first = manager.submit(Operation::infallible("work", async { 1 })).unwrap();
        turn(&runtime, 2); // Its task waits for another.
        let other = manager.clone();
        let second = Operation::infallible("work", async { 2 });
        let other = spawn(move || other.submit(second).unwrap());
        drop(Arc::into_inner(runtime));
        let mut second = other.join().unwrap();
        let answer = poll_once(&mut second);
        assert!(matches!(answer, Poll::Ready(Err(OperationError::Cancelled))), "{answer:?}");
        drop(first);
        assert_idle(&manager);
    });
}

#[test]
fn loom_the_timer_sees_an_earlier_time_that_comes_while_it_looks() {
    model(3, || {
        let runtime = runtime();
        let _inside = runtime.enter();
        let manager = manager(|builder| builder.max_concurrent(1));
        let never = Operation::infallible("never", pending::<()>()).timeout(Duration::MAX);
        let never = manager.submit(never).unwrap().cancel_on_drop();
        let late = |millis| {
            let late = Operation::infallible("late", async {});
            late.queue_timeout(Duration::from_millis(millis))
        };
        let first = manager.submit(late(20)).unwrap();
        let other = manager.clone();
        let other = spawn(move || other.submit(late(10)).unwrap());
        runtime.block_on(async {
            tokio::task::yield_now().await;
            tokio::time::advance(Duration::from_millis(20)).await;
            tokio::task::yield_now().await;
        });
        let second = other.join().unwrap();
        runtime.block_on(async {
            for _ in 0..4 {
                tokio::time::advance(Duration::from_millis(20)).await;
                tokio::task::yield_now().await;
            }
        });
        for mut handle in [first, second] {
            let answer = poll_once(&mut handle);
            let in_time = matches!(answer, Poll::Ready(Err(OperationError::TimedOut { .. })));
            assert!(in_time, "{answer:?}");
        }
        drop(never);
        turn(&runtime, ENOUGH);
        assert_idle(&manager);
    });
}
