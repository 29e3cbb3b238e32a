//! What goes through untouched, and what keeps both sides clean.

use crate::site::{FRESH, Site, reply, reply_with};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use perf_http::Hygiene;
use std::convert::Infallible;
use tower::{ServiceBuilder, ServiceExt, service_fn};

#[tokio::test]
async fn other_methods_go_on_as_they_came() {
    let site = Site::new(|parts, _| reply(&[], parts.method.to_string()));
    let answer = site.ask("POST", "/", &[("if-none-match", "\"a\""), ("range", "x")]).await;
    assert_eq!((answer.text(), answer.cache()), ("POST", "fwd=method"));
    let asked = site.seen(1).headers;
    assert_eq!(
        (&asked["if-none-match"], &asked["range"]),
        (&"\"a\"".parse().unwrap(), &"x".parse().unwrap())
    );
}

#[tokio::test]
async fn a_url_known_not_to_be_stored_keeps_its_conditions() {
    let site = Site::new(|parts, _| match parts.headers.get("if-none-match") {
        Some(_) => reply_with(304, &[("etag", "\"v1\"")], ""),
        None => reply(&[("cache-control", "private, max-age=9"), ("etag", "\"v1\"")], "mine"),
    });
    site.get("/").await;
    let again = site.get_with("/", &[("if-none-match", "\"v1\"")]).await;
    assert_eq!(again.status, 304, "the origin may say that the client has it");
}

#[tokio::test]
async fn a_url_that_becomes_storable_is_stored_again() {
    let site = Site::new(|_, call| match call {
        1 => reply(&[FRESH, ("set-cookie", "a=b")], "welcome"),
        _ => reply(&[FRESH], "page"),
    });
    site.get("/").await;
    assert_eq!(site.get("/").await.cache(), "fwd=miss", "passed, but seen to be storable");
    site.get("/").await;
    assert!(site.get("/").await.is_hit());
    assert_eq!(site.calls(), 3);
}

#[tokio::test]
async fn a_change_on_condition_speaks_the_origins_tags() {
    let site = Site::new(|parts, _| match parts.method.as_str() {
        "GET" => reply(&[FRESH, ("etag", "W/\"v1\"")], "state"),
        _ => reply(&[], parts.headers["if-match"].to_str().unwrap().to_owned()),
    });
    let ours = site.get("/").await.field("etag").to_owned();
    assert_eq!(site.ask("PUT", "/", &[("if-match", &ours)]).await.text(), "W/\"v1\"");
    assert_eq!(site.ask("PUT", "/", &[("if-match", "\"x\"")]).await.text(), "\"x\"");
}

#[tokio::test]
async fn a_layer_refuses_loops_and_paths_that_climb_out() {
    let hygiene = Hygiene::new("edge").unwrap();
    let echo = service_fn(|request: Request<Full<Bytes>>| async move {
        let mut response = Response::new(Full::new(Bytes::from_static(b"body")));
        let via = request.headers()["via"].clone();
        response.headers_mut().insert("x-seen-via", via);
        response.headers_mut().insert("connection", "x-mine".parse().unwrap());
        response.headers_mut().insert("x-mine", "1".parse().unwrap());
        Ok::<_, Infallible>(response)
    });
    let service = ServiceBuilder::new().layer(hygiene.layer()).service(echo);
    let ask = async |path: &str, via: &str| {
        let request = Request::get(path).header("via", via).body(Full::default()).unwrap();
        service.clone().oneshot(request).await.unwrap()
    };
    let fine = ask("/a/../b", "1.1 other").await;
    assert_eq!(fine.headers()["x-seen-via"], "1.1 other");
    assert_eq!(fine.headers()["via"], "1.1 edge");
    assert!(!fine.headers().contains_key("x-mine"));
    assert_eq!(fine.into_body().collect().await.unwrap().to_bytes(), "body");

    let looped = ask("/", "1.0 x, 1.1 edge (perfkit)").await;
    assert_eq!(looped.status(), 508);
    let climbing = ask("/%2e%2e/etc/passwd", "1.1 x").await;
    assert_eq!(climbing.status(), 400);
    assert_eq!(climbing.headers()["content-type"], "application/problem+json");
    let text = climbing.into_body().collect().await.unwrap().to_bytes();
    let wanted: &[u8] = b"{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,\"detail\":\"the path /%2e%2e/etc/passwd climbs out of the root; resolve its `..` segments\"}";
    assert_eq!(&text[..], wanted);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    #[test]
    fn no_field_value_makes_anything_panic(
        name in proptest::sample::select(vec!["accept-encoding", "cache-control", "if-none-match",
            "if-match", "if-range", "range", "if-modified-since", "via", "connection", "pragma",
            "content-length", "cookie", "vary"]),
        value in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
        said in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
    ) {
        let (Ok(value), Ok(said)) =
            (http::HeaderValue::from_bytes(&value), http::HeaderValue::from_bytes(&said)) else {
            return Ok(());
        };
        let site = Site::new(move |_, _| {
            let mut response = reply(&[FRESH, ("etag", "\"v1\"")], "body")?;
            response.headers_mut().insert(name, said.clone());
            Ok(response)
        });
        for _ in 0..2 {
            let mut request = Request::get("/a").body(Full::<Bytes>::default()).unwrap();
            request.headers_mut().insert(name, value.clone());
            let (mut parts, _) = request.clone().into_parts();
            let _ = Hygiene::new("edge").unwrap().request(&mut parts);
            let answer = futures_util::FutureExt::now_or_never(site.service().oneshot(request));
            proptest::prop_assert!(answer.unwrap().is_ok());
        }
    }
}
