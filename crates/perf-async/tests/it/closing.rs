//! Places kept in the queue, and the end of a manager.

use crate::{Alive, assert_balanced, assert_idle, manager, ms, nap, settle};
use perf_async::{CancelOutcome, Manager, Operation, OperationError, Refused};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::time::timeout;

fn tight(queue: usize) -> Manager {
    Manager::builder().max_concurrent(1).queue_limit(queue).build().unwrap()
}

fn nop(manager: &Manager) -> Result<perf_async::Handle<()>, Refused> {
    manager.submit(Operation::infallible("nop", async {}))
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_is_turned_away_comes_back() {
    let manager = tight(2);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let waiting = [nop(&manager).unwrap(), nop(&manager).unwrap()];
    let alive = Alive::default();
    let token = alive.token();
    let work = async move {
        let _token = token;
        7
    };
    let operation = Operation::infallible("kept", work).key("k");
    let error = manager.try_submit(operation).unwrap_err();
    assert!(matches!(error.refused, Refused::Overloaded(o) if (o.waiting, o.limit) == (2, 2)));
    assert_eq!(alive.count(), 1);
    blocking.await.unwrap();
    for handle in waiting {
        handle.await.unwrap();
    }
    // Nothing was lost of it, its key neither.
    let first = manager.try_submit(error.operation).unwrap();
    let second = manager.submit(Operation::infallible("kept", async { 8 }).key("k")).unwrap();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (7, 7));
    assert_eq!(alive.count(), 0);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn reservations_are_given_in_the_order_of_asking_and_before_others() {
    let manager = tight(2);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let first = manager.reserve("a").await.unwrap();
    let second = manager.reserve("a").await.unwrap();
    // The two places are kept, though nobody waits yet.
    assert!(matches!(nop(&manager), Err(Refused::Overloaded(_))));
    let mut third = pin!(manager.reserve("a"));
    let mut fourth = pin!(manager.reserve("b"));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(third.as_mut().poll(&mut cx).is_pending());
    assert!(fourth.as_mut().poll(&mut cx).is_pending());
    drop(first);
    assert!(fourth.as_mut().poll(&mut cx).is_pending());
    let Poll::Ready(Ok(third)) = third.as_mut().poll(&mut cx) else { panic!("its turn") };
    let waiting = second.submit(Operation::infallible("a", async { 2 })).unwrap();
    let also = third.submit(Operation::infallible("a", async { 3 })).unwrap();
    assert!(fourth.as_mut().poll(&mut cx).is_pending());
    blocking.await.unwrap();
    assert_eq!((waiting.await.unwrap(), also.await.unwrap()), (2, 3));
    let fourth = fourth.await.unwrap();
    fourth.submit(Operation::infallible("b", async {})).unwrap().await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_counts_within_its_kind_and_lets_other_kinds_pass() {
    let manager = Manager::builder()
        .max_concurrent(1)
        .queue_limit(10)
        .kind("few", |kind| kind.queue_limit(1))
        .build()
        .unwrap();
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let place = manager.reserve("few").await.unwrap();
    assert!(manager.submit(Operation::infallible("few", async {})).is_err());
    let mut next = pin!(manager.reserve("few"));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(next.as_mut().poll(&mut cx).is_pending());
    let other = timeout(ms(1), manager.reserve("many")).await.unwrap().unwrap();
    drop(other);
    place.submit(Operation::infallible("few", async {})).unwrap().await.unwrap();
    drop(next.await.unwrap());
    blocking.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn those_who_give_up_waiting_for_a_place_leave_no_trace() {
    let manager = tight(1);
    let kept = manager.reserve("a").await.unwrap();
    for _ in 0..100 {
        assert!(timeout(ms(1), manager.reserve("a")).await.is_err());
    }
    // One that was given a place in the moment in which it gave up.
    let mut late = Box::pin(manager.reserve("a"));
    assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(kept);
    drop(late);
    let place = timeout(ms(1), manager.reserve("a")).await.unwrap().unwrap();
    place.submit(Operation::infallible("a", async {})).unwrap().await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_place_that_never_comes() {
    let manager = tight(0);
    assert!(matches!(manager.reserve("a").await, Err(Refused::Overloaded(_))));
    let manager = tight(1);
    let _kept = manager.reserve("a").await.unwrap();
    let (waits, closes) = tokio::join!(timeout(ms(50), manager.reserve("a")), async {
        nap(ms(10)).await;
        manager.close();
    });
    let () = closes;
    assert_eq!(waits.unwrap().unwrap_err(), Refused::Closed);
    assert!(matches!(manager.reserve("a").await, Err(Refused::Closed)));
}

#[tokio::test(start_paused = true)]
async fn more_room_lets_those_in_who_wait_for_a_place() {
    let manager = tight(1);
    let _kept = manager.reserve("a").await.unwrap();
    let asking = {
        let manager = manager.clone();
        tokio::spawn(async move { manager.reserve("a").await.map(drop) })
    };
    settle().await;
    assert!(!asking.is_finished());
    manager.set_queue_limit(2);
    timeout(ms(10), asking).await.unwrap().unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closed_manager_ends_what_it_has_and_takes_no_more() {
    let manager = tight(10);
    let running = manager.submit(Operation::infallible("slow", async {
        nap(ms(10)).await;
        1
    }));
    let waiting = manager.submit(Operation::infallible("next", async { 2 }));
    let place = manager.reserve("late").await.unwrap();
    manager.close();
    assert!(manager.is_closed());
    assert_eq!(nop(&manager).unwrap_err(), Refused::Closed);
    let run = manager.run(Operation::infallible("run", async {})).await;
    assert!(matches!(run, Err(OperationError::Closed)));
    assert_eq!(
        OperationError::Closed.to_string(),
        "the manager was closed: submit to one that is open"
    );
    assert_eq!(place.submit(Operation::infallible("late", async {})).unwrap_err(), Refused::Closed);
    assert_eq!((running.unwrap().await.unwrap(), waiting.unwrap().await.unwrap()), (1, 2));
    assert_eq!(manager.stats().rejected, 3);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_the_last_destructor_and_says_what_is_left() {
    let manager = manager(2);
    let alive = Alive::default();
    for i in 0..10 {
        let token = alive.token();
        let work = async move {
            let _token = token;
            nap(ms(10 * (i + 1))).await;
        };
        drop(manager.submit(Operation::infallible("work", work)).unwrap());
    }
    let early = manager.drain(ms(25)).await;
    assert!(!early.is_complete());
    assert_eq!((early.pending, early.running), (6, 2));
    let late = manager.drain(ms(10_000)).await;
    assert!(late.is_complete() && alive.count() == 0);
    // Again at once.
    assert!(manager.drain(ms(0)).await.is_complete());
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn aborting_cancels_all_and_draining_waits_until_they_are_gone() {
    let manager = manager(3);
    let alive = Alive::default();
    let handles: Vec<_> = (0..20)
        .map(|_| {
            let token = alive.token();
            let work = async move {
                let _token = token;
                std::future::pending::<()>().await;
            };
            manager.submit(Operation::infallible("never", work)).unwrap()
        })
        .collect();
    settle().await;
    assert_eq!(manager.abort(), 20);
    // What waited has gone already.
    assert_eq!((alive.count(), manager.pending_count()), (3, 0));
    assert!(manager.drain(ms(100)).await.is_complete());
    assert_eq!(alive.count(), 0);
    for handle in handles {
        assert_eq!(handle.cancel(), CancelOutcome::AlreadyFinished);
        assert!(matches!(handle.await, Err(OperationError::Cancelled)));
    }
    assert_eq!(manager.stats().cancelled, 20);
    assert_balanced(&manager.stats());
}

/// The destructor runs on another thread than the one that drains, after the operation has left the
/// scheduler.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn draining_sees_destructors_on_other_threads() {
    for _ in 0..200 {
        let manager = manager(4);
        let alive = Alive::default();
        for i in 0..8 {
            let token = alive.token();
            let work = async move {
                let _token = token;
                if i % 2 == 0 {
                    tokio::task::yield_now().await;
                }
            };
            let operation = Operation::infallible("work", work);
            let handle = manager.submit(operation).unwrap();
            if i % 3 == 0 {
                handle.cancel();
            }
        }
        assert!(manager.drain(ms(60_000)).await.is_complete());
        assert_eq!(alive.count(), 0);
    }
}
