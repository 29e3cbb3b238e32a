//! Stale answers: while somebody fetches anew, and while the origin fails.

use crate::site::{Site, TestError, bodiless, reply, reply_with, stream};
use std::time::Duration;

const GRACE: (&str, &str) =
    ("cache-control", "max-age=10, stale-while-revalidate=20, stale-if-error=60");

#[tokio::test]
async fn stale_is_served_at_once_while_one_fetches_anew() {
    let site = Site::new(|_, call| reply(&[GRACE], format!("{call}"))).gated();
    site.gate.add_permits(1);
    site.get("/").await;
    site.later(15);
    for _ in 0..5 {
        let stale = site.get("/").await;
        assert_eq!((stale.text(), stale.cache()), ("1", "hit; ttl=-5"));
    }
    while site.calls() < 2 {
        tokio::task::yield_now().await;
    }
    site.gate.add_permits(1);
    while site.count("stored", "") < 2 {
        tokio::task::yield_now().await;
    }
    let fresh = site.get("/").await;
    assert_eq!((fresh.text(), fresh.cache()), ("2", "hit; ttl=10"));
    assert_eq!(site.calls(), 2, "one refetch for all");
    assert_eq!(site.count("answers", "stale"), 5);
}

#[tokio::test]
async fn the_inner_service_is_told_that_nobody_waits() {
    let site = Site::new(|request, _| {
        let alone = request.extensions.get::<perf_http::Background>().is_some();
        reply(&[GRACE], if alone { "for itself" } else { "for somebody" })
    });
    assert_eq!(site.get("/").await.text(), "for somebody");
    site.later(15);
    assert_eq!(site.get("/").await.text(), "for somebody");
    while site.count("stored", "") < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.get("/").await.text(), "for itself");
}

#[tokio::test]
async fn past_the_grace_it_is_fetched_first() {
    let site = Site::new(|_, call| reply(&[GRACE], format!("{call}")));
    site.get("/").await;
    site.later(30);
    assert_eq!(site.get("/").await.text(), "2");
}

#[test]
fn without_a_runtime_the_one_who_asks_fetches() {
    let site = Site::new(|_, call| reply(&[GRACE], format!("{call}")));
    let wait = |answer| futures_util::FutureExt::now_or_never(answer).unwrap();
    let first: crate::site::Answer = wait(site.get("/"));
    assert_eq!(first.text(), "1");
    site.later(15);
    assert_eq!(wait(site.get("/")).text(), "2");
}

#[tokio::test]
async fn stale_stands_in_while_the_origin_fails() {
    let site = Site::new(|_, call| match call {
        1 => reply(&[GRACE], "good"),
        2 => reply_with(503, &[], "down"),
        3 => Err(TestError("refused")),
        4 => stream(&[GRACE], vec![Ok("half"), Err(TestError("reset"))]),
        _ => reply_with(404, &[], "gone"),
    });
    site.get("/").await;
    site.later(31);
    let failed = site.get("/").await;
    assert_eq!((failed.text(), failed.status.as_u16()), ("good", 200));
    assert_eq!(failed.cache(), "fwd=stale; fwd-status=503; ttl=-21");
    assert_eq!(site.get("/").await.text(), "good");
    assert_eq!(site.get("/").await.text(), "good");
    assert_eq!(site.get("/").await.status, 404, "which is no failure");
    assert_eq!(site.count("answers", "stale"), 3);
}

#[tokio::test]
async fn not_longer_than_it_may() {
    let site = Site::new(|_, call| match call {
        1 => reply(&[GRACE, ("etag", "\"a\"")], "good"),
        _ => reply_with(503, &[], "down"),
    });
    site.get("/").await;
    site.later(70);
    assert_eq!(site.get("/").await.status, 503);
    assert_eq!(site.count("answers", "error"), 1);
}

#[tokio::test]
async fn the_origin_may_forbid_it() {
    for word in ["must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"] {
        let control = format!("max-age=10, stale-if-error=60, stale-while-revalidate=60, {word}");
        let site = Site::built(
            |builder| builder.stale_if_error(Duration::from_secs(60)),
            move |_, call| match call {
                1 => reply(&[("cache-control", &control), ("etag", "\"a\"")], "good"),
                _ => Err(TestError("refused")),
            },
        );
        site.get("/").await;
        site.later(15);
        let failed = site.try_ask("GET", "/", &[]).await;
        assert_eq!(failed.unwrap_err(), TestError("refused"), "{word}");
    }
}

#[tokio::test]
async fn a_setting_gives_grace_where_the_origin_is_silent() {
    let site = Site::built(
        |builder| builder.stale_if_error(Duration::from_secs(60)),
        |_, call| match call {
            1 => reply(&[("cache-control", "max-age=10")], "good"),
            _ => Err(TestError("refused")),
        },
    );
    site.get("/").await;
    site.later(15);
    assert_eq!(site.get("/").await.text(), "good");
    site.later(60);
    assert!(site.try_ask("GET", "/", &[]).await.is_err());
}

#[tokio::test]
async fn a_304_that_withdraws_permission_ends_the_entry() {
    let site = Site::new(|_, call| match call {
        1 => reply(&[GRACE, ("etag", "\"a\"")], "good"),
        _ => bodiless(304, &[("cache-control", "private"), ("etag", "\"a\"")]),
    });
    site.get("/").await;
    site.later(40);
    assert_eq!(site.get("/").await.text(), "good", "this client has asked the origin");
    assert!(site.cache.memory().is_empty());
}

#[tokio::test]
async fn stale_answers_may_be_served_without_end() {
    let for_ever = Duration::MAX;
    let site = Site::built(
        |builder| {
            let lasting = builder.default_ttl(Duration::from_secs(60));
            lasting.stale_while_revalidate(for_ever).stale_if_error(for_ever)
        },
        |_, call| reply(&[], format!("{call}")),
    );
    site.get("/").await;
    site.later(1 << 30);
    assert_eq!(site.get("/").await.text(), "1");
}
