use crate::{assert_idle, manager, ms, nap, settle};
use perf_async::{Manager, Operation};
use perf_core::{Component, KnobId, KnobValue, Reading, Tune, Turn, assert_tune_contract};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn keeps_the_contract_of_knobs() {
    assert_tune_contract(&manager(7));
    let _component: Arc<dyn Component> = Arc::new(manager(1));
}

#[tokio::test(start_paused = true)]
async fn more_room_starts_more_at_once_and_less_takes_effect_as_they_end() {
    let manager = manager(1);
    let work = || Operation::infallible("work", nap(ms(100)));
    let handles: Vec<_> = (0..9).map(|_| manager.submit(work()).unwrap()).collect();
    settle().await;
    assert_eq!(manager.running_count(), 1);
    manager.set_max_concurrent(4);
    assert_eq!(manager.running_count(), 4);
    manager.set_max_concurrent(2);
    sleep(ms(50)).await;
    assert_eq!(manager.running_count(), 4);
    sleep(ms(60)).await;
    assert_eq!(manager.running_count(), 2);
    for handle in handles {
        handle.await.unwrap();
    }
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_queue_keeps_those_who_wait() {
    let manager = manager(1);
    let work = || Operation::infallible("work", nap(ms(10)));
    let handles: Vec<_> = (0..4).map(|_| manager.submit(work()).unwrap()).collect();
    manager.set_queue_limit(0);
    assert!(manager.submit(work()).is_err());
    for handle in handles {
        handle.await.unwrap();
    }
    // With room there is no need to wait.
    manager.submit(work()).unwrap().await.unwrap();
    assert_idle(&manager);
}

#[test]
fn settings_that_cannot_be_are_named() {
    let error = Manager::builder().max_concurrent(0).build().unwrap_err();
    assert_eq!(error.to_string(), "`max_concurrent` cannot be 0: use 1 to 10000");
    let error = Manager::builder().timeout(std::time::Duration::ZERO).build().unwrap_err();
    assert_eq!(error.to_string(), "`timeout` cannot be 0ns: use 1ms to 86400s");
    let error = Manager::builder().queue_limit(usize::MAX).build().unwrap_err();
    assert_eq!(error.setting(), "queue_limit");
}

fn signals(manager: &dyn Component) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    manager.observe(&mut |signal| {
        assert!(!signal.help.is_empty(), "{} has no help", signal.name);
        let value = match signal.reading {
            Reading::Counter(n) => n as f64,
            Reading::Gauge(level) => level,
            Reading::Histogram(histogram) => histogram.count() as f64,
            _ => unreachable!(),
        };
        assert!(found.insert(signal.name.to_owned(), value).is_none());
    });
    found
}

#[tokio::test(start_paused = true)]
async fn reports_what_happened_until_it_is_reset() {
    let manager = manager(1);
    manager.run(Operation::infallible("a", async {})).await.unwrap();
    manager.run(Operation::new("b", async { Err::<(), _>("no") })).await.unwrap_err();
    let running = manager.submit(Operation::infallible("c", nap(ms(10)))).unwrap();
    let waiting = manager.submit(Operation::infallible("d", nap(ms(30)))).unwrap();
    let seen = signals(&manager);
    let expected = [
        ("submitted", 4.0),
        ("completed", 1.0),
        ("failed", 1.0),
        ("timed_out", 0.0),
        ("cancelled", 0.0),
        ("rejected", 0.0),
        ("joined", 0.0),
        ("kept_answers", 0.0),
        ("kept_evicted", 0.0),
        ("retried", 0.0),
        ("retries_refused", 0.0),
        ("hedges", 0.0),
        ("hedges_won", 0.0),
        ("fallbacks", 0.0),
        ("stale", 0.0),
        ("pending", 1.0),
        ("running", 1.0),
        ("concurrency", 1.0),
        #[cfg(feature = "lanes")]
        ("zombies", 0.0),
        ("wait_duration", 3.0),
        ("run_duration", 2.0),
    ];
    assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)).into());

    manager.reset_statistics();
    running.await.unwrap();
    waiting.await.unwrap();
    let stats = manager.stats();
    assert_eq!((stats.submitted, stats.completed, stats.failed), (2, 2, 0));
    assert_eq!(stats.mean_wait(), Some(ms(10)));
    assert_eq!(stats.mean_run(), Some(ms(20)));
    assert_eq!(stats.run_duration.count(), 2);
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_kind_is_a_knob_where_it_has_one() {
    let manager = Manager::builder()
        .max_concurrent(10)
        .kind("slow", |kind| kind.max_concurrent(1))
        .build()
        .unwrap();
    assert_tune_contract(&manager);
    let work = |kind: &'static str| Operation::infallible(kind, nap(ms(10)));
    let handles: Vec<_> = (0..4).map(|_| manager.submit(work("slow")).unwrap()).collect();
    manager.submit(work("quick")).unwrap().await.unwrap();
    let knobs: Vec<_> = manager.knobs().into_iter().map(|knob| knob.id.to_string()).collect();
    assert!(knobs.contains(&"max_concurrent:slow".to_owned()), "{knobs:?}");
    assert!(!knobs.contains(&"max_concurrent:quick".to_owned()), "{knobs:?}");

    let handles_left = handles.len() - 1;
    assert_eq!((manager.running_count(), manager.pending_count()), (1, handles_left - 1));
    let turn = Turn {
        knob: KnobId::new("max_concurrent:slow"),
        to: KnobValue::Count(3),
        expect: Some(KnobValue::Count(1)),
    };
    manager.turn(turn).unwrap();
    assert_eq!((manager.running_count(), manager.pending_count()), (3, 0));
    let knob = manager.knobs().into_iter().find(|knob| knob.id == *"max_concurrent:slow").unwrap();
    assert_eq!((knob.value, knob.default), (KnobValue::Count(3), KnobValue::Count(1)));
    for handle in handles {
        handle.await.unwrap();
    }
    assert_idle(&manager);
}
