//! Values that answer later callers.

use crate::{assert_idle, manager, ms};
use perf_async::{Batch, Manager, Operation, OperationError, Source, Status};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::time::sleep;

/// Runs an operation with that key, whose value is how often one has run, kept for 100 ms.
async fn count(manager: &Manager, runs: &Arc<AtomicU32>, key: &str) -> u32 {
    let runs = Arc::clone(runs);
    let work = async move { runs.fetch_add(1, Ordering::SeqCst) + 1 };
    manager.run(Operation::infallible("count", work).key(key).keep_for(ms(100))).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_kept_value_answers_for_its_time() {
    let manager = manager(2);
    let runs = Arc::default();
    assert_eq!(count(&manager, &runs, "a").await, 1);
    sleep(ms(99)).await;
    assert_eq!(count(&manager, &runs, "a").await, 1);
    assert_eq!(count(&manager, &runs, "b").await, 2);
    sleep(ms(1)).await;
    // From its end on, not from the last answer.
    assert_eq!(count(&manager, &runs, "a").await, 3);
    let stats = manager.stats();
    assert_eq!((stats.submitted, stats.kept_answers, stats.kept_evicted), (3, 1, 0));
    assert_eq!(stats.kept, 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_handle_of_a_kept_value_has_ended_already() {
    let manager = manager(1);
    let keyed = || Operation::infallible("f", async { 7 }).key("k").keep_for(ms(100));
    let first = manager.submit(keyed()).unwrap();
    let id = first.id();
    first.await.unwrap();
    // Whoever has the key gets it, whether or not it would keep its own value.
    let second = manager.submit(Operation::infallible("f", async { 8 }).key("k")).unwrap();
    assert!(second.is_finished());
    assert_eq!((second.id(), second.status()), (id, Some(Status::Completed)));
    let answered = second.answered().await.unwrap();
    assert_eq!((answered.value, answered.source), (7, Source::Kept));
    // Another type of value is another key.
    assert_eq!(manager.run(Operation::infallible("f", async { "x" }).key("k")).await.unwrap(), "x");
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn errors_and_what_a_fallback_answers_are_not_kept() {
    let manager = manager(1);
    let fails = || Operation::new("f", async { Err::<u32, _>("no") }).key("k").keep_for(ms(100));
    assert!(manager.run(fails()).await.is_err());
    assert_eq!(manager.run(fails().fallback(|_| Some(1))).await.unwrap(), 1);
    assert!(matches!(manager.run(fails()).await, Err(OperationError::Failed(_))));
    assert_eq!(manager.stats().kept, 0);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn so_many_values_are_kept_and_no_more() {
    let manager = Manager::builder().kept_limit(2).build().unwrap();
    let runs = Arc::default();
    for key in ["a", "b", "c"] {
        count(&manager, &runs, key).await;
    }
    let stats = manager.stats();
    assert_eq!((stats.kept, stats.kept_evicted), (2, 1));
    assert_eq!((count(&manager, &runs, "b").await, count(&manager, &runs, "c").await), (2, 3));
    assert_eq!(count(&manager, &runs, "a").await, 4);
    manager.reset_statistics();
    assert_eq!(manager.stats().kept_evicted, 0);
}

#[tokio::test(start_paused = true)]
async fn the_answers_of_items_are_kept_too() {
    let manager = manager(1);
    let handler = async |items: Vec<u32>| items.into_iter().map(Ok::<_, Infallible>).collect();
    manager.enable_batching("echo", Batch::natural(10), handler).unwrap();
    let item = |item: u32| {
        let operation = Operation::item("echo", item).key("k").keep_for(ms(100));
        manager.submit_item_operation::<u32, _>(operation).unwrap()
    };
    assert_eq!(item(1).await.unwrap(), 1);
    assert_eq!(item(2).await.unwrap(), 1);
    sleep(ms(100)).await;
    assert_eq!(item(3).await.unwrap(), 3);
    assert_eq!(manager.batch_stats("echo").unwrap().items, 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_panics_when_copied_is_not_kept_and_harms_nobody() {
    #[derive(Debug)]
    struct Shy(Arc<AtomicU32>);
    impl Clone for Shy {
        fn clone(&self) -> Shy {
            assert_ne!(self.0.fetch_add(1, Ordering::SeqCst), 0, "I am unique");
            Shy(Arc::clone(&self.0))
        }
    }
    let manager = manager(1);
    let copies = Arc::new(AtomicU32::new(0));
    let shy = || {
        let copies = Arc::clone(&copies);
        Operation::infallible("f", async move { Shy(copies) }).key("k").keep_for(ms(100))
    };
    assert!(manager.run(shy()).await.is_ok());
    assert_eq!(manager.stats().kept, 0);
    assert!(manager.run(shy()).await.is_ok());
    assert_eq!(manager.stats().kept, 1);
    // And one that panics only when it is given out.
    copies.store(0, Ordering::SeqCst);
    assert!(matches!(manager.run(shy()).await, Err(OperationError::Panicked(_))));
    assert!(manager.run(shy()).await.is_ok());
    assert_idle(&manager);
}
