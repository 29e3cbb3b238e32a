//! Threads that record at once, end, and are followed by others.

use perf_core::{Counter, Histogram, StripedHistogram};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The values of one thread, of every magnitude.
fn values(seed: u64, count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |i| {
        let mixed = (seed << 32 | i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed >> (mixed & 63)
    })
}

#[test]
fn nothing_is_lost_while_threads_come_and_go() {
    let (shared, counter) = (StripedHistogram::new(), Counter::new());
    let mut exact = Histogram::new();
    for generation in 0..20 {
        thread::scope(|scope| {
            for t in 0..8 {
                let (shared, counter) = (&shared, &counter);
                scope.spawn(move || {
                    for v in values(generation * 8 + t, 500) {
                        shared.record(v);
                        counter.add(v);
                    }
                });
            }
        });
        (0..8).for_each(|t| values(generation * 8 + t, 500).for_each(|v| exact.record(v)));
        assert_eq!(shared.snapshot(), exact);
        assert_eq!(counter.get(), exact.sum() as u64);
    }
}

#[test]
fn threads_beyond_the_last_stripe_share_one() {
    const THREADS: u64 = 300;
    let (shared, counter) = (StripedHistogram::new(), Counter::new());
    let all_alive = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for t in 0..THREADS {
            let (shared, counter, all_alive) = (&shared, &counter, &all_alive);
            scope.spawn(move || {
                counter.increment();
                all_alive.wait(); // From here on every stripe has an owner.
                values(t, 50).for_each(|v| shared.record(v));
                counter.increment();
                all_alive.wait();
            });
        }
    });
    let mut exact = Histogram::new();
    (0..THREADS).for_each(|t| values(t, 50).for_each(|v| exact.record(v)));
    assert_eq!(shared.snapshot(), exact);
    assert_eq!(counter.get(), 2 * THREADS);
}

#[test]
fn a_snapshot_during_recording_is_sound_and_never_shrinks() {
    let (shared, counter, done) = (StripedHistogram::new(), Counter::new(), AtomicBool::new(false));
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            // The sum passes 2^64 every other value.
            for i in 0..20_000_u64 {
                shared.record(u64::MAX - i);
                counter.increment();
            }
            done.store(true, Ordering::Release);
        });
        let (mut earlier, mut counted) = (Histogram::new(), 0);
        while !done.load(Ordering::Acquire) {
            let now = shared.snapshot();
            let window = now.minus(&earlier);
            assert_eq!(window.count(), now.count() - earlier.count());
            assert!(now.sum() >= earlier.sum());
            assert!(now.sum() >= u128::from(now.count()) * u128::from(u64::MAX - 20_000));
            assert!(now.min().is_none_or(|min| min >= u64::MAX - 20_000));
            assert!(counter.get() >= counted);
            (earlier, counted) = (now, counter.get());
        }
        writer.join().unwrap();
    });
    let all = shared.snapshot();
    assert_eq!(all.count(), 20_000);
    assert_eq!(all.sum(), 20_000 * u128::from(u64::MAX) - (0..20_000_u128).sum::<u128>());
    assert_eq!(counter.get(), 20_000);
}

#[test]
fn values_recorded_while_a_thread_ends_are_kept() {
    static SHARED: StripedHistogram = StripedHistogram::new();
    struct RecordsAtTheEnd;
    impl Drop for RecordsAtTheEnd {
        fn drop(&mut self) {
            SHARED.record(2);
        }
    }
    thread_local!(static LAST: RecordsAtTheEnd = const { RecordsAtTheEnd });
    let first_then_own = thread::spawn(|| {
        LAST.with(|_| ());
        SHARED.record(1);
    });
    let own_then_last = thread::spawn(|| {
        SHARED.record(1);
        LAST.with(|_| ());
    });
    let only_at_the_end = thread::spawn(|| LAST.with(|_| ()));
    for thread in [first_then_own, own_then_last, only_at_the_end] {
        thread.join().unwrap();
    }
    assert_eq!((SHARED.snapshot().count(), SHARED.snapshot().sum()), (5, 8));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn the_striped_form_holds_what_the_plain_one_holds(
        threads in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..40), 1..6),
    ) {
        let shared = StripedHistogram::new();
        thread::scope(|scope| {
            for values in &threads {
                scope.spawn(|| values.iter().for_each(|v| shared.record(*v)));
            }
        });
        let mut plain = Histogram::new();
        threads.iter().flatten().for_each(|v| plain.record(*v));
        prop_assert_eq!(shared.snapshot(), plain);
    }
}
