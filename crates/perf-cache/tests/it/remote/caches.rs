//! Caches with a memory each, over one server: each stands for a process.

use super::proxy::Proxy;
use super::server::Server;
use super::{PATIENCE, SHORT, patient};
use crate::tiered::{Texts, builder, text};
use perf_cache::Terms;
use perf_cache::remote::{RedisTier, RedisTierBuilder};
use perf_cache::tiered::Strategy;
use perf_core::{Clock, Glob};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

fn over(tier: RedisTierBuilder) -> (Texts, Arc<RedisTier>) {
    let tier = Arc::new(tier.build().unwrap());
    let cache = builder().tier(Arc::clone(&tier) as _).deadline(PATIENCE).choose_tiers(false);
    (cache.build().unwrap(), tier)
}

fn until(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE);
        thread::yield_now();
    }
}

type Act = fn(&Texts);

#[test]
fn what_one_cache_ends_the_memory_of_another_does_not_answer() {
    let Some(server) = Server::start() else { return };
    let (one, _) = over(patient(&server));
    let (other, _) = over(patient(&server));
    let acts: [Act; 7] = [
        |cache| _ = cache.remove("users:1").unwrap(),
        |cache| _ = cache.invalidate_tag("t").unwrap(),
        |cache| _ = cache.invalidate_dependencies("p").unwrap(),
        |cache| _ = cache.invalidate_namespace("users").unwrap(),
        |cache| _ = cache.invalidate_by_pattern(&Glob::new("u*1").unwrap()).unwrap(),
        |cache| cache.clear().unwrap(),
        |cache| cache.insert(text("users:1"), text("put in")),
    ];
    for (nth, act) in acts.into_iter().enumerate() {
        let terms = Terms::new().tags(["t"]).depends_on(["p"]);
        one.insert_with(text("users:1"), nth.to_string(), terms);
        // What it reads while it is told is not kept in memory yet.
        let is_near = |tier: Option<&str>| tier == Some("memory");
        until(|| other.get_entry("users:1").is_some_and(|entry| is_near(entry.tier)));
        assert_eq!(other.get("users:1"), Some(nth.to_string()));
        act(&one);
        until(|| other.get("users:1") != Some(nth.to_string()));
        let left = (nth == 6).then(|| text("put in"));
        until(|| other.get("users:1") == left);
    }
    assert_eq!(other.get_with(text("b"), || text("made once")), "made once");
    assert_eq!(one.get_with(text("b"), || panic!("it is there")), "made once");
}

#[test]
fn what_was_loaded_while_another_removed_it_is_nowhere() {
    let Some(server) = Server::start() else { return };
    let (one, _) = over(patient(&server));
    let (other, tier) = over(patient(&server));
    let (begun, has_begun) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel();
    thread::scope(|scope| {
        let load = move || {
            begun.send(()).unwrap();
            goes_on.recv().unwrap();
            text("old")
        };
        let loading = scope.spawn(|| other.get_with(text("a"), load));
        has_begun.recv().unwrap();
        one.remove("a").unwrap();
        go_on.send(()).unwrap();
        assert_eq!(loading.join().unwrap(), "old");
    });
    until(|| tier.stats().news == 1);
    until(|| other.get("a").is_none());
    assert_eq!((one.get("a"), server.keys("perf-cache:v*a")), (None, 0));
}

#[test]
fn what_a_load_keeps_out_of_the_server_is_no_news() {
    let Some(server) = Server::start() else { return };
    let open = || {
        let tier = Arc::new(patient(&server).build().unwrap());
        builder().tier(tier).deadline(PATIENCE).build().unwrap()
    };
    let (one, other) = (open(), open());
    let changes = || server.text(&["HGET", "perf-cache:g{perf-cache:}", "n"]);
    one.get_with(text("a"), || text("1"));
    assert_eq!((changes(), server.keys("perf-cache:v*")), (text("0"), 1));
    // It lives for less than the server is worth, is to stay near, or has ended already.
    let short = Terms::new().time_to_live(Duration::from_millis(200));
    for cache in [&one, &other] {
        cache.get_with_terms(text("b"), || (text("1"), short.clone()));
        cache.get_with_terms(text("c"), || (text("1"), Strategy::Memory));
        let ended = Terms::new().time_to_live(Duration::ZERO);
        cache.get_with_terms(text("d"), || (text("1"), ended));
    }
    assert_eq!((changes(), server.keys("perf-cache:v*")), (text("0"), 1));
    one.insert_with(text("b"), text("2"), short);
    assert_eq!(changes(), "1", "what a caller puts in is");
    one.insert_with(text("c"), text("2"), Strategy::Memory);
    assert_eq!(changes(), "2");
}

#[test]
fn a_cache_that_hears_nothing_answers_nothing_older_than_the_window() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.port);
    let (one, _) = over(patient(&server));
    let (clock, hand) = Clock::manual();
    let hasty = RedisTier::builder(proxy.url()).deadline(SHORT).connect_timeout(SHORT);
    let tier = Arc::new(hasty.clock(clock.clone()).build().unwrap());
    let other = builder().tier(Arc::clone(&tier) as _).choose_tiers(false);
    let other = other.clock(clock).build().unwrap();
    one.insert(text("a"), text("1"));
    until(|| other.get_entry("a").is_some_and(|entry| entry.tier == Some("memory")));
    assert_eq!(other.get("a"), Some(text("1")));
    proxy.cut(true);
    one.remove("a").unwrap();
    hand.advance(Duration::from_secs(20));
    assert_eq!(other.get("a"), Some(text("1")), "it cannot know");
    hand.advance(Duration::from_secs(10));
    until(|| other.get("a").is_none());
    assert_eq!(other.get_with(text("a"), || text("2")), "2", "it goes on");
    proxy.cut(false);
    until(|| tier.stats().news == 1);
    until(|| other.get("a").is_none());
    assert_eq!((tier.stats().unheard, tier.stats().resets), (1, 0));
}
