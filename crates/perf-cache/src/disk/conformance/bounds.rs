//! What a store does when it is full.

use super::behaviour::{Open, opened, put, put_with, value};
use super::random::value_of;
use super::{Scratch, Setup};
use crate::disk::{Put, PutTerms, RefusedBecause};
use perf_core::ByteSize;

/// Four times as much as fits, by a writer that does not wait.
pub(super) fn eviction(open: Open<'_>) {
    let dir = Scratch::new("eviction");
    let setup = Setup::new(ByteSize::mib(8));
    let store = opened(open, dir.path(), &setup);
    for key in 0..8_000_u64 {
        put(&*store, &key.to_le_bytes(), &value_of(key, 0, 4_000));
        let latest = value(&*store, &key.to_le_bytes());
        assert!(latest.is_some(), "what was just put is there: {key}");
    }
    store.sync().expect("it syncs");
    let usage = store.usage();
    assert!(usage.file_bytes <= usage.max_bytes * 5 / 4, "{usage:?}");
    assert!(usage.evicted > 0, "{usage:?}");
    assert_eq!(usage.entries + usage.evicted, 8_000, "none is lost without being counted");
    let held = (0..8_000_u64).filter(|key| value(&*store, &key.to_le_bytes()).is_some()).count();
    assert_eq!(held as u64, usage.entries);
    assert!(held >= 1_000, "{held} of the 2000 that would fit");
    store.set_max_bytes(4 << 20);
    put(&*store, b"one more", &[1; 4_000]);
    store.sync().expect("it syncs");
    let usage = store.usage();
    assert_eq!(usage.max_bytes, 4 << 20);
    assert!(usage.file_bytes <= (4 << 20) * 5 / 4, "{usage:?}");
    assert!(value(&*store, b"one more").is_some());
}

pub(super) fn pinned(open: Open<'_>) {
    let dir = Scratch::new("pinned");
    let setup = Setup::new(ByteSize::mib(4));
    let mut store = opened(open, dir.path(), &setup);
    for key in 0..50_u64 {
        put_with(&*store, &key.to_le_bytes(), &value_of(key, 7, 100), PutTerms::pinned());
    }
    put(&*store, &0_u64.to_le_bytes(), b"no longer pinned");
    assert!(store.remove(&1_u64.to_le_bytes()).expect("a removal works"));
    assert_eq!(store.usage().pinned, 48);
    for round in 0..3 {
        for key in 1_000..4_000_u64 {
            put(&*store, &key.to_le_bytes(), &value_of(key, round, 4_000));
        }
        if round == 1 {
            store.close().expect("it closes");
            store = opened(open, dir.path(), &setup);
        }
    }
    assert!(store.clear().expect("it clears") > 0);
    for reopened in [false, true] {
        if reopened {
            store.close().expect("it closes");
            store = opened(open, dir.path(), &setup);
        }
        assert_eq!((store.usage().entries, store.usage().pinned), (48, 48));
        for key in 2..50_u64 {
            let found = value(&*store, &key.to_le_bytes());
            assert_eq!(found, Some(value_of(key, 7, 100)), "what is pinned stays");
        }
        assert_eq!(value(&*store, &0_u64.to_le_bytes()), None);
        assert_eq!(value(&*store, &1_u64.to_le_bytes()), None);
    }
    let full = (10_000..20_000_u64).find_map(|key| {
        let pinned = store.put(&key.to_le_bytes(), &[1; 4_000], PutTerms::pinned());
        match pinned.expect("a put works") {
            Put::Stored => None,
            Put::Refused(because) => Some((key, because)),
        }
    });
    let (key, because) = full.expect("what is pinned is bounded");
    assert_eq!(because, RefusedBecause::PinnedFull);
    assert!((10_100..=10_300).contains(&key), "a quarter of the bound, not {key}");
}
