use crate::{Alive, assert_idle, manager, ms, nap, settle};
use perf_async::{CancelOutcome, Operation, OperationError, OperationId, Status};

fn endless(alive: &Alive) -> impl Future<Output = ()> + Send + 'static {
    let token = alive.token();
    async move {
        let _token = token;
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn cancelling_one_that_waits_drops_it_before_the_answer() {
    let manager = manager(1);
    let alive = Alive::default();
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let waiting = manager.submit(Operation::infallible("wait", endless(&alive))).unwrap();
    assert_eq!(manager.cancel(waiting.id()), CancelOutcome::Removed);
    assert_eq!(alive.count(), 0);
    assert_eq!(manager.cancel(waiting.id()), CancelOutcome::AlreadyFinished);
    assert_eq!(manager.status(waiting.id()), Some(Status::Cancelled));
    assert!(matches!(waiting.await, Err(OperationError::Cancelled)));
    blocking.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn cancelling_one_that_runs_stops_it_and_frees_its_place() {
    let manager = manager(1);
    let alive = Alive::default();
    let running = manager.submit(Operation::infallible("run", endless(&alive))).unwrap();
    let next = manager.submit(Operation::infallible("next", async { 1 })).unwrap();
    settle().await;
    assert_eq!(running.cancel(), CancelOutcome::Signalled);
    assert!(matches!(running.await, Err(OperationError::Cancelled)));
    assert_eq!(alive.count(), 0);
    assert_eq!(next.await.unwrap(), 1);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn cancelling_one_that_was_started_but_not_yet_polled_stops_it() {
    let manager = manager(1);
    let alive = Alive::default();
    let started = manager.submit(Operation::infallible("run", endless(&alive))).unwrap();
    assert_eq!(manager.cancel(started.id()), CancelOutcome::Signalled);
    assert!(matches!(started.await, Err(OperationError::Cancelled)));
    assert_eq!(alive.count(), 0);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn an_inline_operation_can_be_cancelled_by_its_id() {
    let manager = manager(1);
    let alive = Alive::default();
    let caller = tokio::spawn({
        let (manager, work) = (manager.clone(), endless(&alive));
        async move { manager.run(Operation::infallible("inline", work)).await }
    });
    settle().await;
    let id = manager.running()[0].id;
    assert_eq!(manager.cancel(id), CancelOutcome::Signalled);
    assert!(matches!(caller.await.unwrap(), Err(OperationError::Cancelled)));
    assert_eq!(alive.count(), 0);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn an_inline_operation_can_be_cancelled_during_its_first_poll() {
    let manager = manager(1);
    let inner = manager.clone();
    let work = async move {
        assert_eq!(inner.cancel(inner.running()[0].id), CancelOutcome::Signalled);
        std::future::pending::<()>().await;
    };
    let result = manager.run(Operation::infallible("inline", work)).await;
    assert!(matches!(result, Err(OperationError::Cancelled)));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_takes_its_operation_along() {
    let manager = manager(1);
    let alive = Alive::default();
    for _ in 0..3 {
        // The first runs where the caller stands, the second waits in the queue.
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (manager, work) = (manager.clone(), endless(&alive));
                tokio::spawn(async move { manager.run(Operation::infallible("call", work)).await })
            })
            .collect();
        settle().await;
        assert_eq!((manager.running_count(), manager.pending_count()), (1, 1));
        callers[0].abort();
        settle().await;
        assert_eq!((manager.running_count(), manager.pending_count()), (1, 0));
        callers[1].abort();
        settle().await;
        assert_eq!(alive.count(), 0);
    }
    assert_eq!(manager.stats().cancelled, 6);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_never_polled_again_strands_nobody() {
    let manager = manager(1);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    // Polled once, so that it waits in the queue, and then never again.
    let mut parked = Box::pin(manager.run(Operation::infallible("parked", async {})));
    assert!(futures_poll(&mut parked).await.is_none());
    let next = manager.submit(Operation::infallible("next", async { 1 })).unwrap();
    blocking.await.unwrap();
    assert_eq!(next.await.unwrap(), 1);
    parked.await.unwrap();
    assert_idle(&manager);
}

/// Polls once.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_cancels_on_drop_does() {
    let manager = manager(1);
    let alive = Alive::default();
    let handle = manager.submit(Operation::infallible("run", endless(&alive))).unwrap();
    settle().await;
    drop(handle.cancel_on_drop());
    settle().await;
    assert_eq!(alive.count(), 0);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_id_is_unknown() {
    let manager = manager(1);
    let id = OperationId::from_u64(77);
    assert_eq!(manager.cancel(id), CancelOutcome::Unknown);
    assert_eq!(manager.status(id), None);
}
