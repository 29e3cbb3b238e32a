use crate::{Alive, assert_idle, give_up_after, manager, ms, settle};
use perf_async::{Manager, Operation, OperationError, OperationsLayer};
use perf_core::Priority;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::{future, io};
use tokio::time::sleep;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// Answers the request after 10 ms and notes that it was called.
#[derive(Clone, Default)]
struct Echo(Arc<Mutex<Vec<u32>>>);

impl Echo {
    fn calls(&self) -> Vec<u32> {
        self.0.lock().unwrap().clone()
    }
}

impl Service<u32> for Echo {
    type Response = u32;
    type Error = io::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<u32, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        self.0.lock().unwrap().push(request);
        Box::pin(async move {
            sleep(ms(10)).await;
            if request == 0 { Err(io::Error::other("zero")) } else { Ok(request) }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn each_request_is_an_operation_through_a_stack_of_layers() {
    let manager = manager(2);
    let mut service = ServiceBuilder::new()
        .map_request(|text: &str| text.parse::<u32>().unwrap())
        .layer(OperationsLayer::new(&manager, "echo"))
        .map_err(|error: io::Error| -> BoxError { error.into() })
        .service(Echo::default());
    assert_eq!(service.ready().await.unwrap().call("7").await.unwrap(), 7);
    let error = service.ready().await.unwrap().call("0").await.unwrap_err();
    assert!(error.downcast_ref::<io::Error>().is_some(), "{error:?}");
    let finished = manager.finished();
    assert_eq!((finished.len(), &*finished[0].kind), (2, "echo"));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_may_and_the_urgent_go_first() {
    let manager = manager(1);
    let echo = Echo::default();
    let layer = OperationsLayer::new(&manager, "echo").priority(|request: &u32| {
        if *request > 100 { Priority::HIGHEST } else { Priority::LOWEST }
    });
    let service = layer.layer(echo.clone());
    let calls: Vec<_> = [1, 2, 101]
        .map(|request| {
            let service = service.clone();
            tokio::spawn(async move { service.oneshot(request).await })
        })
        .into();
    settle().await;
    assert_eq!(echo.calls(), [1]);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(echo.calls(), [1, 101, 2]);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn requests_with_the_same_key_are_one() {
    let manager = manager(4);
    let echo = Echo::default();
    let layer = OperationsLayer::new(&manager, "echo")
        .key(|request: &u32| (*request < 100).then(|| request.to_string()));
    let service = layer.layer(echo.clone());
    let calls = [1, 1, 1, 200, 200].map(|request| {
        let service = service.clone();
        tokio::spawn(async move { service.oneshot(request).await })
    });
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(echo.calls().len(), 3);
    assert_eq!(manager.stats().joined, 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_who_is_ready_and_idle_holds_no_place() {
    let manager = manager(1);
    let service = OperationsLayer::new(&manager, "echo").layer(Echo::default());
    let mut idle = service.clone();
    idle.ready().await.unwrap();
    let unpolled = idle.call(1);
    // Neither the one who asked nor the future that nobody polls is in anyone's way.
    assert_eq!(service.clone().oneshot(2).await.unwrap(), 2);
    assert_eq!(unpolled.await.unwrap(), 1);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_is_asked_only_when_the_turn_has_come() {
    /// Counts how often it was asked, and is ready the second time.
    #[derive(Clone)]
    struct Slow {
        asked: Arc<AtomicUsize>,
        ready: bool,
    }
    impl Service<u32> for Slow {
        type Response = u32;
        type Error = io::Error;
        type Future = future::Ready<Result<u32, io::Error>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if std::mem::replace(&mut self.ready, true) {
                return Poll::Ready(Ok(()));
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }

        fn call(&mut self, request: u32) -> Self::Future {
            assert!(self.ready, "called without being ready");
            future::ready(Ok(request))
        }
    }
    let manager = manager(1);
    let asked = Arc::new(AtomicUsize::new(0));
    let slow = Slow { asked: Arc::clone(&asked), ready: false };
    let mut service = OperationsLayer::new(&manager, "slow").layer(slow);
    let blocking = manager.submit(Operation::infallible("blocking", sleep(ms(10)))).unwrap();
    let call = tokio::spawn(service.ready().await.unwrap().call(5));
    settle().await;
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    blocking.await.unwrap();
    assert_eq!(call.await.unwrap().unwrap(), 5);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_answered_at_once() {
    let manager = Manager::builder().max_concurrent(1).queue_limit(0).build().unwrap();
    let service = OperationsLayer::new(&manager, "echo").layer(Echo::default());
    let first = tokio::spawn(service.clone().oneshot(1));
    settle().await;
    assert!(matches!(service.oneshot(2).await, Err(OperationError::Overloaded(_))));
    assert_eq!(first.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_at_any_await_leaves_no_place_taken() {
    for polls in 0..5 {
        let manager = manager(1);
        let alive = Alive::default();
        let tokens = alive.clone();
        let inner = service_fn(move |(): ()| {
            let token = tokens.token();
            async move {
                let _token = token;
                sleep(ms(10)).await;
                Ok::<_, io::Error>(())
            }
        });
        let service = OperationsLayer::new(&manager, "slow").layer(inner);
        let blocking = manager.submit(Operation::infallible("blocking", sleep(ms(3)))).unwrap();
        give_up_after(polls, service.clone().oneshot(()), ms(4)).await;
        settle().await;
        assert_eq!(alive.count(), 0, "after {polls} polls");
        service.oneshot(()).await.unwrap();
        blocking.await.unwrap();
        assert_idle(&manager);
    }
}
