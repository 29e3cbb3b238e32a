//! Recording operations, values and events.

use perf_analytics::{History, HistoryConfig, Outcome, Recorder, Select, Severity, Span, TraceId};
use perf_core::{Clock, Observe, Reading, assert_tune_contract};
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn counter(recorder: &Recorder, name: &str) -> u64 {
    let mut found = 0;
    recorder.observe(&mut |signal| {
        if let (true, Reading::Counter(total)) = (signal.name == name, signal.reading) {
            found += total;
        }
    });
    found
}

#[test]
fn metrics_hold_what_was_recorded() {
    let (clock, hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).build();
    let query = recorder.operation("query", &[]);
    for i in 1..=100 {
        let outcome = if i % 10 == 0 { Outcome::Failure } else { Outcome::Success };
        query.record(millis(i), outcome);
        hand.advance(millis(100));
    }
    let metrics = recorder.metrics("query", MINUTE).unwrap();
    assert_eq!((metrics.count, metrics.errors), (100, 10));
    assert_eq!(metrics.total_ms, 5050.0);
    assert_eq!(metrics.mean_ms, Some(50.5));
    assert_eq!(metrics.success_rate, Some(0.9));
    assert_eq!(metrics.per_second, 10.0);
    let near = |got: Option<f64>, wanted: f64| (got.unwrap() / wanted - 1.0).abs() < 0.023;
    assert!(near(metrics.min_ms, 1.0) && near(metrics.max_ms, 100.0), "{metrics:?}");
    assert!(near(metrics.p50_ms, 50.0) && near(metrics.p95_ms, 95.0), "{metrics:?}");
    assert!(near(metrics.p99_ms, 99.0), "{metrics:?}");
    assert_eq!(recorder.metrics("nothing", MINUTE), None);
}

#[test]
fn windows_are_exact_without_anybody_sampling() {
    let (clock, hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).build();
    let op = recorder.operation("op", &[]);
    op.record(millis(1), Outcome::Success);
    op.record(millis(1), Outcome::Failure);
    // Nothing happens, and nobody looks, for ten minutes.
    hand.advance(Duration::from_secs(600));
    op.record(millis(5), Outcome::Success);
    let minute = recorder.metrics("op", MINUTE).unwrap();
    assert_eq!((minute.count, minute.errors, minute.total_ms), (1, 0, 5.0));
    let hour = recorder.metrics("op", MINUTE * 60).unwrap();
    assert_eq!((hour.count, hour.errors, hour.total_ms), (3, 1, 7.0));
    // And again after that question.
    hand.advance(Duration::from_secs(120));
    let minute = recorder.metrics("op", MINUTE).unwrap();
    assert_eq!((minute.count, minute.mean_ms, minute.success_rate), (0, None, None));
}

#[test]
fn each_second_holds_its_own() {
    let (clock, hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).build();
    let op = recorder.operation("op", &[]);
    for second in 1..=30 {
        for _ in 0..second {
            op.record(millis(1), Outcome::Success);
        }
        hand.advance(Duration::from_secs(1));
    }
    for window in 2..=30u64 {
        let count = recorder.metrics("op", Duration::from_secs(window)).unwrap().count;
        // The second that has just begun is empty.
        let wanted: u64 = (1..=30).rev().take(window as usize - 1).sum();
        assert_eq!(count, wanted, "{window} s");
    }
}

#[test]
fn tags_tell_series_apart_and_merge_by_name() {
    let (clock, _hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).build();
    recorder.operation("q", &[("table", "a"), ("kind", "r")]).record(millis(1), Outcome::Success);
    recorder.operation("q", &[("kind", "r"), ("table", "a")]).record(millis(1), Outcome::Success);
    recorder.operation("q", &[("table", "b")]).record(millis(9), Outcome::Failure);
    recorder.operation("q", &[("operation", "x")]).record(millis(1), Outcome::Success);
    assert_eq!(recorder.metrics("q", MINUTE).unwrap().count, 4);
    let all = recorder.all_metrics(MINUTE);
    assert_eq!(all.len(), 3);
    let a = all.iter().find(|m| m.tags.contains(&("table".into(), "a".into()))).unwrap();
    assert_eq!((a.count, a.errors), (2, 0));
}

#[test]
fn guards_fail_when_told_or_when_the_thread_panics() {
    let (clock, hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).build();
    let op = recorder.operation("op", &[]);
    {
        let mut timing = op.start();
        hand.advance(millis(4));
        timing.fail();
    }
    let panicking = op.clone();
    let thread = thread::spawn(move || {
        let _timing = panicking.start();
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    drop(op.start());
    let metrics = recorder.metrics("op", MINUTE).unwrap();
    assert_eq!((metrics.count, metrics.errors, metrics.total_ms), (3, 2, 4.0));
}

#[test]
fn traces_end_on_other_threads_once() {
    let (clock, hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).build();
    let id = recorder.start_operation("job");
    hand.advance(millis(20));
    let elsewhere = recorder.clone();
    let took = thread::spawn(move || elsewhere.end_operation(id, false, Some("boom")));
    assert_eq!(took.join().unwrap(), Some(millis(20)));
    assert_eq!(recorder.end_operation(id, true, None), None);
    assert_eq!(counter(&recorder, "unknown_traces"), 1);
    let metrics = recorder.metrics("job", MINUTE).unwrap();
    assert_eq!((metrics.count, metrics.errors), (1, 1));
    assert_eq!(metrics.last_error.as_deref(), Some("boom"));
    assert_eq!(TraceId::from_u64(id.as_u64()), id);
}

#[test]
fn open_traces_are_bounded_and_the_oldest_is_given_up() {
    let recorder = Recorder::builder().max_open_traces(2).build();
    let ids: Vec<TraceId> = (0..5).map(|_| recorder.start_operation("job")).collect();
    assert_eq!(counter(&recorder, "abandoned_traces"), 3);
    assert_eq!(recorder.end_operation(ids[0], true, None), None);
    assert!(recorder.end_operation(ids[4], true, None).is_some());
}

#[test]
fn too_many_tags_fall_into_one_series_and_the_culprit_is_named() {
    let (clock, _hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).max_series(40).build();
    for user in 0..1_000 {
        let user = user.to_string();
        let op = recorder.operation("login", &[("method", "post"), ("user", &user)]);
        op.record(millis(1), Outcome::Success);
    }
    // Another name still finds room.
    recorder.operation("logout", &[]).record(millis(1), Outcome::Success);
    assert_eq!(recorder.metrics("logout", MINUTE).unwrap().count, 1);
    assert_eq!(recorder.metrics("login", MINUTE).unwrap().count, 1_000, "none is lost");
    assert_eq!(recorder.all_metrics(MINUTE).len(), 30 + 1 + 1);
    let overflows = recorder.overflows();
    assert_eq!(overflows.len(), 1);
    assert_eq!((overflows[0].name.as_str(), overflows[0].overflowed), ("login", 970));
    assert_eq!((overflows[0].tag.as_deref(), overflows[0].distinct), (Some("user"), 30));
    assert_eq!(counter(&recorder, "overflowed"), 970);
}

#[test]
fn too_many_names_share_one() {
    let (clock, _hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).max_series(8).build();
    for i in 0..100 {
        recorder.operation(&format!("op-{i}"), &[]).record(millis(1), Outcome::Success);
    }
    assert_eq!(recorder.metrics("other", MINUTE).unwrap().count, 92);
    assert_eq!(recorder.all_metrics(MINUTE).iter().map(|m| m.count).sum::<u64>(), 100);
}

#[test]
fn idle_series_make_room_unless_somebody_holds_them() {
    let (clock, hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock).max_series(4).build();
    let held = recorder.operation("held", &[]);
    for name in ["a", "b", "c"] {
        recorder.operation(name, &[]).record(millis(1), Outcome::Success);
    }
    hand.advance(Duration::from_secs(61));
    recorder.operation("new", &[]).record(millis(1), Outcome::Success);
    held.record(millis(1), Outcome::Success);
    let names: Vec<String> = recorder.all_metrics(MINUTE).into_iter().map(|m| m.name).collect();
    assert_eq!(names, ["held", "new"]);
}

#[test]
fn events_are_bounded_in_number_and_length() {
    let recorder = Recorder::builder().max_events(3).build();
    for i in 0..5 {
        recorder.record_event(&format!("e{i}"), &[("n", "1")], Severity::Warning);
    }
    recorder.record_event(&"é".repeat(5_000), &[], Severity::default());
    let events = recorder.events();
    assert_eq!(events.len(), 3);
    assert_eq!(events[0].name, "e3");
    assert_eq!(events[2].severity, Severity::Info);
    assert!(events[2].name.len() <= 1024);
    assert_eq!(counter(&recorder, "dropped_events"), 3);
}

#[test]
fn values_show_as_gauges() {
    let recorder = Recorder::new();
    recorder.record_metric("depth", 3.0, &[("queue", "mail")]);
    recorder.record_metric("depth", 5.5, &[("queue", "mail")]);
    recorder.record_metric("depth", f64::NAN, &[("queue", "mail")]);
    let mut seen = Vec::new();
    recorder.observe(&mut |s| {
        if let (true, Reading::Gauge(level)) = (s.name == "value", s.reading) {
            seen.push((level, s.labels.len()));
        }
    });
    assert_eq!(seen, [(5.5, 2)]);
    assert_tune_contract(&recorder);
}

#[test]
fn threads_lose_nothing() {
    let recorder = Recorder::new();
    let op = recorder.operation("op", &[]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    drop(op.start());
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..50 {
                let _ = recorder.metrics("op", MINUTE);
            }
        });
    });
    assert_eq!(recorder.metrics("op", MINUTE * 60).unwrap().count, 8_000);
}

#[test]
fn it_can_be_sampled_into_another_history() {
    let (clock, hand) = Clock::manual();
    let recorder = Recorder::builder().clock(clock.clone()).name("mine").build();
    let op = recorder.operation("op", &[]);
    let history = History::new(HistoryConfig::default());
    for i in 0..100u64 {
        op.record(millis(i), Outcome::Success);
        hand.advance(millis(130));
        if i % 3 == 0 {
            let now = clock.now();
            recorder.observe(&mut |s| history.sample(now, recorder.name(), &s));
            history.advance(now, clock.wall());
        }
    }
    assert_eq!(recorder.metrics("op", MINUTE).unwrap().count, 100);
    let durations = Select::new("mine", "operation_duration");
    assert_eq!(history.distribution(&durations, Span::last(MINUTE)).count(), 100);
}
