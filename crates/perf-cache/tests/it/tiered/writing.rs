//! When values reach the tiers beyond memory.

use super::store::Store;
use super::{prompt, text, waiting};
use perf_cache::tiered::{CloseReport, WritePolicy};
use perf_core::ByteSize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn behind(bytes: u64) -> WritePolicy {
    let max_age = Duration::from_secs(3_600);
    WritePolicy::Behind { max_bytes: ByteSize::from_bytes(bytes), max_age }
}

#[test]
fn through_is_there_when_the_call_returns() {
    for of in [prompt, waiting] {
        let store = Store::new();
        let cache = of(&store).0.build().unwrap();
        cache.insert(text("a"), text("1"));
        assert_eq!(store.values(), 1);
        assert_eq!(cache.get_with(text("b"), || text("2")), "2");
        assert_eq!(store.values(), 2);
    }
}

#[test]
fn behind_waits_coalesces_and_is_read_meanwhile() {
    for of in [prompt, waiting] {
        let store = Store::new();
        let builder = of(&store).0.write(behind(1 << 20));
        let cache = builder.without_memory().build().unwrap();
        for n in 0..10 {
            cache.insert(text("a"), n.to_string());
        }
        assert_eq!(store.values(), 0);
        assert_eq!(cache.get("a"), Some(text("9")), "from what waits");
        assert!(cache.stats().waiting_bytes > 0);
        cache.flush();
        assert_eq!((store.values(), store.puts.load(Ordering::SeqCst)), (1, 1));
        assert_eq!((cache.stats().waiting_bytes, cache.stats().tiers[0].coalesced), (0, 9));
        assert_eq!(cache.get("a"), Some(text("9")));
    }
}

#[test]
fn nothing_waits_to_be_flushed_after_the_end() {
    let store = Store::new();
    let cache = prompt(&store).0.write(behind(1 << 20)).build().unwrap();
    cache.insert(text("a"), text("1"));
    assert!(cache.close().is_clean());
    cache.flush();
    assert_eq!(store.values(), 1);
}

#[test]
fn behind_writes_what_has_waited_long_enough() {
    let store = Store::new();
    let (builder, hand) = prompt(&store);
    let cache = builder.write(behind(1 << 20)).build().unwrap();
    cache.insert(text("a"), text("1"));
    hand.advance(Duration::from_secs(3_600));
    while store.values() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(cache.stats().waiting_bytes, 0);
}

#[test]
fn a_removal_overtakes_what_waits() {
    for of in [prompt, waiting] {
        let store = Store::new();
        let cache = of(&store).0.write(behind(1 << 20)).build().unwrap();
        cache.insert(text("a"), text("old"));
        cache.flush();
        cache.insert(text("a"), text("new"));
        assert!(cache.remove("a").unwrap());
        assert_eq!(store.values(), 0, "before it returns");
        assert_eq!(cache.get("a"), None);
        assert!(cache.close().is_clean());
        assert_eq!(store.values(), 0);
    }
}

#[test]
fn what_finds_no_room_is_counted_and_nothing_older_is_answered_instead() {
    let store = Store::new();
    // Nothing is half full, so nothing is written before it is due.
    let cache = prompt(&store).0.write(behind(200)).without_memory().build().unwrap();
    cache.insert(text("a"), text("old"));
    cache.flush();
    assert_eq!(store.values(), 1);
    cache.insert(text("a"), "x".repeat(300));
    let lost = cache.stats().lost;
    assert_eq!((lost[0].cause, lost[0].values), ("buffer_full", 1));
    assert_eq!((cache.get("a"), store.values()), (None, 0));
}

#[test]
fn every_value_of_a_writer_that_never_waits_is_found_or_counted() {
    let store = Store::new();
    let cache = waiting(&store).0.write(behind(64 << 10)).without_memory().build().unwrap();
    const VALUES: u64 = 5_000;
    for n in 0..VALUES {
        cache.insert(n.to_string(), "v".repeat(100));
    }
    cache.flush();
    let found = (0..VALUES).filter(|n| cache.get(&n.to_string()).is_some()).count() as u64;
    let lost: u64 = cache.stats().lost.iter().map(|lost| lost.values).sum();
    assert_eq!(found + lost, VALUES);
    assert_eq!(store.values() as u64, found);
}

#[test]
fn closing_writes_what_waits_and_reports_it_once() {
    for of in [prompt, waiting] {
        let store = Store::new();
        let told: Arc<Mutex<Vec<CloseReport>>> = Arc::default();
        let log = Arc::clone(&told);
        let builder = of(&store).0.write(behind(1 << 20));
        let builder = builder.on_close(move |report| log.lock().unwrap().push(report.clone()));
        let cache = builder.build().unwrap();
        (0..10).for_each(|n: u64| cache.insert(n.to_string(), text("v")));
        let report = cache.close();
        assert_eq!((report.written, report.is_clean()), (10, true));
        assert_eq!(store.values(), 10);
        assert_eq!(cache.close().written, 10, "the same report");
        // It goes on in memory, and says what it does not store.
        cache.insert(text("late"), text("1"));
        assert_eq!(cache.get("late"), Some(text("1")));
        assert_eq!(cache.stats().lost[0].cause, "closed");
        assert_eq!(cache.remove("late").unwrap_err().cause(), "closed");
        drop(cache);
        assert_eq!(told.lock().unwrap().len(), 1);
    }
}

#[test]
fn dropping_the_last_handle_writes_what_it_can_and_says_so() {
    let store = Store::new();
    let told: Arc<Mutex<Vec<CloseReport>>> = Arc::default();
    let log = Arc::clone(&told);
    let builder = waiting(&store).0.write(behind(1 << 20));
    let builder = builder.on_close(move |report| log.lock().unwrap().push(report.clone()));
    let cache = builder.build().unwrap();
    let other = cache.clone();
    cache.insert(text("a"), text("1"));
    drop(cache);
    assert_eq!(store.values(), 0);
    drop(other);
    assert_eq!(store.values(), 1);
    assert_eq!(told.lock().unwrap()[0].written, 1);
}

#[test]
fn a_load_that_ends_after_the_close_is_answered_and_not_stored() {
    let store = Store::new();
    let cache = waiting(&store).0.build().unwrap();
    let made = cache.get_with(text("a"), || {
        assert!(cache.close().is_clean());
        text("1")
    });
    assert_eq!((made.as_str(), store.values()), ("1", 0));
    assert_eq!(cache.get("a"), Some(text("1")), "in memory");
}

#[test]
fn puts_that_race_the_end_are_stored_or_counted() {
    const EACH: u64 = 400;
    for of in [prompt, waiting] {
        for policy in [WritePolicy::Through, behind(1 << 20)] {
            let store = Store::new();
            let cache = of(&store).0.write(policy).without_memory().build().unwrap();
            std::thread::scope(|scope| {
                for writer in 0..2 {
                    let cache = &cache;
                    scope.spawn(move || {
                        (0..EACH).for_each(|n| cache.insert(format!("{writer} {n}"), text("v")));
                    });
                }
                while store.puts.load(Ordering::SeqCst) + cache.stats().waiting_bytes < 50 {
                    std::thread::yield_now();
                }
                let _ = cache.close();
            });
            let lost: u64 = cache.stats().lost.iter().map(|lost| lost.values).sum();
            assert_eq!(store.values() as u64 + lost, 2 * EACH, "{policy:?}");
            assert_eq!(cache.stats().waiting_bytes, 0);
        }
    }
}
