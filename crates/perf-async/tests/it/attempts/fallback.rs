use crate::{Alive, assert_idle, manager, ms, nap, settle};
use perf_async::{Answered, CancelOutcome, Operation, OperationError, Source, Status, Work};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn fails() -> Operation<u32, impl Work<u32> + Send + 'static> {
    Operation::new("fails", async { Err::<u32, _>("no") })
}

#[tokio::test(start_paused = true)]
async fn the_answer_says_who_gave_it() {
    let manager = manager(1);
    let fresh = Operation::infallible("fresh", async { 1 }).fallback(|_| Some(2)).stale(|| Some(3));
    let answered = manager.run_answered(fresh).await.unwrap();
    assert_eq!(answered, Answered { value: 1, source: Source::Fresh });

    let fallback = || fails().fallback(|error| Some(error.to_string().len() as u32));
    let answered = manager.run_answered(fallback()).await.unwrap();
    assert_eq!(answered, Answered { value: 16, source: Source::Fallback });
    let handle = manager.submit(fallback()).unwrap();
    let answered = handle.answered().await.unwrap();
    assert_eq!(answered, Answered { value: 16, source: Source::Fallback });

    let stale = || fails().fallback(|_| None).stale(|| Some(3));
    let answered = manager.submit(stale()).unwrap().answered().await.unwrap();
    assert_eq!(answered, Answered { value: 3, source: Source::Stale });
    assert_eq!(manager.run(stale()).await.unwrap(), 3);

    let nobody = fails().fallback(|_| None).stale(|| None);
    assert!(matches!(manager.run(nobody).await, Err(OperationError::Failed(_))));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_record_says_how_the_operation_itself_ended() {
    let manager = manager(1);
    let handle = manager.submit(fails().stale(|| Some(1))).unwrap();
    let id = handle.id();
    assert_eq!(handle.await.unwrap(), 1);
    assert_eq!(manager.status(id), Some(Status::Failed));
    assert_eq!(manager.stats().failed, 1);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_for_a_panic_and_for_every_clock() {
    let manager = manager(1);
    let panics = Operation::infallible("panics", async { panic!("boom") }).fallback(|_| Some(1));
    assert_eq!(manager.run(panics).await.unwrap(), 1);
    let never = || Operation::infallible("never", std::future::pending::<u32>());
    let slow = never().timeout(ms(10)).fallback(|_| Some(2));
    assert_eq!(manager.run(slow).await.unwrap(), 2);
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(100)))).unwrap();
    let queued = manager.submit(never().queue_timeout(ms(10)).stale(|| Some(3))).unwrap();
    let total = manager.submit(never().total_timeout(ms(10)).stale(|| Some(4))).unwrap();
    let answered = tokio::time::timeout(ms(20), async { (queued.await, total.await) }).await;
    let (queued, total) = answered.unwrap();
    assert_eq!((queued.unwrap(), total.unwrap()), (3, 4));
    blocking.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_who_cancels_gets_no_fallback() {
    let manager = manager(1);
    let asked = Arc::new(AtomicUsize::new(0));
    let never = || {
        let asked = Arc::clone(&asked);
        let never = Operation::infallible("never", std::future::pending::<u32>());
        never.timeout(Duration::MAX).fallback(move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            Some(1)
        })
    };
    let (running, waiting) = (manager.submit(never()).unwrap(), manager.submit(never()).unwrap());
    settle().await;
    assert_eq!(waiting.cancel(), CancelOutcome::Removed);
    assert_eq!(running.cancel(), CancelOutcome::Signalled);
    assert!(matches!(waiting.await, Err(OperationError::Cancelled)));
    assert!(matches!(running.await, Err(OperationError::Cancelled)));
    assert_eq!((asked.load(Ordering::SeqCst), Arc::strong_count(&asked)), (0, 1));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_that_panics_leaves_the_error_and_harms_nobody() {
    let manager = manager(1);
    let panics = || fails().fallback(|_| panic!("in the fallback"));
    assert!(matches!(manager.run(panics()).await, Err(OperationError::Failed(_))));
    let first = manager.submit(panics()).unwrap();
    let next = manager.submit(Operation::infallible("next", async { 1 })).unwrap();
    assert!(matches!(first.await, Err(OperationError::Failed(_))));
    assert_eq!(next.await.unwrap(), 1);
    // One that is never asked, and panics when it is dropped.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let bomb = Bomb;
    let armed = Operation::infallible("armed", async { 2 }).stale(move || {
        let _bomb = &bomb;
        Some(0)
    });
    assert_eq!(manager.submit(armed).unwrap().await.unwrap(), 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn all_who_share_an_operation_get_its_fallback_and_nobody_elses() {
    let manager = manager(1);
    let alive = Alive::default();
    let keyed = |value| {
        let token = alive.token();
        fails().key("k").fallback(move |_| {
            let _token = &token;
            Some(value)
        })
    };
    let (first, second) = (manager.submit(keyed(1)).unwrap(), manager.submit(keyed(2)).unwrap());
    assert_eq!(alive.count(), 1);
    let fallback = Answered { value: 1, source: Source::Fallback };
    assert_eq!(first.answered().await.unwrap(), fallback);
    assert_eq!(second.answered().await.unwrap(), fallback);
    assert_eq!(alive.count(), 0);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_for_one_that_is_turned_away() {
    let manager = perf_async::Manager::builder().max_concurrent(1).queue_limit(0).build().unwrap();
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let turned_away =
        |error: &OperationError| matches!(error, OperationError::Overloaded(_)).then_some(7);
    let fallback = Operation::infallible("fast", async { 1 }).fallback(turned_away);
    let answered = manager.run_answered(fallback).await.unwrap();
    assert_eq!(answered, Answered { value: 7, source: Source::Fallback });
    let nothing = Operation::infallible("fast", async { 1 });
    assert!(matches!(manager.run(nothing).await, Err(OperationError::Overloaded(_))));
    blocking.await.unwrap();
    assert_idle(&manager);
}
