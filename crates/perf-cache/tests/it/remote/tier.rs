//! What the tier does with a server that is well.

use super::server::Server;
use super::shared::Heard;
use super::{over, patient};
use crate::tiered::text;
use perf_cache::Terms;
use perf_cache::codec::Compression;
use perf_cache::disk::{Put, PutTerms, RefusedBecause};
use perf_cache::remote::{RedisTier, RemoteError};
use perf_cache::tiered::{Fetched, OuterTier, Scope, SharedTier};
use perf_core::{ByteSize, Clock, Ratio};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

const MINUTE: Duration = Duration::from_secs(60);

fn in_a_minute(clock: &Clock) -> PutTerms {
    let now = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    PutTerms::until(u64::try_from((now + MINUTE).as_millis()).unwrap())
}

/// What is left of the life of a value on the server, under the prefix `p:`.
fn life(server: &Server, key: &[u8]) -> i64 {
    let bucket = crc32c::crc32c(key) as u16;
    let key = std::str::from_utf8(key).unwrap();
    server.number(&["PTTL", &format!("p:v{{{bucket:04x}}}{key}")])
}

fn read(tier: &RedisTier, key: &[u8]) -> Option<Vec<u8>> {
    let mut into = b"before".to_vec();
    let found = tier.get(key, &mut into).unwrap();
    assert!(into.starts_with(b"before") && (found || into.len() == 6));
    found.then(|| into.split_off(6))
}

#[test]
fn what_is_put_is_found_until_it_is_removed() {
    let Some(server) = Server::start() else { return };
    let tier = patient(&server).build().unwrap();
    let terms = in_a_minute(&Clock::system());
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for key in [b"a".as_slice(), b"", b"\r\n\0\xff", b"e"] {
        assert_eq!(read(&tier, key), None);
        assert_eq!(tier.put(key, &bytes, terms).unwrap(), Put::Stored);
        assert_eq!(read(&tier, key).as_deref(), Some(&bytes[..]));
        assert!(tier.contains(key).unwrap());
        assert_eq!(tier.put(key, b"", terms).unwrap(), Put::Stored);
        assert_eq!(read(&tier, key).as_deref(), Some(&b""[..]));
        assert!(tier.contains(key).unwrap());
        assert!(tier.remove(key).unwrap() && !tier.remove(key).unwrap());
        assert!(read(&tier, key).is_none() && !tier.contains(key).unwrap());
    }
    assert_eq!(tier.stats().connects, 1);
    assert_eq!(tier.close().unwrap(), 0);
    assert_eq!(tier.get(b"a", &mut Vec::new()).unwrap_err().cause(), "closed");
}

#[test]
fn the_server_ends_values_a_little_before_their_time() {
    let Some(server) = Server::start() else { return };
    let tier = patient(&server).prefix("p:").jitter(Ratio::new(0.25).unwrap()).build().unwrap();
    let terms = in_a_minute(&Clock::system());
    let mut lives = BTreeSet::new();
    for n in 0..50 {
        let key = n.to_string();
        let _ = tier.put(key.as_bytes(), b"1", terms).unwrap();
        let life = life(&server, key.as_bytes());
        assert!(life <= 60_000, "{life}");
        lives.insert(life / 1_000);
        let Fetched::FoundSince(left, _) = tier.fetch(key.as_bytes(), &mut Vec::new()).unwrap()
        else {
            panic!("it has an end");
        };
        assert!(left <= Duration::from_millis(life.unsigned_abs()), "{left:?} {life}");
    }
    assert!(lives.len() > 5, "{lives:?}");
    // For ever is not for ever.
    let _ = tier.put(b"f", b"1", PutTerms::until(PutTerms::NEVER)).unwrap();
    assert!((1..=30 * 86_400_000).contains(&life(&server, b"f")));
    // What has ended already is not put, and takes what was there with it.
    let _ = tier.put(b"f", b"2", PutTerms::until(1)).unwrap();
    assert!(!tier.contains(b"f").unwrap());
    assert_eq!(life(&server, b"f"), -2);
}

#[test]
fn many_keys_come_in_one_answer_and_in_their_order() {
    let Some(server) = Server::start() else { return };
    let tier = patient(&server).build().unwrap();
    let terms = in_a_minute(&Clock::system());
    let names: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let keys: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    assert!(tier.get_many(&keys).unwrap().iter().all(Option::is_none));
    for key in keys.iter().filter(|key| key.ends_with(b"7")) {
        let _ = tier.put(key, key, terms).unwrap();
    }
    let found = tier.get_many(&keys).unwrap();
    for (key, value) in keys.iter().zip(found) {
        assert_eq!(
            value.as_ref().map(|found| &found.bytes[..]),
            key.ends_with(b"7").then_some(*key)
        );
    }
    assert!(tier.get_many(&[]).unwrap().is_empty());
}

#[test]
fn what_is_too_large_is_refused_and_counted() {
    let Some(server) = Server::start() else { return };
    let tier = patient(&server).max_value(ByteSize::kib(1)).build().unwrap();
    let terms = in_a_minute(&Clock::system());
    assert_eq!(tier.put(b"a", &[0; 1_024], terms).unwrap(), Put::Stored);
    let refused = Put::Refused(RefusedBecause::TooLarge);
    assert_eq!(tier.put(b"a", &[0; 1_025], terms).unwrap(), refused);
    assert_eq!((tier.stats().too_large, tier.usage().refused), (1, 1));

    // In a cache that removes what is older.
    let (tier, builder, _hand) = over(patient(&server).max_value(ByteSize::kib(1)));
    let cache = builder.compression(Compression::None).build().unwrap();
    cache.insert(text("a"), text("small"));
    assert_eq!(cache.get("a"), Some(text("small")));
    cache.insert(text("a"), "large".repeat(1_000));
    assert_eq!(cache.get("a"), None);
    assert_eq!(tier.stats().too_large, 1);
}

#[test]
fn what_was_cleared_is_gone_and_what_comes_after_it_is_not() {
    let Some(server) = Server::start() else { return };
    let tier = patient(&server).prefix("p:").build().unwrap();
    let terms = in_a_minute(&Clock::system());
    let _ = tier.put(b"a", b"1", terms).unwrap();
    assert_eq!(read(&tier, b"a"), Some(vec![b'1']));
    assert_eq!(tier.clear().unwrap(), 0);
    assert_eq!((read(&tier, b"a"), tier.stats().orphaned), (None, 1));
    assert_eq!(tier.get_many(&[b"a"]).unwrap(), [None]);
    assert!(!tier.contains(b"a").unwrap());
    assert!(!patient(&server).prefix("p:").build().unwrap().contains(b"a").unwrap());
    let _ = tier.put(b"a", b"2", terms).unwrap();
    assert_eq!(read(&tier, b"a"), Some(vec![b'2']));
}

#[test]
fn values_of_a_state_that_is_lost_are_lost_too() {
    let Some(server) = Server::start() else { return };
    let tier = patient(&server).prefix("p:").build().unwrap();
    let terms = in_a_minute(&Clock::system());
    // As a server may that is short of memory: before a read, a put, a removal, and all of them.
    let lose = || assert_eq!(server.number(&["DEL", "p:g{p:}"]), 1);
    let _ = tier.put(b"a", b"1", terms).unwrap();
    lose();
    assert_eq!(read(&tier, b"a"), None);
    let _ = tier.put(b"a", b"2", terms).unwrap();
    lose();
    let _ = tier.put(b"b", b"3", terms).unwrap();
    assert_eq!((read(&tier, b"a"), read(&tier, b"b")), (None, Some(vec![b'3'])));
    lose();
    tier.remove(b"c").unwrap();
    assert_eq!(read(&tier, b"b"), None);
    let _ = tier.put(b"b", b"4", terms).unwrap();
    lose();
    tier.clear().unwrap();
    let _ = tier.put(b"c", b"5", terms).unwrap();
    assert_eq!((read(&tier, b"b"), read(&tier, b"c")), (None, Some(vec![b'5'])));
    assert_eq!((tier.stats().epochs, tier.stats().resets), (5, 4));
}

#[test]
fn values_and_invalidations_outlive_the_process() {
    let Some(server) = Server::start() else { return };
    let open = || over(patient(&server)).1.build().unwrap();
    let cache = open();
    cache.insert_with(text("a"), text("1"), Terms::new().tags(["t"]));
    cache.insert(text("users:b"), text("2"));
    cache.insert(text("c"), text("3"));
    cache.insert(text("d"), text("4"));
    assert_eq!(cache.get_entry("a").unwrap().tier, Some("redis"));
    cache.invalidate_tag("t").unwrap();
    cache.invalidate_namespace("users").unwrap();
    cache.remove("c").unwrap();
    assert!(cache.close().is_clean());
    drop(cache);
    let next = open();
    let there = ["a", "users:b", "c", "d"].map(|key| next.get(key));
    assert_eq!(there, [None, None, None, Some(text("4"))]);
}

#[test]
fn a_clock_that_is_wrong_neither_ends_values_nor_lets_them_live_longer() {
    let Some(server) = Server::start() else { return };
    let ahead = |hours: u32| {
        let (_tier, builder, hand) = over(patient(&server));
        hand.advance(60 * hours * MINUTE);
        builder.build().unwrap()
    };
    // Of two machines whose clocks are two hours apart, either may write.
    for (writer, reader) in [(0, 2), (2, 0)] {
        let cache = ahead(writer);
        cache.insert_with(text("a"), text("1"), Terms::new().time_to_live(10 * MINUTE));
        drop(cache);
        let entry = ahead(reader).get_entry("a").unwrap();
        let left = entry.time_to_live.unwrap();
        assert!(left > MINUTE && left <= 10 * MINUTE, "{left:?}");
    }
}

#[test]
fn a_user_needs_no_more_rights_than_are_said() {
    let Some(server) = Server::start() else { return };
    // As docs/operations.md has them.
    let rights = "~p:* +get +mget +pttl +getrange +set +del +eval +hget +hmget +hgetall +hset \
                  +hincrby +hdel +xadd +xrange +xread";
    let words = ["ACL", "SETUSER", "u", "on", ">w"].into_iter().chain(rights.split(' '));
    assert_eq!(server.ask(&words.collect::<Vec<_>>()), "+OK");
    let url = format!("redis://u:w@127.0.0.1:{}", server.port);
    let open = |prefix: &str| {
        let tier = RedisTier::builder(&url).prefix(prefix);
        tier.deadline(super::PATIENCE).connect_timeout(super::PATIENCE)
    };
    let (tier, builder, _hand) = over(open("p:"));
    let cache = builder.build().unwrap();
    cache.insert(text("a"), text("1"));
    cache.insert(text("b"), text("1"));
    assert_eq!(cache.get("a"), Some(text("1")));
    cache.remove("a").unwrap();
    cache.invalidate_tag("t").unwrap();
    assert_eq!((cache.get("a"), cache.get("b")), (None, Some(text("1"))));
    let other = open("p:").build().unwrap();
    let heard = Heard::by(&other);
    open("p:").build().unwrap().remove(b"x").unwrap();
    heard.until(|heard| heard.keys().contains(&b"x".to_vec()));
    let since = other.since();
    assert_eq!(other.fill(b"x", b"1", PutTerms::default(), since).unwrap(), Put::Stored);
    tier.announce(&Scope::Tag("t".into())).unwrap();
    assert_eq!(tier.get_many(&[b"y"]).unwrap(), [None]);
    assert!(!tier.contains(b"y").unwrap());
    tier.clear().unwrap();
    assert_eq!((cache.get("b"), tier.stats().errors, other.stats().errors), (None, 0, 0));
    let error = open("q:").build().unwrap().get(b"a", &mut Vec::new()).unwrap_err();
    assert!(matches!(super::faults::why(&error), RemoteError::Denied { .. }), "{error:?}");
}

#[test]
fn settings_that_cannot_be_are_refused_without_telling_the_password() {
    let of =
        |builder: perf_cache::remote::RedisTierBuilder| builder.build().unwrap_err().to_string();
    let good = || RedisTier::builder("redis://user:tellnobody@127.0.0.1:1");
    assert!(of(RedisTier::builder("http://user:tellnobody@host")).starts_with("`url` cannot be"));
    assert!(!of(RedisTier::builder("http://user:tellnobody@host")).contains("tellnobody"));
    assert!(of(good().deadline(Duration::ZERO)).starts_with("`deadline`"));
    assert!(of(good().connect_timeout(Duration::ZERO)).starts_with("`connect_timeout`"));
    assert!(of(good().max_time_to_live(Duration::ZERO)).starts_with("`max_time_to_live`"));
    assert!(of(good().max_value(ByteSize::from_bytes(0))).starts_with("`max_value`"));
    assert!(of(good().jitter(Ratio::ONE)).starts_with("`jitter`"));
    assert!(of(good().stale_window(Duration::from_millis(999))).starts_with("`stale_window`"));
    assert!(of(good().prefix("a{b}")).starts_with("`prefix`"));
    assert!(of(good().prefix("")).starts_with("`prefix`"));
    assert!(!format!("{:?}", good()).contains("tellnobody"));
    // The server need not be there.
    let tier = good().build().unwrap();
    let said = format!("{tier:?} {:?}", tier.get(b"a", &mut Vec::new()).unwrap_err());
    assert!(!said.contains("tellnobody"), "{said}");
}
