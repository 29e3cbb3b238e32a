//! Operations by their ids.

use crate::{Alive, assert_idle, manager, ms, nap, settle};
use perf_async::{CancelOutcome, Manager, NoResult, Operation, OperationError, OperationId};
use tokio::time::timeout;

async fn wait<T: Send + 'static>(manager: &Manager, id: OperationId) -> Result<T, NoResult> {
    manager.wait_for_operation(id, ms(1_000)).await
}

#[tokio::test(start_paused = true)]
async fn a_result_is_given_out_once_and_only_by_its_type() {
    let manager = manager(2);
    let id = manager.queue_operation(Operation::infallible("a", async { 7_u32 })).unwrap();
    let wrong = wait::<String>(&manager, id).await.unwrap_err();
    assert_eq!(
        wrong.to_string(),
        format!("operation {id} has a value of type u32, not alloc::string::String: ask for that")
    );
    assert_eq!(wait::<u32>(&manager, id).await.unwrap(), 7);
    assert!(matches!(wait::<u32>(&manager, id).await, Err(NoResult::AlreadyTaken { .. })));
    let by_handle = manager.submit(Operation::infallible("a", async { 7_u32 })).unwrap();
    let unknown = wait::<u32>(&manager, by_handle.id()).await;
    assert!(matches!(unknown, Err(NoResult::Unknown { .. })));
    by_handle.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_waiters_time_out_is_its_own() {
    let manager = manager(1);
    let work = async {
        nap(ms(50)).await;
        3
    };
    let id = manager.queue_operation(Operation::infallible("slow", work)).unwrap();
    let early = manager.wait_for_operation::<i32>(id, ms(10)).await;
    assert!(matches!(early, Err(NoResult::TimedOut { limit, .. }) if limit == ms(10)));
    // The end finds nobody waiting, and the result stays.
    nap(ms(100)).await;
    assert_eq!(manager.wait_for_operation::<i32>(id, ms(0)).await.unwrap(), 3);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn of_several_who_wait_one_gets_it_and_one_who_leaves_harms_nobody() {
    let manager = manager(1);
    let work = async {
        nap(ms(50)).await;
        3
    };
    let id = manager.queue_operation(Operation::infallible("slow", work)).unwrap();
    let waiter = || {
        let manager = manager.clone();
        tokio::spawn(async move { wait::<i32>(&manager, id).await })
    };
    let waiters = [waiter(), waiter(), waiter()];
    settle().await;
    waiters[0].abort();
    let mut answers = Vec::new();
    for waiter in waiters {
        answers.extend(timeout(ms(500), waiter).await.unwrap());
    }
    assert_eq!(answers.len(), 2);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(3))).count(), 1);
    let taken = |answer: &&Result<_, _>| matches!(answer, Err(NoResult::AlreadyTaken { .. }));
    assert_eq!(answers.iter().filter(taken).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_ended_long_ago_falls_off_and_is_counted() {
    let manager = Manager::builder().results_kept(2).build().unwrap();
    let alive = Alive::default();
    let queue = || {
        let token = alive.token();
        manager.queue_operation(Operation::infallible("a", async move { token })).unwrap()
    };
    let ids: Vec<_> = (0..5).map(|_| queue()).collect();
    settle().await;
    assert_eq!((alive.count(), manager.results_forgotten()), (2, 3));
    assert!(matches!(wait::<crate::Token>(&manager, ids[0]).await, Err(NoResult::Unknown { .. })));
    drop(wait::<crate::Token>(&manager, ids[4]).await.unwrap());
    assert_eq!(alive.count(), 1);
    // One that runs is not among those that fall off.
    let never = Operation::infallible("never", std::future::pending::<()>());
    let running = manager.queue_operation(never).unwrap();
    for _ in 0..10 {
        queue();
    }
    settle().await;
    assert_eq!(manager.cancel_operation(running), CancelOutcome::Signalled);
    let cancelled = wait::<()>(&manager, running).await;
    assert!(matches!(cancelled, Err(NoResult::Ended(OperationError::Cancelled))));
    drop(manager);
    assert_eq!(alive.count(), 0);
}
