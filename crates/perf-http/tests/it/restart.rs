//! Processes one after the other on one directory, when something has changed in between: the
//! origin, a setting, the time of day.

use crate::disk::{Machine, end, numbered};
use crate::site::{FRESH, Site, TEXT, long_text, reply};
use perf_cache::tiered::BreakerState;
use perf_core::Glob;
use perf_http::{Coding, ResponseCacheBuilder};
use std::time::Duration;

type Setting = fn(ResponseCacheBuilder) -> ResponseCacheBuilder;

/// A process whose answers begin with its name.
fn start(machine: &Machine, name: &'static str, setting: Setting) -> Site {
    machine.start_set(setting, move |parts, _| {
        reply(&[FRESH, TEXT, ("cache-tag", "all")], format!("{name} {}", parts.uri.path()))
    })
}

#[tokio::test]
async fn what_is_of_another_origin_is_not_answered() {
    let machine = Machine::new();
    let old = start(&machine, "old", |builder| builder.origin("http://old:80"));
    for path in ["/both", "/purged", "/tagged", "/matching", "/old"] {
        old.get(path).await;
    }
    end(old);

    let new = start(&machine, "new", |builder| builder.origin("http://new:80"));
    let answer = new.get("/both").await;
    assert_eq!((answer.cache(), answer.text()), ("fwd=miss; stored; ttl=60", "new /both"));
    assert!(!new.get("/tagged").await.is_hit());
    let tier = new.cache.outer().unwrap().stats().tiers.remove(0);
    assert_eq!((tier.undecodable, tier.failed), (2, 0));
    assert_eq!(tier.breaker, BreakerState::Closed, "the disk is well");
    // What is ended is ended for whoever comes back.
    new.cache.invalidate_key("h/purged").unwrap();
    new.cache.invalidate_matching(&Glob::new("*/matching").unwrap()).unwrap();
    end(new);

    let old = start(&machine, "old", |builder| builder.origin("http://old:80"));
    for path in ["/both", "/purged", "/tagged", "/matching"] {
        let answer = old.get(path).await;
        assert!(!answer.is_hit() && answer.text().starts_with("old"), "{path}: {answer:?}");
    }
    assert_eq!(old.get("/old").await.cache(), "hit; ttl=60; detail=disk");
    old.cache.invalidate_tag("all").unwrap();
    end(old);
    let new = start(&machine, "new", |builder| builder.origin("http://new:80"));
    assert!(!new.get("/old").await.is_hit());
}

#[tokio::test]
async fn what_was_stored_without_regard_to_cookies_is_not_answered_with_it() {
    let machine = Machine::new();
    let assumed: Setting = |b| b.default_ttl(Duration::from_secs(60)).ignore_cookies(true);
    let origin = |parts: &http::request::Parts, _: usize| {
        let cookie = parts.headers.get("cookie").map_or("nobody", |c| c.to_str().unwrap());
        reply(&[], format!("for {cookie}"))
    };
    let careless = machine.start_set(assumed, origin);
    assert_eq!(careless.get_with("/", &[("cookie", "ann")]).await.text(), "for ann");
    end(careless);
    let careful = machine.start_set(|b| b.default_ttl(Duration::from_secs(60)), origin);
    assert_eq!(careful.get("/").await.text(), "for nobody");
}

#[tokio::test]
async fn codings_are_those_of_this_process() {
    let machine = Machine::new();
    let origin = |_: &http::request::Parts, _: usize| reply(&[FRESH, TEXT], long_text());
    let br = ("accept-encoding", "br");
    let first = machine.start_set(|b| b, origin);
    assert_eq!(first.get_with("/", &[br]).await.field("content-encoding"), "br");
    end(first);
    let next = machine.start_set(|b| b.codings([Coding::Gzip]), origin);
    let plain = next.get_with("/", &[br]).await;
    assert!(plain.is_hit());
    assert_eq!((plain.field("content-encoding"), plain.text()), ("", &*long_text()));
    let zipped = next.get_with("/", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!((zipped.field("content-encoding"), zipped.is_hit()), ("gzip", true));
    assert_eq!(next.calls(), 0);
}

#[tokio::test]
async fn parts_heads_and_conditions_are_answered_from_disk() {
    let machine = Machine::new();
    let first = machine.start();
    let part = [("range", "bytes=1-3")];
    assert_eq!(first.get_with("/part", &part).await.status, 200, "the origin knows no ranges");
    assert_eq!(first.get("/whole").await.text(), "/whole 2");
    let tag = first.get("/whole").await.field("etag").to_owned();
    end(first);
    for turn in 0..3 {
        let next = machine.start();
        let answer = match turn {
            0 => next.get_with("/whole", &part).await,
            1 => next.ask("HEAD", "/whole", &[]).await,
            _ => next.get_with("/whole", &[("if-none-match", &tag)]).await,
        };
        assert_eq!(answer.cache(), "hit; ttl=60; detail=disk", "{answer:?}");
        let wanted = [(206, "who"), (200, ""), (304, "")][turn];
        assert_eq!((answer.status.as_u16(), answer.text()), wanted);
        if turn == 0 {
            assert_eq!(answer.field("content-range"), "bytes 1-3/8");
        }
        assert_eq!(next.calls(), 0);
        end(next);
    }
    assert!(!machine.start().get("/part").await.is_hit(), "nothing was stored of it");
}

#[tokio::test]
async fn a_stale_answer_is_as_old_as_the_time_of_day_says() {
    let machine = Machine::new();
    let origin = |_: &http::request::Parts, call: usize| {
        reply(&[("cache-control", "max-age=60, stale-while-revalidate=30")], call.to_string())
    };
    end_after(machine.start_set(|b| b, origin)).await;
    machine.hand.advance(Duration::from_secs(70));
    let next = machine.start_set(|b| b, origin);
    let stale = next.get("/a").await;
    assert_eq!((stale.cache(), stale.field("age")), ("hit; ttl=-10; detail=disk", "70"));
    while next.count("stored", "") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(next.get("/a").await.cache(), "hit; ttl=60", "it was fetched anew meanwhile");
    end(next);
    machine.hand.advance(Duration::from_secs(95));
    let last = machine.start_set(|b| b, origin);
    assert!(!last.get("/a").await.is_hit());
}

async fn end_after(site: Site) {
    assert!(!site.get("/a").await.is_hit());
    end(site);
}

#[tokio::test]
async fn nothing_is_fresh_of_a_time_that_has_not_come() {
    let mut machine = Machine::new();
    machine.hand.advance(Duration::from_secs(1_000));
    let origin = |parts: &http::request::Parts, _: usize| match parts
        .headers
        .contains_key("if-none-match")
    {
        true => crate::site::bodiless(304, &[("etag", "\"1\""), FRESH]),
        false => reply(&[("etag", "\"1\""), FRESH], "made once"),
    };
    let first = machine.start_set(|b| b.stale_if_error(Duration::from_secs(60)), origin);
    first.get("/a").await;
    end(first);
    // The clock is put right: it was a quarter of an hour fast.
    machine.at_the_beginning_of_time();
    let next = machine.start_set(|b| b.stale_while_revalidate(Duration::from_secs(60)), origin);
    let answer = next.get("/a").await;
    assert_eq!(answer.cache(), "fwd=stale; fwd-status=304; stored; ttl=60");
    assert_eq!(answer.text(), "made once");
    end(next);
    // By less than a second it is put right all the time.
    let last = machine.start();
    assert!(last.get("/a").await.is_hit());
}

#[tokio::test]
async fn what_the_disk_could_not_be_told_is_said_and_made_good() {
    let machine = Machine::new();
    let site = machine.start();
    for path in ["/key", "/tag", "/glob", "/changed"] {
        site.get(path).await;
    }
    site.cache.outer().unwrap().flush();
    machine.faults.fill_after(0);
    let failed = [
        site.cache.invalidate_key("h/key").unwrap_err(),
        site.cache.invalidate_tag("tag").unwrap_err(),
        site.cache.invalidate_matching(&Glob::new("h/glob").unwrap()).unwrap_err(),
    ];
    for error in failed {
        assert!(error.forgotten() >= 1, "memory has forgotten it");
        let said = error.to_string();
        assert!(said.contains("restart") && said.contains("repeat"), "{said}");
        assert!(std::error::Error::source(&error).is_some());
    }
    assert_eq!(site.ask("DELETE", "/changed", &[]).await.status, 200);
    assert_eq!(site.count("not_durable", ""), 4);
    assert!(site.cache.outer().unwrap().stats().parked >= 4);
    for path in ["/key", "/tag", "/glob", "/changed"] {
        assert!(!site.get(path).await.is_hit(), "{path}");
    }
    // There is room again, and the end makes good what is missing.
    machine.faults.make_room();
    end(site);
    let next = machine.start_set(|b| b, numbered);
    for path in ["/key", "/tag", "/glob", "/changed"] {
        let answer = next.get(path).await;
        let is_first = answer.text() == format!("{path} 1");
        assert!(!answer.is_hit() || !is_first, "{answer:?}");
    }
}
