//! What only the log store promises.

use perf_cache::disk::conformance::{Random, Scratch};
use perf_cache::disk::{DiskError, DiskStore, Faults, LogStore, Put, PutTerms, RefusedBecause};
use perf_core::{ByteSize, Clock};
use std::fs;
use std::time::Duration;

fn put(store: &LogStore, key: &str, value: &[u8]) -> Put {
    store.put(key.as_bytes(), value, PutTerms::default()).unwrap()
}

fn holds(store: &LogStore, key: &str) -> bool {
    store.get(key.as_bytes(), &mut Vec::new()).unwrap().is_some()
}

#[test]
fn a_full_disk_refuses_puts_and_goes_on_when_there_is_room() {
    let dir = Scratch::new("full");
    let faults = Faults::new();
    let (clock, hand) = Clock::manual();
    let builder = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(16)).clock(clock);
    let store = builder.clone().faults(faults.clone()).open().unwrap();
    assert_eq!(put(&store, "before", b"1"), Put::Stored);
    store.flush().unwrap();
    // In the middle of a record.
    faults.fill_after(100);
    assert_eq!(put(&store, "queued", &[2; 1000]), Put::Stored);
    assert!(matches!(store.flush(), Err(DiskError::Full { .. })));
    assert_eq!(put(&store, "after", b"3"), Put::Refused(RefusedBecause::DiskFull));
    assert!(matches!(store.put(b"pinned", b"4", PutTerms::pinned()), Err(DiskError::Full { .. })));
    assert!(matches!(store.remove(b"before"), Err(DiskError::Full { .. })));
    assert!(!holds(&store, "before") && !holds(&store, "after"));
    assert!(holds(&store, "queued") && holds(&store, "pinned"), "it is in memory");
    assert_eq!(store.usage().refused, 1);
    faults.make_room();
    hand.advance(Duration::from_secs(1));
    assert_eq!(put(&store, "again", b"5"), Put::Stored);
    let report = store.close().unwrap();
    assert_eq!(report.lost_bytes, 0);
    let store = builder.open().unwrap();
    assert_eq!(store.open_report().corrupt_bytes, 0);
    assert!(holds(&store, "queued") && holds(&store, "pinned") && holds(&store, "again"));
    assert!(!holds(&store, "before"), "the removal was written when there was room");
}

#[test]
fn what_cannot_be_written_in_the_end_is_counted() {
    let dir = Scratch::new("lost");
    let faults = Faults::new();
    let store = LogStore::builder(dir.path()).faults(faults.clone()).open().unwrap();
    assert_eq!(put(&store, "kept", &[1; 1000]), Put::Stored);
    store.flush().unwrap();
    faults.fill_after(0);
    assert_eq!(put(&store, "lost", &[2; 1000]), Put::Stored);
    assert!(matches!(store.close(), Err(DiskError::Full { .. })));
    let report = store.close().unwrap();
    assert!(report.lost_bytes > 1000, "{report:?}");
    assert_eq!(store.usage().lost, 1);
    let store = LogStore::builder(dir.path()).open().unwrap();
    assert!(!store.open_report().clean_shutdown);
    assert!(holds(&store, "kept") && !holds(&store, "lost"));
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let dir = Scratch::new("newer");
    let store = LogStore::builder(dir.path()).open().unwrap();
    assert_eq!(put(&store, "a", b"1"), Put::Stored);
    store.close().unwrap();
    let path = dir.path().join(format!("{:016x}.seg", 1));
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    let sum = xxhash_rust::xxh3::xxh3_64(&bytes[..32]);
    bytes[32..40].copy_from_slice(&sum.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let error = LogStore::builder(dir.path()).open().map(drop).unwrap_err();
    assert!(matches!(error, DiskError::Format { .. }), "{error:?}");
    assert!(error.to_string().contains("version 2"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// Whoever never waits is refused, and nothing that was taken is lost.
#[test]
fn a_writer_that_never_waits_is_refused_and_loses_nothing() {
    let dir = Scratch::new("refusing");
    let faults = Faults::new();
    let store = LogStore::builder(dir.path())
        .queue_bytes(ByteSize::kib(16))
        .when_full(perf_cache::disk::WhenFull::Refuse)
        .faults(faults.clone())
        .open()
        .unwrap();
    let mut taken = Vec::new();
    let mut refused = 0;
    while refused < 10 {
        let key = format!("{}", taken.len());
        match put(&store, &key, &[7; 3_000]) {
            Put::Stored => taken.push(key),
            Put::Refused(because) => {
                assert_eq!(because, RefusedBecause::QueueFull);
                refused += 1;
            }
        }
        assert!(taken.len() < 1_000_000, "the queue is never full");
    }
    assert_eq!(store.usage().refused, refused);
    assert!(taken.iter().all(|key| holds(&store, key)));
}

/// What a killed process left, with bits flipped and ends cut off: files with a footer and without.
#[test]
fn damage_to_what_a_killed_process_left_is_seen_and_mended() {
    for seed in 0..120 {
        let (dir, copy) = (Scratch::new("left"), Scratch::new("left-copy"));
        let mut random = Random::new(seed);
        let open = |dir: &Scratch| {
            let builder = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(1));
            builder.segment_bytes(ByteSize::kib(16)).open().unwrap()
        };
        let store = open(&dir);
        let count = 1 + random.below(200);
        let value = |key: u64, version: u64| format!("{key}:{version};").repeat(key as usize % 90);
        for key in 0..count {
            for version in 0..=key % 3 {
                assert_eq!(
                    put(&store, &key.to_string(), value(key, version).as_bytes()),
                    Put::Stored
                );
            }
        }
        store.flush().unwrap();
        for entry in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
            let mut bytes = fs::read(entry.path()).unwrap();
            if random.below(3) == 0 && !bytes.is_empty() {
                bytes.truncate(random.below(bytes.len() as u64) as usize);
            }
            for _ in 0..random.below(4) {
                if !bytes.is_empty() {
                    let bit = random.below(bytes.len() as u64 * 8);
                    bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
                }
            }
            fs::write(copy.path().join(entry.file_name()), bytes).unwrap();
        }
        let mut lost = Vec::new();
        for opening in 0..2 {
            let store = open(&copy);
            let mut missing = Vec::new();
            for key in 0..count {
                let mut found = Vec::new();
                match store.get(key.to_string().as_bytes(), &mut found).unwrap() {
                    // An earlier version where the latest is lost.
                    Some(_) => assert!(
                        (0..=key % 3).any(|version| found == value(key, version).as_bytes()),
                        "seed {seed}: {key}"
                    ),
                    None => missing.push(key),
                }
            }
            let (report, usage) = (store.open_report(), store.usage());
            if opening == 0 {
                let told = report.dropped + report.corrupt_bytes + usage.corrupt > 0;
                assert!(told || missing.is_empty(), "seed {seed}: {report:?}");
                lost = missing;
            } else {
                assert!(missing.iter().all(|key| lost.contains(key)), "seed {seed}: more is lost");
            }
            assert_eq!(put(&store, "after", b"1"), Put::Stored);
        }
    }
}

#[test]
fn settings_that_cannot_be_are_named() {
    let dir = Scratch::new("settings");
    let builder = || LogStore::builder(dir.path());
    for (wrong, setting) in [
        (builder().max_bytes(ByteSize::kib(1)), "max_bytes"),
        (builder().segment_bytes(ByteSize::kib(1)), "segment_bytes"),
        (builder().segment_bytes(ByteSize::gib(1)), "segment_bytes"),
        (builder().queue_bytes(ByteSize::kib(1)), "queue_bytes"),
    ] {
        let error = wrong.open().map(drop).unwrap_err();
        assert!(matches!(&error, DiskError::Config(config) if config.setting() == setting));
    }
}

/// What a killed process leaves.
fn copy_of(dir: &Scratch) -> Scratch {
    let copy = Scratch::new("copy");
    for entry in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// A removal that failed, and is tried again, lasts or fails again.
#[test]
fn a_removal_that_answers_lasts_though_one_before_failed() {
    let dir = Scratch::new("removed-again");
    let faults = Faults::new();
    let builder = LogStore::builder(dir.path());
    let store = builder.clone().faults(faults.clone()).open().unwrap();
    assert_eq!(put(&store, "a", b"1"), Put::Stored);
    store.flush().unwrap();
    faults.fill_after(0);
    assert!(matches!(store.remove(b"a"), Err(DiskError::Full { .. })));
    assert!(matches!(store.remove(b"a"), Err(DiskError::Full { .. })), "it is not written yet");
    faults.make_room();
    assert!(!store.remove(b"a").unwrap());
    assert!(!holds(&LogStore::builder(copy_of(&dir).path()).open().unwrap(), "a"));
}

/// More than is queued of a failing device: the removal cannot even be noted.
#[test]
fn a_removal_that_could_not_be_noted_can_be_made_up_for() {
    let dir = Scratch::new("not-noted");
    let faults = Faults::new();
    let queue = ByteSize::kib(16);
    let builder = LogStore::builder(dir.path()).queue_bytes(queue);
    let store = builder.clone().faults(faults.clone()).open().unwrap();
    let name = |key: u32| format!("{key:01000}");
    for key in 0..300 {
        assert_eq!(put(&store, &name(key), b"1"), Put::Stored);
    }
    store.flush().unwrap();
    faults.fill_after(0);
    for key in 0..300 {
        assert!(store.remove(name(key).as_bytes()).is_err());
    }
    faults.make_room();
    for key in 0..300 {
        assert!(!store.remove(name(key).as_bytes()).unwrap());
    }
    let store = LogStore::builder(copy_of(&dir).path()).open().unwrap();
    assert_eq!(store.usage().entries, 0);
}

/// As above, of what a clear could not take away.
#[test]
fn what_a_failed_clear_left_can_be_removed() {
    let dir = Scratch::new("clear-failed");
    let faults = Faults::new();
    let store = LogStore::builder(dir.path()).faults(faults.clone()).open().unwrap();
    assert_eq!(put(&store, "a", b"1"), Put::Stored);
    store.flush().unwrap();
    assert_eq!(put(&store, "b", b"1"), Put::Stored);
    faults.fill_after(0);
    assert!(matches!(store.clear(), Err(DiskError::Full { .. })));
    assert!(!holds(&store, "a") && store.usage().entries == 0);
    faults.make_room();
    assert!(!store.remove(b"a").unwrap());
    let copy = LogStore::builder(copy_of(&dir).path()).open().unwrap();
    assert!(!holds(&copy, "a"));
    assert_eq!(store.clear().unwrap(), 0);
    assert_eq!(store.usage().file_bytes, 0);
}

/// A file is given up, and the device fails before it is gone: what is pinned in it is not lost,
/// and what was evicted of it can be removed.
#[test]
fn giving_a_file_up_that_fails_midway_loses_nothing_pinned() {
    let dir = Scratch::new("midway");
    let faults = Faults::new();
    let builder = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(1));
    let builder = builder.segment_bytes(ByteSize::kib(32)).flush_interval(Duration::from_hours(1));
    let store = builder.clone().faults(faults.clone()).open().unwrap();
    let pinned = store.put(b"pinned", b"1", PutTerms::pinned()).unwrap();
    assert_eq!(pinned, Put::Stored);
    assert_eq!(put(&store, "plain", &[1; 1_000]), Put::Stored);
    store.flush().unwrap();
    for key in 0..2_000 {
        assert_eq!(put(&store, &format!("{key}"), &[2; 1_000]), Put::Stored);
        faults.fill_after(0);
        assert!(store.flush().is_err());
        if !store.contains(b"plain").unwrap() {
            break;
        }
        faults.make_room();
        store.flush().unwrap();
    }
    assert!(!store.contains(b"plain").unwrap());
    for _ in 0..10 {
        assert!(store.flush().is_err());
    }
    let killed = LogStore::builder(copy_of(&dir).path()).open().unwrap();
    assert!(holds(&killed, "pinned"), "it was in a file that was given up");
    assert!(holds(&killed, "plain"), "the file is still there");
    assert!(store.remove(b"plain").is_err(), "a restart would find it");
    faults.make_room();
    assert!(!store.remove(b"plain").unwrap());
    let killed = LogStore::builder(copy_of(&dir).path()).open().unwrap();
    assert!(holds(&killed, "pinned") && !holds(&killed, "plain"));
}

/// A clock that was ahead when the store was opened.
#[test]
fn what_was_removed_after_it_ended_stays_so_when_the_clock_is_set_back() {
    let dir = Scratch::new("set-back");
    let (clock, hand) = Clock::manual();
    let now = clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let store = LogStore::builder(dir.path()).clock(clock).open().unwrap();
    let terms = PutTerms::until(now + 1_000);
    assert_eq!(store.put(b"a", b"1", terms).unwrap(), Put::Stored);
    store.flush().unwrap();
    let killed = copy_of(&dir);
    store.close().unwrap();
    for dir in [&dir, &killed] {
        let (clock, ahead) = Clock::manual();
        ahead.advance(Duration::from_hours(1));
        let store = LogStore::builder(dir.path()).clock(clock).open().unwrap();
        assert_eq!((store.open_report().recovered, store.open_report().dropped), (0, 1));
        assert!(!store.remove(b"a").unwrap());
        store.close().unwrap();
        let (clock, _) = Clock::manual();
        let store = LogStore::builder(dir.path()).clock(clock).open().unwrap();
        assert!(!holds(&store, "a"));
    }
    drop(hand);
}

/// The system tells of it once: what it could not write is gone, or counts as written, by the next.
#[test]
fn a_sync_that_failed_is_not_believed_the_next_time() {
    let dir = Scratch::new("unkept");
    let faults = Faults::new();
    let builder = LogStore::builder(dir.path()).sync_interval(None);
    let store = builder.clone().faults(faults.clone()).open().unwrap();
    assert_eq!(put(&store, "a", b"1"), Put::Stored);
    store.sync().unwrap();
    faults.fail_syncs(1);
    assert_eq!(put(&store, "b", b"1"), Put::Stored);
    for _ in 0..2 {
        assert!(matches!(store.sync(), Err(DiskError::Io { .. })));
    }
    assert!(holds(&store, "a") && holds(&store, "b"), "the page cache has it");
    assert_eq!((put(&store, "c", b"1"), store.usage().sync_failures), (Put::Stored, 1));
    assert!(matches!(store.close(), Err(DiskError::Io { .. })));
    let store = builder.open().unwrap();
    assert!(!store.open_report().clean_shutdown);
    store.sync().unwrap();
}

/// What is pinned is written again before its file goes, and then the device has to have it.
#[test]
fn no_file_goes_whose_pinned_records_the_device_may_not_have() {
    let dir = Scratch::new("unkept-pinned");
    let faults = Faults::new();
    let builder = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(1));
    let (clock, hand) = Clock::manual();
    let builder = builder.segment_bytes(ByteSize::kib(32)).sync_interval(None).clock(clock);
    let store = builder.faults(faults.clone()).open().unwrap();
    let pinned = store.put(b"pinned", b"1", PutTerms::pinned()).unwrap();
    assert_eq!(pinned, Put::Stored);
    let first = dir.path().join(format!("{:016x}.seg", 1));
    faults.fail_syncs(1);
    let put = |key: u32| store.put(&key.to_le_bytes(), &[2; 1_000], PutTerms::default());
    assert!((0..4_000).any(|key| put(key).is_err()) && first.exists());
    for key in 4_000..4_010 {
        // The next sync would succeed.
        hand.advance(Duration::from_secs(1));
        drop(put(key));
        drop(store.flush());
    }
    assert!(store.flush().is_err() && first.exists());
    assert!(holds(&store, "pinned"));
}

/// As one whose tail was lost with the power.
#[test]
fn what_was_cut_off_is_not_there_for_any_call() {
    let dir = Scratch::new("cut-off");
    let store = LogStore::builder(dir.path()).open().unwrap();
    assert_eq!(put(&store, "a", &[1; 1_000]), Put::Stored);
    assert_eq!(put(&store, "b", &[1; 1_000]), Put::Stored);
    store.flush().unwrap();
    let path = dir.path().join(format!("{:016x}.seg", 1));
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(500).unwrap();
    assert!(!store.contains(b"a").unwrap());
    assert_eq!((store.usage().corrupt, store.usage().entries), (1, 1));
    assert!(!holds(&store, "b") && !holds(&store, "a"));
    assert_eq!(store.usage().corrupt, 2);
}

/// Values may be what others are not to see, whatever the directory is.
#[cfg(unix)]
#[test]
fn files_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    let dir = Scratch::new("own");
    let store = LogStore::builder(dir.path()).open().unwrap();
    assert_eq!(put(&store, "a", b"1"), Put::Stored);
    store.close().unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        names.push(entry.file_name());
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{names:?}");
    }
    assert_eq!(names.len(), 3, "the lock, the marker and a file of values: {names:?}");
}
