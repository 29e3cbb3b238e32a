//! Destructors and wakers that panic harm nobody else.

use crate::{assert_idle, manager, ms, nap};
use perf_async::Operation;
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

#[tokio::test(start_paused = true)]
async fn a_value_that_nobody_waits_for_does_not_stop_the_queue() {
    let manager = manager(1);
    drop(manager.submit(Operation::infallible("bomb", async { Bomb })).unwrap());
    let next = manager.submit(Operation::infallible("next", async { 1 })).unwrap();
    assert_eq!(timeout(ms(1_000), next).await.unwrap().unwrap(), 1);
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
