//! What happens, for those who listen.

use super::{succeeds_at, within};
use crate::{assert_idle, manager, ms, nap, settle};
use perf_async::{Event, Events, Happened, Manager, Operation, OperationId, Status};
use tokio::time::{sleep, timeout};

fn all_of(events: &mut Events, id: OperationId) -> Vec<Happened> {
    let all = std::iter::from_fn(|| events.try_next());
    all.filter(|event| event.id == id).map(|event| event.what).collect()
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_followed_from_the_queue_to_its_end() {
    let manager = Manager::builder().max_concurrent(1).seed(3).build().unwrap();
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(10)))).unwrap();
    let mut events = manager.events();
    let handle = manager.submit(succeeds_at(2).retry(within(1, ms(100)))).unwrap();
    let cancelled = manager.submit(Operation::infallible("never", nap(ms(10)))).unwrap();
    cancelled.cancel();
    let (id, gone) = (handle.id(), cancelled.id());
    blocking.await.unwrap();
    handle.await.unwrap();
    assert!(cancelled.await.is_err());
    let mut again = manager.events();
    let what = all_of(&mut events, id);
    let [Happened::Queued, first, Happened::Retried { .. }, second, last] = what[..] else {
        panic!("{what:?}")
    };
    assert_eq!(first, Happened::Started { waited: ms(10) });
    assert!(matches!(second, Happened::Started { .. }));
    assert_eq!(last, Happened::Ended { status: Status::Completed });
    assert_eq!(events.lost(), 0);
    // Who comes later hears of what happens later.
    assert_eq!(all_of(&mut again, gone), []);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_for_an_event_is_woken_by_each_kind_of_it() {
    let manager = manager(1);
    let mut events = manager.events();
    let (listening, mut heard) = tokio::sync::mpsc::unbounded_channel::<Event>();
    let listener = tokio::spawn(async move {
        loop {
            listening.send(events.next().await).unwrap();
        }
    });
    settle().await;
    let mut next = async || timeout(ms(1), heard.recv()).await.unwrap().unwrap();
    let blocking = manager.submit(Operation::infallible("slow", nap(ms(50)))).unwrap();
    let started = next().await;
    assert_eq!((started.id, &*started.kind), (blocking.id(), "slow"));
    let late = Operation::infallible("late", async {}).queue_timeout(ms(10));
    let late = manager.submit(late).unwrap();
    assert_eq!(next().await.what, Happened::Queued);
    sleep(ms(15)).await;
    assert_eq!(next().await.what, Happened::Ended { status: Status::Timeout });
    assert!(late.await.is_err());
    let waiting = manager.submit(Operation::infallible("next", async {})).unwrap();
    assert_eq!(next().await.what, Happened::Queued);
    waiting.cancel();
    assert_eq!(next().await.what, Happened::Ended { status: Status::Cancelled });
    blocking.cancel();
    assert!(blocking.await.is_err());
    assert_eq!(next().await.what, Happened::Ended { status: Status::Cancelled });
    manager.run(Operation::infallible("inline", async {})).await.unwrap();
    assert!(matches!(next().await.what, Happened::Started { .. }));
    assert_eq!(next().await.what, Happened::Ended { status: Status::Completed });
    listener.abort();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn one_who_falls_behind_loses_the_oldest_and_is_told_how_many() {
    let manager = manager(1);
    let mut slow = manager.events();
    for _ in 0..1_000 {
        manager.run(Operation::infallible("fast", async {})).await.unwrap();
    }
    // Two events each; the last 1,024 are there.
    let mut heard = 0;
    while slow.try_next().is_some() {
        heard += 1;
    }
    assert_eq!((heard, slow.lost()), (1_024, 976));
    drop(slow);
    // Nothing was kept while nobody listened.
    manager.run(Operation::infallible("fast", async {})).await.unwrap();
    let mut events = manager.events();
    assert_eq!(events.try_next(), None);
    manager.run(Operation::infallible("fast", async {})).await.unwrap();
    assert!(matches!(events.next().await.what, Happened::Started { .. }));
    assert_eq!(events.lost(), 0);
}
