//! Tiers that fail, hang, refuse, and hold what nobody can read.

use super::store::Store;
use super::{builder, prompt, text, waiting};
use perf_cache::Terms;
use perf_cache::tiered::{BreakerState, WhenBusy};
use perf_core::Clock;
use std::sync::atomic::Ordering;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_tier_that_fails_is_passed_by_and_comes_back_without_what_it_missed() {
    for of in [prompt, waiting] {
        let store = Store::new();
        let (builder, hand) = of(&store);
        let cache = builder.without_memory().build().unwrap();
        cache.insert(text("a"), text("old"));
        cache.insert(text("b"), text("other"));
        cache.insert_with(text("c"), text("tagged"), Terms::new().tags(["t"]));
        store.fails.store(true, Ordering::SeqCst);
        for n in 0..10 {
            assert_eq!(cache.get_with(n.to_string(), || text("made")), "made");
        }
        assert_eq!(cache.stats().tiers[0].breaker, BreakerState::Open);
        let calls = store.calls.load(Ordering::SeqCst);
        cache.insert(text("a"), text("new"));
        assert!(cache.remove("b").is_err() && cache.invalidate_tag("t").is_err());
        assert_eq!(cache.get("a"), None);
        assert_eq!(store.calls.load(Ordering::SeqCst), calls, "it was passed by");
        assert!(cache.stats().parked >= 3);

        // It is well again, and has been told nothing yet.
        store.fails.store(false, Ordering::SeqCst);
        hand.advance(5 * SECOND);
        assert_eq!((cache.get("a"), cache.get("b"), cache.get("c")), (None, None, None));
        cache.insert(text("d"), text("4"));
        assert_eq!(cache.get("d"), Some(text("4")));
        assert!(cache.close().is_clean());
        let next = of(&store.restarted()).0.build().unwrap();
        let there = ["a", "b", "c", "d"].map(|key| next.get(key).is_some());
        assert_eq!(there, [false, false, false, true]);
    }
}

#[test]
fn a_tier_that_hangs_costs_its_deadline_once() {
    let store = Store::new();
    let (builder, hand) = waiting(&store);
    let builder = builder.deadline(SECOND).retry_after(1_000_000 * SECOND).without_memory();
    let cache = builder.build().unwrap();
    cache.insert(text("a"), text("1"));
    store.blocks.store(true, Ordering::SeqCst);
    store.hang(true);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| cache.get_with(text("a"), || text("made")));
        while cache.stats().tiers[0].waited < 1 {
            std::thread::yield_now();
        }
        assert!(!asking.is_finished());
        // The wait has a deadline only when it has begun.
        while !asking.is_finished() {
            hand.advance(SECOND / 10);
            std::thread::yield_now();
        }
        assert_eq!(asking.join().unwrap(), "made");
    });
    let stats = cache.stats();
    assert_eq!((stats.tiers[0].timed_out, stats.tiers[0].breaker), (1, BreakerState::Open));
    // Nobody waits for it any more; the clock stands still.
    assert_eq!(cache.get_with(text("b"), || text("2")), "2");
    cache.insert(text("c"), text("3"));
    assert!(cache.remove("a").is_err());
    store.hang(false);
}

#[test]
fn a_removal_that_hangs_ends_at_the_deadline_and_holds_in_this_process() {
    let store = Store::new();
    let (builder, hand) = waiting(&store);
    let cache = builder.deadline(SECOND).retry_after(1_000_000 * SECOND).build().unwrap();
    cache.insert(text("a"), text("1"));
    store.hang(true);
    let before = store.entered.load(Ordering::SeqCst);
    let timed_out = std::thread::scope(|scope| {
        let removing = scope.spawn(|| cache.remove("a"));
        // One that the deadline finds before the store does is never made.
        while store.entered.load(Ordering::SeqCst) == before {
            std::thread::yield_now();
        }
        while !removing.is_finished() {
            hand.advance(SECOND / 10);
            std::thread::yield_now();
        }
        removing.join().unwrap()
    });
    assert_eq!(timed_out.unwrap_err().cause(), "timed_out");
    assert_eq!(cache.get("a"), None);
    store.hang(false);
    while store.values() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(cache.get("a"), None);
}

#[test]
fn a_value_that_cannot_be_read_is_a_miss_that_is_counted_and_mended() {
    let store = Store::new();
    let cache = prompt(&store).0.without_memory().build().unwrap();
    cache.insert(text("a"), text("a text of some length"));
    store.spoil();
    assert_eq!(cache.get("a"), None);
    let stats = cache.stats();
    assert_eq!((stats.tiers[0].undecodable, stats.tiers[0].misses, stats.misses), (1, 1, 1));
    assert_eq!(cache.get_with(text("a"), || text("made")), "made");
    assert_eq!(cache.get("a"), Some(text("made")));
}

#[test]
fn a_put_that_is_refused_leaves_nothing_older() {
    for of in [prompt, waiting] {
        let store = Store::new();
        let cache = of(&store).0.without_memory().build().unwrap();
        cache.insert(text("a"), text("old"));
        store.is_full.store(true, Ordering::SeqCst);
        cache.insert(text("a"), text("new"));
        assert_eq!((cache.get("a"), store.values()), (None, 0));
        let lost = cache.stats().lost;
        assert_eq!((lost[0].cause, lost[0].values), ("refused", 1));
        assert_eq!(cache.stats().tiers[0].breaker, BreakerState::Closed);
    }
}

#[test]
fn too_many_readers_are_misses_or_wait_as_was_chosen() {
    for when_busy in [WhenBusy::Miss, WhenBusy::Wait] {
        let store = Store::new();
        let builder = builder().disk(store.clone()).clock(Clock::system());
        let cache = builder
            .without_memory()
            .threads(1)
            .max_waiting(1, when_busy)
            .deadline(60 * SECOND)
            .build()
            .unwrap();
        (0..4).for_each(|n: u64| cache.insert(n.to_string(), text("there")));
        store.blocks.store(true, Ordering::SeqCst);
        store.hang(true);
        let before = store.entered.load(Ordering::SeqCst);
        let found = std::thread::scope(|scope| {
            let reads: Vec<_> = (0..4)
                .map(|n: u64| {
                    let cache = &cache;
                    let read = scope.spawn(move || cache.get(&n.to_string()).is_some());
                    while cache.stats().tiers[0].waited <= n {
                        std::thread::yield_now();
                    }
                    // The first has the thread, so that there is a place for one more.
                    while store.entered.load(Ordering::SeqCst) == before {
                        std::thread::yield_now();
                    }
                    read
                })
                .collect();
            if when_busy == WhenBusy::Miss {
                while cache.stats().busy < 2 {
                    std::thread::yield_now();
                }
            }
            store.hang(false);
            reads.into_iter().map(|read| read.join().unwrap()).filter(|found| *found).count()
        });
        let expected = if when_busy == WhenBusy::Miss { 2 } else { 4 };
        assert_eq!(found, expected, "{when_busy:?}");
    }
}

#[test]
fn a_tier_whose_records_cannot_be_read_answers_nothing_older() {
    let store = Store::new();
    let cache = prompt(&store).0.build().unwrap();
    cache.insert_with(text("a"), text("1"), Terms::new().tags(["t"]));
    assert!(cache.invalidate_tag("t").is_ok());
    cache.insert(text("b"), text("2"));
    let broken = store.crashed();
    broken.fails.store(true, Ordering::SeqCst);
    let (builder, hand) = prompt(&broken);
    let next = builder.build().unwrap();
    broken.fails.store(false, Ordering::SeqCst);
    hand.advance(5 * SECOND);
    assert_eq!((next.get("a"), next.get("b")), (None, None));
    next.insert(text("c"), text("3"));
    assert_eq!(prompt(&broken.crashed()).0.build().unwrap().get("c"), Some(text("3")));
}

#[test]
fn closing_over_a_tier_that_hangs_ends_in_time_and_says_what_is_left() {
    let store = Store::new();
    let (builder, hand) = waiting(&store);
    let builder = builder.deadline(SECOND).threads(1).max_waiting(2, WhenBusy::Miss);
    let cache = builder.close_within(10 * SECOND).build().unwrap();
    cache.insert(text("a"), text("1"));
    store.hang(true);
    let report = std::thread::scope(|scope| {
        let closing = scope.spawn(|| {
            for n in 0..6 {
                assert!(cache.remove(&n.to_string()).is_err());
            }
            cache.close()
        });
        while !closing.is_finished() {
            hand.advance(SECOND / 10);
            std::thread::yield_now();
        }
        closing.join().unwrap()
    });
    assert!(!report.is_clean() && !report.errors.is_empty(), "{report}");
    store.hang(false);
}

#[test]
fn removals_that_could_not_be_made_are_made_when_the_tier_is_well_though_nobody_writes() {
    for of in [prompt, waiting] {
        let store = Store::new();
        let (builder, hand) = of(&store);
        let cache = builder.build().unwrap();
        for n in 0..700 {
            cache.insert(n.to_string(), text("old"));
        }
        store.fails.store(true, Ordering::SeqCst);
        for n in 0..700 {
            assert!(cache.remove(&n.to_string()).is_err());
            assert!(cache.remove(&n.to_string()).is_err(), "again, which is the same");
        }
        assert_eq!(cache.stats().parked, 700);
        // In vain, once: then the breaker is open for as long again.
        let calls = store.calls.load(Ordering::SeqCst);
        hand.advance(5 * SECOND);
        while store.calls.load(Ordering::SeqCst) == calls {
            std::thread::yield_now();
        }
        store.fails.store(false, Ordering::SeqCst);
        while cache.stats().parked > 0 || store.values() > 0 {
            hand.advance(SECOND);
            std::thread::yield_now();
        }
        assert!(cache.close().is_clean());
    }
}

#[test]
fn who_waits_for_a_place_waits_no_longer_than_for_the_tier() {
    let store = Store::new();
    let (builder, hand) = waiting(&store);
    let cache = builder
        .without_memory()
        .threads(1)
        .max_waiting(1, WhenBusy::Wait)
        .deadline(SECOND)
        .retry_after(1_000_000 * SECOND)
        .build()
        .unwrap();
    store.blocks.store(true, Ordering::SeqCst);
    store.hang(true);
    std::thread::scope(|scope| {
        let reads: Vec<_> = (0..3)
            .map(|n: u64| {
                let cache = &cache;
                let read = scope.spawn(move || cache.get(&n.to_string()));
                while cache.stats().tiers[0].waited <= n {
                    std::thread::yield_now();
                }
                read
            })
            .collect();
        for read in reads {
            while !read.is_finished() {
                hand.advance(SECOND / 10);
                std::thread::yield_now();
            }
            assert_eq!(read.join().unwrap(), None);
        }
    });
    assert_eq!(cache.stats().busy, 1);
    store.hang(false);
}
