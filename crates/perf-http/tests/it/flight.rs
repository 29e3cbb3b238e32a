//! Single flight: misses of one URL share a fetch, and nobody waits for what is not for them.

use crate::site::{Answer, FRESH, Site, TestError, reply};
use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use std::time::Duration;
use tower::ServiceExt;

async fn several(site: &Site, count: usize, fields: &[(&str, &str)]) -> Vec<Answer> {
    let asked = (0..count).map(|_| tokio::spawn(site.get_with("/", fields)));
    let mut answers = Vec::new();
    for answer in asked.collect::<Vec<_>>() {
        answers.push(answer.await.unwrap());
    }
    answers
}

/// Lets every task run until it waits.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn misses_at_once_call_the_origin_once() {
    let site = Site::new(|_, _| reply(&[FRESH], "body")).gated();
    let asked = tokio::spawn({
        let site = site.clone();
        async move { several(&site, 20, &[]).await }
    });
    settle().await;
    assert_eq!(site.calls(), 1);
    site.gate.add_permits(1);
    let answers = asked.await.unwrap();
    assert!(answers.iter().all(|answer| answer.text() == "body"));
    let collapsed = answers.iter().filter(|a| a.cache() == "fwd=miss; collapsed; ttl=60").count();
    assert_eq!(collapsed, 19);
    assert_eq!(site.count("collapsed", ""), 19);
    assert_eq!(site.count("answers", "hit"), 19);
    assert_eq!(site.calls(), 1);
}

#[tokio::test]
async fn what_was_not_stored_is_fetched_by_each_and_all_at_once() {
    let site = Site::new(|_, call| reply(&[("cache-control", "private")], format!("{call}")));
    let site = site.gated();
    let asked = tokio::spawn({
        let site = site.clone();
        async move { several(&site, 10, &[]).await }
    });
    settle().await;
    assert_eq!(site.calls(), 1);
    site.gate.add_permits(1);
    settle().await;
    assert_eq!(site.calls(), 10, "the others do not wait for one another");
    site.gate.add_permits(9);
    let mut texts: Vec<String> =
        asked.await.unwrap().iter().map(|answer| answer.text().to_owned()).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 10, "each has an answer of its own");

    let asked = tokio::spawn({
        let site = site.clone();
        async move { several(&site, 5, &[]).await }
    });
    settle().await;
    assert_eq!(site.calls(), 15, "and the next know it beforehand");
    site.gate.add_permits(5);
    asked.await.unwrap();
}

#[tokio::test]
async fn one_who_gives_up_leaves_the_fetch_to_another() {
    let site = Site::new(|_, call| reply(&[FRESH], format!("{call}"))).gated();
    let first = tokio::spawn(site.get("/"));
    settle().await;
    let second = tokio::spawn(site.get("/"));
    settle().await;
    first.abort();
    settle().await;
    assert_eq!(site.calls(), 2);
    site.gate.add_permits(2);
    assert_eq!(second.await.unwrap().text(), "2");
    assert!(site.get("/").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_limit() {
    let site = Site::built(
        |builder| builder.collapsed_wait(Duration::from_secs(5)),
        |_, call| reply(&[FRESH], format!("{call}")),
    )
    .gated();
    let first = tokio::spawn(site.get("/"));
    settle().await;
    let second = tokio::spawn(site.get("/"));
    settle().await;
    assert_eq!(site.calls(), 1);
    tokio::time::advance(Duration::from_secs(6)).await;
    settle().await;
    assert_eq!(site.calls(), 2, "it goes to the origin itself");
    site.gate.add_permits(2);
    first.await.unwrap();
    second.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_without_end_is_not_held_back_for_ever() {
    let site = Site::new(|_, _| {
        let first = futures_util::stream::iter([Ok(Frame::data(Bytes::from("now")))]);
        let body = StreamBody::new(first.chain(futures_util::stream::pending()));
        Ok(reply(&[FRESH], "")?.map(|_| body.boxed_unsync()))
    });
    for limit in [60, 1, 1].map(Duration::from_secs) {
        let request = Request::get("/").header("host", "h").body(Full::default()).unwrap();
        let answer = tokio::time::timeout(limit, site.service().oneshot(request)).await;
        let frame = answer.expect("held back").unwrap().body_mut().frame().await;
        assert_eq!(frame.unwrap().unwrap().data_ref().unwrap(), "now");
    }
    assert_eq!(site.count("not_stored", "too_slow"), 1, "the next know it beforehand");
    assert!(site.cache.memory().is_empty());
}

#[tokio::test]
async fn a_failed_fetch_fails_only_its_own_request() {
    let site = Site::new(|_, call| match call {
        1 => Err(TestError("refused")),
        _ => reply(&[FRESH], "body"),
    })
    .gated();
    let first = tokio::spawn(site.try_ask("GET", "/", &[]));
    settle().await;
    let second = tokio::spawn(site.get("/"));
    settle().await;
    site.gate.add_permits(2);
    assert_eq!(first.await.unwrap().unwrap_err(), TestError("refused"));
    assert_eq!(second.await.unwrap().text(), "body");
}

#[tokio::test]
async fn variants_are_fetched_once_each() {
    let site = Site::new(|parts, _| {
        let language = parts.headers["accept-language"].to_str().unwrap().to_owned();
        reply(&[FRESH, ("vary", "accept-language")], language)
    })
    .gated();
    site.gate.add_permits(100);
    let asked = ["de", "fr", "de", "fr", "de", "fr"].map(|language| {
        (language, tokio::spawn(site.get_with("/", &[("accept-language", language)])))
    });
    for (language, answer) in asked {
        assert_eq!(answer.await.unwrap().text(), language);
    }
    assert_eq!(site.calls(), 2);
}
