use crate::{Alive, assert_idle, manager, ms, nap, settle};
use perf_async::{Manager, Operation, OperationError, Refused, Status};
use std::error::Error;
use tokio::sync::oneshot;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn run_answers_the_value_without_a_task() {
    let manager = manager(1);
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let value = manager.run(Operation::infallible("add", async {
        (2 + 2, tokio::runtime::Handle::current().metrics().num_alive_tasks())
    }));
    assert_eq!(value.await.unwrap(), (4, tasks));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn an_error_keeps_its_type() {
    let manager = manager(1);
    let parse = Operation::new("parse", async { "x".parse::<u32>() });
    let error = manager.run(parse).await.unwrap_err();
    assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
    assert_eq!(error.to_string(), "operation failed");
    assert_eq!(error.source().unwrap().to_string(), "invalid digit found in string");
    assert_eq!(manager.stats().failed, 1);
    assert_eq!(manager.finished()[0].error.as_deref(), Some("invalid digit found in string"));
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_may() {
    let manager = manager(3);
    let alive = Alive::default();
    let handles: Vec<_> = (0..20)
        .map(|_| {
            let alive = alive.clone();
            let work = async move {
                let _token = alive.token();
                sleep(ms(10)).await;
                alive.count()
            };
            manager.submit(Operation::infallible("work", work)).unwrap()
        })
        .collect();
    settle().await;
    assert_eq!((manager.running_count(), manager.pending_count()), (3, 17));
    for handle in handles {
        assert!(handle.await.unwrap() <= 3);
    }
    assert_idle(&manager);
    assert_eq!(manager.stats().completed, 20);
}

#[tokio::test(start_paused = true)]
async fn run_waits_for_its_turn_when_all_places_are_taken() {
    let manager = manager(1);
    let (open, gate) = oneshot::channel::<()>();
    let first = manager.submit(Operation::new("gate", gate)).unwrap();
    let second = tokio::spawn({
        let manager = manager.clone();
        async move { manager.run(Operation::infallible("second", async { 2 })).await }
    });
    settle().await;
    assert_eq!(manager.pending().len(), 1);
    assert_eq!(manager.pending()[0].kind, "second");
    open.send(()).unwrap();
    first.await.unwrap();
    assert_eq!(second.await.unwrap().unwrap(), 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_turns_away_and_says_how_full_it_is() {
    let manager = Manager::builder().max_concurrent(1).queue_limit(2).build().unwrap();
    let slow = || Operation::infallible("slow", nap(ms(10)));
    let handles: Vec<_> = (0..3).map(|_| manager.submit(slow()).unwrap()).collect();
    let overloaded = manager.submit(slow()).unwrap_err();
    let Refused::Overloaded(overloaded) = overloaded else { panic!("{overloaded}") };
    assert_eq!((overloaded.waiting, overloaded.limit), (2, 2));
    let error = manager.run(slow()).await.unwrap_err();
    assert!(matches!(error, OperationError::Overloaded(o) if o.limit == 2));
    assert_eq!(manager.stats().rejected, 2);
    for handle in handles {
        handle.await.unwrap();
    }
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_answer_and_the_place_is_free_again() {
    let manager = manager(1);
    for _ in 0..3 {
        let panics = || Operation::infallible("panic", async { panic!("boom {}", 1) });
        let inline: Result<(), _> = manager.run(panics()).await;
        assert!(matches!(inline, Err(OperationError::Panicked(m)) if &*m == "boom 1"));
        let spawned: Result<(), _> = manager.submit(panics()).unwrap().await;
        assert!(matches!(spawned, Err(OperationError::Panicked(m)) if &*m == "boom 1"));
    }
    assert_eq!(manager.stats().failed, 6);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_destructor_is_an_answer_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let manager = manager(1);
    for _ in 0..2 {
        let bomb = Bomb;
        let handle = manager
            .submit(Operation::infallible("bomb", async move {
                let _bomb = &bomb;
                sleep(ms(60_000)).await;
            }))
            .unwrap();
        let queued = manager.submit(Operation::infallible("next", async { 1 })).unwrap();
        assert!(handle.await.is_err());
        assert_eq!(queued.await.unwrap(), 1);
    }
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_handle_may_be_dropped_and_the_operation_goes_on() {
    let manager = manager(1);
    let (send, receive) = oneshot::channel();
    let work = async move {
        sleep(ms(5)).await;
        let _ = send.send(7);
    };
    drop(manager.submit(Operation::infallible("detached", work)).unwrap());
    assert_eq!(receive.await.unwrap(), 7);
    settle().await;
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_status_follows_the_operation_until_it_is_forgotten() {
    let manager = Manager::builder().max_concurrent(1).finished_kept(2).build().unwrap();
    let first = manager.submit(Operation::infallible("a", nap(ms(10)))).unwrap();
    let second = manager.submit(Operation::infallible("b", nap(ms(10)))).unwrap();
    let (a, b) = (first.id(), second.id());
    assert_eq!(manager.status(a), Some(Status::InProgress));
    assert_eq!(manager.status(b), Some(Status::Queued));
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(manager.status(a), Some(Status::Completed));
    let record = manager.record(b).unwrap();
    assert_eq!(record.started_at.unwrap() - record.queued_at, ms(10));
    assert_eq!(record.ended_at.unwrap() - record.queued_at, ms(20));
    for _ in 0..2 {
        manager.run(Operation::infallible("c", async {})).await.unwrap();
    }
    assert_eq!(manager.status(a), None);
    assert_eq!(manager.finished().len(), 2);
    assert_eq!(manager.stats().forgotten, 2);
}

#[test]
fn a_runtime_that_shuts_down_settles_everything() {
    let manager = manager(2);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut handles = Vec::new();
    runtime.block_on(async {
        for _ in 0..5_000 {
            let never = Operation::infallible("never", std::future::pending::<()>());
            handles.push(manager.submit(never).unwrap());
        }
        settle().await;
    });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    other.block_on(async {
        for handle in handles {
            assert!(matches!(handle.await, Err(OperationError::Cancelled)));
        }
        assert_eq!(manager.run(Operation::infallible("next", async { 1 })).await.unwrap(), 1);
    });
    assert_idle(&manager);
}

#[test]
fn an_operation_runs_on_the_runtime_it_was_submitted_on() {
    let build =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
    let (first, second) = (build().unwrap(), build().unwrap());
    let manager = manager(1);
    let (open, gate) = oneshot::channel::<()>();
    let blocking = {
        let _entered = first.enter();
        manager.submit(Operation::new("gate", gate)).unwrap()
    };
    let queued = {
        let _entered = second.enter();
        let id = async { tokio::runtime::Handle::current().id() };
        manager.submit(Operation::infallible("where", id)).unwrap()
    };
    open.send(()).unwrap();
    first.block_on(blocking).unwrap();
    assert_eq!(first.block_on(queued).unwrap(), second.handle().id());
    assert_idle(&manager);
}
