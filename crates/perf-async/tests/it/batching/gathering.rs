//! When a batch starts, and who is in it.

use super::{all, assert_doubled, busy, double, doubling};
use crate::{assert_idle, manager, ms, nap, settle};
use perf_async::{Batch, Manager, Operation, Status};
use perf_core::{KnobId, KnobValue, Priority, Tune, Turn};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_natural_batch_adds_no_wait_when_idle_and_grows_when_busy() {
    let manager = manager(8);
    let (calls, first) = busy(&manager, 100).await;
    let handles = all(&manager, 1..40);
    settle().await;
    assert_eq!(calls.sizes(), [1]);
    assert_eq!(first.await.unwrap(), 0);
    assert_doubled(handles).await;
    assert_eq!(calls.sizes(), [1, 39]);
    let stats = manager.batch_stats("double").unwrap();
    assert_eq!((stats.batches, stats.items, stats.largest()), (2, 40, Some(39)));
    assert_eq!((stats.by_size, stats.by_window, stats.by_idle), (0, 0, 2));
    assert_eq!(stats.wait_duration.count(), 40);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_never_larger_than_its_rule_says() {
    let manager = manager(8);
    let (calls, _first) = busy(&manager, 10).await;
    assert_doubled(all(&manager, 1..26)).await;
    assert_eq!(calls.sizes(), [1, 10, 10, 5]);
    assert_eq!(manager.batch_stats("double").unwrap().by_size, 2);
}

#[tokio::test(start_paused = true)]
async fn a_window_ends_when_the_oldest_has_waited_it_or_by_size() {
    let manager = manager(8);
    let calls = doubling(&manager, Batch::window(3, ms(100)), ms(0));
    let start = tokio::time::Instant::now();
    let mut handles = all(&manager, 0..1);
    sleep(ms(60)).await;
    handles.extend(all(&manager, 1..2));
    settle().await;
    assert_eq!(manager.status(handles[0].1.id()), Some(Status::Batching));
    assert_eq!(manager.pending().len(), 2);
    assert_doubled(handles).await;
    assert_eq!(start.elapsed(), ms(100));
    assert_eq!(calls.sizes(), [2]);

    let start = tokio::time::Instant::now();
    assert_doubled(all(&manager, 0..6)).await;
    assert_eq!(start.elapsed(), ms(0));
    assert_eq!(calls.sizes(), [2, 3, 3]);
    let stats = manager.batch_stats("double").unwrap();
    assert_eq!((stats.by_size, stats.by_window, stats.by_idle), (2, 1, 0));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_weight_of_a_batch_is_bounded_and_a_heavy_item_goes_alone() {
    let manager = manager(8);
    let calls = doubling(&manager, Batch::natural(100).max_weight(10), ms(10));
    let heavy = |item: u32, weight: u64| {
        let operation = Operation::item("double", item).item_weight(weight);
        (item, manager.submit_item_operation(operation).unwrap())
    };
    let first = heavy(0, 1);
    settle().await;
    let handles = [heavy(1, 4), heavy(2, 6), heavy(3, 1), heavy(4, 50), heavy(5, 2)];
    assert_doubled([first]).await;
    assert_doubled(handles).await;
    assert_eq!(calls.all(), [vec![0], vec![1, 2], vec![3], vec![4], vec![5]]);
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_go_first() {
    let manager = manager(8);
    let (calls, _first) = busy(&manager, 2).await;
    let submit = |item: u32, level: u8| {
        let operation = Operation::item("double", item).priority(Priority::new(level).unwrap());
        (item, manager.submit_item_operation(operation).unwrap())
    };
    let handles = [submit(1, 2), submit(2, 5), submit(3, 9), submit(4, 5)];
    assert_doubled(handles).await;
    assert_eq!(calls.all()[1..], [vec![3, 2], vec![4, 1]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_takes_one_place_and_its_kind_may_have_more() {
    let manager = Manager::builder()
        .max_concurrent(3)
        .kind("double", |kind| kind.max_concurrent(2))
        .build()
        .unwrap();
    let calls = doubling(&manager, Batch::natural(10), ms(10));
    let handles = manager.submit_items::<u32, _>("double", 0..25_u32).unwrap();
    settle().await;
    assert_eq!(calls.sizes(), [10, 10]);
    // Two batches hold two of the three places.
    let other = manager.submit(Operation::infallible("other", nap(ms(1)))).unwrap();
    let waits = manager.submit(Operation::infallible("other", nap(ms(1)))).unwrap();
    settle().await;
    assert_eq!(manager.status(other.id()), Some(Status::InProgress));
    assert_eq!(manager.status(waits.id()), Some(Status::Queued));
    assert_doubled((0..).zip(handles)).await;
    assert_eq!(calls.sizes(), [10, 10, 5]);
    waits.await.unwrap();
    other.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn items_wait_for_a_place_like_any_operation() {
    let manager = manager(1);
    let calls = doubling(&manager, Batch::natural(10), ms(0));
    let slow = manager.submit(Operation::infallible("slow", nap(ms(50)))).unwrap();
    let handles = all(&manager, 0..7);
    settle().await;
    assert!(calls.sizes().is_empty());
    slow.await.unwrap();
    assert_doubled(handles).await;
    assert_eq!(calls.sizes(), [7]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_when_batching_is_disabled_is_handed_over_at_once() {
    let manager = manager(8);
    let rule = Batch::window(10, ms(1_000));
    let calls = doubling(&manager, rule, ms(0));
    let handles = all(&manager, 0..4);
    settle().await;
    assert_eq!(manager.batching("double"), Some(rule));
    let start = tokio::time::Instant::now();
    assert_eq!(manager.disable_batching("double"), Some(rule));
    assert_eq!(manager.disable_batching("double"), None);
    assert_eq!(manager.batching("double"), None);
    assert_doubled(handles).await;
    assert_eq!(start.elapsed(), ms(0));
    assert_eq!(calls.sizes(), [4]);
    assert!(manager.submit_item::<u32, _>("double", 1_u32).is_err());
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_new_rule_holds_at_once_and_a_new_handler_for_those_who_come() {
    let manager = manager(8);
    let (old, first) = busy(&manager, 10).await;
    let before = all(&manager, 1..3);
    let new = doubling(&manager, Batch::natural(10), ms(0));
    let after = all(&manager, 3..6);
    assert_doubled([(0, first)]).await;
    assert_doubled(before).await;
    assert_doubled(after).await;
    assert_eq!((old.sizes(), new.sizes()), (vec![1, 2], vec![3]));
}

#[tokio::test(start_paused = true)]
async fn many_items_are_taken_on_together_or_not_at_all() {
    let manager = Manager::builder().queue_limit(5).build().unwrap();
    let calls = doubling(&manager, Batch::natural(3), ms(10));
    assert!(manager.submit_items::<u32, _>("double", 0..6_u32).is_err());
    assert_eq!(manager.pending_count() + manager.running_count(), 0);
    let ids = manager.batch_operations::<u32, _>("double", 0..5_u32).unwrap();
    assert_eq!(ids.len(), 5);
    sleep(ms(100)).await;
    assert_eq!(calls.sizes(), [3, 2]);
    for id in ids {
        assert_eq!(manager.status(id), Some(Status::Completed));
    }
    assert_eq!(manager.stats().completed, 5);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn an_item_needs_no_queue_when_its_kind_is_idle() {
    let manager = Manager::builder().queue_limit(0).build().unwrap();
    let _calls = doubling(&manager, Batch::natural(3), ms(10));
    let first = double(&manager, 1);
    assert!(manager.submit_item::<u32, _>("double", 2_u32).is_err());
    assert_eq!(first.await.unwrap(), 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn size_and_window_are_knobs() {
    let manager = manager(8);
    let calls = doubling(&manager, Batch::window(10, ms(100)), ms(0));
    let natural = |items: Vec<u8>| async move { items.into_iter().map(Ok::<u8, String>).collect() };
    manager.enable_batching("natural", Batch::natural(5), natural).unwrap();
    perf_core::assert_tune_contract(&manager);
    let ids: Vec<String> = manager.knobs().iter().map(|knob| knob.id.to_string()).collect();
    assert_eq!(
        ids[ids.len() - 3..],
        ["batch_size:double", "batch_window:double", "batch_size:natural"]
    );
    // What waits feels it at once.
    let handles = all(&manager, 0..4);
    settle().await;
    assert!(calls.sizes().is_empty());
    let turn = |knob: &str, to| Turn { knob: KnobId::new(knob.to_owned()), to, expect: None };
    manager.turn(turn("batch_size:double", KnobValue::Count(2))).unwrap();
    assert_doubled(handles).await;
    assert_eq!(calls.sizes(), [2, 2]);
    let start = tokio::time::Instant::now();
    let one = all(&manager, 0..1);
    manager.turn(turn("batch_window:double", KnobValue::Duration(ms(7)))).unwrap();
    assert_doubled(one).await;
    assert_eq!(start.elapsed(), ms(7));
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_start_for_the_throttle() {
    let manager = manager(8);
    let calls = doubling(&manager, Batch::natural(10), ms(0));
    manager.set_operation_throttle("double", ms(50)).unwrap();
    let start = tokio::time::Instant::now();
    assert_doubled(all(&manager, 0..8)).await;
    assert_eq!((calls.sizes(), start.elapsed()), (vec![1, 7], ms(50)));
    assert_idle(&manager);
}
