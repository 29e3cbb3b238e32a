//! Many keys in one call.

use super::server::Server;
use super::{over, patient};
use crate::tiered::text;
use perf_cache::Terms;
use perf_cache::disk::{Put, PutTerms};
use perf_cache::tiered::{Fetched, OuterTier, Scope, SharedTier};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_cache_asks_for_many_keys_in_one_round_trip() {
    let Some(server) = Server::start() else { return };
    let (tier, builder, _hand) = over(patient(&server));
    let cache = builder.build().unwrap();
    let keys: Vec<String> = (0..150).map(|n| n.to_string()).collect();
    for key in keys.iter().step_by(2) {
        cache.insert_with(key.clone(), key.clone(), Terms::new().time_to_live(MINUTE));
    }
    // What is put in asks by itself.
    let asked = server.calls("get");
    let found = cache.get_many(keys.iter().map(String::as_str));
    for (nth, (key, found)) in keys.iter().zip(found).enumerate() {
        assert_eq!(found.as_ref(), (nth % 2 == 0).then_some(key));
    }
    // 64 keys at a time.
    assert_eq!((server.calls("mget"), server.calls("pttl")), (3, 150));
    assert_eq!(server.calls("get"), asked);
    assert_eq!(tier.stats().errors, 0);
    cache.invalidate_namespace("5").unwrap();
    cache.remove("2").unwrap();
    let some = cache.get_many(["0", "2", "4"]);
    assert_eq!(some, [Some(text("0")), None, Some(text("4"))]);
}

#[test]
fn a_batch_says_of_each_what_is_left_and_how_old_it_is() {
    let Some(server) = Server::start() else { return };
    let tier = patient(&server).build().unwrap();
    let names: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let keys: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    assert!(tier.fetches_many());
    assert!(tier.fetch_many(&keys).unwrap().iter().all(|(found, _)| *found == Fetched::Missing));
    let asked = server.calls("mget");
    assert_eq!(asked, 3, "128 at a time");
    for key in &keys[..200] {
        assert_eq!(tier.put(key, key, PutTerms::until(PutTerms::NEVER)).unwrap(), Put::Stored);
    }
    let other = patient(&server).build().unwrap();
    let last = other.announce(&Scope::Tag("t".into())).unwrap();
    for (nth, (found, bytes)) in tier.fetch_many(&keys).unwrap().into_iter().enumerate() {
        let mut alone = Vec::new();
        let single = tier.fetch(keys[nth], &mut alone).unwrap();
        match (found, single) {
            (Fetched::FoundSince(left, number), Fetched::FoundSince(later, same)) => {
                assert!(left >= later && left <= 720 * 60 * MINUTE, "{left:?} {later:?}");
                assert_eq!((number, bytes), (same, alone));
                assert!(nth < 200 && number < last);
            }
            (Fetched::Missing, Fetched::Missing) => assert!(nth >= 200 && bytes.is_empty()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tier.since().number, last, "the news come first");
    tier.clear().unwrap();
    assert!(tier.fetch_many(&keys).unwrap().iter().all(|(found, _)| *found == Fetched::Missing));
    tier.close().unwrap();
    assert_eq!(tier.fetch_many(&keys).unwrap_err().cause(), "closed");
}
