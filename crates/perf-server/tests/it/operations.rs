//! Managers of operations on the page: what waits, cancelling, changing priorities.

use crate::rig::Rig;
use perf_async::{Batch, Handle, Manager, Operation, OperationError, Throttle};
use perf_core::Priority;
use perf_guard::CircuitBreaker;
use perf_server::AdminConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A manager with one place, which somebody holds, and three that wait behind.
async fn rig() -> (Rig, Arc<Manager>, oneshot::Sender<()>, Handle<()>, Vec<Handle<u8>>) {
    let manager = Manager::builder().max_concurrent(1).queue_limit(3).build().unwrap();
    let (release, released) = oneshot::channel();
    let holder = Operation::infallible("hold", async { drop(released.await) });
    let holder = manager.submit(holder).unwrap();
    let wait = |kind: &'static str, level| {
        let operation = Operation::infallible(kind, async move { level });
        manager.submit(operation.priority(Priority::new(level).unwrap())).unwrap()
    };
    let waiting = vec![wait("report", 2), wait("click", 9), wait("report", 5)];
    let config = AdminConfig::new("127.0.0.1:0".parse().unwrap());
    let rig = Rig::start_with(config.operations("jobs", manager.clone())).await;
    let manager = Arc::new(manager);
    rig.optimizer.register("jobs", &manager).unwrap();
    (rig, manager, release, holder, waiting)
}

const PATH: &str = "/api/performance/operations";

#[tokio::test]
async fn the_page_shows_what_waits_and_what_runs() {
    let (rig, _, release, holder, _waiting) = rig().await;
    let shown = rig.get(PATH).await.json();
    let work = &shown["managers"][0];
    assert_eq!(work["component"], "jobs");
    assert_eq!((&work["pending"], &work["running"]), (&3.into(), &1.into()));
    assert_eq!((&work["queue_limit"], &work["max_concurrent"]), (&3.into(), &1.into()));
    let kinds: Vec<_> =
        work["pending_rows"].as_array().unwrap().iter().map(|r| &r["kind"]).collect();
    assert_eq!(kinds, ["report", "click", "report"]);
    assert_eq!(work["running_rows"][0]["kind"], "hold");
    let report = work["kinds"].as_array().unwrap().iter().find(|k| k["kind"] == "report").unwrap();
    assert_eq!(report["pending"], 2);
    assert_eq!(report["by_priority"], serde_json::json!([0, 1, 0, 0, 1, 0, 0, 0, 0, 0]));
    release.send(()).unwrap();
    holder.await.unwrap();
    let id = work["running_rows"][0]["id"].as_str().unwrap().to_owned();
    let one = rig.get(&format!("{PATH}/jobs/{id}")).await.json();
    assert_eq!((&one["kind"], &one["status"]), (&"hold".into(), &"completed".into()));
    rig.stop().await;
}

#[tokio::test]
async fn a_waiting_operation_is_cancelled_from_the_page() {
    let (rig, manager, _release, _holder, waiting) = rig().await;
    let path = format!("{PATH}/jobs/{}/cancel", waiting[0].id());
    rig.ask("POST", &path, &[], "").await.problem(401, &[]);
    assert_eq!(manager.pending_count(), 3);
    assert_eq!(rig.tell("POST", &path, "").await.json()["outcome"], "removed");
    assert_eq!(manager.pending_count(), 2);
    assert_eq!(rig.tell("POST", &path, "").await.json()["outcome"], "already_finished");
    let gone = waiting.into_iter().next().unwrap().await;
    assert!(matches!(gone, Err(OperationError::Cancelled)));
    rig.tell("POST", &format!("{PATH}/jobs/99999/cancel"), "").await.problem(404, &["99999"]);
    rig.tell("POST", &format!("{PATH}/jobs/x/cancel"), "").await.problem(404, &["\"x\""]);
    let unknown = rig.tell("POST", &format!("{PATH}/play/1/cancel"), "").await;
    assert_eq!(unknown.problem(404, &["play"])["known"][0], "jobs");
    rig.stop().await;
}

#[tokio::test]
async fn a_waiting_operation_is_made_more_urgent_from_the_page() {
    let (rig, manager, _release, holder, waiting) = rig().await;
    let path = format!("{PATH}/jobs/{}/priority", waiting[0].id());
    rig.ask("PUT", &path, &[], r#"{"priority": 10}"#).await.problem(401, &[]);
    let answer = rig.tell("PUT", &path, r#"{"priority": 10}"#).await.json();
    assert_eq!((&answer["before"], &answer["priority"]), (&2.into(), &10.into()));
    assert_eq!(manager.record(waiting[0].id()).unwrap().priority, Priority::HIGHEST);
    rig.tell("PUT", &path, r#"{"priority": 11}"#).await.problem(422, &["11", "1 to 10"]);
    rig.tell("PUT", &path, r#"{"level": 3}"#).await.problem(422, &["priority"]);
    let running = format!("{PATH}/jobs/{}/priority", holder.id());
    let refused = rig.tell("PUT", &running, r#"{"priority": 1}"#).await;
    assert_eq!(refused.problem(409, &["only what waits"])["stands"], "in progress");
    rig.stop().await;
}

#[tokio::test]
async fn a_kind_shows_its_circuit_its_throttle_and_its_batches() {
    let second = Duration::from_secs(1);
    let manager = Manager::builder()
        .kind("call", |kind| {
            let breaker = CircuitBreaker::builder().window(2).minimum_calls(2);
            kind.breaker(breaker).throttle(Throttle::rate(100, second).burst(20)).max_concurrent(4)
        })
        .build()
        .unwrap();
    for _ in 0..2 {
        let failing = Operation::new("call", async { Err::<(), _>("no answer") });
        manager.run(failing).await.unwrap_err();
    }
    manager
        .enable_batching("double", Batch::natural(10), async |numbers: Vec<u32>| {
            numbers.iter().map(|n| Ok::<u32, std::io::Error>(n * 2)).collect()
        })
        .unwrap();
    let doubled = manager.submit_item::<u32, u32>("double", 21).unwrap().await.unwrap();
    assert_eq!(doubled, 42);

    let config = AdminConfig::new("127.0.0.1:0".parse().unwrap());
    let rig = Rig::start_with(config.operations("jobs", manager.clone())).await;
    let manager = Arc::new(manager);
    rig.optimizer.register("jobs", &manager).unwrap();
    let shown = rig.get(PATH).await.json();
    let kinds = shown["managers"][0]["kinds"].as_array().unwrap();
    let kind = |name: &str| kinds.iter().find(|kind| kind["kind"] == name).unwrap();
    let call = kind("call");
    assert_eq!((&call["breaker"], &call["failed"]), (&"open".into(), &2.into()));
    assert_eq!(call["throttle"], "100 per second, 20 at once");
    assert_eq!((&call["max_concurrent"], &call["batching"]), (&4.into(), &().into()));
    let double = &kind("double")["batching"];
    assert_eq!((&double["max"], &double["batches"]), (&10.into(), &1.into()));
    assert_eq!((&double["items"], &double["window_seconds"]), (&1.into(), &().into()));
    let knobs: Vec<_> = shown["knobs"].as_array().unwrap().iter().map(|knob| &knob["id"]).collect();
    assert!(knobs.iter().any(|id| *id == "jobs/max_concurrent:call"), "{knobs:?}");

    let turned = rig
        .tell("PUT", "/api/performance/knobs/jobs/max_concurrent:call", r#"{"value": 8}"#)
        .await
        .json();
    assert_eq!(turned["knob"]["value"], 8);
    rig.stop().await;
}
