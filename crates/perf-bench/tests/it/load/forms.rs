//! Open and closed forms, stalls, stress.

use super::server::{answer, axum, raw, read_request};
use super::{config, run};
use ::axum::Router;
use ::axum::http::StatusCode;
use ::axum::routing::get;
use perf_bench::Outcome;
use perf_bench::load::{Arrival, Form, LoadEnd, LoadReport, Stress, VoidCause};
use perf_bench::report::Block;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[test]
fn an_open_run_sends_what_is_due_and_counts_all_of_it() {
    let mut config = config(axum(hello()));
    config.form = Form::Open(Arrival::Ramp { from: 100.0, to: 300.0 });
    config.objectives = "errors=0%".parse().unwrap();
    let report = run(config);
    let f = &report.figures;
    assert_eq!((f.sent, f.answered, f.failed, f.unsent), (100, 100, 0, 0), "{report:?}");
    assert_eq!((f.statuses.as_slice(), f.body_bytes), (&[(200, 100)][..], 500));
    assert_eq!((f.latency.count, f.latency_from_sending.count, f.lag.count), (100, 100, 100));
    assert!(f.latency.max >= f.latency_from_sending.max);
    assert_eq!(report.ended, LoadEnd::Complete);
    assert!(report.objectives.iter().all(|o| o.held));
}

#[test]
fn a_report_survives_its_json_and_has_its_sections() {
    let mut config = config(axum(hello()));
    config.form = Form::Open(Arrival::Steps { rates: vec![100.0, 200.0] });
    config.length = Duration::from_millis(2_100);
    let report = run(config);
    let read: LoadReport = serde_json::from_str(&report.to_json()).unwrap();
    assert!(read.figures.latency == report.figures.latency && read.form == report.form);
    assert_eq!(read.figures.windows, report.figures.windows);
    let document = report.document();
    let titles: Vec<&str> = document.sections.iter().map(|s| s.title.as_str()).collect();
    for title in ["Result", "Latency", "Over time", "Answers", "Settings"] {
        assert!(titles.contains(&title), "{titles:?}");
    }
    let charts = document.sections.iter().flat_map(|s| &s.blocks);
    assert!(charts.filter(|b| matches!(b, Block::Chart(_))).count() >= 3);
}

#[test]
fn a_stall_is_in_the_latency_from_the_intended_start_of_all_that_were_due_in_it() {
    // The first request stalls the server; the others wait until it is done.
    let gate = Arc::new(Mutex::new(false));
    const STALL: Duration = Duration::from_millis(400);
    let stalled = async move || {
        let mut done = gate.lock().await;
        if !*done {
            tokio::time::sleep(STALL).await;
            *done = true;
        }
    };
    let mut config = config(axum(Router::new().route("/", get(stalled))));
    config.form = Form::Open(Arrival::Constant { rate: 200.0 });
    let report = run(config);
    // Of the 80 that were due in the stall, the first 40 waited for at least half of it.
    let waited = report.figures.latency.above(STALL.as_nanos() as f64 / 2.0 * 0.95);
    assert!(waited >= 39, "{waited} of {:?}", report.figures.latency);
    assert!(report.figures.latency.p999 >= STALL.as_nanos() as f64 * 0.95);
    assert!(report.figures.most_in_flight >= 39);
}

#[test]
fn a_user_waits_for_the_answer_and_so_asks_once_in_a_stall() {
    let most = Arc::new(AtomicU64::new(0));
    let under_way = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&most);
    let handler = async move || {
        seen.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        under_way.fetch_sub(1, Ordering::SeqCst);
    };
    let mut config = config(axum(Router::new().route("/", get(handler))));
    config.form = Form::Users(3);
    let report = run(config);
    assert!(report.figures.answered > 3, "{report:?}");
    assert_eq!((most.load(Ordering::SeqCst), report.figures.most_in_flight), (3, 3));
    assert_eq!((report.void.clone(), report.figures.lag.count), (None, 0));
    let said = report.document().markdown();
    assert!(said.contains("Closed form"), "{said}");
}

#[test]
fn too_few_connections_void_a_run_and_are_named() {
    // Each answer takes 20 ms, so that two connections bear at most 100 a second.
    let address = raw(|mut stream| {
        while read_request(&mut stream) {
            std::thread::sleep(Duration::from_millis(20));
            answer(&mut stream);
        }
    });
    let mut config = config(address);
    config.form = Form::Open(Arrival::Constant { rate: 400.0 });
    config.connections = Some(2);
    let report = run(config);
    let why = report.void.clone().unwrap();
    assert!(why.contains("all 2 connections") && why.contains("--connections"), "{why}");
    assert!(report.figures.unsent > 0 && report.figures.most_in_flight == 2, "{report:?}");
    assert_eq!(report.outcome(), Outcome::Inconclusive);
    assert_eq!(report.figures.sent + report.figures.unsent, 200);
}

#[test]
fn a_limit_that_is_broken_from_sending_already_is_broken_in_a_void_run_too() {
    let address = raw(|mut stream| {
        while read_request(&mut stream) {
            std::thread::sleep(Duration::from_millis(20));
            answer(&mut stream);
        }
    });
    let mut config = config(address);
    config.form = Form::Open(Arrival::Constant { rate: 400.0 });
    config.connections = Some(2);
    config.objectives = "p99=15ms".parse().unwrap();
    let report = run(config.clone());
    assert_eq!(report.void_cause, Some(VoidCause::Connections), "{report:?}");
    assert_eq!(report.outcome(), Outcome::Regression);
    // From the intended start it is broken too, but that is not to be believed.
    config.objectives = "p50=60ms".parse().unwrap();
    let report = run(config);
    assert_eq!(report.outcome(), Outcome::Inconclusive, "{:?}", report.objectives);
}

#[test]
fn stress_rises_until_an_objective_breaks_and_names_the_knee() {
    // The first 120 requests are answered well, the others are not.
    let count = AtomicU64::new(0);
    let count = Arc::new(count);
    let handler = async move || match count.fetch_add(1, Ordering::SeqCst) {
        0..120 => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut config = config(axum(Router::new().route("/", get(handler))));
    let mut stress = Stress::default();
    (stress.from, stress.factor, stress.refine) = (100.0, 2.0, 0);
    stress.step = Duration::from_millis(400);
    config.form = Form::Stress(stress);
    config.length = Duration::from_secs(60);
    config.objectives = "errors=1%".parse().unwrap();
    let report = run(config);
    let stress = report.stress.clone().unwrap();
    // 40 at 100/s and 80 at 200/s; a step may break sooner where this machine is too busy, or
    // find the generator too slow.
    assert!(stress.broke.is_some_and(|rate| rate <= 400.0) || stress.why.contains("generator"));
    assert!(stress.steps.len() <= 3 && stress.steps.iter().filter(|s| s.held).count() <= 2);
    assert_eq!(stress.knee, stress.steps.iter().rfind(|s| s.held).map(|s| s.asked));
    assert!(report.document().markdown().contains("Stress"));
}

#[test]
fn a_stress_run_whose_lowest_rate_breaks_its_objective_is_a_regression() {
    let failing = async || StatusCode::SERVICE_UNAVAILABLE;
    let mut config = config(axum(Router::new().route("/", get(failing))));
    let mut stress = Stress::default();
    (stress.from, stress.refine, stress.step) = (50.0, 1, Duration::from_millis(200));
    config.form = Form::Stress(stress);
    config.length = Duration::from_secs(60);
    config.objectives = "errors=1%".parse().unwrap();
    let report = run(config);
    assert_eq!(report.stress.as_ref().unwrap().knee, None);
    assert_eq!(report.outcome(), Outcome::Regression, "{report:?}");
}
