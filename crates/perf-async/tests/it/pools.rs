mod random;

use crate::{Alive, assert_idle, ms, nap, settle};
use perf_async::{Manager, Needs, Operation, Pool, PoolStats, Pools, Quota, Status, Throttle};
use perf_core::{ByteSize, Knob, KnobValue, Priority, Tune, Turn, assert_tune_contract};
use std::future::pending;

fn manager(pools: Pools) -> Manager {
    Manager::builder()
        .max_concurrent(64)
        .pools(pools)
        .kind("query", |kind| kind.needs(Needs::new().database(1)))
        .kind("report", |kind| kind.needs(Needs::new().database(3).memory(ByteSize::mib(1))))
        .build()
        .unwrap()
}

fn two_pools() -> Pools {
    Pools::builder().database(4).memory(ByteSize::mib(8)).build().unwrap()
}

fn of(manager: &Manager, pool: Pool) -> PoolStats {
    manager.pools().into_iter().find(|stats| stats.pool == pool).unwrap()
}

fn stuck(kind: &'static str) -> Operation<(), impl perf_async::Work<()> + Send + 'static> {
    Operation::infallible(kind, pending())
}

#[tokio::test(start_paused = true)]
async fn those_without_room_wait_and_keep_nobody_else_waiting() {
    let manager = manager(two_pools());
    let first = manager.submit(stuck("report")).unwrap();
    let second = manager.submit(stuck("report")).unwrap();
    let query = manager.submit(stuck("query")).unwrap();
    settle().await;
    assert_eq!(first.status(), Some(Status::InProgress));
    assert_eq!(second.status(), Some(Status::Queued));
    assert_eq!(query.status(), Some(Status::InProgress));
    // Neither is anything of the second's memory held.
    assert_eq!(of(&manager, Pool::Memory).in_use, 1 << 20);
    let database = of(&manager, Pool::Database);
    assert_eq!((database.in_use, database.waiting), (4, 1));
    // What needs nothing does not care.
    manager.run(Operation::infallible("other", async {})).await.unwrap();

    first.cancel();
    first.await.unwrap_err();
    settle().await;
    assert_eq!(second.status(), Some(Status::InProgress));
    second.cancel();
    query.cancel();
    settle().await;
    assert_eq!(of(&manager, Pool::Database).in_use, 0);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn what_an_operation_says_wins_over_its_kind() {
    let manager = manager(two_pools());
    let all = manager.submit(stuck("query").needs(Needs::new().database(4))).unwrap();
    let none = manager.submit(stuck("query").needs(Needs::new())).unwrap();
    settle().await;
    assert_eq!(of(&manager, Pool::Database).in_use, 4);
    assert_eq!((all.status(), none.status()), (Some(Status::InProgress), Some(Status::InProgress)));
    let waits = manager.submit(stuck("query")).unwrap();
    settle().await;
    assert_eq!(waits.status(), Some(Status::Queued));
    // In a place of the caller's own there is no more room than elsewhere.
    let limit = ms(5);
    let refused = manager.run(stuck("query").needs(Needs::new().database(2)).queue_timeout(limit));
    refused.await.unwrap_err();
    for handle in [all, none, waits] {
        handle.cancel();
        handle.await.unwrap_err();
    }
    assert_eq!(of(&manager, Pool::Database).in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_needs_too_much_runs_alone() {
    let manager = manager(two_pools());
    let small = manager.submit(stuck("query")).unwrap();
    let huge = Operation::infallible("huge", nap(ms(10))).needs(Needs::new().database(u64::MAX));
    let huge = manager.submit(huge).unwrap();
    settle().await;
    assert_eq!(huge.status(), Some(Status::Queued));
    small.cancel();
    settle().await;
    assert_eq!(huge.status(), Some(Status::InProgress));
    let next = manager.submit(stuck("query")).unwrap();
    settle().await;
    assert_eq!(next.status(), Some(Status::Queued));
    huge.await.unwrap();
    assert_eq!(of(&manager, Pool::Database).clamped, 1);
    next.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_big_one_is_passed_eight_times_at_most() {
    let manager = manager(two_pools());
    let query = || Operation::infallible("query", nap(ms(10))).priority(Priority::HIGHEST);
    // One that ends every 5 ms and two at once: never three free.
    let mut queries: Vec<_> = [query(), query()].map(|query| manager.submit(query).unwrap()).into();
    settle().await;
    let report = manager.submit(Operation::infallible("report", nap(ms(10)))).unwrap();
    let mut passed = 0;
    while report.status() == Some(Status::Queued) && passed < 100 {
        tokio::time::sleep(ms(5)).await;
        let query = manager.submit(query()).unwrap();
        settle().await;
        passed += usize::from(query.status() == Some(Status::InProgress));
        queries.push(query);
    }
    report.await.unwrap();
    assert!(passed <= 8 + 1, "{passed} passed"); // One fits beside it.
    assert_eq!(of(&manager, Pool::Database).reserved, 1);
    for query in queries {
        query.await.unwrap();
    }
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn units_that_were_kept_for_one_that_is_cancelled_are_free_again() {
    let manager = manager(two_pools());
    let holds = manager.submit(stuck("query").needs(Needs::new().database(2))).unwrap();
    settle().await;
    let report = manager.submit(stuck("report")).unwrap();
    for _ in 0..8 {
        manager.run(Operation::infallible("query", async {})).await.unwrap();
    }
    let query = manager.submit(stuck("query")).unwrap();
    settle().await;
    assert_eq!(query.status(), Some(Status::Queued));
    report.cancel();
    manager.run(Operation::infallible("other", async {})).await.unwrap();
    settle().await;
    assert_eq!(query.status(), Some(Status::InProgress));
    holds.cancel();
    query.cancel();
}

#[tokio::test(start_paused = true)]
async fn one_whose_time_passes_while_it_waits_for_room_gives_way() {
    let manager = manager(two_pools());
    let holds = manager.submit(stuck("query").needs(Needs::new().database(2))).unwrap();
    settle().await;
    let report = manager.submit(stuck("report").queue_timeout(ms(10))).unwrap();
    let behind = Operation::infallible("report", async {}).needs(Needs::new().database(2));
    let behind = manager.submit(behind).unwrap();
    settle().await;
    assert_eq!(behind.status(), Some(Status::Queued));
    report.await.unwrap_err();
    behind.await.unwrap();
    holds.cancel();
}

#[tokio::test(start_paused = true)]
async fn more_capacity_starts_more_at_once_and_less_takes_effect_as_they_end() {
    let manager = manager(two_pools());
    let work = || Operation::infallible("query", nap(ms(10)));
    let handles: Vec<_> = (0..12).map(|_| manager.submit(work()).unwrap()).collect();
    settle().await;
    assert_eq!(manager.running_count(), 4);
    assert_eq!(manager.set_pool_capacity(Pool::Database, 6), Some(6));
    assert_eq!(manager.running_count(), 6);
    let knob = manager.knobs().into_iter().find(|knob| knob.id.as_str() == "pool_database");
    let Knob { id, value, .. } = knob.unwrap();
    let turned = manager.turn(Turn { knob: id, to: KnobValue::Count(2), expect: Some(value) });
    assert_eq!(turned.unwrap().from, KnobValue::Count(6));
    assert_eq!(of(&manager, Pool::Database).in_use, 6);
    tokio::time::sleep(ms(11)).await;
    settle().await;
    assert_eq!(manager.running_count(), 2);
    for handle in handles {
        handle.await.unwrap();
    }
    assert_eq!(manager.set_pool_capacity(Pool::Network, 6), None);
    assert_idle(&manager);
    assert_tune_contract(&manager);
}

#[tokio::test(start_paused = true)]
async fn kinds_have_their_part() {
    let manager = manager(two_pools());
    let guaranteed = Quota::default().guaranteed(2);
    manager.configure("query", |kind| kind.quota(Pool::Database, guaranteed)).unwrap();
    let most = Quota::default().max(1);
    manager.configure("batch", |kind| kind.quota(Pool::Database, most)).unwrap();
    let need = |units| Needs::new().database(units);
    let report = manager.submit(stuck("report")).unwrap(); // Wants three, may have two.
    let batch = [(), ()].map(|()| manager.submit(stuck("batch").needs(need(1))).unwrap());
    let queries = [(), ()].map(|()| manager.submit(stuck("query")).unwrap());
    settle().await;
    let statuses = |handles: &[perf_async::Handle<()>]| -> Vec<_> {
        handles.iter().map(|handle| handle.status().unwrap()).collect()
    };
    assert_eq!(report.status(), Some(Status::InProgress));
    assert_eq!(statuses(&queries), [Status::InProgress; 2]);
    assert_eq!(statuses(&batch), [Status::Queued; 2]);
    report.cancel();
    settle().await;
    assert_eq!(statuses(&batch), [Status::InProgress, Status::Queued]);

    let error = manager.configure("query", |kind| kind.quota(Pool::Cpu, guaranteed)).unwrap_err();
    assert_eq!(error.to_string(), "`quota` cannot be 2: set the capacity of the pool as well");
    assert_eq!(manager.kind_settings("query").unwrap().quotas.len(), 1);
    assert_eq!(manager.set_pool_capacity(Pool::Database, 1), Some(3));
    for handle in batch.into_iter().chain(queries) {
        handle.cancel();
        let _gone = handle.await.is_err();
    }
    assert_eq!(of(&manager, Pool::Database).in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_kind_holds_no_units_while_it_waits_for_its_time() {
    let manager = manager(two_pools());
    let spaced = Throttle::spacing(ms(100));
    manager.configure("report", |kind| kind.throttle(spaced)).unwrap();
    manager.run(Operation::infallible("report", async {})).await.unwrap();
    let report = manager.submit(Operation::infallible("report", async {})).unwrap();
    settle().await;
    assert_eq!(report.status(), Some(Status::Queued));
    assert_eq!(of(&manager, Pool::Database).in_use, 0);
    report.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn units_come_back_however_an_operation_ends() {
    let manager = manager(two_pools());
    let alive = Alive::default();
    for round in 0..5 {
        let token = alive.token();
        let work = async move {
            let _token = token;
            match round {
                0 => Ok(()),
                1 => Err("no"),
                2 => panic!("as planned"),
                _ => pending().await,
            }
        };
        let handle = manager.submit(Operation::new("report", work).timeout(ms(10))).unwrap();
        settle().await;
        if round == 3 {
            drop(handle.cancel_on_drop());
            settle().await;
        } else {
            assert_eq!(handle.await.is_ok(), round == 0);
        }
        assert_eq!(of(&manager, Pool::Database).in_use, 0, "round {round}");
    }
    assert_eq!(alive.count(), 0);
    assert_idle(&manager);
}
