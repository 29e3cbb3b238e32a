use super::*;
use perf_core::ByteSize;
use std::fs;
use std::time::Duration;
use tempfile::tempdir;

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::builder(directory).open().unwrap()
}

fn value(store: &SqliteStore, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    store.get(key, &mut value).unwrap().map(|_| value)
}

#[test]
fn what_was_put_is_there_after_closing() {
    let directory = tempdir().unwrap();
    let store = open(directory.path());
    assert!(store.open_report().clean_shutdown, "it is new");
    assert_eq!(store.put(b"a", b"1", PutTerms::default()).unwrap(), Put::Stored);
    assert_eq!(store.put(b"b", &[7; 100_000], PutTerms::pinned()).unwrap(), Put::Stored);
    assert!(store.remove(b"a").unwrap() && !store.remove(b"a").unwrap());
    assert_eq!(store.put(b"a", b"2", PutTerms::default()).unwrap(), Put::Stored);
    let report = store.close().unwrap();
    assert_eq!((report.entries, report.flushed_bytes), (2, 2));
    assert!(matches!(store.get(b"a", &mut Vec::new()), Err(DiskError::Closed)));
    assert_eq!(store.close().unwrap(), report);
    let store = open(directory.path());
    let found = store.open_report();
    assert!(found.clean_shutdown && (found.recovered, found.dropped) == (2, 0));
    assert_eq!(
        (value(&store, b"a"), value(&store, b"b")),
        (Some(vec![b'2']), Some(vec![7; 100_000]))
    );
    assert_eq!((store.usage().entries, store.usage().pinned), (2, 1));
}

#[test]
fn the_files_stay_within_the_bound_and_pinned_entries_stay() {
    let directory = tempdir().unwrap();
    let store = SqliteStore::builder(directory.path()).max_bytes(ByteSize::mib(2)).open().unwrap();
    let _ = store.put(b"pinned", b"here", PutTerms::pinned()).unwrap();
    for number in 0..2_000_u32 {
        let put = store.put(&number.to_be_bytes(), &[3; 5_000], PutTerms::default()).unwrap();
        assert_eq!(put, Put::Stored);
        let usage = store.usage();
        assert!(usage.file_bytes <= 2 << 20, "{number}: {usage:?}");
    }
    let usage = store.usage();
    assert!(usage.evicted > 1_500 && usage.entries + usage.evicted == 2_001, "{usage:?}");
    assert!(
        value(&store, b"pinned").is_some() && value(&store, &1_999_u32.to_be_bytes()).is_some()
    );
    let refused = store.put(b"large", &[0; 1 << 20], PutTerms::default()).unwrap();
    assert_eq!(refused, Put::Refused(RefusedBecause::TooLarge));
    assert_eq!(store.usage().refused, 1);
    store.set_max_bytes(1 << 20);
    assert!(store.usage().file_bytes <= 1 << 20, "{:?}", store.usage());
}

#[test]
fn what_has_ended_is_not_there_and_goes() {
    let (clock, hand) = Clock::manual();
    let directory = tempdir().unwrap();
    let store = SqliteStore::builder(directory.path()).clock(clock.clone()).open().unwrap();
    let now = store.now();
    for number in 0..100_u32 {
        let terms = PutTerms::until(now + 1_000 + u64::from(number));
        let _ = store.put(&number.to_be_bytes(), b"value", terms).unwrap();
    }
    hand.advance(Duration::from_millis(1_050));
    assert!(!store.contains(&50_u32.to_be_bytes()).unwrap());
    assert_eq!(value(&store, &50_u32.to_be_bytes()), None);
    assert!(value(&store, &51_u32.to_be_bytes()).is_some());
    store.flush().unwrap();
    assert_eq!((store.usage().entries, store.usage().expired), (49, 51));
    hand.advance(Duration::from_millis(1_000));
    store.close().unwrap();
    let store = SqliteStore::builder(directory.path()).clock(clock).open().unwrap();
    assert_eq!((store.open_report().recovered, store.open_report().dropped), (0, 49));
}

#[test]
fn a_second_store_is_refused() {
    let directory = tempdir().unwrap();
    let _store = open(directory.path());
    let error = SqliteStore::builder(directory.path()).open().unwrap_err();
    assert!(matches!(error, DiskError::Locked { .. }), "{error}");
}

#[test]
fn a_newer_file_is_refused_and_a_damaged_one_put_aside() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("store.sqlite");
    let store = open(directory.path());
    store.with(|base| base.run_batch("PRAGMA user_version = 2")).unwrap();
    drop(store);
    let error = SqliteStore::builder(directory.path()).open().unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    fs::write(&file, vec![0x5a; 10_000]).unwrap();
    let store = open(directory.path());
    assert_eq!(store.open_report().corrupt_bytes, 10_000);
    assert!(!store.open_report().clean_shutdown);
    assert!(directory.path().join("store.sqlite.damaged").exists());
}

#[test]
fn a_flipped_bit_is_noticed() {
    let directory = tempdir().unwrap();
    let store = open(directory.path());
    let _ = store.put(b"key", b"a value that lies there as it is", PutTerms::default()).unwrap();
    store.close().unwrap();
    let file = directory.path().join("store.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(7).position(|bytes| bytes == b"a value").unwrap();
    bytes[at] ^= 4;
    fs::write(&file, bytes).unwrap();
    let store = open(directory.path());
    assert_eq!(value(&store, b"key"), None);
    assert_eq!((store.usage().corrupt, store.usage().entries), (1, 0));
}

#[test]
fn settings_that_cannot_be_are_named() {
    let error = SqliteStore::builder("x").max_bytes(ByteSize::from_bytes(5)).open().unwrap_err();
    assert!(error.to_string().contains("max_bytes") && error.to_string().contains('5'), "{error}");
}

#[test]
fn a_transaction_that_was_taken_back_loses_puts_but_no_removals() {
    let directory = tempdir().unwrap();
    let store = SqliteStore::builder(directory.path()).commit_after(Duration::from_secs(1_000));
    let store = store.open().unwrap();
    for key in [b"a", b"b", b"c"] {
        let _ = store.put(key, b"old", PutTerms::default()).unwrap();
    }
    store.flush().unwrap();
    let _ = store.put(b"b", b"new", PutTerms::default()).unwrap();
    let _ = store.put(b"d", b"new", PutTerms::default()).unwrap();
    // As SQLite does when a commit fails; the next commit then fails for that.
    store.with(|base| base.take_out(b"a").and_then(|_| base.run_batch("ROLLBACK"))).unwrap();
    assert!(store.flush().is_err());
    let usage = store.usage();
    assert_eq!((usage.lost, usage.entries, usage.queued_bytes), (2, 2, 0));
    for round in 0..2 {
        assert_eq!(value(&store, b"a"), None, "round {round}");
        assert_eq!(value(&store, b"b"), Some(b"old".to_vec()));
        store.with(|base| base.run_batch("ROLLBACK")).unwrap();
        assert!(store.flush().is_err());
    }
    assert_eq!(value(&store, b"a"), None);
    store.flush().unwrap();
    store.close().unwrap();
    assert_eq!(value(&open(directory.path()), b"a"), None);
}

#[test]
fn damage_that_is_met_puts_the_file_aside_at_once() {
    let directory = tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..2_000_u32 {
        let _ = store.put(&number.to_be_bytes(), &[3; 1_000], PutTerms::default()).unwrap();
    }
    store.close().unwrap();
    let file = directory.path().join("store.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    // The page types of the latter half, which opening does not look at for their values.
    let pages = bytes.len() / 4096;
    for page in pages / 2..pages {
        bytes[page * 4096] = 0xff;
    }
    fs::write(&file, bytes).unwrap();
    let store = open(directory.path());
    for number in 0..2_000_u32 {
        assert!(value(&store, &number.to_be_bytes()).is_none_or(|value| value == [3; 1_000]));
    }
    assert!(directory.path().join("store.sqlite.damaged").exists());
    let _ = store.put(b"after", b"1", PutTerms::default()).unwrap();
    assert_eq!(value(&store, b"after"), Some(b"1".to_vec()));
}

/// As a kill leaves it at any moment: the file and SQLite's log.
#[test]
fn the_counts_in_the_file_are_those_of_its_rows() {
    let directory = tempdir().unwrap();
    let (clock, hand) = Clock::manual();
    let builder = SqliteStore::builder(directory.path()).max_bytes(ByteSize::mib(1));
    let store = builder.clock(clock).open().unwrap();
    for step in 0..900_u64 {
        let key = (step * 7 % 300).to_le_bytes();
        let value = vec![1; (step * 977 % 9_000) as usize];
        let terms = PutTerms::until(store.now() + 100 + step % 400);
        match step % 9 {
            0 => _ = store.remove(&key).unwrap(),
            1 => _ = store.put(&key, &value[..value.len() / 20], PutTerms::pinned()).unwrap(),
            2 => _ = store.put(&key, &value, PutTerms::default()).unwrap(),
            3 => _ = store.get(&key, &mut Vec::new()).unwrap(),
            _ => _ = store.put(&key, &value, terms).unwrap(),
        }
        hand.advance(Duration::from_millis(1));
        if step == 200 {
            store.clear().unwrap();
        }
        if step % 45 > 0 {
            continue;
        }
        store.flush().unwrap();
        let copy = tempdir().unwrap();
        for name in ["store.sqlite", "store.sqlite-wal"] {
            fs::copy(directory.path().join(name), copy.path().join(name)).unwrap();
        }
        let (clock, _) = Clock::manual();
        let killed = SqliteStore::builder(copy.path()).clock(clock.clone()).open().unwrap();
        let kept = killed.usage();
        killed.with(|base| base.run_batch("UPDATE counts SET entries = entries + 7")).unwrap();
        drop(killed);
        let counted = SqliteStore::builder(copy.path()).clock(clock).open().unwrap().usage();
        let of = |usage: DiskUsage| (usage.entries, usage.live_bytes, usage.pinned);
        assert_eq!((of(kept), of(kept)), (of(counted), of(store.usage())), "at {step}");
    }
    let usage = store.usage();
    assert!(usage.pinned > 0 && usage.expired > 0 && usage.evicted > 0, "{usage:?}");
}
