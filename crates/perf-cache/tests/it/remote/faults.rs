//! Servers that are killed, paused, slow, full, closed to us, or not to be written to.

use super::proxy::Proxy;
use super::server::Server;
use super::{PATIENCE, SHORT, over, patient};
use crate::tiered::{Texts, text};
use perf_cache::Terms;
use perf_cache::disk::{Put, PutTerms, RefusedBecause};
use perf_cache::remote::{RedisTier, RedisTierBuilder, RemoteError};
use perf_cache::tiered::{BreakerState, KeyState, OuterTier, Scope, SharedTier, TierError};
use perf_core::ManualClock;
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn hasty(url: String) -> RedisTierBuilder {
    RedisTier::builder(url).deadline(SHORT).connect_timeout(SHORT)
}

/// Of one cache: a call of each may be under way when the breaker of the tier opens, be it of one
/// that is tried again after a machine that was too busy.
const THREADS: usize = 4;

/// Asks until the tier is well again, however long its breaker and its back-off take.
fn until_well(cache: &Texts, hand: &ManualClock) {
    while cache.get("well") != Some(text("1")) {
        hand.advance(5 * SECOND);
        cache.insert(text("well"), text("1"));
        thread::yield_now();
    }
}

pub(super) fn why(error: &TierError) -> RemoteError {
    let TierError::Failed { source, .. } = error else { panic!("{error:?}") };
    source.downcast_ref::<RemoteError>().unwrap().clone()
}

#[test]
fn a_server_that_is_killed_looks_like_a_miss_and_comes_back_empty() {
    let Some(mut server) = Server::start() else { return };
    let (tier, builder, hand) = over(hasty(server.url()));
    let cache = builder.build().unwrap();
    until_well(&cache, &hand);
    cache.insert(text("a"), text("1"));
    server.kill();
    for n in 0..20 {
        assert_eq!(cache.get_with(n.to_string(), || text("made")), "made");
    }
    assert_eq!(cache.get("a"), None);
    assert!(cache.remove("a").is_err() && cache.invalidate_tag("t").is_err());
    assert_eq!(cache.stats().tiers[0].breaker, BreakerState::Open);
    let failed = tier.stats().failed_connects;
    let error = tier.get(b"a", &mut Vec::new()).unwrap_err();
    let said = why(&error).to_string();
    assert!(said.contains("127.0.0.1"), "{said}");
    assert!(failed >= 1, "{:?}", tier.stats());

    server.restart();
    until_well(&cache, &hand);
    assert_eq!(cache.get("a"), None);
    cache.insert(text("a"), text("2"));
    assert_eq!(cache.get("a"), Some(text("2")));
}

#[test]
fn a_server_that_is_away_is_not_asked_all_the_time() {
    let Some(mut server) = Server::start() else { return };
    let tier = hasty(server.url()).build().unwrap();
    server.kill();
    for _ in 0..1_000 {
        assert_eq!(tier.get(b"a", &mut Vec::new()).unwrap_err().cause(), "failed");
    }
    let stats = tier.stats();
    assert_eq!(stats.failed_connects + stats.not_tried, 1_000);
    assert!(stats.failed_connects < 100, "{stats:?}");
}

#[test]
fn whether_a_server_that_is_away_has_a_key_nobody_knows() {
    let Some(mut server) = Server::start() else { return };
    let cache = over(patient(&server)).1.build().unwrap();
    assert_eq!(cache.explain("a").tiers[0].state, KeyState::Missing);
    server.kill();
    // One failure opens no breaker.
    let explained = cache.explain("a");
    assert_eq!(explained.tiers[0].state, KeyState::Unknown, "{explained}");
}

#[test]
fn a_connection_that_broke_while_nobody_looked_is_made_anew() {
    let Some(mut server) = Server::start() else { return };
    let tier = patient(&server).build().unwrap();
    assert!(!tier.get(b"a", &mut Vec::new()).unwrap());
    server.kill();
    server.restart();
    assert!(!tier.get(b"a", &mut Vec::new()).unwrap());
    assert_eq!((tier.stats().broken, tier.stats().connects), (1, 2));
}

#[test]
fn a_server_that_hangs_costs_no_call_the_deadline_twice_and_what_it_missed_is_not_answered() {
    let Some(server) = Server::start() else { return };
    let (_, builder, hand) = over(hasty(server.url()));
    let cache = builder.threads(THREADS).build().unwrap();
    until_well(&cache, &hand);
    cache.insert(text("a"), text("old"));
    cache.insert(text("b"), text("other"));
    cache.insert_with(text("c"), text("tagged"), Terms::new().tags(["t"]));
    until_well(&cache, &hand);
    let before = cache.stats().tiers[0].clone();
    server.pause(true);
    // The clock of the cache stands still: the tier has a deadline of its own.
    for n in 0..20 {
        assert_eq!(cache.get_with(n.to_string(), || text("made")), "made");
    }
    let after = cache.stats().tiers[0].clone();
    assert_eq!(after.breaker, BreakerState::Open);
    let failed = after.timed_out + after.failed - before.timed_out - before.failed;
    assert!(after.timed_out > before.timed_out && failed <= THREADS as u64, "{failed}");
    cache.insert(text("a"), text("new"));
    assert!(cache.remove("b").is_err() && cache.invalidate_tag("t").is_err());

    server.pause(false);
    hand.advance(5 * SECOND);
    let answers = ["a", "b", "c"].map(|key| cache.get(key));
    assert_ne!(answers[0], Some(text("old")));
    assert_eq!(&answers[1..], [None, None]);
    until_well(&cache, &hand);
    assert_ne!(cache.get("a"), Some(text("old")));
    assert_eq!((cache.get("b"), cache.get("c")), (None, None));
    while cache.stats().parked > 0 {
        until_well(&cache, &hand);
        // May come too late once more.
        let _ = cache.remove("well");
    }
    drop(cache);
    let next = over(patient(&server)).1.build().unwrap();
    assert_ne!(next.get("a"), Some(text("old")));
    assert_eq!((next.get("b"), next.get("c")), (None, None));
}

#[test]
fn a_server_that_hangs_before_anybody_is_connected_is_given_up_too() {
    let Some(server) = Server::start() else { return };
    server.pause(true);
    let (tier, builder, hand) = over(hasty(server.url()));
    let cache = builder.build().unwrap();
    assert_eq!(cache.get_with(text("a"), || text("made")), "made");
    assert!(tier.stats().timed_out >= 1 && tier.stats().connects == 0);
    server.pause(false);
    until_well(&cache, &hand);
}

#[test]
fn answers_that_come_too_late_are_nobodys() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.port);
    let (tier, builder, hand) = over(hasty(proxy.url()));
    let cache = builder.threads(THREADS).build().unwrap();
    until_well(&cache, &hand);
    for n in 0..5 {
        cache.insert(n.to_string(), format!("value {n}"));
        until_well(&cache, &hand);
    }
    let before = tier.stats();
    proxy.delay_answers(Duration::from_millis(500));
    for n in 0..20 {
        assert_eq!(cache.get_with(format!("k{n}"), || text("made")), "made");
    }
    let late = tier.stats().timed_out - before.timed_out;
    assert!((1..=THREADS as u64).contains(&late), "{late}");
    proxy.delay_answers(Duration::ZERO);
    until_well(&cache, &hand);
    for n in 0..5 {
        // A busy machine may be late once more; another's answer it is never.
        let found = cache.get(&n.to_string());
        assert!(found.is_none() || found == Some(format!("value {n}")), "{n}: {found:?}");
    }
}

#[test]
fn answers_that_each_come_in_time_come_too_late_together() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.port);
    let deadline = 5 * SHORT;
    let tier = RedisTier::builder(proxy.url()).deadline(deadline).build().unwrap();
    while tier.get(b"a", &mut Vec::new()).is_err() {}
    // Those to the first two commands of a read that finds nothing are as long as that.
    proxy.split_answers("$-1\r\n".len(), deadline / 5 * 3);
    assert_eq!(tier.get(b"a", &mut Vec::new()).unwrap_err().cause(), "timed_out");
}

#[test]
fn what_arrives_after_its_caller_has_given_up_is_not_written() {
    let Some(server) = Server::start() else { return };
    let proxy = Proxy::before(server.port);
    let tier = hasty(proxy.url()).prefix("p:").build().unwrap();
    let other = patient(&server).prefix("p:").build().unwrap();
    let terms = PutTerms::default();
    // Slow as the machine may be, this comes through.
    while tier.put(b"a", b"first", terms).is_err() {}
    let since = tier.since();
    type Late<'a> = Box<dyn Fn() -> Result<Put, TierError> + 'a>;
    let late: [(&str, Late); 3] = [
        // The change of a put, the value of a put, what was read at its source.
        ("XADD", Box::new(|| tier.put(b"a", b"late", terms))),
        ("~= ARGV[1] then return 0", Box::new(|| tier.put(b"a", b"late", terms))),
        ("s[1] ~=", Box::new(|| tier.fill(b"a", b"late", terms, since))),
    ];
    for (marks, late) in late {
        proxy.hold_requests_with(marks);
        while proxy.held() == 0 {
            // A machine that is too busy may give up before.
            assert_eq!(late().unwrap_err().cause(), "timed_out");
        }
        proxy.hold_requests(false);
        // By another connection, while that is on its way.
        other.remove(b"a").unwrap();
        let before = server.calls("eval");
        proxy.release();
        while server.calls("eval") == before {
            thread::yield_now();
        }
        assert!(!other.contains(b"a").unwrap());
        assert_eq!(server.keys("p:v*"), 0);
    }
}

#[test]
fn a_password_that_is_wrong_looks_like_a_miss_and_says_so() {
    let arguments = |_: &_| vec![text("--requirepass"), text("right")];
    let Some(server) = Server::start_with(arguments) else { return };
    let with = |password: &str| {
        let url = format!("redis://{password}127.0.0.1:{}", server.port);
        RedisTier::builder(url).deadline(PATIENCE).connect_timeout(PATIENCE)
    };
    for password in [":wrong@", ""] {
        let (tier, builder, _hand) = over(with(password));
        let error = tier.get(b"a", &mut Vec::new()).unwrap_err();
        assert!(matches!(why(&error), RemoteError::Denied { .. }), "{error:?}");
        assert!(!why(&error).to_string().contains("wrong@"), "{error:?}");
        let cache = builder.build().unwrap();
        assert_eq!(cache.get_with(text("a"), || text("made")), "made");
    }
    let cache = over(with(":right@")).1.build().unwrap();
    cache.insert(text("a"), text("1"));
    assert_eq!(cache.get("a"), Some(text("1")));
}

#[test]
fn a_server_without_memory_refuses_values_and_takes_changes() {
    let Some(server) = Server::start() else { return };
    let (tier, builder, _hand) = over(patient(&server));
    let cache = builder.build().unwrap();
    cache.insert(text("a"), text("1"));
    cache.insert(text("b"), text("1"));
    assert_eq!(cache.get("a"), Some(text("1")));
    assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory", "1"]), "+OK");
    let full = Put::Refused(RefusedBecause::DiskFull);
    assert_eq!(tier.put(b"x", b"1", PutTerms::default()).unwrap(), full);
    assert_eq!(tier.fill(b"y", b"1", PutTerms::default(), tier.since()).unwrap(), full);
    for n in 0..20 {
        cache.insert(text("a"), n.to_string());
        assert_eq!(cache.get("a"), None, "what is older is gone");
    }
    assert_eq!(cache.get("b"), Some(text("1")));
    assert_eq!(tier.stats().out_of_memory, 22);
    let other = patient(&server).build().unwrap();
    cache.remove("b").unwrap();
    assert_eq!(cache.get("b"), None);
    let number = tier.announce(&Scope::Tag("t".into())).unwrap();
    assert!(!other.contains(b"b").unwrap());
    assert_eq!(other.since().number, number);
    // A state that is lost begins anew all the same.
    assert_eq!(server.number(&["DEL", "perf-cache:g{perf-cache:}"]), 1);
    assert_eq!(tier.announce(&Scope::All).unwrap(), 1);
    assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory", "0"]), "+OK");
    cache.insert(text("a"), text("2"));
    assert_eq!(cache.get("a"), Some(text("2")));
}

#[test]
fn a_replica_is_read_and_what_could_not_be_written_is_not_answered() {
    let Some(server) = Server::start() else { return };
    let (tier, builder, hand) = over(patient(&server));
    let cache = builder.build().unwrap();
    cache.insert(text("a"), text("1"));
    cache.insert(text("b"), text("1"));
    assert_eq!(cache.get("a"), Some(text("1")));
    let nowhere = super::server::free_port().to_string();
    assert_eq!(server.ask(&["REPLICAOF", "127.0.0.1", &nowhere]), "+OK");
    assert_eq!(cache.get("b"), Some(text("1")));
    let error = tier.put(b"x", b"1", PutTerms::default()).unwrap_err();
    assert!(matches!(why(&error), RemoteError::Refused { code, .. } if code == "READONLY"));
    cache.insert(text("a"), text("2"));
    assert!(cache.remove("b").is_err());
    assert_eq!((cache.get("a"), cache.get("b")), (None, None));
    assert_eq!(server.ask(&["REPLICAOF", "NO", "ONE"]), "+OK");
    until_well(&cache, &hand);
    assert_eq!((cache.get("a"), cache.get("b")), (None, None));
    cache.insert(text("a"), text("3"));
    assert_eq!(cache.get("a"), Some(text("3")));
}
