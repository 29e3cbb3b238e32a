//! The cache and the operations manager that come along.

use crate::pump::{Pump, manual};
use perf_async::{Batch, Manager, Operation};
use perf_core::{Glob, KnobValue, Turn};
use perf_engine::PerformanceOptimizer;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn the_cache_is_made_when_asked_for_and_watched() {
    let (optimizer, _clock, hand) = manual();
    assert_eq!(optimizer.components(), ["engine", "recorder"]);
    optimizer.set_in_cache("page/a", *b"one", None);
    optimizer.set_in_cache("page/b", *b"two", Some(Duration::from_secs(1)));
    optimizer.set_in_cache("other", *b"three", None);
    assert_eq!(optimizer.components(), ["cache", "engine", "recorder"]);
    assert_eq!(optimizer.get_from_cache("page/b").as_deref(), Some(&b"two"[..]));
    hand.advance(Duration::from_secs(1));
    assert_eq!(optimizer.get_from_cache("page/b"), None);
    optimizer.cache().remove_expired(100);
    assert_eq!(optimizer.invalidate_cache(&Glob::new("page/*").unwrap()), 1);
    assert_eq!(optimizer.get_from_cache("other").as_deref(), Some(&b"three"[..]));
    let hits = optimizer.signals().into_iter().any(|s| s.component == "cache" && s.name == "hits");
    assert!(hits);

    let to = KnobValue::Duration(Duration::from_secs(9));
    let turn = Turn { knob: "time_to_live".into(), to, expect: None };
    let event = optimizer.turn("cache", turn, "ada").unwrap();
    assert_eq!(optimizer.cache().time_to_live(), Some(Duration::from_secs(9)));
    optimizer.undo(event.id, "ada").unwrap();
    assert_eq!(optimizer.cache().time_to_live(), Some(Duration::from_secs(3600)));
}

#[test]
fn a_taken_name_is_no_reason_to_refuse_work() {
    let (optimizer, clock, _) = manual();
    let pump = Pump::new(&clock);
    optimizer.register("cache", &pump).unwrap();
    optimizer.set_in_cache("a", *b"1", None);
    assert!(optimizer.get_from_cache("a").is_some());
}

#[tokio::test]
async fn operations_run_and_are_watched() {
    let manager = Manager::builder().max_concurrent(1).build().unwrap();
    let optimizer =
        PerformanceOptimizer::builder().manual_sampling().operations(manager).build().unwrap();
    assert_eq!(optimizer.components(), ["engine", "operations", "recorder"]);
    let gate = Arc::new(tokio::sync::Notify::new());
    let opened = Arc::clone(&gate);
    let first = Operation::infallible("wait", async move { opened.notified().await });
    let first = optimizer.queue_operation(first).unwrap();
    let second = Operation::infallible("add", async { 1 + 1 });
    let second = optimizer.queue_operation(second).unwrap();
    assert_eq!(optimizer.pending_operations_count(), 1);
    gate.notify_one();
    first.await.unwrap();
    assert_eq!(second.await.unwrap(), 2);
    assert_eq!(optimizer.pending_operations_count(), 0);
    let addresses: Vec<String> = optimizer.knobs().iter().map(|k| k.address()).collect();
    assert!(addresses.contains(&"operations/max_concurrent".to_owned()), "{addresses:?}");
}

#[tokio::test]
async fn items_of_a_kind_go_together_and_each_has_its_answer() {
    let optimizer = PerformanceOptimizer::builder().manual_sampling().build().unwrap();
    let lengths = async |texts: Vec<&'static str>| {
        texts.iter().map(|text| text.parse::<u32>()).collect::<Vec<_>>()
    };
    optimizer.operations().enable_batching("parse", Batch::natural(10), lengths).unwrap();
    let handles = optimizer.batch_operations::<u32, _>("parse", ["7", "seven", "11"]).unwrap();
    let mut answers = Vec::new();
    for handle in handles {
        answers.push(handle.await.ok());
    }
    assert_eq!(answers, [Some(7), None, Some(11)]);
    let stats = optimizer.operations().batch_stats("parse").unwrap();
    assert_eq!((stats.batches, stats.items), (1, 3));
    assert!(optimizer.batch_operations::<u32, _>("alone", ["7"]).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_throttle_holds_back_its_kind_and_no_other() {
    let optimizer = PerformanceOptimizer::builder().manual_sampling().build().unwrap();
    let spacing = Duration::from_millis(200);
    optimizer.set_async_throttle("fetch", spacing).unwrap();
    let instant = |kind| {
        let now = Operation::infallible(kind, async { tokio::time::Instant::now() });
        optimizer.queue_operation(now).unwrap()
    };
    let (first, second, other) = (instant("fetch"), instant("fetch"), instant("parse"));
    let (first, second, other) =
        (first.await.unwrap(), second.await.unwrap(), other.await.unwrap());
    assert!(second - first >= spacing, "{:?}", second - first);
    assert_eq!(other, first);

    optimizer.set_async_throttle("fetch", Duration::ZERO).unwrap();
    let (third, fourth) = (instant("fetch"), instant("fetch"));
    assert_eq!(third.await.unwrap(), fourth.await.unwrap());
    let error = optimizer.set_async_throttle("fetch", Duration::MAX).unwrap_err();
    assert!(error.to_string().contains("rate"), "{error}");
}

#[test]
fn tracking_shows_in_metrics_and_in_the_export() {
    let (optimizer, _clock, hand) = manual();
    let id = optimizer.start_performance_tracking("checkout");
    hand.advance(Duration::from_millis(30));
    let took = optimizer.end_performance_tracking(id, true, None);
    assert_eq!(took, Some(Duration::from_millis(30)));
    let metrics = optimizer.performance_metrics(Duration::from_secs(60));
    assert_eq!((metrics[0].name.as_str(), metrics[0].count), ("checkout", 1));
    let text = optimizer.export_metrics();
    let count = "perfkit_operation_duration_seconds_count\
                 {component=\"recorder\",operation=\"checkout\"} 1\n";
    assert!(text.contains(count), "{text}");
}
