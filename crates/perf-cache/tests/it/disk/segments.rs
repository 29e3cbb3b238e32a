//! How the log store fills its files and gives them up.

use perf_cache::disk::conformance::{Random, Scratch};
use perf_cache::disk::{DiskStore, LogStore, LogStoreBuilder, Put, PutTerms, RefusedBecause};
use perf_core::{ByteSize, Clock, Ratio};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

fn builder(dir: &Path) -> LogStoreBuilder {
    LogStore::builder(dir).max_bytes(ByteSize::mib(1)).segment_bytes(ByteSize::kib(32))
}

fn put(store: &LogStore, key: u64, len: usize) {
    put_until(store, key, len, PutTerms::NEVER);
}

fn put_until(store: &LogStore, key: u64, len: usize, expires_at: u64) {
    let value = Random::new(key).bytes(len);
    let put = store.put(&key.to_le_bytes(), &value, PutTerms::until(expires_at)).unwrap();
    assert_eq!(put, Put::Stored);
}

fn len(store: &LogStore, key: u64) -> Option<u32> {
    store.get(&key.to_le_bytes(), &mut Vec::new()).unwrap().map(|stored| stored.len)
}

fn files(dir: &Path) -> usize {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().ends_with(".seg")).count()
}

#[test]
fn files_never_pass_the_bound() {
    let dir = Scratch::new("bound");
    let store = builder(dir.path()).open().unwrap();
    let mut random = Random::new(3);
    for step in 0..6_000 {
        let key = random.below(3_000);
        put(&store, key, random.below(3_000) as usize);
        if random.below(3) == 0 {
            len(&store, random.below(3_000));
        }
        if step % 16 == 0 {
            let usage = store.usage();
            assert!(usage.file_bytes <= usage.max_bytes, "{usage:?}");
        }
    }
    store.flush().unwrap();
    let usage = store.usage();
    let on_disk: u64 = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(on_disk.abs_diff(usage.file_bytes) < 64, "{on_disk}: {usage:?}");
    assert!(usage.evicted > 0 && usage.reinserted > 0, "{usage:?}");
    assert!(usage.live_bytes <= usage.file_bytes, "{usage:?}");
}

#[test]
fn what_is_read_outlives_what_is_not() {
    let dir = Scratch::new("hot");
    let share = Ratio::new(0.3).unwrap();
    let store = builder(dir.path()).reinsertion(share).open().unwrap();
    put(&store, 1, 500);
    put(&store, 2, 500);
    for key in 100..10_000 {
        put(&store, key, 500);
        if key % 100 == 0 {
            assert_eq!(len(&store, 1), Some(500), "at {key}");
        }
    }
    assert_eq!(len(&store, 2), None);
    let none = Scratch::new("not-hot");
    let store = builder(none.path()).reinsertion(Ratio::ZERO).open().unwrap();
    put(&store, 1, 500);
    for key in 100..5_000 {
        put(&store, key, 500);
        len(&store, 1);
    }
    assert_eq!((len(&store, 1), store.usage().reinserted), (None, 0));
}

#[test]
fn overwriting_a_few_does_not_evict_the_others() {
    let dir = Scratch::new("overwriting");
    let store = builder(dir.path()).open().unwrap();
    for key in 0..100 {
        put(&store, key, 3_000);
    }
    for round in 0..5_000 {
        put(&store, 1_000 + round % 10, 2_000);
    }
    store.flush().unwrap();
    let usage = store.usage();
    assert_eq!((usage.evicted, usage.entries), (0, 110), "{usage:?}");
    assert!((0..100).all(|key| len(&store, key) == Some(3_000)));
    assert!(usage.written_bytes < 2 * 5_000 * 2_100, "{usage:?}");
}

/// The value that ends must not uncover the older one that it overruled, whose file is still there.
#[test]
fn what_has_ended_goes_with_its_file_and_uncovers_nothing() {
    let dir = Scratch::new("ended");
    let (clock, hand) = Clock::manual();
    let now = clock.wall().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let builder = builder(dir.path()).clock(clock);
    let store = builder.clone().open().unwrap();
    for key in 0..20 {
        put(&store, key, 2_000);
    }
    // The later values of 10 to 19 are in a file of nothing but what ends.
    for key in (20..60).chain(10..20).chain(60..150) {
        put_until(&store, key, 1_999, now + 1_000);
    }
    for key in 200..240 {
        put(&store, key, 2_000);
    }
    store.flush().unwrap();
    let before = store.usage();
    hand.advance(Duration::from_secs(1));
    store.set_max_bytes(1 << 20);
    let after = store.usage();
    assert!(after.file_bytes + 200_000 < before.file_bytes, "{before:?} {after:?}");
    assert!(after.expired > 100 && after.evicted == 0, "{after:?}");
    let check = |store: &LogStore| {
        for key in 0..240 {
            let there = !(10..200).contains(&key);
            assert_eq!(len(store, key), there.then_some(2_000), "{key}");
        }
    };
    check(&store);
    store.close().unwrap();
    let store = builder.clone().open().unwrap();
    check(&store);
    assert_eq!(store.open_report().corrupt_bytes, 0);
    // Nor does a clock that is set back.
    drop(store);
    let (clock, _) = Clock::manual();
    let store = builder.clock(clock).open().unwrap();
    assert!((10..20).all(|key| len(&store, key) != Some(2_000)));
    assert!((0..10).all(|key| len(&store, key) == Some(2_000)));
}

/// As a killed process leaves it: without a footer of the last file, and without a marker.
#[test]
fn what_was_handed_to_the_system_is_found_without_a_footer() {
    let (dir, copy) = (Scratch::new("killed"), Scratch::new("killed-copy"));
    let store = builder(dir.path()).open().unwrap();
    for key in 0..300 {
        put(&store, key, 300);
    }
    for key in (0..300).step_by(3) {
        assert!(store.remove(&u64::to_le_bytes(key)).unwrap());
    }
    put(&store, 1_000, 300);
    store.flush().unwrap();
    for entry in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    for opening in 0..3 {
        let store = builder(copy.path()).open().unwrap();
        let report = store.open_report();
        assert_eq!((report.recovered, report.dropped, report.corrupt_bytes), (201, 0, 0));
        assert_eq!(report.clean_shutdown, opening > 0);
        assert!((0..300).all(|key| len(&store, key).is_some() != (key % 3 == 0)));
    }
}

/// Many short lives of a process do not leave as many files.
#[test]
fn a_small_file_is_gone_on_with() {
    let dir = Scratch::new("short-lives");
    for life in 0..40 {
        let store = builder(dir.path()).open().unwrap();
        assert_eq!(store.open_report().recovered, life);
        put(&store, life, 100);
    }
    assert_eq!(files(dir.path()), 1);
}

#[test]
fn a_put_is_written_soon_though_nobody_asks() {
    let dir = Scratch::new("soon");
    let store = builder(dir.path()).flush_interval(Duration::from_millis(1)).open().unwrap();
    put(&store, 1, 100);
    let began = Instant::now();
    while store.usage().written_bytes == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "never written");
        std::thread::yield_now();
    }
}

#[test]
fn what_is_pinned_can_be_replaced_when_no_more_can_be_pinned() {
    let dir = Scratch::new("replaced");
    let store = builder(dir.path()).open().unwrap();
    let pin = |key: u64| store.put(&key.to_le_bytes(), &[1; 2_000], PutTerms::pinned()).unwrap();
    let held = (0..1_000).take_while(|key| pin(*key) == Put::Stored).count() as u64;
    assert!((100..130).contains(&held), "{held}");
    for round in 0..500 {
        assert_eq!(pin(round % held), Put::Stored);
    }
    assert_eq!((store.usage().pinned, store.usage().evicted), (held, 0));
}

/// A file that cannot be taken away leaves no room: whoever waits for some is told.
#[test]
fn a_file_that_cannot_be_deleted_fails_the_puts() {
    let dir = Scratch::new("undeletable");
    let store = builder(dir.path()).open().unwrap();
    put(&store, 0, 20_000);
    put(&store, 1, 20_000);
    store.flush().unwrap();
    let first = dir.path().join(format!("{:016x}.seg", 1));
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();
    fs::write(first.join("in it"), b"").unwrap();
    let value = [1; 5_000];
    let failed = (2..1_000_u64)
        .find_map(|key| store.put(&key.to_le_bytes(), &value, PutTerms::default()).err());
    assert!(failed.is_some());
    assert!(store.usage().file_bytes <= store.usage().max_bytes);
    assert!(store.get(&500_u64.to_le_bytes(), &mut Vec::new()).is_ok());
}

/// Values are put, read, removed and cleared by some threads while another closes the store.
#[test]
fn closing_while_others_write_loses_nothing_that_was_taken() {
    for round in 0..20 {
        let dir = Scratch::new("closing-under-load");
        let store = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(64)).open().unwrap();
        let taken = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3_u64)
                .map(|thread| {
                    let store = &store;
                    let write = move || {
                        let keys = (0_u64..).map(|key| key * 3 + thread);
                        let put = |key: &u64| {
                            store.put(&key.to_le_bytes(), &[3; 300], PutTerms::default()).is_ok()
                        };
                        keys.take_while(put).count() as u64
                    };
                    scope.spawn(write)
                })
                .collect();
            while store.usage().entries < round * 100 {
                std::thread::yield_now();
            }
            store.close().unwrap();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        let store = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(64)).open().unwrap();
        assert!(store.open_report().clean_shutdown);
        assert_eq!(store.usage().entries, taken.iter().sum::<u64>());
    }
}

#[test]
fn a_store_whose_bound_was_lowered_far_still_holds_what_fits() {
    let dir = Scratch::new("lowered");
    let store = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(512)).open().unwrap();
    store.set_max_bytes(4 << 20);
    for key in 0..2_000 {
        put(&store, key, 1_000);
    }
    store.flush().unwrap();
    assert_eq!((store.usage().entries, store.usage().evicted), (2_000, 0));
}

#[test]
fn a_store_opened_with_a_lower_bound_keeps_to_it_at_once() {
    let dir = Scratch::new("opened-lower");
    let store = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(16)).open().unwrap();
    for key in 0..2_000 {
        put(&store, key, 3_000);
    }
    store.close().unwrap();
    let store = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(2)).open().unwrap();
    let usage = store.usage();
    assert!(usage.file_bytes <= 2 << 20, "{usage:?}");
    assert_eq!(usage.entries + usage.evicted, 2_000);
}

/// What stays is not written again and again to make room that it takes itself.
#[test]
fn what_is_pinned_beyond_a_bound_that_was_lowered_stays_and_the_rest_is_refused() {
    let dir = Scratch::new("crowded");
    let store = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(64)).open().unwrap();
    let pin = |key: u64| store.put(&key.to_le_bytes(), &[7; 10_000], PutTerms::pinned()).unwrap();
    let plain = || store.put(b"plain", &[1; 1_000], PutTerms::default()).unwrap();
    assert!((0..300).all(|key| pin(key) == Put::Stored));
    for key in 300..600 {
        put(&store, key, 10_000);
    }
    store.set_max_bytes(1 << 20);
    let before = store.usage();
    assert!(before.file_bytes < 4_500_000 && before.pinned == 300, "{before:?}");
    for _ in 0..100 {
        assert_eq!(plain(), Put::Refused(RefusedBecause::PinnedFull));
        store.flush().unwrap();
    }
    let after = store.usage();
    assert_eq!((after.refused, after.written_bytes), (100, before.written_bytes), "{after:?}");
    // What is pinned can be replaced and removed, and takes no more for it than a quarter.
    assert_eq!(pin(1_000), Put::Refused(RefusedBecause::PinnedFull));
    for round in 0..1_000 {
        assert_eq!(pin(round % 300), Put::Stored);
    }
    let replaced = store.usage();
    assert!(replaced.file_bytes < 4_500_000 && replaced.pinned == 300, "{replaced:?}");
    assert!(replaced.written_bytes - after.written_bytes < 80_000_000, "{replaced:?}");
    for key in 0..270_u64 {
        assert!(store.remove(&key.to_le_bytes()).unwrap());
    }
    assert_eq!(plain(), Put::Stored);
    store.flush().unwrap();
    assert!(store.usage().file_bytes <= 1 << 20, "{:?}", store.usage());
    assert!((270..300).all(|key| len(&store, key) == Some(10_000)));
    store.close().unwrap();
}
