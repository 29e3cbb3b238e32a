//! What a shared cache must never do, each with two users and two cookies.

use crate::site::{FRESH, Reply, Site, TestError, reply, reply_with, stream};
use bytes::Bytes;
use futures_util::FutureExt;
use http::Request;
use http_body_util::Full;
use perf_http::RequestBody;
use std::future::pending;
use tower::{Layer, ServiceExt, service_fn};

const ADA: (&str, &str) = ("cookie", "user=ada");
const BOB: (&str, &str) = ("cookie", "user=bob");

/// Says whose answer it is.
fn greeting(parts: &http::request::Parts, fields: &[(&str, &str)]) -> Reply {
    greeting_with(200, parts, fields)
}

fn greeting_with(status: u16, parts: &http::request::Parts, fields: &[(&str, &str)]) -> Reply {
    let field = |name| parts.headers.get(name).map_or("nobody", |v| v.to_str().unwrap()).to_owned();
    reply_with(status, fields, format!("{} {}", field("cookie"), field("authorization")))
}

/// Both users ask twice; each gets what was made for them, from the origin every time.
async fn each_gets_their_own(site: &Site, extra: &[(&'static str, &'static str)]) {
    for _ in 0..2 {
        for user in [ADA, BOB] {
            let answer = site.get_with("/", &[&[user], extra].concat()).await;
            assert!(answer.text().starts_with(user.1), "{user:?} got {}", answer.text());
            assert!(!answer.is_hit());
        }
    }
    assert_eq!(site.calls(), 4);
    assert!(site.cache.memory().is_empty());
}

#[tokio::test]
async fn answers_to_authorized_requests_are_not_shared() {
    let site = Site::new(|parts, _| greeting(parts, &[FRESH]));
    each_gets_their_own(&site, &[("authorization", "Bearer x")]).await;
}

#[tokio::test]
async fn authorized_requests_are_not_answered_with_what_was_stored_for_others() {
    let site = Site::new(|parts, _| greeting(parts, &[FRESH]));
    site.get("/").await;
    let ada = site.get_with("/", &[("authorization", "ada")]).await;
    assert_eq!(ada.text(), "nobody ada");
    assert!(site.get("/").await.is_hit(), "and the stored answer has not changed");
    assert_eq!(site.get("/").await.text(), "nobody nobody");
}

#[tokio::test]
async fn public_answers_to_authorized_requests_are_shared() {
    for word in ["public, max-age=60", "s-maxage=60", "max-age=60, must-revalidate"] {
        let site = Site::new(move |parts, _| greeting(parts, &[("cache-control", word)]));
        site.get_with("/", &[("authorization", "ada")]).await;
        let bob = site.get_with("/", &[("authorization", "bob")]).await;
        assert!(bob.is_hit(), "{word}");
        assert_eq!(site.calls(), 1);
    }
}

#[tokio::test]
async fn answers_that_set_cookies_are_not_stored() {
    let site = Site::new(|parts, _| greeting(parts, &[FRESH, ("set-cookie", "user=ada")]));
    each_gets_their_own(&site, &[]).await;
    assert_eq!(site.count("not_stored", "set_cookie"), 4);
}

#[tokio::test]
async fn answers_that_vary_on_everything_are_not_stored() {
    let site = Site::new(|parts, _| greeting(parts, &[FRESH, ("vary", "accept, *")]));
    each_gets_their_own(&site, &[]).await;
}

#[tokio::test]
async fn private_answers_are_not_stored() {
    for word in ["private, max-age=60", "private=\"cookie\", max-age=60", "PRIVATE, s-maxage=60"] {
        let site = Site::new(move |parts, _| greeting(parts, &[("cache-control", word)]));
        each_gets_their_own(&site, &[]).await;
    }
}

#[tokio::test]
async fn answers_that_forbid_storing_are_not_stored() {
    let site = Site::new(|parts, _| greeting(parts, &[("cache-control", "no-store, max-age=60")]));
    each_gets_their_own(&site, &[]).await;
}

#[tokio::test]
async fn requests_that_forbid_storing_leave_nothing_behind() {
    let site = Site::new(|parts, _| greeting(parts, &[FRESH]));
    each_gets_their_own(&site, &[("cache-control", "no-store")]).await;
}

#[tokio::test]
async fn parts_are_not_stored() {
    let site = Site::new(|parts, _| {
        greeting_with(206, parts, &[FRESH, ("content-range", "bytes 0-7/99")])
    });
    each_gets_their_own(&site, &[("range", "bytes=0-7")]).await;
}

#[tokio::test]
async fn answers_to_other_methods_are_not_stored() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let site = Site::new(|parts, _| greeting(parts, &[FRESH]));
        for user in [ADA, BOB, ADA] {
            assert!(site.ask(method, "/", &[user]).await.text().starts_with(user.1), "{method}");
        }
        assert!(site.cache.memory().is_empty(), "{method}");
        assert!(!site.get_with("/", &[BOB]).await.is_hit(), "{method}");
    }
}

#[tokio::test]
async fn what_an_answer_varies_on_is_not_forgotten() {
    let site = Site::new(|parts, _| greeting(parts, &[FRESH, ("vary", "Cookie")]));
    for user in [ADA, BOB, ADA, BOB] {
        assert!(site.get_with("/", &[user]).await.text().starts_with(user.1));
    }
    assert_eq!(site.calls(), 2, "each has a variant");
    assert_eq!(site.get("/").await.text(), "nobody nobody");
    assert!(site.get_with("/", &[ADA]).await.is_hit());
}

#[tokio::test]
async fn an_assumed_lifetime_is_not_assumed_across_cookies() {
    let site = Site::built(
        |builder| builder.default_ttl(std::time::Duration::from_secs(60)),
        |parts, _| greeting(parts, &[]),
    );
    each_gets_their_own(&site, &[]).await;
    site.get("/").await;
    assert!(site.get("/").await.is_hit(), "without a cookie it is assumed");
    assert_eq!(site.get_with("/", &[ADA]).await.text(), "user=ada nobody");
}

#[tokio::test]
async fn an_entry_does_not_outlive_an_unsafe_method_on_its_url() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "PROPPATCH"] {
        let site = Site::new(|parts, call| match parts.method.as_str() {
            "GET" => reply(&[FRESH], format!("state {call}")),
            _ => reply_with(204, &[], ""),
        });
        assert_eq!(site.get_with("/", &[ADA]).await.text(), "state 1");
        assert!(site.get_with("/", &[BOB]).await.is_hit());
        site.ask(method, "/", &[ADA]).await;
        assert_eq!(site.get_with("/", &[BOB]).await.text(), "state 3", "{method}");
        assert_eq!(site.count("invalidated", ""), 1);
    }
}

#[tokio::test]
async fn an_entry_outlives_an_unsafe_method_that_failed() {
    let site = Site::new(|parts, _| match parts.method.as_str() {
        "GET" => reply(&[FRESH], "state"),
        _ => reply_with(403, &[], ""),
    });
    site.get("/").await;
    site.ask("POST", "/", &[]).await;
    assert!(site.get("/").await.is_hit());
}

#[tokio::test]
async fn an_entry_does_not_outlive_an_unsafe_method_whose_end_nobody_knows() {
    for status in [502, 504] {
        let site = Site::new(move |parts, call| match parts.method.as_str() {
            "GET" => reply(&[FRESH], format!("state {call}")),
            _ => reply_with(status, &[], ""),
        });
        site.get("/").await;
        site.ask("POST", "/", &[]).await;
        assert_eq!(site.get("/").await.text(), "state 3", "{status}");
    }
}

#[tokio::test]
async fn unsafe_methods_end_what_their_answer_names_on_the_same_host() {
    let site = Site::new(|parts, call| match parts.method.as_str() {
        "GET" => reply(&[FRESH], format!("{call}")),
        _ => reply_with(201, &[("location", "http://h/list"), ("content-location", "/item")], ""),
    });
    for path in ["/list", "/item", "/other"] {
        site.get(path).await;
    }
    site.ask("POST", "/new", &[]).await;
    assert!(!site.get("/list").await.is_hit());
    assert!(!site.get("/item").await.is_hit());
    assert!(site.get("/other").await.is_hit());
}

#[tokio::test]
async fn a_client_that_does_not_wait_for_its_change_has_changed_it_all_the_same() {
    let site = Site::new(|_, call| reply(&[FRESH], format!("state {call}")));
    site.get("/").await;
    site.get("/other").await;
    let silent = service_fn(|_: Request<RequestBody<Full<Bytes>>>| pending::<Reply>());
    let change = |method| {
        let request = Request::builder().method(method).uri("/").header("host", "h");
        let answer =
            site.cache.layer().layer(silent).oneshot(request.body(Full::default()).unwrap());
        assert!(answer.now_or_never().is_none(), "the origin has said nothing");
    };
    change("OPTIONS");
    assert!(site.get("/").await.is_hit());
    change("DELETE");
    assert_eq!(site.get("/").await.text(), "state 3");
    assert!(site.get("/other").await.is_hit());
}

#[tokio::test]
async fn a_fetch_that_an_unsafe_method_overtakes_is_not_stored() {
    let site = Site::new(|parts, call| match parts.method.as_str() {
        "GET" => reply(&[FRESH], format!("state {call}")),
        _ => reply(&[], ""),
    })
    .gated();
    let slow = tokio::spawn({
        let site = site.clone();
        async move { site.get_with("/", &[ADA]).await }
    });
    while site.calls() < 1 {
        tokio::task::yield_now().await;
    }
    site.ask("POST", "/", &[BOB]).await;
    site.gate.add_permits(1);
    assert_eq!(slow.await.unwrap().text(), "state 1");
    assert!(site.cache.memory().is_empty());
    assert_eq!(site.count("not_stored", "changed"), 1);
}

#[tokio::test]
async fn a_cut_body_is_not_stored_and_the_client_sees_the_cut() {
    let site = Site::new(|parts, call| {
        let greeting = if parts.headers["cookie"] == "user=ada" { "ada" } else { "bob" };
        match call {
            1 => stream(&[FRESH], vec![Ok(greeting), Err(TestError("connection reset"))]),
            2 => stream(&[FRESH, ("content-length", "99")], vec![Ok(greeting)]),
            _ => reply(&[FRESH], greeting),
        }
    });
    let cut = site.get_with("/", &[ADA]).await;
    assert_eq!(cut.body.unwrap_err(), "connection reset");
    let short = site.get_with("/", &[BOB]).await;
    assert_eq!(short.body.unwrap_err(), "the origin's body ended after 3 of 99 bytes");
    assert!(site.cache.memory().is_empty());
    assert_eq!(site.get_with("/", &[BOB]).await.text(), "bob");
    assert_eq!(site.count("not_stored", "cut"), 2);
}

#[tokio::test]
async fn fields_of_one_connection_are_not_stored() {
    let site = Site::new(|_, _| {
        reply(
            &[
                FRESH,
                ("connection", "close, x-session"),
                ("x-session", "ada"),
                ("keep-alive", "timeout=5"),
                ("proxy-authenticate", "Basic"),
                ("x-kept", "yes"),
            ],
            "body",
        )
    });
    for user in [ADA, BOB] {
        let answer = site.get_with("/", &[user]).await;
        for name in ["connection", "x-session", "keep-alive", "proxy-authenticate"] {
            assert_eq!(answer.field(name), "", "{name}");
        }
        assert_eq!(answer.field("x-kept"), "yes");
    }
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn requests_that_name_two_hosts_are_passed() {
    let site = Site::new(|_, _| reply(&[FRESH], "body"));
    site.get_with("/", &[("host", "evil")]).await;
    site.get_with("http://evil/", &[]).await;
    assert!(site.cache.memory().is_empty());
    assert_eq!(site.calls(), 2);
}
