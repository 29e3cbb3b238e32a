//! How long answers are used, and what is asked afterwards.

use crate::site::{FRESH, Site, bodiless, reply};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use perf_core::Glob;
use perf_core::ManualClock;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

#[tokio::test]
async fn a_miss_then_hits_until_the_lifetime_is_over() {
    let site = Site::new(|_, call| reply(&[FRESH], format!("{call}")));
    let miss = site.get("/a").await;
    assert_eq!((miss.text(), miss.cache()), ("1", "fwd=miss; stored; ttl=60"));
    assert_eq!(miss.field("age"), "", "it comes from the origin");
    site.later(59);
    let hit = site.get("/a").await;
    assert_eq!((hit.text(), hit.cache(), hit.field("age")), ("1", "hit; ttl=1", "59"));
    site.later(1);
    let stale = site.get("/a").await;
    assert_eq!((stale.text(), stale.cache()), ("2", "fwd=stale; stored; ttl=60"));
    assert_eq!(site.count("answers", "hit"), 1);
    assert_eq!(site.count("answers", "miss"), 2);
    assert_eq!(site.count("stored", ""), 2);
}

#[tokio::test]
async fn age_from_upstream_counts() {
    let site = Site::new(|_, _| reply(&[FRESH, ("age", "40"), ("cache-status", "cdn; hit")], ""));
    let first = site.get("/").await;
    assert_eq!(first.field("age"), "40");
    assert_eq!(first.field("cache-status"), "cdn; hit, perfkit; fwd=miss; stored; ttl=20");
    site.later(19);
    assert_eq!(site.get("/").await.field("cache-status"), "cdn; hit, perfkit; hit; ttl=1");
    site.later(1);
    assert!(!site.get("/").await.is_hit());
}

#[tokio::test]
async fn urls_and_hosts_are_told_apart() {
    let site = Site::new(|parts, _| reply(&[FRESH], parts.uri.to_string()));
    for path in ["/a", "/A", "/a?", "/a?b", "/a/", "/a%2Fb", "/a/b"] {
        assert_eq!(site.get(path).await.text(), path);
    }
    assert_eq!(site.calls(), 7);
    assert!(site.get("/a%2fb").await.is_hit(), "but hex digits have no case");
}

#[tokio::test]
async fn without_a_word_of_the_origin_nothing_is_assumed_but_by_setting() {
    let silent = Site::new(|_, call| reply(&[], format!("{call}")));
    silent.get("/").await;
    assert_eq!(silent.get("/").await.text(), "2");

    let assuming = Site::built(
        |builder| builder.default_ttl(std::time::Duration::from_secs(300)),
        |_, call| reply(&[], format!("{call}")),
    );
    assuming.get("/").await;
    assuming.later(299);
    assert!(assuming.get("/").await.is_hit());
    assuming.later(1);
    assert_eq!(assuming.get("/").await.text(), "2");
}

#[tokio::test]
async fn an_expired_answer_is_asked_about_and_used_again() {
    let site = Site::new(|parts, _| match parts.headers.get("if-none-match") {
        Some(tag) if tag == "\"v1\"" => {
            bodiless(304, &[FRESH, ("etag", "\"v1\""), ("x-count", "2"), ("content-length", "0")])
        }
        _ => reply(&[FRESH, ("etag", "\"v1\""), ("x-count", "1"), ("x-kept", "yes")], "body"),
    });
    site.get("/").await;
    site.later(60);
    let again = site.get("/").await;
    assert_eq!(again.status, 200);
    assert_eq!(again.text(), "body");
    assert_eq!(again.cache(), "fwd=stale; fwd-status=304; stored; ttl=60");
    assert_eq!((again.field("x-count"), again.field("x-kept")), ("2", "yes"));
    assert_eq!(again.field("content-length"), "4");
    site.later(59);
    assert!(site.get("/").await.is_hit(), "good for another lifetime");
    assert_eq!(site.calls(), 2);
    assert_eq!(site.count("answers", "revalidated"), 1);
}

#[tokio::test]
async fn a_date_validates_where_there_is_no_tag() {
    const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
    let site = Site::new(|parts, _| match parts.headers.get("if-modified-since") {
        Some(since) if since == DATE => bodiless(304, &[FRESH]),
        _ => reply(&[FRESH, ("last-modified", DATE)], "body"),
    });
    site.get("/").await;
    site.later(60);
    assert_eq!(site.get("/").await.text(), "body");
    assert_eq!(site.count("answers", "revalidated"), 1);
}

#[tokio::test]
async fn a_304_about_something_else_is_not_believed() {
    let site = Site::new(|parts, call| match parts.headers.get("if-none-match") {
        Some(_) => bodiless(304, &[FRESH, ("etag", "\"other\"")]),
        None => reply(&[FRESH, ("etag", "\"v1\"")], format!("{call}")),
    });
    site.get("/").await;
    site.later(60);
    assert_eq!(site.get("/").await.text(), "3", "asked again without conditions");
}

#[tokio::test]
async fn what_must_be_asked_about_is_asked_about_each_time() {
    let site = Site::new(|parts, _| match parts.headers.get("if-none-match") {
        Some(_) => bodiless(304, &[("cache-control", "no-cache")]),
        None => reply(&[("cache-control", "no-cache"), ("etag", "\"v1\"")], "body"),
    });
    for _ in 0..3 {
        assert_eq!(site.get("/").await.text(), "body");
    }
    assert_eq!(site.calls(), 3);
    assert_eq!(site.count("answers", "revalidated"), 2);
}

#[tokio::test]
async fn clients_may_ask_for_more_or_less() {
    let site = Site::new(|_, call| reply(&[FRESH], format!("{call}")));
    site.get("/").await;
    site.later(30);
    let wish = async |text: &str| site.get_with("/", &[("cache-control", text)]).await;
    assert!(wish("max-age=30").await.is_hit());
    assert!(wish("min-fresh=30").await.is_hit());
    assert!(wish("only-if-cached").await.is_hit());
    assert_eq!(wish("max-age=29").await.cache(), "fwd=request; stored; ttl=60");
    site.later(61);
    assert_eq!(wish("max-stale=5").await.cache(), "hit; ttl=-1");
    assert_eq!(wish("only-if-cached").await.status, 504);
    assert_eq!(wish("no-cache").await.text(), "3");
    let pragma = site.get_with("/", &[("pragma", "no-cache")]).await;
    assert_eq!(pragma.text(), "4");
}

#[tokio::test]
async fn a_gateway_may_ignore_what_clients_ask_for() {
    let site = Site::built(
        |builder| builder.ignore_request_directives(true),
        |_, _| reply(&[FRESH], "body"),
    );
    for wish in ["no-store", "no-cache", "max-age=0", "only-if-cached"] {
        site.get_with("/", &[("cache-control", wish)]).await;
    }
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn what_is_forgotten_is_fetched_again() {
    let site = Site::new(|_, call| reply(&[FRESH], format!("{call}")));
    site.get("/a").await;
    site.get("/b").await;
    assert!(site.cache.invalidate(&"http://H/a".parse().unwrap()).unwrap());
    assert!(!site.cache.invalidate(&"http://h/a".parse().unwrap()).unwrap());
    assert_eq!(site.get("/a").await.text(), "3");
    assert!(site.get("/b").await.is_hit());
    site.cache.clear().unwrap();
    assert_eq!(site.get("/b").await.text(), "4");
}

#[tokio::test]
async fn answers_are_forgotten_by_the_tags_that_the_origin_gave_them() {
    let site = Site::new(|parts, call| {
        let tags = match parts.uri.path() {
            "/a" => ("surrogate-key", "product-1 product-2"),
            "/b" => ("cache-tag", "product-2,front"),
            _ => ("x-tags", "product-2"),
        };
        reply(&[FRESH, tags], format!("{call}"))
    });
    for path in ["/a", "/b", "/c"] {
        site.get(path).await;
    }
    assert_eq!(site.cache.memory().count_tag("product-2"), 2);
    assert_eq!(site.cache.invalidate_tag("product-1").unwrap(), 1);
    assert_eq!(site.get("/a").await.text(), "4");
    assert!(site.get("/b").await.is_hit());
    assert_eq!(site.cache.invalidate_tag("product-2").unwrap(), 2);
    assert_eq!(site.get("/a").await.text(), "5");
    assert_eq!(site.get("/b").await.text(), "6");
    assert!(site.get("/c").await.is_hit(), "its field means nothing");
    assert_eq!(site.cache.invalidate_tag("unheard-of").unwrap(), 0);
    assert_eq!(site.count("invalidated", ""), 3);
}

#[tokio::test]
async fn an_answer_with_more_tags_than_are_kept_is_not_stored() {
    let many: String = (0..2_000).map(|n| format!("t{n} ")).collect();
    let site =
        Site::new(move |_, call| reply(&[FRESH, ("surrogate-key", &many)], format!("{call}")));
    site.get("/").await;
    assert_eq!(site.get("/").await.text(), "2");
    assert_eq!(site.count("not_stored", "tags"), 2);
}

#[tokio::test]
async fn answers_are_forgotten_by_pattern() {
    let site = Site::new(|_, call| reply(&[FRESH], format!("{call}")));
    for path in ["/static/a", "/static/b", "/page"] {
        site.get(path).await;
    }
    let pattern = Glob::new("*/static/*").unwrap();
    assert_eq!(site.cache.memory().count_pattern(&pattern), 2);
    assert!(site.cache.invalidate_matching(&pattern).unwrap() >= 2);
    assert!(site.get("/page").await.is_hit());
    assert_eq!(site.get("/static/a").await.text(), "4");
    assert!(site.get("/static/a").await.is_hit(), "what came after is not meant");
}

#[tokio::test]
async fn the_largest_answers_are_known() {
    let site = Site::new(|parts, _| {
        let size = parts.uri.path().len() * 1_000;
        reply(&[FRESH], "x".repeat(size))
    });
    for path in ["/a", "/bbb", "/cc"] {
        site.get(path).await;
    }
    let largest = site.cache.largest(2);
    let keys: Vec<&str> = largest.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["h/bbb", "h/cc"]);
    assert_eq!(largest[0].1 - largest[1].1, 1_000, "what their bodies differ by");
}

#[tokio::test]
async fn variants_of_one_url_are_bounded() {
    let site = Site::new(|_, _| reply(&[FRESH, ("vary", "x-any")], "body"));
    for n in 0..100 {
        site.get_with("/", &[("x-any", &n.to_string())]).await;
    }
    assert!(site.get_with("/", &[("x-any", "99")]).await.is_hit());
    assert!(!site.get_with("/", &[("x-any", "0")]).await.is_hit());
    assert_eq!(site.cache.memory().len(), 1);
    assert_eq!(site.count("variants_dropped", ""), 100 - 32 + 1);
}

#[tokio::test]
async fn the_time_that_a_body_takes_counts() {
    let hand: Arc<OnceLock<ManualClock>> = Arc::default();
    let site = Site::new({
        let hand = Arc::clone(&hand);
        move |_, _| {
            let hand = Arc::clone(&hand);
            let slow = futures_util::stream::once(async move {
                hand.get().unwrap().advance(Duration::from_secs(40));
                Ok(Frame::data(Bytes::from("body")))
            });
            Ok(reply(&[FRESH], "")?.map(|_| StreamBody::new(slow).boxed_unsync()))
        }
    });
    hand.set(site.hand.clone()).unwrap();
    assert_eq!(site.get("/").await.field("age"), "40");
    site.later(15);
    assert_eq!(site.get("/").await.field("age"), "55");
    site.later(10);
    assert!(!site.get("/").await.is_hit(), "65 seconds after the origin made it");
}
