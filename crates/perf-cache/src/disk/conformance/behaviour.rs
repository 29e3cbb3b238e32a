//! What each call does, one after the other.

use super::random::{value_of, version_of};
use super::{Opened, Scratch, Setup};
use crate::disk::{DiskError, DiskStore, Put, PutTerms, Stored, TryGet};
use perf_core::{ByteSize, Clock};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

pub(super) type Open<'a> = &'a dyn Fn(&Path, &Setup) -> Opened;

pub(super) fn opened(open: Open<'_>, dir: &Path, setup: &Setup) -> Box<dyn DiskStore> {
    open(dir, setup).expect("the store opens")
}

pub(super) fn put(store: &dyn DiskStore, key: &[u8], value: &[u8]) {
    put_with(store, key, value, PutTerms::default());
}

pub(super) fn put_with(store: &dyn DiskStore, key: &[u8], value: &[u8], terms: PutTerms) {
    assert_eq!(store.put(key, value, terms).expect("a put works"), Put::Stored);
}

pub(super) fn get(store: &dyn DiskStore, key: &[u8]) -> Option<(Vec<u8>, Stored)> {
    let mut value = Vec::new();
    let stored = store.get(key, &mut value).expect("a get works");
    let contains = store.contains(key).expect("contains works");
    assert_eq!(stored.is_some(), contains, "get and contains agree");
    let mut at_once = Vec::new();
    match store.try_get(key, &mut at_once).expect("try_get works") {
        TryGet::Found(found) => {
            assert_eq!((Some(found), &at_once), (stored, &value), "get and try_get agree");
        }
        TryGet::Missing => assert_eq!(stored, None, "get and try_get agree"),
        TryGet::WouldBlock => assert!(at_once.is_empty(), "nothing was appended"),
    }
    match stored {
        Some(stored) => {
            assert_eq!(stored.len as usize, value.len());
            Some((value, stored))
        }
        None => {
            assert!(value.is_empty(), "nothing was appended");
            None
        }
    }
}

pub(super) fn value(store: &dyn DiskStore, key: &[u8]) -> Option<Vec<u8>> {
    get(store, key).map(|(value, _)| value)
}

pub(super) fn basics(open: Open<'_>) {
    let dir = Scratch::new("basics");
    let setup = Setup::new(ByteSize::mib(16));
    let store = opened(open, dir.path(), &setup);
    assert!(store.open_report().clean_shutdown, "a new store was not killed");
    assert_eq!(value(&*store, b"a"), None);
    assert!(!store.remove(b"a").unwrap_or(true), "what is not there is not removed");
    put(&*store, b"a", b"one");
    put(&*store, b"b", b"two");
    put(&*store, b"a", b"three");
    assert_eq!(value(&*store, b"a").as_deref(), Some(&b"three"[..]));
    let mut into = b"kept ".to_vec();
    assert!(matches!(store.get(b"b", &mut into), Ok(Some(_))));
    assert_eq!(into, b"kept two", "a value is appended");
    assert!(store.remove(b"a").expect("a removal works"));
    assert_eq!((value(&*store, b"a"), store.usage().entries), (None, 1));
    for reopened in 0..3 {
        store.close().expect("it closes");
        let store = opened(open, dir.path(), &setup);
        assert_eq!(value(&*store, b"a"), None, "a removal lasts over opening {reopened}");
        assert_eq!(value(&*store, b"b").as_deref(), Some(&b"two"[..]));
        let report = store.open_report();
        assert_eq!((report.recovered, report.dropped, report.corrupt_bytes), (1, 0, 0));
        assert!(report.clean_shutdown);
        store.close().expect("it closes");
    }
    let store = opened(open, dir.path(), &setup);
    put(&*store, b"a", b"again");
    assert_eq!(store.clear().expect("it clears"), 2);
    assert_eq!((value(&*store, b"a"), value(&*store, b"b")), (None, None));
    put(&*store, b"c", b"after");
    store.close().expect("it closes");
    let store = opened(open, dir.path(), &setup);
    assert_eq!((value(&*store, b"a"), value(&*store, b"b")), (None, None), "clearing lasts");
    assert_eq!(value(&*store, b"c").as_deref(), Some(&b"after"[..]));
}

pub(super) fn sizes(open: Open<'_>) {
    let dir = Scratch::new("sizes");
    let setup = Setup::new(ByteSize::mib(64));
    let store = opened(open, dir.path(), &setup);
    let keys: Vec<Vec<u8>> =
        [0, 1, 16, 255, 256, 1000, 1_000_000].map(|len| vec![b'k'; len]).into();
    let values = [0, 1, 12, 4_095, 4_096, 70_000, 1_048_570, 3_000_000];
    for round in 0..2 {
        for (key, len) in keys.iter().zip(values).chain(keys.iter().zip(values.into_iter().rev())) {
            put(&*store, key, &value_of(round, key.len() as u64, len));
            let found = value(&*store, key).expect("what was put is there");
            assert!(found == value_of(round, key.len() as u64, len), "{len} bytes come back");
        }
    }
    store.close().expect("it closes");
    let store = opened(open, dir.path(), &setup);
    assert_eq!(store.usage().entries, keys.len() as u64);
    for (key, len) in keys.iter().zip(values.into_iter().rev()) {
        let found = value(&*store, key).expect("what was put is there");
        assert!(found == value_of(1, key.len() as u64, len), "{len} bytes come back");
        assert!(store.remove(key).expect("a removal works"));
    }
    let too_large = vec![0; 65 << 20];
    let refused = store.put(b"k", &too_large, PutTerms::default()).expect("a put works");
    assert!(matches!(refused, Put::Refused(_)), "more than fits is refused");
    assert_eq!((value(&*store, b"k"), store.usage().refused), (None, 1));
}

/// The clock's time as the store sees it.
pub(super) fn millis(clock: &Clock) -> u64 {
    let since = clock.wall().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    since.as_millis() as u64
}

pub(super) fn expiry(open: Open<'_>) {
    let dir = Scratch::new("expiry");
    let (clock, hand) = Clock::manual();
    let setup = Setup { clock: clock.clone(), ..Setup::new(ByteSize::mib(16)) };
    let store = opened(open, dir.path(), &setup);
    let start = millis(&clock);
    put_with(&*store, b"short", b"1", PutTerms::until(start + 10));
    put_with(&*store, b"long", b"2", PutTerms::until(start + 30));
    put_with(&*store, b"ended", b"3", PutTerms::until(start));
    put(&*store, b"never", b"4");
    assert_eq!(value(&*store, b"ended"), None);
    hand.advance(Duration::from_millis(9));
    let (found, stored) = get(&*store, b"short").expect("it has a millisecond left");
    assert_eq!((&found[..], stored.expires_at, stored.written_at), (&b"1"[..], start + 10, start));
    hand.advance(Duration::from_millis(1));
    assert_eq!(value(&*store, b"short"), None, "it ends in its millisecond");
    assert!(!store.remove(b"short").expect("a removal works"), "what has ended is not there");
    let (_, stored) = get(&*store, b"never").expect("it is there");
    assert_eq!(stored.expires_at, PutTerms::NEVER);
    store.flush().expect("it flushes");
    hand.advance(Duration::from_millis(10));
    store.close().expect("it closes");
    let store = opened(open, dir.path(), &setup);
    assert!(value(&*store, b"long").is_some());
    hand.advance(Duration::from_millis(10));
    assert_eq!((value(&*store, b"long"), value(&*store, b"short")), (None, None));
    put(&*store, b"short", b"again");
    assert_eq!(value(&*store, b"short").as_deref(), Some(&b"again"[..]));
    hand.advance(Duration::from_secs(1000));
    assert_eq!(value(&*store, b"never").as_deref(), Some(&b"4"[..]));
}

pub(super) fn visiting(open: Open<'_>) {
    let dir = Scratch::new("visiting");
    let setup = Setup::new(ByteSize::mib(16));
    let store = opened(open, dir.path(), &setup);
    for key in 0..500_u64 {
        put(&*store, &key.to_le_bytes(), &value_of(key, 1, key as usize));
    }
    for key in (0..500_u64).step_by(3) {
        put(&*store, &key.to_le_bytes(), &value_of(key, 2, 1));
    }
    for key in (0..500_u64).step_by(5) {
        assert!(store.remove(&key.to_le_bytes()).expect("a removal works"));
    }
    let mut seen = BTreeSet::new();
    let mut visit = |key: &[u8], stored: &Stored| {
        let key = u64::from_le_bytes(key.try_into().expect("a key of eight bytes"));
        let len = if key.is_multiple_of(3) { 1 } else { key as u32 };
        assert_eq!(stored.len, 16 + len);
        assert!(seen.insert(key), "each is seen once");
        ControlFlow::Continue(())
    };
    store.for_each(&mut visit).expect("visiting works");
    assert!(seen.into_iter().eq((0..500_u64).filter(|key| !key.is_multiple_of(5))));
    let mut visits = 0;
    let mut stop = |key: &[u8], _: &Stored| {
        visits += 1;
        assert!(value(&*store, key).is_some(), "the store can be called meanwhile");
        if visits == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    store.for_each(&mut stop).expect("visiting works");
    assert_eq!(visits, 7);
}

pub(super) fn closing(open: Open<'_>) {
    let dir = Scratch::new("closing");
    let setup = Setup::new(ByteSize::mib(16));
    let store = opened(open, dir.path(), &setup);
    put(&*store, b"a", b"1");
    match open(dir.path(), &setup).map(drop) {
        Err(error @ DiskError::Locked { .. }) => {
            let text = error.to_string();
            let path = dir.path().display().to_string();
            assert!(text.contains(&path), "the error names the directory: {text}");
        }
        other => panic!("a second store on one directory: {other:?}"),
    }
    let report = store.close().expect("it closes");
    assert_eq!((report.entries, report.lost_bytes), (1, 0));
    assert_eq!(store.close().expect("it closes again"), report);
    let mut into = Vec::new();
    let mut visit = |_: &[u8], _: &Stored| ControlFlow::Continue(());
    assert!(matches!(store.get(b"a", &mut into), Err(DiskError::Closed)));
    assert!(matches!(store.try_get(b"a", &mut into), Err(DiskError::Closed)));
    assert!(matches!(store.put(b"a", b"2", PutTerms::default()), Err(DiskError::Closed)));
    assert!(matches!(store.put(b"a", b"2", PutTerms::pinned()), Err(DiskError::Closed)));
    assert!(matches!(store.remove(b"a"), Err(DiskError::Closed)));
    assert!(matches!(store.contains(b"a"), Err(DiskError::Closed)));
    assert!(matches!(store.for_each(&mut visit), Err(DiskError::Closed)));
    assert!(matches!(store.clear(), Err(DiskError::Closed)));
    assert!(matches!(store.flush(), Err(DiskError::Closed)));
    assert!(matches!(store.sync(), Err(DiskError::Closed)));
    store.set_max_bytes(8 << 20);
    let again = opened(open, dir.path(), &setup);
    assert_eq!(value(&*again, b"a").as_deref(), Some(&b"1"[..]));
    drop(again);
    // One that is dropped is closed.
    let again = opened(open, dir.path(), &setup);
    assert!(again.open_report().clean_shutdown);
}

/// Several threads on the same keys: whatever a get finds was put under that key, and a removal is
/// seen by the thread that made it, as no other writes that key.
pub(super) fn threads(open: Open<'_>) {
    let dir = Scratch::new("threads");
    let setup = Setup::new(ByteSize::mib(8));
    let store = opened(open, dir.path(), &setup);
    let keys = |thread: u64| (0..40_u64).map(move |key| key * 4 + thread);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &*store;
            scope.spawn(move || {
                for round in 0..30 {
                    for key in keys(thread) {
                        let bytes = key.to_le_bytes();
                        let len = ((key + round) * 97 % 6_000) as usize;
                        put(store, &bytes, &value_of(key, round, len));
                        if (key + round).is_multiple_of(5) {
                            store.remove(&bytes).expect("a removal works");
                            assert_eq!(value(store, &bytes), None);
                        }
                        let other = (key + 1) % 160;
                        let mut found = Vec::new();
                        let there = store.get(&other.to_le_bytes(), &mut found);
                        if there.expect("a get works").is_some() {
                            let version = version_of(&found).expect("a value is whole");
                            assert_eq!(version.0, other, "a value is its key's");
                        }
                    }
                }
            });
        }
    });
    for key in (0..4).flat_map(keys) {
        let expected = !(key + 29).is_multiple_of(5);
        let found = value(&*store, &key.to_le_bytes());
        let version = found.as_deref().map(version_of);
        assert_eq!(version, expected.then_some(Some((key, 29))));
    }
}
