//! Random steps against a map.

use super::behaviour::{Open, get, millis, opened};
use super::random::{Random, value_of};
use super::{Scratch, Setup};
use crate::disk::{Put, PutTerms, Stored};
use perf_core::{ByteSize, Clock};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    value: Vec<u8>,
    expires_at: u64,
    written_at: u64,
    pinned: bool,
}

/// The store holds all that is put, so that it has to agree with the map in every answer.
pub(super) fn run(open: Open<'_>, seed: u64) {
    let dir = Scratch::new("model");
    let (clock, hand) = Clock::manual();
    let setup = Setup { clock: clock.clone(), max_bytes: ByteSize::mib(32) };
    let mut random = Random::new(seed);
    let mut model: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
    let mut store = opened(open, dir.path(), &setup);
    let keys = 1 + random.below(60);
    for step in 0..1_500 {
        let number = random.below(keys);
        let key = Random::new(number).bytes((number % 40) as usize);
        let now = millis(&clock);
        let alive = |entry: &&Entry| entry.expires_at > now;
        match random.below(100) {
            0..40 => {
                let len = match random.below(20) {
                    0 => random.below(40_000),
                    _ => random.below(600),
                };
                let value = value_of(number, step, len as usize);
                let expires_at =
                    if random.below(3) == 0 { now + random.below(50) } else { PutTerms::NEVER };
                let pinned = random.below(10) == 0;
                let put = store.put(&key, &value, PutTerms { expires_at, pinned });
                assert!(matches!(put, Ok(Put::Stored)), "seed {seed} step {step}: {put:?}");
                model.insert(key, Entry { value, expires_at, written_at: now, pinned });
            }
            40..80 => {
                let found = get(&*store, &key);
                let expected = model.get(&key).filter(alive).map(|entry| {
                    let Entry { expires_at, written_at, .. } = *entry;
                    let len = entry.value.len() as u32;
                    (entry.value.clone(), Stored { expires_at, written_at, len })
                });
                assert_eq!(found, expected, "seed {seed} step {step}");
            }
            80..90 => {
                let removed = store.remove(&key).expect("a removal works");
                let was = model.remove(&key);
                assert_eq!(
                    removed,
                    was.as_ref().filter(alive).is_some(),
                    "seed {seed} step {step}"
                );
            }
            90..94 => hand.advance(Duration::from_millis(random.below(20))),
            94..96 => store.flush().expect("it flushes"),
            96..98 => {
                if random.below(2) == 0 {
                    store.close().expect("it closes");
                }
                drop(store);
                store = opened(open, dir.path(), &setup);
                let report = store.open_report();
                assert!(report.clean_shutdown, "seed {seed} step {step}: {report:?}");
                assert_eq!(report.corrupt_bytes, 0, "seed {seed} step {step}: {report:?}");
            }
            98 => {
                let mut seen = BTreeMap::new();
                let mut visit = |key: &[u8], stored: &Stored| {
                    let before = seen.insert(key.to_vec(), stored.expires_at);
                    assert_eq!(before, None, "seed {seed} step {step}: seen twice");
                    ControlFlow::Continue(())
                };
                store.for_each(&mut visit).expect("visiting works");
                let expected = model.iter().filter(|(_, entry)| alive(entry));
                let expected = expected.map(|(key, entry)| (key.clone(), entry.expires_at));
                assert_eq!(seen, expected.collect(), "seed {seed} step {step}");
            }
            _ => {
                if random.below(4) == 0 {
                    store.clear().expect("it clears");
                    model.retain(|_, entry| entry.pinned);
                }
            }
        }
    }
    let usage = store.usage();
    assert_eq!((usage.evicted, usage.corrupt, usage.lost), (0, 0, 0), "seed {seed}: {usage:?}");
}
