//! Runs that do not end as planned.

use super::server::{answer, axum, raw, read_request};
use super::{config, run};
use ::axum::Router;
use ::axum::http::StatusCode;
use ::axum::routing::get;
use perf_bench::Outcome;
use perf_bench::load::{Arrival, Form, Load, LoadEnd, LoadProgress, Stress};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[test]
fn error_answers_break_an_objective_and_nothing_else() {
    let failing = || {
        let handler = async || StatusCode::INTERNAL_SERVER_ERROR;
        config(axum(Router::new().route("/", get(handler))))
    };
    let mut config = failing();
    config.form = Form::Users(1);
    let report = run(config);
    assert_eq!((report.figures.error_ratio, report.outcome()), (1.0, Outcome::Pass));
    assert!(report.document().markdown().contains("--objective"));

    let mut config = failing();
    config.form = Form::Users(1);
    config.objectives = "p99=1h,errors=1%".parse().unwrap();
    let report = run(config);
    assert_eq!(report.outcome(), Outcome::Regression);
    assert_eq!(report.objectives.iter().map(|o| o.held).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_stopped_run_keeps_what_it_has() {
    let address = axum(Router::new().route("/", get(async || "hello")));
    let mut config = config(address);
    config.length = Duration::from_secs(3600);
    config.form = Form::Open(Arrival::Constant { rate: 50.0 });
    let progress = Arc::new(LoadProgress::new());
    let seen = Arc::clone(&progress);
    let watcher = std::thread::spawn(move || {
        // The progress is told second by second.
        while seen.snapshot().answered == 0 {
            std::thread::yield_now();
        }
        let snapshot = seen.snapshot();
        seen.stop();
        snapshot
    });
    let report = Load::new(config).unwrap().run(&progress).unwrap();
    let snapshot = watcher.join().unwrap();
    assert!(snapshot.p50.is_some() && snapshot.rate > 0.0, "{snapshot:?}");
    assert_eq!(
        (report.ended, report.outcome() == Outcome::ToolFailed),
        (LoadEnd::Interrupted, false)
    );
    assert!(report.figures.answered > 0 && report.measured < 3600.0, "{report:?}");
    assert!(report.document().markdown().contains("Interrupted"));
}

#[test]
fn a_target_that_dies_ends_the_run_with_what_came_before() {
    // Answers 20 requests, then hangs up on everybody.
    let left = Arc::new(AtomicU64::new(20));
    let address = raw(move |mut stream| {
        while read_request(&mut stream) {
            let more = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            if more.is_err() {
                return;
            }
            answer(&mut stream);
        }
    });
    let mut config = config(address);
    config.length = Duration::from_secs(3600);
    config.form = Form::Open(Arrival::Constant { rate: 100.0 });
    let report = run(config);
    assert!(matches!(report.ended, LoadEnd::TargetLost { .. }), "{:?}", report.ended);
    assert_eq!((report.figures.answered, report.outcome()), (20, Outcome::ToolFailed));
    assert!(report.figures.failed > 0);
    assert!(report.document().markdown().contains("stopped answering"));
}

#[test]
fn a_target_that_never_answers_is_a_failed_tool_whether_it_waits_or_hangs_up() {
    let mute = raw(|mut stream| while read_request(&mut stream) {});
    let hanging_up = raw(|mut stream| {
        read_request(&mut stream);
    });
    for address in [mute, hanging_up] {
        let mut config = config(address);
        config.form = Form::Users(2);
        config.timeout = Duration::from_millis(50);
        let report = run(config);
        assert!(report.figures.failed > 0 && report.figures.answered == 0, "{report:?}");
        assert_eq!(report.outcome(), Outcome::ToolFailed);
        assert!(report.document().markdown().contains("answered nothing"));
    }
}

#[test]
fn requests_that_are_never_answered_do_not_keep_a_run_from_ending() {
    let mute = raw(|mut stream| while read_request(&mut stream) {});
    let mut config = config(mute);
    config.form = Form::Open(Arrival::Constant { rate: 20.0 });
    config.drain = Some(Duration::from_millis(10));
    let report = run(config);
    let f = &report.figures;
    assert_eq!((f.sent, f.answered, f.abandoned), (10, 0, 10), "{report:?}");
    assert_eq!((f.failed, f.error_ratio), (10, 1.0));
    assert_eq!(report.outcome(), Outcome::ToolFailed);
    assert!(report.document().markdown().contains("still open"));
}

#[test]
fn a_stop_ends_the_draining_too() {
    let mute = raw(|mut stream| while read_request(&mut stream) {});
    let mut config = config(mute);
    config.form = Form::Open(Arrival::Constant { rate: 20.0 });
    config.timeout = Duration::from_secs(3000);
    let progress = Arc::new(LoadProgress::new());
    let seen = Arc::clone(&progress);
    let watcher = std::thread::spawn(move || {
        while seen.snapshot().phase != "draining" {
            std::thread::yield_now();
        }
        seen.stop();
    });
    let report = Load::new(config).unwrap().run(&progress).unwrap();
    watcher.join().unwrap();
    let f = &report.figures;
    assert_eq!((report.ended, f.abandoned, f.failed), (LoadEnd::Interrupted, 10, 0), "{report:?}");
}

#[test]
fn requests_that_one_step_leaves_open_do_not_hold_up_the_next() {
    let mute = raw(|mut stream| while read_request(&mut stream) {});
    let mut config = config(mute);
    let mut stress = Stress::default();
    (stress.from, stress.step, stress.refine) = (20.0, Duration::from_millis(200), 2);
    config.form = Form::Stress(stress);
    config.length = Duration::from_secs(60);
    config.timeout = Duration::from_secs(3000);
    config.drain = Some(Duration::from_millis(10));
    config.connections = Some(2);
    let report = run(config);
    assert_eq!(report.stress.as_ref().map(|s| (s.knee, s.steps.len())), Some((None, 3)));
    assert!(report.figures.unsent > 0, "{report:?}");
}
