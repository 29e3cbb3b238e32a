//! Threads together with what else an operation needs.

use super::{Gate, until};
use crate::assert_idle;
use perf_async::{Manager, Needs, Operation, Pool, Pools, Status};

#[tokio::test]
async fn a_zombie_keeps_its_units_and_one_without_units_takes_no_thread() {
    let manager = Manager::builder()
        .cpu_threads(2)
        .pools(Pools::builder().storage(1).build().unwrap())
        .kind("index", |kind| kind.needs(Needs::new().storage(1)))
        .build()
        .unwrap();
    let in_use = |manager: &Manager| manager.pools()[0].in_use;
    let (gate, wait) = Gate::new();
    let first = manager.submit(Operation::cpu("index", |_| wait())).unwrap();
    gate.wait_until_begun().await;
    let second = manager.submit(Operation::cpu("index", |_| ())).unwrap();
    // There is a thread for it, but no unit; so the thread is another's.
    manager.run(Operation::cpu("other", |_| ())).await.unwrap();
    assert_eq!(second.status(), Some(Status::Queued));
    first.cancel();
    first.await.unwrap_err();
    assert_eq!((in_use(&manager), manager.stats().zombies), (1, 1));
    assert_eq!(manager.pools()[0].pool, Pool::Storage);
    gate.open();
    second.await.unwrap();
    until(|| manager.running_count() == 0).await;
    assert_eq!(in_use(&manager), 0);
    assert_idle(&manager);
}
