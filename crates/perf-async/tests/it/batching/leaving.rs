//! Members who go away, and runtimes that do.

use super::{all, assert_doubled, busy, double, doubling};
use crate::{Alive, Token, assert_idle, manager, ms, settle};
use perf_async::{Batch, CancelOutcome, Manager, Operation, OperationError, Status, TimeoutClock};
use std::convert::Infallible;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn those_who_leave_or_expire_before_the_batch_are_not_in_it() {
    let manager = manager(8);
    let (calls, _first) = busy(&manager, 10).await;
    let handles = all(&manager, 1..4);
    assert_eq!(handles[1].1.cancel(), CancelOutcome::Removed);
    let hasty = Operation::item::<u32, u32>("double", 9).queue_timeout(ms(3));
    let hasty = manager.submit_item_operation(hasty).unwrap();
    assert!(matches!(
        hasty.await,
        Err(OperationError::TimedOut { clock: TimeoutClock::Queue, .. })
    ));
    for (item, handle) in handles {
        assert_eq!(handle.await.is_ok(), item != 2);
    }
    assert_eq!(calls.all()[1], [1, 3]);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_who_leaves_a_batch_under_way_harms_nobody() {
    // The first of a batch holds its place, so it is a case of its own.
    for leaves in 0..3 {
        let manager = manager(1);
        let calls = doubling(&manager, Batch::natural(10), ms(10));
        let handles = manager.submit_items::<u32, _>("double", 0..3_u32).unwrap();
        settle().await;
        assert_eq!(calls.sizes(), [3]);
        assert_eq!(handles[leaves].cancel(), CancelOutcome::Signalled);
        assert!(handles[leaves].is_finished());
        assert_eq!(handles[leaves].cancel(), CancelOutcome::AlreadyFinished);
        manager.cancel(handles[leaves].id());
        // The place is still taken.
        let next = manager.submit(Operation::infallible("other", async { 1 })).unwrap();
        settle().await;
        assert_eq!(manager.status(next.id()), Some(Status::Queued));
        for (item, handle) in (0_u32..).zip(handles) {
            match handle.await {
                Ok(value) => assert_eq!(value, item * 2),
                Err(OperationError::Cancelled) => assert_eq!(item as usize, leaves),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(next.await.unwrap(), 1);
        let stats = manager.stats();
        assert_eq!((stats.completed, stats.cancelled), (3, 1));
        assert_idle(&manager);
    }
}

/// Batches the kind `stuck`, whose handler never ends; counts its futures.
fn stuck(manager: &Manager) -> Alive {
    let alive = Alive::default();
    let counted = alive.clone();
    let handler = move |items: Vec<u32>| {
        let token = counted.token();
        async move {
            let _token = token;
            std::future::pending::<()>().await;
            items.into_iter().map(Ok::<_, Infallible>).collect::<Vec<_>>()
        }
    };
    manager.enable_batching("stuck", Batch::natural(10), handler).unwrap();
    alive
}

#[tokio::test(start_paused = true)]
async fn the_batch_is_dropped_when_the_last_has_left() {
    let manager = manager(1);
    let alive = stuck(&manager);
    let mut handles = manager.submit_items::<u32, _>("stuck", 0..3_u32).unwrap();
    settle().await;
    // In three ways: by the handle, by its drop, by the id.
    handles.pop().unwrap().cancel();
    settle().await;
    drop(handles.pop().unwrap().cancel_on_drop());
    settle().await;
    assert_eq!((alive.count(), manager.running_count()), (1, 1));
    assert_eq!(manager.cancel(handles[0].id()), CancelOutcome::Signalled);
    settle().await;
    assert_eq!(alive.count(), 0);
    assert!(matches!(handles.pop().unwrap().await, Err(OperationError::Cancelled)));
    assert_eq!(manager.stats().cancelled, 3);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_handle_lets_its_item_go_on() {
    let manager = manager(1);
    let calls = doubling(&manager, Batch::natural(10), ms(10));
    drop(manager.submit_items::<u32, _>("double", 0..3_u32).unwrap());
    sleep(ms(20)).await;
    assert_eq!(calls.sizes(), [3]);
    assert_eq!(manager.stats().completed, 3);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_before_the_handler_is_called_are_not_handed_over() {
    let manager = manager(1);
    let calls = doubling(&manager, Batch::natural(10), ms(0));
    let handles = manager.submit_items::<u32, _>("double", 0..3_u32).unwrap();
    // The batch has started, but its task has not had a turn yet.
    handles[0].cancel();
    handles[2].cancel();
    for (item, handle) in (0..).zip(handles) {
        assert_eq!(handle.await.is_ok(), item == 1);
    }
    assert_eq!(calls.all(), [[1]]);
    let gone = double(&manager, 5);
    gone.cancel();
    assert!(gone.await.is_err());
    settle().await;
    assert_eq!(calls.sizes(), [1]);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_own_time_passes_leaves_by_itself() {
    let manager = manager(1);
    doubling(&manager, Batch::natural(10), ms(100));
    let first = double(&manager, 0);
    settle().await;
    let hasty = |item: u32, total: u64| {
        let operation = Operation::item::<u32, u32>("double", item).total_timeout(ms(total));
        manager.submit_item_operation(operation).unwrap()
    };
    let (a, b, c) = (hasty(1, 130), double(&manager, 2), hasty(3, 150));
    assert_doubled([(0, first)]).await;
    let start = tokio::time::Instant::now();
    assert!(matches!(a.await, Err(OperationError::TimedOut { clock: TimeoutClock::Total, .. })));
    assert_eq!(start.elapsed(), ms(30));
    assert!(c.await.is_err());
    assert_eq!(start.elapsed(), ms(50));
    assert_eq!(b.await.unwrap(), 4);
    assert_eq!(start.elapsed(), ms(100));
    assert_eq!(manager.stats().timed_out, 2);
    assert_idle(&manager);
}

#[test]
fn a_runtime_that_shuts_down_answers_every_member() {
    let manager = manager(1);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let alive = stuck(&manager);
    let running = {
        let _guard = first.enter();
        manager.submit_items::<u32, _>("stuck", 0..3_u32).unwrap()
    };
    first.block_on(settle());
    assert_eq!(alive.count(), 1);
    let waiting = {
        let _guard = first.enter();
        manager.submit_items::<u32, _>("stuck", 0..2_u32).unwrap()
    };
    drop(first);
    assert_eq!(alive.count(), 0);
    second.block_on(async {
        for handle in running.into_iter().chain(waiting) {
            assert!(matches!(handle.await, Err(OperationError::Cancelled)));
        }
    });
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn items_and_answers_that_panic_when_dropped_harm_nobody_else() {
    #[derive(Debug)]
    struct Grumpy(#[expect(dead_code, reason = "it counts")] Token, bool);
    impl Drop for Grumpy {
        fn drop(&mut self) {
            assert!(!self.1 || std::thread::panicking(), "grumpy");
        }
    }
    let manager = manager(1);
    let alive = Alive::default();
    let handler = async |items: Vec<Grumpy>| {
        let answers = items.iter().map(|_| Ok::<_, Infallible>(1_u32)).collect();
        std::mem::forget(items);
        answers
    };
    manager.enable_batching("grumpy", Batch::natural(10), handler).unwrap();
    let items = [true, false, true].map(|grumpy| Grumpy(alive.token(), grumpy));
    let handles = manager.submit_items::<u32, _>("grumpy", items).unwrap();
    handles[0].cancel();
    handles[2].cancel();
    let answers: Vec<bool> = {
        let mut answers = Vec::new();
        for handle in handles {
            answers.push(handle.await.is_ok());
        }
        answers
    };
    assert_eq!(answers, [false, true, false]);
    assert_idle(&manager);
}
