//! Knobs, the switch, and what builders refuse.

use crate::site::{FRESH, Site, TEXT, long_text, reply};
use perf_core::{ByteSize, KnobValue, Observe, Tune, Turn};
use perf_http::{Hygiene, ResponseCache};
use std::collections::HashSet;
use std::time::Duration;

#[test]
fn knobs_keep_their_contract() {
    let cache = ResponseCache::builder().build().unwrap();
    perf_core::assert_tune_contract(&cache);
    perf_core::assert_tune_contract(&cache.memory());
    let knobs: Vec<String> = cache.knobs().iter().map(|knob| knob.id.to_string()).collect();
    assert_eq!(knobs, ["enabled", "default_ttl", "max_object", "brotli_level"]);
}

#[test]
fn knobs_move_signals_that_there_are() {
    let cache = ResponseCache::builder().build().unwrap();
    let mut names = HashSet::new();
    cache.observe(&mut |signal| {
        names.insert(signal.name.to_owned());
    });
    for knob in cache.knobs() {
        for effect in &knob.moves {
            assert!(names.contains(&*effect.signal), "{} moves {}", knob.id, effect.signal);
        }
    }
}

fn turn(site: &Site, knob: &'static str, to: KnobValue) {
    site.cache.turn(Turn { knob: knob.into(), to, expect: None }).unwrap();
}

#[tokio::test]
async fn one_switch_turns_all_of_it_off_and_on() {
    let site = Site::new(|_, call| reply(&[FRESH, TEXT], format!("{call} {}", long_text())));
    site.get("/").await;
    turn(&site, "enabled", KnobValue::Switch(false));
    assert!(!site.cache.is_enabled());
    let off = site.get_with("/", &[("accept-encoding", "br")]).await;
    assert_eq!(off.cache(), "fwd=bypass");
    assert!(off.text().starts_with("2 "));
    site.ask("DELETE", "/", &[]).await;
    turn(&site, "enabled", KnobValue::Switch(true));
    assert!(site.get("/").await.text().starts_with("4 "), "it was invalidated while off");
}

#[tokio::test]
async fn a_lifetime_and_a_size_can_be_turned_while_it_works() {
    let site = Site::new(|_, _| reply(&[TEXT], long_text()));
    site.get("/").await;
    assert!(site.cache.memory().is_empty());
    turn(&site, "default_ttl", KnobValue::Duration(Duration::from_secs(9)));
    site.get("/a").await;
    assert!(site.get("/a").await.is_hit());
    turn(&site, "max_object", KnobValue::Bytes(ByteSize::kib(1)));
    site.get("/b").await;
    assert!(!site.get("/b").await.is_hit());
}

#[test]
fn builders_say_no_with_the_value_and_the_remedy() {
    let build = ResponseCache::builder;
    let cases = [
        (build().brotli_level(12).build(), "`brotli_level` cannot be 12: use 0 to 11"),
        (build().zstd_level(0).build(), "`zstd_level` cannot be 0: use 1 to 19"),
        (build().gzip_level(10).build(), "`gzip_level` cannot be 10: use 1 to 9"),
        (
            build().name("a b").build(),
            "`name` cannot be \"a b\": use letters, digits and -._, a letter first",
        ),
        (
            build().max_object(ByteSize::from_bytes(1)).build(),
            "`max_object` cannot be 1 B: use 1 KiB to 1 GiB",
        ),
    ];
    for (built, wanted) in cases {
        assert_eq!(built.unwrap_err().to_string(), wanted);
    }
    assert!(build().capacity(ByteSize::from_bytes(0)).build().is_err());
    assert!(build().default_ttl(Duration::MAX).build().is_err());
    assert!(Hygiene::new("two words").is_err());
}
