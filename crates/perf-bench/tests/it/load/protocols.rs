//! What servers answer with, over HTTP/1.1 and HTTP/2.

use super::server::{answer, axum, raw, read_request};
use super::{config, run, scenario};
use ::axum::Router;
use ::axum::body::{Body, Bytes};
use ::axum::http::StatusCode;
use ::axum::routing::{get, post};
use perf_bench::load::{Arrival, Failure, Form, Load, LoadErrorKind, LoadProgress, RequestSpec};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn routes() -> Router {
    let chunked = async || {
        let parts = ["one", "", "three"].map(Ok::<_, std::io::Error>);
        Body::from_stream(futures_util::stream::iter(parts))
    };
    Router::new()
        .route("/", get(async || "hello"))
        .route("/chunked", get(chunked))
        .route("/empty", get(async || StatusCode::NO_CONTENT))
        .route("/unchanged", get(async || StatusCode::NOT_MODIFIED))
        .route("/wrong", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .route("/echo", post(async |body: Bytes| body))
        .route("/large", get(async || vec![b'x'; 300_000]))
}

const MIX: &str = "
    target = 'http://ADDRESS'
    for = '500ms'
    warm-up = '0s'
    timeout = '1m'
    rate = 400
    [[request]]
    name = 'head'
    method = 'HEAD'
    [[request]]
    name = 'chunked'
    url = '/chunked'
    [[request]]
    name = 'empty'
    url = '/empty'
    expect = [204]
    [[request]]
    name = 'unchanged'
    url = '/unchanged'
    expect = [304]
    [[request]]
    name = 'echo'
    method = 'POST'
    url = '/echo'
    body = '0123456789'
    [[request]]
    name = 'large'
    url = '/large'
    weight = 0.2
";

#[test]
fn every_kind_of_answer_is_read_to_its_end() {
    for version in ["http2 = false", "http2 = true"] {
        let report = scenario(axum(routes()), &format!("{version}\n{MIX}"));
        let f = &report.figures;
        assert_eq!((f.sent, f.answered, f.failed), (200, 200, 0), "{version}: {report:?}");
        let ended = |name: &str| f.requests.iter().find(|r| r.name == name).unwrap().ended;
        assert_eq!(f.requests.iter().map(|r| r.ended).sum::<u64>(), 200);
        assert!(f.requests.iter().all(|r| r.ended > 0), "{:?}", f.requests);
        let bodies = ended("chunked") * 8 + ended("echo") * 10 + ended("large") * 300_000;
        assert_eq!(f.body_bytes, bodies, "{version}");
        for request in &f.requests {
            assert!(request.p50 <= request.p95 && request.p95 <= request.p99, "{request:?}");
            assert_eq!(request.answered, request.ended);
        }
        assert_eq!(f.requests.iter().map(|r| r.body_bytes).sum::<u64>(), bodies);
    }
}

#[test]
fn http2_shares_its_connections() {
    let mut config = config(axum(routes()));
    config.http2 = true;
    config.connections = Some(2);
    config.form = Form::Users(20);
    let report = run(config);
    let f = &report.figures;
    assert!(f.answered > 20 && f.failed == 0, "{report:?}");
    assert_eq!((f.opened, report.protocol.as_str()), (2, "HTTP/2"));
}

#[test]
fn a_server_without_http2_is_refused_at_once() {
    let address = raw(|mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    });
    let mut config = config(address);
    config.http2 = true;
    let error = Load::new(config).unwrap().run(&Arc::new(LoadProgress::new())).unwrap_err();
    assert_eq!(error.kind(), LoadErrorKind::Unreachable);
    assert!(error.to_string().contains("leave out --http2"), "{error}");
}

#[test]
fn connections_are_kept_and_given_up_as_the_server_says() {
    let mut kept = config(axum(routes()));
    kept.form = Form::Users(2);
    let report = run(kept);
    assert!(report.figures.answered > 2 && report.figures.opened == 2, "{report:?}");

    let closing = raw(|mut stream| {
        if read_request(&mut stream) {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let mut closed = config(closing);
    closed.form = Form::Open(Arrival::Constant { rate: 100.0 });
    let report = run(closed);
    let f = &report.figures;
    assert_eq!((f.answered, f.failed, f.opened), (50, 0, 50), "{report:?}");
}

#[test]
fn a_connection_that_was_closed_while_idle_costs_no_failure() {
    let served = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&served);
    let address = raw(move |mut stream| {
        // Says nothing of closing, and closes.
        if read_request(&mut stream) {
            counted.fetch_add(1, Ordering::SeqCst);
            answer(&mut stream);
        }
    });
    let mut config = config(address);
    config.form = Form::Open(Arrival::Constant { rate: 100.0 });
    let report = run(config);
    assert_eq!((report.figures.answered, report.figures.failed), (50, 0), "{report:?}");
    assert_eq!(served.load(Ordering::SeqCst), 50);
}

#[test]
fn a_connection_that_breaks_under_a_request_is_told_and_mid_answer_it_is_a_failure() {
    let hanging_up = raw(|mut stream| {
        // Answers the first request of a connection, reads the second and hangs up.
        if read_request(&mut stream) && answer(&mut stream) {
            read_request(&mut stream);
        }
    });
    let mut silent = config(hanging_up);
    silent.form = Form::Users(1);
    let report = run(silent);
    let f = &report.figures;
    assert!(f.failed == 0 && f.retried > 0 && f.retried + 2 >= f.answered / 2, "{report:?}");
    assert!(report.document().markdown().contains("sent again"));

    let breaking_off = raw(|mut stream| {
        if read_request(&mut stream) && answer(&mut stream) && read_request(&mut stream) {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf");
        }
    });
    let mut cut = config(breaking_off);
    cut.form = Form::Users(1);
    let report = run(cut);
    let f = &report.figures;
    assert!(f.retried == 0 && f.failed > 0 && f.failed + 1 >= f.answered, "{report:?}");
}

#[test]
fn what_goes_wrong_is_counted_by_kind() {
    let failures = |config| {
        let report = run(config);
        let kinds: Vec<Failure> = report.figures.failures.iter().map(|f| f.kind).collect();
        assert_eq!(report.figures.error_ratio, 1.0, "{report:?}");
        assert!(!report.figures.failures[0].example.is_empty());
        kinds
    };
    let mut wrong = config(axum(routes()));
    wrong.requests = vec![RequestSpec::new("wrong")];
    wrong.requests[0].urls = vec!["/wrong".into()];
    assert_eq!(failures(wrong), [Failure::WrongStatus]);

    let mut long = config(axum(routes()));
    long.body_limit = 4;
    assert_eq!(failures(long), [Failure::TooLong]);

    let garbage = raw(|mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(b"SSH-2.0-x\r\n\r\n");
    });
    assert_eq!(failures(config(garbage)), [Failure::Protocol]);

    let cut = raw(|mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf");
    });
    assert_eq!(failures(config(cut)), [Failure::Reset]);

    let mute = raw(|mut stream| while read_request(&mut stream) {});
    let mut slow = config(mute);
    slow.form = Form::Open(Arrival::Constant { rate: 20.0 });
    slow.timeout = Duration::from_millis(100);
    assert_eq!(failures(slow.clone()), [Failure::TimedOut]);
    let waited = run(slow).figures.latency;
    assert_eq!(waited.count, 10, "a time-out stays in the latency");
    assert!(waited.min >= 99e6, "{waited:?}");
}
