//! A tier over a cluster of three, whose slots move, and whose nodes fail.

use super::nodes::Nodes;
use super::proxy::Proxy;
use super::server::Server;
use super::shared::Heard;
use super::{PATIENCE, SHORT};
use crate::tiered::{self, text};
use perf_cache::Terms;
use perf_cache::disk::{Put, PutTerms, RefusedBecause};
use perf_cache::remote::{RedisTier, RedisTierBuilder, RemoteError};
use perf_cache::tiered::{Fetched, Lease, OuterTier, SharedTier};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

const TERMS: PutTerms = PutTerms::until(PutTerms::NEVER);
const OVERTAKEN: Put = Put::Refused(RefusedBecause::Overtaken);
const STATE: &str = "p:g{p:}";
const JOURNAL: &str = "p:j{p:}";

fn over(nodes: &Nodes) -> RedisTierBuilder {
    let tier = RedisTier::cluster(nodes.urls()).prefix("p:");
    tier.deadline(PATIENCE).connect_timeout(PATIENCE)
}

/// What a value and its fence are called.
fn names(key: &str) -> (String, String) {
    let bucket = crc32c::crc32c(key.as_bytes()) as u16;
    (format!("p:v{{{bucket:04x}}}{key}"), format!("p:f{{{bucket:04x}}}"))
}

/// The first keys that a node has, of those with such a name.
fn keys_of(nodes: &Nodes, node: usize, name: &str) -> impl Iterator<Item = String> {
    let keys = (0..).map(move |n| format!("{name}:{n}"));
    keys.filter(move |key| nodes.node_of(&names(key).0) == node)
}

fn key_of(nodes: &Nodes, node: usize) -> String {
    keys_of(nodes, node, "key").next().unwrap()
}

fn found(tier: &RedisTier, key: &str) -> Option<Vec<u8>> {
    let mut into = Vec::new();
    match tier.fetch(key.as_bytes(), &mut into).unwrap() {
        Fetched::Missing => None,
        Fetched::FoundSince(..) => Some(into),
        other => panic!("{other:?}"),
    }
}

fn put(tier: &RedisTier, key: &str, value: &[u8]) {
    assert_eq!(tier.put(key.as_bytes(), value, TERMS).unwrap(), Put::Stored);
}

/// Waits for something to be so.
fn until(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "it does not come");
        thread::yield_now();
    }
}

fn is_put(tier: &RedisTier, key: &str, value: &[u8]) -> bool {
    tier.put(key.as_bytes(), value, TERMS).ok() == Some(Put::Stored)
}

fn is_there(tier: &RedisTier, key: &str) -> bool {
    tier.get(key.as_bytes(), &mut Vec::new()).unwrap_or(false)
}

#[test]
fn keys_are_on_all_nodes_and_all_of_them_are_found() {
    let Some(nodes) = Nodes::start(3) else { return };
    // One of them knows the others.
    let tier = RedisTier::cluster([nodes.all[1].url()]).prefix("p:");
    let tier = tier.deadline(PATIENCE).connect_timeout(PATIENCE).build().unwrap();
    let names: Vec<String> = (0..60).map(|n| format!("key:{n}")).collect();
    let keys: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    assert!(tier.get_many(&keys).unwrap().iter().all(Option::is_none));
    for name in names.iter().step_by(2) {
        put(&tier, name, name.as_bytes());
    }
    for node in &nodes.all {
        // Values, their fences; on one of them the state and the journal.
        assert!(node.number(&["DBSIZE"]) > 4);
    }
    let many = tier.get_many(&keys).unwrap();
    for (nth, (name, of_many)) in names.iter().zip(many).enumerate() {
        let expected = (nth % 2 == 0).then(|| name.clone().into_bytes());
        assert_eq!(of_many.map(|found| found.bytes), expected);
        assert_eq!(tier.contains(name.as_bytes()).unwrap(), expected.is_some());
        assert_eq!(found(&tier, name), expected);
        assert_eq!(tier.remove(name.as_bytes()).unwrap(), expected.is_some());
        assert_eq!(found(&tier, name), None);
    }
    put(&tier, "last", b"1");
    assert_eq!(tier.clear().unwrap(), 0);
    assert_eq!(found(&tier, "last"), None);
    let stats = tier.stats();
    assert_eq!((stats.connects, stats.maps, stats.redirected, stats.errors), (3, 1, 0, 0));
    assert_eq!(tier.close().unwrap(), 0);
    assert_eq!(tier.get(b"a", &mut Vec::new()).unwrap_err().cause(), "closed");
}

#[test]
fn a_batch_has_what_is_on_the_nodes_that_are_there() {
    let Some(mut nodes) = Nodes::start(3) else { return };
    let tier = over(&nodes).build().unwrap();
    let gone = (nodes.node_of(STATE) + 1) % 3;
    let keys: Vec<String> = (0..3).flat_map(|n| keys_of(&nodes, n, "k").take(5)).collect();
    let all: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
    keys.iter().for_each(|key| put(&tier, key, key.as_bytes()));
    let is_gone: Vec<bool> = keys.iter().map(|key| nodes.node_of(&names(key).0) == gone).collect();
    let fetch = || tier.fetch_many(&all).unwrap();
    for ((found, bytes), key) in fetch().into_iter().zip(&keys) {
        assert!(matches!(found, Fetched::FoundSince(..)) && bytes == key.as_bytes());
    }
    nodes.all[gone].kill();
    for ((found, bytes), (key, is_gone)) in fetch().into_iter().zip(keys.iter().zip(&is_gone)) {
        assert_eq!(found == Fetched::Missing, *is_gone, "{key}");
        assert_eq!(bytes.is_empty(), *is_gone);
    }
    assert!(tier.get_many(&all).is_err(), "it says so");
    let of_gone: Vec<&[u8]> =
        all.iter().zip(&is_gone).filter(|(_, gone)| **gone).map(|(key, _)| *key).collect();
    assert!(tier.fetch_many(&of_gone).is_err(), "nobody answers for them");
    assert!(tier.fetch_many(&[]).unwrap().is_empty());
}

#[test]
fn a_lease_is_where_its_key_is() {
    let Some(nodes) = Nodes::start(3) else { return };
    let (one, other) = (over(&nodes).build().unwrap(), over(&nodes).build().unwrap());
    for n in 0..30 {
        let key = format!("key:{n}").into_bytes();
        assert_eq!(one.lease(&key, PATIENCE).unwrap(), Lease::Held);
        assert_eq!(other.lease(&key, PATIENCE).unwrap(), Lease::Taken);
        other.release(&key).unwrap();
        assert_eq!(other.lease(&key, PATIENCE).unwrap(), Lease::Taken);
        one.release(&key).unwrap();
        assert_eq!(other.lease(&key, PATIENCE).unwrap(), Lease::Held);
    }
    assert_eq!((one.stats().redirected, one.stats().errors), (0, 0));
}

#[test]
fn what_moves_is_found_while_it_does_and_afterwards() {
    let Some(nodes) = Nodes::start(3) else { return };
    let (from, to) = {
        let state = nodes.node_of(STATE);
        ((state + 1) % 3, (state + 2) % 3)
    };
    let tier = over(&nodes).build().unwrap();
    let key = key_of(&nodes, from);
    let (value, fence) = names(&key);
    let slot = nodes.slot(&value);
    put(&tier, &key, b"1");

    nodes.begin_to_move(slot, from, to);
    assert_eq!(found(&tier, &key), Some(b"1".to_vec()), "it has not gone yet");
    nodes.move_name(&value, from, to);
    assert_eq!(found(&tier, &key), Some(b"1".to_vec()));
    assert_eq!(tier.stats().redirected, 1);
    // Half of the bucket is there: changes hold, and values may have to wait.
    assert!(matches!(tier.put(key.as_bytes(), b"2", TERMS).unwrap(), Put::Stored | OVERTAKEN));
    assert_ne!(found(&tier, &key), Some(b"1".to_vec()));
    tier.remove(key.as_bytes()).unwrap();
    assert_eq!(found(&tier, &key), None);
    let filled = tier.fill(key.as_bytes(), b"3", TERMS, tier.since()).unwrap();
    assert!(matches!(filled, Put::Stored | OVERTAKEN));
    for name in [&value, &fence] {
        // What it has not got any more it says to ask for elsewhere.
        if nodes.all[from].ask(&["EXISTS", name]) == ":1" {
            nodes.move_name(name, from, to);
        }
    }
    tier.remove(key.as_bytes()).unwrap();
    assert_eq!(found(&tier, &key), None);
    nodes.end_move(slot, to);

    // Both who knows where it was, and who asks now.
    for tier in [&tier, &over(&nodes).build().unwrap()] {
        put(tier, &key, b"4");
        assert_eq!(found(tier, &key), Some(b"4".to_vec()));
        assert_eq!(tier.fill(key.as_bytes(), b"5", TERMS, tier.since()).unwrap(), Put::Stored);
        assert_eq!(found(tier, &key), Some(b"5".to_vec()));
    }
    assert_eq!(nodes.all[to].number(&["EXISTS", &value]), 1);
    let redirected = tier.stats().redirected;
    for _ in 0..20 {
        assert_eq!(found(&tier, &key), Some(b"5".to_vec()));
    }
    assert_eq!(tier.stats().redirected, redirected);
    assert_eq!(tier.stats().errors, 0);
}

#[test]
fn who_hears_of_changes_does_so_where_the_journal_has_moved_to() {
    let Some(nodes) = Nodes::start(3) else { return };
    let open = || over(&nodes).build().unwrap();
    let (one, other) = (open(), open());
    let heard = Heard::by(&other);
    one.remove(b"a").unwrap();
    heard.until(|heard| heard.keys() == [b"a"]);
    let (slot, from) = (nodes.slot(STATE), nodes.node_of(STATE));
    let to = (from + 1) % 3;
    nodes.begin_to_move(slot, from, to);
    nodes.move_name(STATE, from, to);
    // Half of it is there: nobody can change anything, and nothing is lost.
    assert!(one.remove(b"b").is_err());
    nodes.move_name(JOURNAL, from, to);
    one.remove(b"c").unwrap();
    heard.until(|heard| heard.keys() == [b"a", b"c"]);
    nodes.end_move(slot, to);
    one.remove(b"d").unwrap();
    heard.until(|heard| heard.keys() == [b"a", b"c", b"d"]);
    assert_eq!((one.since().number, other.since().number), (3, 3));
    let stats = other.stats();
    assert_eq!((stats.gaps, stats.forks, stats.resets), (0, 0, 0), "{stats:?}");
}

#[test]
fn a_node_that_is_killed_costs_what_it_has_until_it_is_back() {
    let Some(mut nodes) = Nodes::start(3) else { return };
    let state = nodes.node_of(STATE);
    let (gone, left) = ((state + 1) % 3, (state + 2) % 3);
    let [of_gone, of_left, of_state] = [gone, left, state].map(|node| key_of(&nodes, node));
    let tier = RedisTier::cluster(nodes.urls()).prefix("p:").deadline(5 * SHORT);
    let tier = tier.connect_timeout(5 * SHORT).build().unwrap();
    for key in [&of_gone, &of_left, &of_state] {
        until(|| is_put(&tier, key, b"1"));
    }
    nodes.all[gone].kill();
    let until_found = |key: &str| until(|| is_there(&tier, key));
    let mut errors = 0;
    for _ in 0..50 {
        for key in [&of_left, &of_state] {
            until_found(key);
        }
        errors += usize::from(tier.get(of_gone.as_bytes(), &mut Vec::new()).is_err());
        assert!(tier.remove(of_gone.as_bytes()).is_err());
    }
    assert_eq!(errors, 50);
    assert!(tier.put(of_left.as_bytes(), b"2", TERMS).is_ok());
    // Of many, some are there.
    let keys = [&of_gone, &of_left, &of_state].map(|key| key.as_bytes());
    assert!(tier.get_many(&keys).is_err());
    let why = tier.get(of_gone.as_bytes(), &mut Vec::new()).unwrap_err();
    assert_eq!(why.cause(), "failed");

    nodes.all[gone].restart();
    let back = |key: &str| {
        until(|| is_put(&tier, key, b"3"));
        until_found(key);
    };
    back(&of_gone);
    back(&of_left);
}

#[test]
fn a_replica_that_takes_the_place_of_a_node_is_found() {
    let Some(mut nodes) = Nodes::start(3) else { return };
    let gone = (nodes.node_of(STATE) + 1) % 3;
    let key = key_of(&nodes, gone);
    nodes.add_replica_of(gone);
    let tier = RedisTier::cluster([nodes.all[gone].url()]).prefix("p:").deadline(5 * SHORT);
    let tier = tier.connect_timeout(5 * SHORT).build().unwrap();
    until(|| is_put(&tier, &key, b"1"));
    let maps = tier.stats().maps;
    nodes.all[gone].kill();
    until(|| is_put(&tier, &key, b"2"));
    until(|| is_there(&tier, &key));
    assert_eq!(nodes.all[3].number(&["EXISTS", &names(&key).0]), 1);
    assert!(tier.stats().maps > maps);
}

#[test]
fn what_one_changes_the_others_cannot_put_back() {
    let Some(nodes) = Nodes::start(3) else { return };
    let open = || over(&nodes).build().unwrap();
    let (one, other) = (open(), open());
    for node in 0..3 {
        let key = key_of(&nodes, node);
        let (value, fence) = names(&key);
        put(&one, &key, b"1");
        assert_eq!(found(&other, &key), Some(b"1".to_vec()));
        let before = one.since();
        assert!(other.remove(key.as_bytes()).unwrap());
        assert_eq!(found(&one, &key), None);
        // It was read at its source before.
        assert_eq!(one.fill(key.as_bytes(), b"old", TERMS, before).unwrap(), OVERTAKEN);
        assert_eq!(one.fill(key.as_bytes(), b"new", TERMS, one.since()).unwrap(), Put::Stored);
        assert_eq!(found(&other, &key), Some(b"new".to_vec()));

        // Nobody knows what a fence was that is gone, and that is known.
        let server = &nodes.all[node];
        assert_eq!(server.number(&["DEL", &fence]), 1);
        assert_eq!(one.fill(key.as_bytes(), b"old", TERMS, before).unwrap(), OVERTAKEN);
        assert_eq!(server.number(&["DEL", &fence]), 1);
        let now = one.since();
        assert_eq!(one.fill(key.as_bytes(), b"newer", TERMS, now).unwrap(), Put::Stored);
        assert_eq!(other.fill(key.as_bytes(), b"old", TERMS, before).unwrap(), OVERTAKEN);
        assert_eq!(found(&other, &key), Some(b"newer".to_vec()));

        // Somebody is at it, and may be gone.
        assert_eq!(server.ask(&["SET", &fence, "b12345678", "PX", "60000"]), "+OK");
        let now = one.since();
        assert_eq!(one.fill(key.as_bytes(), b"next", TERMS, now).unwrap(), OVERTAKEN);
        assert!(other.remove(key.as_bytes()).unwrap());
        assert_eq!(server.number(&["EXISTS", &value]), 0);
        assert_eq!(found(&one, &key), None);
        assert_eq!(one.fill(key.as_bytes(), b"next", TERMS, one.since()).unwrap(), Put::Stored);
    }
    assert_eq!(one.since(), other.since());
    assert_eq!((one.stats().errors, other.stats().errors), (0, 0));
}

#[test]
fn caches_over_a_cluster_hear_of_each_other() {
    let Some(nodes) = Nodes::start(3) else { return };
    let open = || tiered::builder().tier(Arc::new(over(&nodes).build().unwrap())).build().unwrap();
    let (one, other) = (open(), open());
    let keys: Vec<String> = (0..12).map(|n| format!("key:{n}")).collect();
    let until_all = |is_so: &dyn Fn(&str) -> bool| {
        for key in &keys {
            until(|| is_so(key));
        }
    };
    for key in &keys {
        one.insert_with(key.clone(), text("1"), Terms::new().tags(["t"]));
    }
    until_all(&|key| other.get(key) == Some(text("1")));
    // From their memories now.
    for key in &keys {
        one.remove(key).unwrap();
    }
    until_all(&|key| other.get(key).is_none());
    for key in &keys {
        let terms = Terms::new().tags(["t"]);
        other.insert_with(key.clone(), text("2"), terms);
    }
    until_all(&|key| one.get(key) == Some(text("2")));
    other.invalidate_tag("t").unwrap();
    until_all(&|key| one.get(key).is_none());
    // What is loaded is there for the other.
    for key in &keys {
        assert_eq!(one.get_with(key.clone(), || text("3")), "3");
    }
    until_all(&|key| other.get(key) == Some(text("3")));
}

/// Those who find a cluster behind a proxy of each node.
fn behind(nodes: &Nodes) -> Vec<Proxy> {
    let proxies: Vec<Proxy> = nodes.all.iter().map(|node| Proxy::before(node.port)).collect();
    for (node, proxy) in nodes.all.iter().zip(&proxies) {
        let port = proxy.url().rsplit(':').next().unwrap().to_owned();
        assert_eq!(node.ask(&["CONFIG", "SET", "cluster-announce-port", &port]), "+OK");
    }
    let is_told = |node: &Server| {
        let said = node.text(&["CLUSTER", "NODES"]);
        proxies.iter().all(|proxy| said.contains(&proxy.url()["redis://".len()..]))
    };
    until(|| nodes.all.iter().all(is_told));
    proxies
}

#[test]
fn nobody_hears_of_a_change_before_the_value_is_gone_and_nothing_takes_its_place() {
    let Some(nodes) = Nodes::start(3) else { return };
    let state = nodes.node_of(STATE);
    let node = (state + 1) % 3;
    let key = key_of(&nodes, node);
    let (value, fence) = names(&key);
    let proxies = behind(&nodes);
    let at_state = &proxies[state];
    let tier = RedisTier::cluster([proxies[0].url()]).prefix("p:");
    let tier = tier.deadline(PATIENCE).connect_timeout(PATIENCE).build().unwrap();
    let (node, state) = (&nodes.all[node], &nodes.all[state]);
    let changes = || state.number(&["XLEN", JOURNAL]);
    for meanwhile in [None, Some("b of another who changes it"), Some("n of another epoch")] {
        put(&tier, &key, b"1");
        let (before, known) = (tier.since(), changes());
        at_state.hold_requests(true);
        thread::scope(|scope| {
            let changing = scope.spawn(|| tier.remove(key.as_bytes()).unwrap());
            until(|| at_state.held() > 0);
            assert_eq!((node.number(&["EXISTS", &value]), changes()), (0, known));
            assert_eq!(tier.fill(key.as_bytes(), b"2", TERMS, before).unwrap(), OVERTAKEN);
            // It is evicted, or overwritten, and what it kept out is there.
            assert_eq!(node.number(&["DEL", &fence]), 1);
            if let Some(meanwhile) = meanwhile {
                assert_eq!(node.ask(&["SET", &fence, meanwhile]), "+OK");
            }
            assert_eq!(node.ask(&["SET", &value, "of before"]), "+OK");
            at_state.hold_requests(false);
            at_state.release();
            assert!(changing.join().unwrap());
        });
        // Not for good: whatever the number of the other is, the fence does not say that of this one.
        assert_eq!(changes(), known + 1);
        assert_eq!(node.number(&["EXISTS", &value, &fence]), 0);
        assert_eq!(tier.fill(key.as_bytes(), b"2", TERMS, before).unwrap(), OVERTAKEN);
        assert_eq!(tier.fill(key.as_bytes(), b"3", TERMS, tier.since()).unwrap(), Put::Stored);
    }
}

#[test]
fn all_nodes_are_told_the_same_user_and_need_no_more_rights_than_are_said() {
    let Some(nodes) = Nodes::start(3) else { return };
    // As docs/operations.md has them.
    let rights = "~p:* +get +mget +pttl +getrange +set +del +eval +hget +hmget +hgetall +hset \
                  +hincrby +hdel +xadd +xrange +xread +cluster|slots +asking";
    for node in &nodes.all {
        let words = ["ACL", "SETUSER", "u", "on", ">w"].into_iter().chain(rights.split(' '));
        assert_eq!(node.ask(&words.collect::<Vec<_>>()), "+OK");
    }
    let with = |user: &str| {
        let urls = nodes.urls().into_iter().map(|url| url.replace("://", &format!("://{user}")));
        RedisTier::cluster(urls).prefix("p:").deadline(PATIENCE).connect_timeout(PATIENCE)
    };
    let tier = with("u:w@").build().unwrap();
    for node in 0..3 {
        put(&tier, &key_of(&nodes, node), b"1");
    }
    let error = with("u:wrong@").build().unwrap().get(b"a", &mut Vec::new()).unwrap_err();
    assert!(matches!(super::faults::why(&error), RemoteError::Denied { .. }), "{error:?}");
}

#[test]
fn urls_that_cannot_be_of_one_cluster_are_refused() {
    let of =
        |urls: &[&str]| RedisTier::cluster(urls.iter().copied()).build().unwrap_err().to_string();
    assert!(of(&[]).starts_with("`url`"));
    assert!(of(&["redis://a:1/2"]).contains("database 0"));
    assert!(of(&["unix:///a"]).contains("rediss://"));
    for other in
        ["rediss://a:2", "redis://:tellnobody@a:2", "redis://u:tellnobody@a:2", "redis://a:2/1"]
    {
        let said = of(&["redis://a:1", other]);
        assert!(said.contains("same user") && !said.contains("tellnobody"), "{said}");
    }
    assert!(RedisTier::cluster(["redis://a:1", "redis://b:2"]).build().is_ok());
}
