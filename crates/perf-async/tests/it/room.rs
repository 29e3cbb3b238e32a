//! Whoever could start does, whatever made the room, and whoever may not does not.

use crate::{assert_idle, ms, nap, settle};
use perf_async::{
    Batch, Ended, Handle, Manager, Needs, Next, Operation, OperationId, Pool, Pools, Scheduler,
    SchedulerConfig, Source, Status, Submission, Work,
};
use perf_core::{Instant, Priority};
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::{sleep, timeout};

const NOW: Instant = Instant::from_nanos(1);

fn with_units(database: u64) -> Manager {
    let pools = Pools::builder().database(database).build().unwrap();
    Manager::builder().max_concurrent(64).pools(pools).build().unwrap()
}

fn stuck(units: u64) -> Operation<(), impl Work<()> + Send + 'static> {
    Operation::infallible("query", pending()).needs(Needs::new().database(units))
}

async fn status(handle: &Handle<()>) -> Status {
    settle().await;
    handle.status().unwrap()
}

fn echo(manager: &Manager, kind: &'static str, rule: Batch) {
    let handler = |items: Vec<u32>| async move {
        items.into_iter().map(Ok::<_, Infallible>).collect::<Vec<_>>()
    };
    manager.enable_batching(kind, rule, handler).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_item_waits_for_its_units_also_where_nobody_waits() {
    let manager = with_units(1);
    echo(&manager, "rows", Batch::natural(10));
    manager.configure("rows", |kind| kind.needs(Needs::new().database(1))).unwrap();
    let query = manager.submit(stuck(1)).unwrap();
    let row: Handle<u32> = manager.submit_item("rows", 7_u32).unwrap();
    settle().await;
    assert_eq!(row.status(), Some(Status::Batching));
    query.cancel();
    assert_eq!(row.await.unwrap(), 7);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_next_starts_when_the_one_is_cancelled_that_was_in_its_way() {
    let manager = with_units(4);
    let _running = manager.submit(stuck(2)).unwrap();
    let (large, small) = (manager.submit(stuck(3)).unwrap(), manager.submit(stuck(2)).unwrap());
    assert_eq!(status(&small).await, Status::Queued);
    large.cancel();
    assert_eq!(status(&small).await, Status::InProgress);
}

#[tokio::test(start_paused = true)]
async fn the_next_starts_when_the_handle_is_dropped_of_the_one_in_its_way() {
    let manager = with_units(4);
    let _running = manager.submit(stuck(2)).unwrap();
    let large = manager.submit(stuck(3)).unwrap().cancel_on_drop();
    let small = manager.submit(stuck(2)).unwrap();
    assert_eq!(status(&small).await, Status::Queued);
    drop(large);
    assert_eq!(status(&small).await, Status::InProgress);
}

#[tokio::test(start_paused = true)]
async fn one_that_becomes_more_urgent_than_the_one_in_its_way_starts() {
    let manager = with_units(4);
    let _running = manager.submit(stuck(2)).unwrap();
    let _large = manager.submit(stuck(3)).unwrap();
    let small = manager.submit(stuck(1).key("small")).unwrap();
    let other = manager.submit(stuck(1)).unwrap();
    assert_eq!(status(&small).await, Status::Queued);
    other.set_priority(Priority::HIGHEST);
    assert_eq!(status(&other).await, Status::InProgress);
    // The same for one that somebody joins who is in a hurry.
    let joined = stuck(1).key("small").priority(Priority::HIGHEST);
    let _joined = manager.submit(joined).unwrap();
    assert_eq!(status(&small).await, Status::InProgress);
}

#[tokio::test(start_paused = true)]
async fn one_whose_kind_needs_less_from_now_on_starts() {
    let manager = with_units(4);
    let _running = manager.submit(stuck(2)).unwrap();
    manager.configure("report", |kind| kind.needs(Needs::new().database(3))).unwrap();
    let report = manager.submit(Operation::infallible("report", pending())).unwrap();
    assert_eq!(status(&report).await, Status::Queued);
    manager.configure("report", |kind| kind.needs(Needs::new().database(1))).unwrap();
    assert_eq!(status(&report).await, Status::InProgress);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_begins_anew_since_its_oldest_item_left_ends() {
    let manager = crate::manager(1);
    echo(&manager, "rows", Batch::window(10, ms(100)));
    let other = manager.clone();
    let busy = tokio::spawn(async move {
        other.run(Operation::infallible("busy", nap(ms(150)))).await.unwrap();
    });
    settle().await;
    let old: Handle<u32> = manager.submit_item("rows", 1_u32).unwrap();
    sleep(ms(90)).await;
    let young: Handle<u32> = manager.submit_item("rows", 2_u32).unwrap();
    // The window has passed, but there is no place.
    sleep(ms(20)).await;
    old.cancel();
    busy.await.unwrap();
    assert_eq!(timeout(ms(1_000), young).await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_end_of_a_batch_changes_nothing_for_those_who_have_left_it() {
    let manager = crate::manager(1);
    let asked = Arc::new(AtomicUsize::new(0));
    let handler = |items: Vec<u32>| async move {
        nap(ms(100)).await;
        items.iter().map(|_| Err::<u32, _>("no")).collect::<Vec<_>>()
    };
    manager.enable_batching("rows", Batch::natural(10), handler).unwrap();
    let item = |time| {
        let asked = Arc::clone(&asked);
        let item = Operation::item("rows", 1_u32).timeout(time);
        let item = item.fallback(move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            Some(7_u32)
        });
        manager.submit_item_operation(item).unwrap()
    };
    let blocking = manager.submit(Operation::infallible("busy", nap(ms(10)))).unwrap();
    let (stays, times_out, leaves) = (item(ms(500)), item(ms(50)), item(ms(500)));
    blocking.await.unwrap();
    settle().await;
    leaves.cancel();
    assert_eq!(stays.answered().await.unwrap().source, Source::Fallback);
    // Asked for only when the batch has long ended.
    let answered = times_out.answered().await.unwrap();
    assert_eq!((answered.value, answered.source), (7, Source::Fallback));
    assert!(leaves.await.is_err());
    assert_eq!((asked.load(Ordering::SeqCst), manager.stats().fallbacks), (2, 2));
    assert_idle(&manager);
}

#[test]
fn a_place_that_was_kept_is_free_again_if_there_is_no_runtime_to_use_it() {
    let manager = Manager::builder().queue_limit(1).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let reservation = runtime.block_on(manager.reserve("a")).unwrap();
    let submit = || drop(reservation.submit(Operation::infallible("a", async {})));
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(submit)).unwrap_err();
    let again = async { timeout(ms(10), manager.reserve("a")).await };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(runtime.block_on(again).is_ok());
}

/// A scheduler with four units.
fn scheduler() -> Scheduler<u32> {
    let mut scheduler = Scheduler::new(SchedulerConfig::default());
    scheduler.set_pools(Pools::builder().database(4).build().unwrap());
    scheduler
}

/// Each number of units has a kind of its own.
fn submit(scheduler: &mut Scheduler<u32>, units: u64, payload: u32) -> OperationId {
    let kind = scheduler.kind(units.to_string());
    let needs = Needs::new().database(units);
    scheduler.submit(Submission::new(kind).needs(needs), payload, NOW).unwrap()
}

fn starts(scheduler: &mut Scheduler<u32>) -> Vec<u32> {
    let next = || match scheduler.next(NOW)? {
        Next::Start { payload, .. } => Some(payload),
        _ => None,
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn no_units_are_kept_for_one_that_has_left_between_two_looks() {
    let mut scheduler = scheduler();
    let running = submit(&mut scheduler, 1, 0);
    assert_eq!(starts(&mut scheduler), [0]);
    let large = submit(&mut scheduler, 4, 1);
    assert!(starts(&mut scheduler).is_empty());
    // It may look again, but there is no place in which to do so.
    scheduler.set_max_concurrent(0);
    scheduler.finish(running, Ended::Completed, NOW);
    scheduler.cancel(large, NOW);
    scheduler.set_max_concurrent(64);
    let mut before = submit(&mut scheduler, 1, 2);
    assert_eq!(starts(&mut scheduler), [2]);
    for i in 3..30 {
        let id = submit(&mut scheduler, 1, i);
        assert_eq!(starts(&mut scheduler), [i], "nobody else is there");
        scheduler.finish(before, Ended::Completed, NOW);
        before = id;
    }
    assert_eq!(scheduler.pools().stats(Pool::Database).unwrap().waiting, 0);
}

#[test]
fn a_pool_may_be_set_to_any_size_and_asked_for_any() {
    let mut scheduler = scheduler();
    for units in [u64::MAX, 0, u64::MAX] {
        scheduler.set_pool_capacity(Pool::Database, units).unwrap();
        for payload in 0..3 {
            submit(&mut scheduler, u64::MAX, payload);
            submit(&mut scheduler, 1, payload);
        }
        let mut started = Vec::new();
        while started.len() < 6 {
            let before = started.len();
            while let Some(next) = scheduler.next(NOW) {
                let Next::Start { id, .. } = next else { panic!("{next:?}") };
                started.push(id);
            }
            assert!(started.len() > before);
            for id in &started[before..] {
                scheduler.finish(*id, Ended::Completed, NOW);
            }
        }
    }
}
