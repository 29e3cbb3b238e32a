use crate::{Alive, assert_idle, manager, ms, nap, settle};
use perf_async::{CancelOutcome, Manager, Operation, OperationError};
use perf_core::Priority;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn callers_with_the_same_key_share_one_run() {
    let manager = manager(4);
    let runs = Arc::new(AtomicUsize::new(0));
    let fetch = |key: &str| {
        let runs = Arc::clone(&runs);
        let work = async move {
            sleep(ms(10)).await;
            runs.fetch_add(1, Ordering::SeqCst) + 1
        };
        Operation::infallible("fetch", work).key(key)
    };
    let handles: Vec<_> = (0..5).map(|_| manager.submit(fetch("a")).unwrap()).collect();
    let id = handles[0].id();
    for handle in handles {
        assert_eq!(handle.id(), id);
        assert_eq!(handle.await.unwrap(), 1);
    }
    assert_eq!(manager.stats().joined, 4);
    assert_eq!(manager.stats().submitted, 1);
    // It has ended, so the next caller starts afresh.
    assert_eq!(manager.run(fetch("a")).await.unwrap(), 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn another_kind_or_type_of_value_is_another_operation() {
    let manager = manager(4);
    let text = manager.submit(Operation::infallible("a", async { "x" }).key("k")).unwrap();
    let number = manager.submit(Operation::infallible("a", async { 1 }).key("k")).unwrap();
    let kind = manager.submit(Operation::infallible("b", async { 2 }).key("k")).unwrap();
    assert_eq!(text.await.unwrap(), "x");
    assert_eq!(number.await.unwrap(), 1);
    assert_eq!(kind.await.unwrap(), 2);
    assert_eq!(manager.stats().joined, 0);
}

#[tokio::test(start_paused = true)]
async fn the_work_goes_on_when_the_first_caller_goes_away() {
    let manager = manager(4);
    let call = |value: u32| {
        let manager = manager.clone();
        let work = async move {
            sleep(ms(10)).await;
            value
        };
        tokio::spawn(async move { manager.run(Operation::infallible("f", work).key("k")).await })
    };
    let first = call(1);
    settle().await;
    let second = call(2);
    settle().await;
    first.abort();
    assert_eq!(second.await.unwrap().unwrap(), 1);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_work_stops_when_the_last_caller_goes_away() {
    let manager = manager(4);
    let alive = Alive::default();
    let call = || {
        let (manager, token) = (manager.clone(), alive.token());
        let work = async move {
            let _token = token;
            std::future::pending::<()>().await;
        };
        tokio::spawn(async move { manager.run(Operation::infallible("f", work).key("k")).await })
    };
    let callers = [call(), call(), call()];
    settle().await;
    assert_eq!(alive.count(), 1); // Those who joined gave their own future up.
    for caller in callers {
        assert_eq!(alive.count(), 1);
        caller.abort();
        settle().await;
    }
    assert_eq!(alive.count(), 0);
    assert_eq!(manager.stats().cancelled, 1);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_who_cancels_does_not_harm_the_others() {
    let manager = manager(1);
    let work = || {
        let work = async {
            sleep(ms(10)).await;
            5
        };
        Operation::infallible("f", work).key("k")
    };
    let (first, second) = (manager.submit(work()).unwrap(), manager.submit(work()).unwrap());
    assert_eq!(first.cancel(), CancelOutcome::Left);
    assert!(matches!(first.await, Err(OperationError::Cancelled)));
    assert_eq!(second.await.unwrap(), 5);
    // By its id it is cancelled for all.
    let (first, second) = (manager.submit(work()).unwrap(), manager.submit(work()).unwrap());
    assert_eq!(manager.cancel(first.id()), CancelOutcome::Signalled);
    assert!(matches!(first.await, Err(OperationError::Cancelled)));
    assert!(matches!(second.await, Err(OperationError::Cancelled)));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_an_operation_that_was_told_to_stop() {
    let manager = manager(2);
    let never = || Operation::infallible("f", std::future::pending::<u32>()).key("k");
    let first = manager.submit(never()).unwrap();
    settle().await;
    assert_eq!(first.cancel(), CancelOutcome::Signalled);
    let second = manager.submit(Operation::infallible("f", async { 2 }).key("k")).unwrap();
    assert_ne!(first.id(), second.id());
    assert_eq!(second.await.unwrap(), 2);
    assert!(first.await.is_err());
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_who_joins_brings_its_priority() {
    let manager = manager(1);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let keyed = || Operation::infallible("f", async {}).key("k");
    let first = manager.submit(keyed().priority(Priority::LOWEST)).unwrap();
    let second = manager.submit(keyed().priority(Priority::HIGHEST)).unwrap();
    let third = manager.submit(keyed().priority(Priority::NORMAL)).unwrap();
    assert_eq!(manager.pending()[0].priority, Priority::HIGHEST);
    blocking.await.unwrap();
    for handle in [first, second, third] {
        handle.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_and_a_panic_reach_everyone() {
    let manager = manager(1);
    let fails = || Operation::new("f", async { Err::<(), _>("no") }).key("k");
    let handles = [manager.submit(fails()).unwrap(), manager.submit(fails()).unwrap()];
    for handle in handles {
        assert!(matches!(handle.await, Err(OperationError::Failed(e)) if e.to_string() == "no"));
    }
    let panics = || Operation::infallible("p", async { panic!("boom") }).key("k");
    let handles = [manager.submit(panics()).unwrap(), manager.submit(panics()).unwrap()];
    for handle in handles {
        let result: Result<(), _> = handle.await;
        assert!(matches!(result, Err(OperationError::Panicked(_))));
    }
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_panics_when_copied_harms_only_those_who_get_a_copy() {
    #[derive(Debug)]
    struct Shy;
    impl Clone for Shy {
        fn clone(&self) -> Shy {
            panic!("I am unique");
        }
    }
    let manager = manager(1);
    let shy = || Operation::infallible("f", async { Shy }).key("k");
    let (first, second) = (manager.submit(shy()).unwrap(), manager.submit(shy()).unwrap());
    assert!(first.await.is_ok());
    assert!(matches!(second.await, Err(OperationError::Panicked(_))));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn callers_who_share_are_bounded_by_the_queue_limit() {
    let manager = Manager::builder().queue_limit(3).build().unwrap();
    let keyed = || Operation::infallible("f", nap(ms(10))).key("k");
    let handles: Vec<_> = (0..3).map(|_| manager.submit(keyed()).unwrap()).collect();
    assert!(manager.submit(keyed()).is_err());
    // One that leaves makes room for one that comes.
    handles[1].cancel();
    let fourth = manager.submit(keyed()).unwrap();
    fourth.await.unwrap();
    for (i, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.await.is_ok(), i != 1);
    }
    assert_idle(&manager);
}
