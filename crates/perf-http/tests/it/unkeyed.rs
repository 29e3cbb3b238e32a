//! What one request says must not become another's answer (cache poisoning).

use crate::site::{FRESH, Reply, Site, reply};
use http::Request;
use http_body_util::Full;
use tower::ServiceExt;

/// Names what the origin was told in these fields.
fn echo(parts: &http::request::Parts, names: &[&str], fields: &[(&str, &str)]) -> Reply {
    let told = |name: &&str| parts.headers.get(*name).map_or("none", |v| v.to_str().unwrap());
    reply(fields, names.iter().map(told).collect::<Vec<_>>().join(" "))
}

#[tokio::test]
async fn a_field_that_goes_no_further_counts_for_nothing() {
    let site = Site::new(|parts, _| {
        let mut parts = parts.clone();
        perf_http::strip_hop_by_hop(&mut parts.headers);
        echo(&parts, &["accept-language"], &[FRESH, ("vary", "accept-language")])
    });
    let german = ("accept-language", "de");
    site.get_with("/", &[german, ("connection", "keep-alive, Accept-Language")]).await;
    assert_eq!(site.get_with("/", &[german]).await.text(), "de");
    assert!(site.get_with("/", &[german, ("connection", "keep-alive")]).await.is_hit());
}

#[tokio::test]
async fn a_host_that_goes_no_further_is_not_the_one_stored_for() {
    let site = Site::new(|parts, _| {
        let mut parts = parts.clone();
        perf_http::strip_hop_by_hop(&mut parts.headers);
        echo(&parts, &["host"], &[FRESH])
    });
    site.get_with("/", &[("connection", "host")]).await;
    assert_eq!(site.get("/").await.text(), "h");
}

#[tokio::test]
async fn a_host_with_a_path_in_it_is_not_another_url() {
    let site = Site::new(|parts, _| reply(&[FRESH], parts.uri.path().to_owned()));
    for host in ["h/account", "h/account?"] {
        let request = Request::get("/public").header("host", host).body(Full::default()).unwrap();
        let answer = site.service().oneshot(request).await.unwrap();
        assert_eq!(answer.headers()["cache-status"], "perfkit; fwd=bypass", "{host}");
    }
    assert!(site.cache.memory().is_empty());
    assert_eq!(site.get("/account/public").await.text(), "/account/public");
}

#[tokio::test]
async fn what_forwarded_says_of_host_and_scheme_tells_answers_apart() {
    let site = Site::new(|parts, _| echo(parts, &["forwarded"], &[FRESH]));
    let ask = |said| site.get_with("/", &[("forwarded", said)]);
    for said in [
        "host=evil",
        "for=192.0.2.1;HOST=evil;proto=http",
        "for=192.0.2.1, for=192.0.2.2; host = evil",
        "for=\"a;host=evil\"",
        "proto=https",
    ] {
        assert_eq!(ask(said).await.text(), said);
        assert!(ask(said).await.is_hit(), "{said}");
    }
    assert_eq!(site.get("/").await.text(), "none");
    // Whoever is asked for gets the same.
    for said in ["for=192.0.2.1", "for=\"[2001:db8::1]:4711\";by=_gateway"] {
        assert!(ask(said).await.is_hit(), "{said}");
    }
}

#[tokio::test]
async fn what_rewrites_the_host_or_the_path_tells_answers_apart() {
    const TELLING: [&str; 7] = [
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "x-forwarded-scheme",
        "x-original-url",
        "x-rewrite-url",
    ];
    for name in TELLING {
        let site = Site::new(|parts, _| echo(parts, &TELLING, &[FRESH]));
        let evil = site.get_with("/", &[(name, "evil")]).await;
        assert!(evil.text().contains("evil"), "{name}");
        let plain = site.get("/").await;
        assert!(!plain.text().contains("evil"), "{name}");
        assert!(site.get("/").await.is_hit(), "{name}");
        assert!(site.get_with("/", &[(name, "evil")]).await.is_hit(), "{name}");
        assert!(site.get_with("/", &[(name, "other")]).await.text().contains("other"), "{name}");
        site.ask("POST", "/", &[]).await;
        assert!(site.cache.memory().is_empty(), "{name}: one URL is forgotten as one");
    }
}
