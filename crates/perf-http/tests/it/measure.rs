//! Measuring by route and class.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use perf_core::{Clock, Observe, Reading};
use perf_http::Measure;
use std::borrow::Cow;
use std::convert::Infallible;
use std::time::Duration;
use tower::{Layer, ServiceExt, service_fn};

fn series(measure: &Measure, name: &str) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    measure.observe(&mut |signal| {
        if signal.name == name {
            let labels: Vec<&str> = signal.labels.iter().map(|(_, value)| *value).collect();
            let value = match signal.reading {
                Reading::Counter(n) => n,
                Reading::Gauge(n) => n as u64,
                Reading::Histogram(h) => h.max().unwrap_or(0),
                _ => 0,
            };
            all.push((labels.join(" "), value));
        }
    });
    all.sort();
    all
}

fn by_first_segment(parts: &http::request::Parts) -> Cow<'_, str> {
    let path = parts.uri.path();
    Cow::Borrowed(path.get(1..).and_then(|p| p.split('/').next()).unwrap_or(""))
}

#[tokio::test]
async fn requests_are_counted_by_route_and_class() {
    let measure = Measure::builder().route(by_first_segment).max_routes(2).build().unwrap();
    let service = measure.layer().layer(service_fn(|request: Request<()>| async move {
        let mut response = Response::new(Full::new(Bytes::from_static(b"12345")));
        *response.status_mut() = match request.uri().path() {
            "/a/missing" => http::StatusCode::NOT_FOUND,
            _ => http::StatusCode::OK,
        };
        if request.uri().path() == "/b/fails" { Err("no") } else { Ok(response) }
    }));
    for path in ["/a/1", "/a/2", "/a/missing", "/b/1", "/b/fails", "/c/1", "/d/1"] {
        let answer = service.clone().oneshot(Request::get(path).body(()).unwrap()).await;
        if let Ok(response) = answer {
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 5);
        }
    }
    let wanted = [("a 2xx", 2), ("a 4xx", 1), ("b 2xx", 1), ("b failed", 1), ("other 2xx", 2)];
    let wanted: Vec<_> = wanted.iter().map(|(l, n)| ((*l).to_owned(), *n)).collect();
    assert_eq!(series(&measure, "requests"), wanted);
    assert_eq!(series(&measure, "response_bytes")[0], ("a".to_owned(), 15));
    assert_eq!(series(&measure, "routes_overflowed"), [(String::new(), 2)]);
    assert_eq!(series(&measure, "aborted"), [(String::new(), 1)], "the one that failed");
    assert_eq!(measure.in_flight(), 0);
    perf_core::assert_tune_contract(&measure);
}

#[tokio::test]
async fn a_request_lasts_until_its_body_has_ended() {
    let (clock, hand) = Clock::manual();
    let measure = Measure::builder().clock(clock).build().unwrap();
    let turn = hand.clone();
    let service = measure.layer().layer(service_fn(move |_: Request<()>| {
        turn.advance(Duration::from_millis(10));
        let frames = futures_util::stream::iter(vec![
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"a"))),
            Ok(Frame::data(Bytes::from_static(b"b"))),
        ]);
        std::future::ready(Ok::<_, Infallible>(Response::new(StreamBody::new(frames))))
    }));
    let ask = || service.clone().oneshot(Request::get("/").body(()).unwrap());
    let mut body = ask().await.unwrap().into_body();
    assert_eq!(measure.in_flight(), 1);
    hand.advance(Duration::from_millis(20));
    while body.frame().await.is_some() {}
    assert_eq!(measure.in_flight(), 0);
    let near = |name: &str, millis: u64| {
        let nanos = series(&measure, name)[0].1;
        nanos.abs_diff(millis * 1_000_000) < millis * 20_000
    };
    assert!(near("time_to_first_byte", 10));
    assert!(near("request_duration", 30));
    assert_eq!(series(&measure, "aborted")[0].1, 0);

    let mut left = ask().await.unwrap().into_body();
    left.frame().await.unwrap().unwrap();
    drop(left);
    assert_eq!(series(&measure, "aborted")[0].1, 1, "the client left");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_to_the_end_may_still_be_whole() {
    let measure = Measure::builder().build().unwrap();
    let service = measure.layer().layer(service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"12345"))))
    }));
    let head = Request::head("/").body(()).unwrap();
    drop(service.clone().oneshot(head).await.unwrap());
    let get = Request::get("/").body(()).unwrap();
    let mut body = service.clone().oneshot(get).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(series(&measure, "aborted")[0].1, 0);
    assert_eq!(series(&measure, "requests")[0].1, 2);
}

#[test]
fn a_bound_out_of_range_is_refused() {
    let error = Measure::builder().max_routes(0).build().unwrap_err();
    assert_eq!(error.to_string(), "`max_routes` cannot be 0: use 1 to 10000");
}
