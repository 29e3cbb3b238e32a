//! Destructors and wakers that panic harm nobody else.

use crate::{assert_idle, manager, ms, nap, settle};
use perf_async::{CancelOutcome, Operation, OperationError};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use tokio::time::timeout;

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

/// Holds a bomb for as long as it is there, and never ends.
fn armed() -> impl Future<Output = ()> + Send + 'static {
    let bomb = Bomb;
    async move {
        let _bomb = &bomb;
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_nobody_waits_for_does_not_stop_the_queue() {
    let manager = manager(1);
    drop(manager.submit(Operation::infallible("bomb", async { Bomb })).unwrap());
    let next = manager.submit(Operation::infallible("next", async { 1 })).unwrap();
    assert_eq!(timeout(ms(1_000), next).await.unwrap().unwrap(), 1);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_that_waited_too_long_does_not_keep_others_waiting() {
    let manager = manager(1);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(500)))).unwrap();
    let bomb = Operation::infallible("bomb", armed()).queue_timeout(ms(10));
    let bomb = manager.submit(bomb).unwrap();
    let late = Operation::infallible("late", async {}).queue_timeout(ms(20));
    let late = manager.submit(late).unwrap();
    let answer = timeout(ms(100), bomb).await.unwrap();
    assert!(matches!(answer, Err(OperationError::Panicked(m)) if &*m == "in drop"));
    let answer = timeout(ms(100), late).await.unwrap();
    assert!(matches!(answer, Err(OperationError::TimedOut { .. })));
    assert_eq!(manager.stats().timed_out, 2);
    blocking.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn cancelling_one_that_waits_answers_all_who_share_it() {
    let manager = manager(1);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let bomb = manager.submit(Operation::infallible("bomb", armed()).key("k")).unwrap();
    let other = async { std::future::pending::<()>().await };
    let shared = manager.submit(Operation::infallible("bomb", other).key("k")).unwrap();
    assert_eq!(manager.cancel(bomb.id()), CancelOutcome::Removed);
    for handle in [bomb, shared] {
        let answer = timeout(ms(1_000), handle).await.unwrap();
        assert!(matches!(answer, Err(OperationError::Panicked(m)) if &*m == "in drop"));
    }
    blocking.await.unwrap();
    settle().await;
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_keeps_neither_the_queue_nor_others_waiting() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in wake");
        }
    }
    let manager = manager(1);
    let work = || Operation::infallible("work", nap(ms(10))).key("k");
    let mut first = manager.submit(work()).unwrap();
    let second = manager.submit(work()).unwrap();
    let next = manager.submit(Operation::infallible("next", async { 1 })).unwrap();
    let waker = Waker::from(Arc::new(Panics));
    assert!(pin!(&mut first).poll(&mut Context::from_waker(&waker)).is_pending());
    timeout(ms(1_000), second).await.unwrap().unwrap();
    assert_eq!(timeout(ms(1_000), next).await.unwrap().unwrap(), 1);
    first.await.unwrap();
    assert_idle(&manager);
}
