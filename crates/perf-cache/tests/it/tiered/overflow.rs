//! What memory lets go of, and when a tier gets it.

use super::store::Store;
use super::{Texts, prompt, text};
use perf_cache::Cache;
use perf_cache::codec::Compression;
use perf_cache::tiered::Strategy;
use perf_core::{ByteSize, KnobValue, Tune, Turn};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Memory for four.
fn small(store: &Arc<Store>) -> Texts {
    let memory = Cache::builder().max_entries(4).insight(false);
    prompt(store).0.memory(memory).compression(Compression::None).build().unwrap()
}

/// Has everything make room that memory holds.
fn press_out(cache: &Texts) {
    for n in 0..40 {
        cache.insert_with(format!("other {n}"), text(""), Strategy::Memory);
    }
}

#[test]
fn what_a_tier_holds_for_sure_is_not_looked_for_again() {
    let store = Store::new();
    let cache = small(&store);
    cache.insert(text("first"), text("0"));
    cache.insert(text("written"), text("1"));
    cache.insert(text("read"), text("2"));
    press_out(&cache);
    assert_eq!(cache.get_entry("read").unwrap().tier, Some("disk"));
    let calls = store.calls.load(Ordering::SeqCst);
    press_out(&cache);
    // The values that lie in memory alone are removed beyond it.
    assert_eq!(store.calls.load(Ordering::SeqCst) - calls, 40);
    assert_eq!(cache.stats().tiers[0].overflowed, 0);
    assert_eq!(cache.get("written"), Some(text("1")));
}

#[test]
fn what_a_tier_did_not_take_it_gets_when_memory_lets_go_of_it() {
    let store = Store::new();
    let cache = small(&store);
    cache.insert(text("first"), text("0"));
    store.is_full.store(true, Ordering::SeqCst);
    cache.insert(text("a"), text("1"));
    assert_eq!(store.values(), 1);
    store.is_full.store(false, Ordering::SeqCst);
    press_out(&cache);
    assert_eq!(store.values(), 2);
    let entry = cache.get_entry("a").unwrap();
    assert_eq!((entry.value.as_str(), entry.tier), ("1", Some("disk")));
    assert!(cache.stats().tiers[0].overflowed >= 1);
}

#[test]
fn what_a_tier_may_have_dropped_it_gets_again() {
    let store = Store::new();
    let cache = small(&store);
    cache.insert(text("first"), text("0"));
    cache.insert(text("a"), text("1"));
    let knob = cache.knobs().into_iter().find(|knob| knob.id == "disk_capacity").unwrap();
    let to = KnobValue::Bytes(ByteSize::mib(70));
    let turn = Turn { knob: knob.id, to, expect: None };
    cache.turn(turn).unwrap();
    store.drop_values();
    press_out(&cache);
    assert_eq!(store.values(), 2, "the bound was moved: nothing is known");

    cache.insert(text("b"), text("2"));
    store.drop_values();
    // A quarter of the bound.
    for _ in 0..18 {
        cache.insert_with(text("large"), "x".repeat(1 << 20), Strategy::Disk);
    }
    press_out(&cache);
    assert_eq!(cache.get_entry("b").unwrap().tier, Some("disk"));
}
