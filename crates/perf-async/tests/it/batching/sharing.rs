//! Items with the same key.

use super::{assert_doubled, busy, doubling};
use crate::{assert_idle, manager, ms, settle};
use perf_async::{Batch, CancelOutcome, Handle, Manager, Operation, OperationError};
use perf_core::Priority;

fn keyed(manager: &Manager, item: u32, level: u8) -> Handle<u32> {
    let operation = Operation::item("double", item)
        .key(item.to_string())
        .priority(Priority::new(level).unwrap());
    manager.submit_item_operation(operation).unwrap()
}

#[tokio::test(start_paused = true)]
async fn items_with_the_same_key_are_one_member() {
    let manager = manager(8);
    let (calls, first) = busy(&manager, 2).await;
    let waiting = [keyed(&manager, 1, 5), keyed(&manager, 2, 5), keyed(&manager, 3, 1)];
    // A follower brings its priority: item 3 now goes before the others.
    let followers = [keyed(&manager, 3, 10), keyed(&manager, 1, 5)];
    assert_eq!(followers[0].id(), waiting[2].id());
    assert_doubled([(0, first)]).await;
    settle().await;
    // Also while the batch is under way.
    let late = keyed(&manager, 3, 5);
    assert_eq!(late.id(), waiting[2].id());
    assert_doubled([1, 2, 3].into_iter().zip(waiting)).await;
    assert_doubled([3, 1].into_iter().zip(followers)).await;
    assert_doubled([(3, late)]).await;
    assert_eq!(calls.all(), [vec![0], vec![3, 1], vec![2]]);
    assert_eq!(manager.stats().joined, 3);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn followers_leave_without_harm_and_the_last_takes_the_item_along() {
    let manager = manager(8);
    let calls = doubling(&manager, Batch::natural(10), ms(10));
    let (one, two, other) = (keyed(&manager, 1, 5), keyed(&manager, 1, 5), keyed(&manager, 2, 5));
    settle().await;
    assert_eq!(one.cancel(), CancelOutcome::Left);
    assert!(matches!(one.await, Err(OperationError::Cancelled)));
    assert_eq!(two.await.unwrap(), 2);
    assert_eq!(other.await.unwrap(), 4);

    let (one, two, other) = (keyed(&manager, 1, 5), keyed(&manager, 1, 5), keyed(&manager, 2, 5));
    settle().await;
    one.cancel();
    assert_eq!(two.cancel(), CancelOutcome::Signalled);
    assert!(two.await.is_err());
    assert!(one.await.is_err());
    // It can no longer be joined, although its batch is still under way.
    let again = keyed(&manager, 1, 5);
    assert_eq!(again.await.unwrap(), 2);
    assert_eq!(other.await.unwrap(), 4);
    assert_eq!(calls.all().concat().iter().filter(|item| **item == 1).count(), 3);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_one_whose_time_has_passed_in_its_batch() {
    // The first of a batch holds its place, so it is a case of its own.
    for hasty_is_first in [true, false] {
        let manager = manager(8);
        let (_calls, first) = busy(&manager, 10).await;
        let hasty = || {
            let operation = Operation::item::<u32, u32>("double", 1).key("1");
            manager.submit_item_operation(operation.total_timeout(ms(15))).unwrap()
        };
        let patient = || keyed(&manager, 2, 5);
        let (hasty, patient) = if hasty_is_first {
            (hasty(), patient())
        } else {
            let patient = patient();
            (hasty(), patient)
        };
        assert_doubled([(0, first)]).await;
        assert!(matches!(hasty.await, Err(OperationError::TimedOut { .. })));
        let again = keyed(&manager, 1, 5);
        assert_eq!(again.await.unwrap(), 2);
        assert_eq!(patient.await.unwrap(), 4);
        assert_idle(&manager);
    }
}
