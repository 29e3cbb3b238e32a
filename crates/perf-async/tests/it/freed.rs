//! What one operation gives back may be enough for several others, or for a batch.

use crate::{assert_idle, manager, ms, nap};
use perf_async::{Attempt, Batch, Manager, Needs, Operation, Pools, Retry};
use perf_guard::Backoff;

#[tokio::test(start_paused = true)]
async fn the_units_of_one_start_as_many_as_they_are_enough_for() {
    let pools = Pools::builder().cpu(4).build().unwrap();
    let manager = Manager::builder().max_concurrent(8).pools(pools).build().unwrap();
    let began = tokio::time::Instant::now();
    let needs = |threads| {
        let work = Operation::infallible("compute", nap(ms(10))).needs(Needs::new().cpu(threads));
        manager.submit(work).unwrap()
    };
    let handles: Vec<_> = [4, 1, 1, 1, 1].map(needs).into();
    for handle in handles {
        handle.await.unwrap();
    }
    assert_eq!(began.elapsed(), ms(20));
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_batch_in_the_place_of_a_failed_attempt_is_answered_whole() {
    let manager = manager(1);
    let double = |items: Vec<u32>| async move {
        items.into_iter().map(|item| Ok::<u32, &str>(2 * item)).collect()
    };
    manager.enable_batching("double", Batch::natural(10), double).unwrap();
    let backoff = Backoff::builder().base(ms(50)).cap(ms(50)).retries(1).build().unwrap();
    let flaky = Operation::retryable("flaky", |attempt: Attempt| async move {
        nap(ms(10)).await;
        if attempt.number() == 1 { Err("not yet") } else { Ok(()) }
    });
    let flaky = manager.submit(flaky.retry(Retry::with_backoff(backoff))).unwrap();
    let items = manager.submit_items::<u32, _>("double", [1_u32, 2, 3]).unwrap();
    let mut answers = Vec::new();
    for item in items {
        answers.push(item.await.unwrap());
    }
    assert_eq!(answers, [2, 4, 6]);
    flaky.await.unwrap();
    assert_idle(&manager);
}
