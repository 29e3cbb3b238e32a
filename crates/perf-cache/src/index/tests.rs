use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

/// Well mixed, as a hasher would.
fn mixed(key: u64) -> u64 {
    let x = key.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 29).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 32
}

impl Index {
    /// Whether exactly this slot is found.
    fn has(&self, hash: u64, slot: u32) -> bool {
        self.find(hash, |s| (s.as_u32() == slot).then_some(())).is_some()
    }

    /// How many buckets a lookup goes through that finds nothing.
    fn walk(&self, hash: u64) -> usize {
        let buckets = self.writable();
        let mut at = home(hash, buckets.len());
        for n in 1..=buckets.len() {
            if passed_by(buckets[at].rest.load(Ordering::Relaxed)) == 0 {
                return n;
            }
            at = after(at, buckets.len());
        }
        buckets.len()
    }
}

#[test]
fn a_bucket_is_one_line() {
    assert_eq!((size_of::<Bucket>(), align_of::<Bucket>()), (64, 64));
}

#[test]
fn a_million_entries_take_seven_bytes_each() {
    let index = Index::with_capacity(1_000_000);
    (0..1_000_000_u32).for_each(|key| {
        index.insert(mixed(u64::from(key)), Slot::new(key), |s| mixed(s.index() as u64));
    });
    assert_eq!(index.len(), 1_000_000);
    assert!(index.allocated() <= 7_000_000, "{} bytes", index.allocated());
    assert!((0..1_000_000).all(|key| index.has(mixed(u64::from(key)), key)));
}

#[test]
fn a_generous_bound_costs_little_before_it_is_used() {
    assert!(Index::with_capacity(u64::MAX).allocated() <= 8 << 20);
    assert_eq!(Index::with_capacity(0).allocated(), 64);
}

/// A window that slides over four million keys: each lookup at the end walks no further than in an
/// index that was filled at once.
#[test]
fn what_comes_and_goes_leaves_nothing_behind() {
    const HELD: u32 = 20_000;
    let rehash = |slot: Slot| mixed(slot.index() as u64);
    let walks =
        |index: &Index| (1 << 40..(1 << 40) + 20_000).map(|k| index.walk(mixed(k))).sum::<usize>();
    let index = Index::with_capacity(u64::from(HELD));
    (0..HELD).for_each(|key| index.insert(mixed(u64::from(key)), Slot::new(key), rehash));
    let before = walks(&index);
    for key in HELD..200 * HELD {
        let old = key - HELD;
        assert!(index.remove(mixed(u64::from(old)), Slot::new(old), rehash));
        index.insert(mixed(u64::from(key)), Slot::new(key), rehash);
    }
    let after = walks(&index);
    assert!(after * 20 <= before * 21, "{before} buckets before, {after} after");
    assert_eq!(index.allocated(), Index::with_capacity(u64::from(HELD)).allocated());
    (199 * HELD..200 * HELD)
        .for_each(|key| assert!(index.remove(mixed(u64::from(key)), Slot::new(key), rehash)));
    assert_eq!((walks(&index), index.len()), (20_000, 0), "an empty index is walked no further");
}

/// Numbers in a row whose hashes lie at regular distances, in a few bundles: as fast hashers leave
/// them by some seeds.
#[test]
fn lookups_are_short_though_hashes_lie_in_bundles() {
    const HELD: u32 = 12_500;
    let walks = |hash: &dyn Fn(u64) -> u64| {
        let index = Index::with_capacity(u64::from(HELD));
        for key in 0..HELD {
            index.insert(hash(u64::from(key)), Slot::new(key), |slot| hash(slot.index() as u64));
        }
        (0..10_000).map(|key| index.walk(mixed(1 << 40 | key))).sum::<usize>()
    };
    let fair = walks(&mixed);
    for distance in [1, 1 << 16 | 1, 1 << 25 | 3, 0x1003_0007] {
        let bundled = walks(&|key| key * distance);
        assert!(bundled * 4 <= fair * 5, "{distance:x}: {bundled} buckets, {fair} by fair hashes");
    }
}

#[test]
fn equal_hashes_are_all_found_and_all_removed() {
    let index = Index::with_capacity(10);
    (0..5_000).for_each(|slot| index.insert(7, Slot::new(slot), |_| 7));
    assert!((0..5_000).all(|slot| index.has(7, slot)));
    assert!((0..5_000).all(|slot| index.remove(7, Slot::new(slot), |_| 7)));
    assert!(!index.remove(7, Slot::new(1), |_| 7));
    assert_eq!(index.find(7, Some), None);
}

#[test]
fn vacant_cells_are_never_asked_about() {
    for hash in 0..256 {
        let index = Index::with_capacity(10);
        index.insert(hash, Slot::new(9), |_| hash);
        for other in 0..256 {
            index.find(other, |slot| (slot.as_u32() != 9).then(|| panic!("slot {slot:?}")));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64),
    Remove(prop::sample::Index),
    Replace(prop::sample::Index),
}

/// One of 24 hashes with few homes and few tags.
fn crowded(n: u64) -> u64 {
    static HASHES: LazyLock<Vec<u64>> = LazyLock::new(|| {
        let of = |at| (0..).filter(move |hash| hash & 0xfc == 0 && home(*hash, 8) == at).take(4);
        (0..6).flat_map(of).collect()
    });
    HASHES[n as usize]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few different hashes, so that buckets run over.
    let hash = (0_u64..24).prop_map(crowded);
    let step = prop_oneof![
        3 => hash.prop_map(Step::Insert),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        1 => any::<prop::sample::Index>().prop_map(Step::Replace),
    ];
    prop::collection::vec(step, 1..400)
}

fn replace(index: &Index, hash: u64, old: u32, new: u32) -> bool {
    let found = index.seek(hash, |slot| slot == Slot::new(old));
    found.map(|found| index.replace(found, Slot::new(new))).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        rng_seed: proptest::test_runner::RngSeed::Fixed(4),
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_holds_what_a_map_holds(capacity in 0_u64..200, steps in steps()) {
        let index = Index::with_capacity(capacity);
        let mut model = HashMap::<u32, u64>::new();
        let mut next = 0;
        for step in steps {
            let pick = |at: &prop::sample::Index| {
                let mut slots: Vec<u32> = model.keys().copied().collect();
                slots.sort_unstable();
                (!slots.is_empty()).then(|| *at.get(&slots))
            };
            match step {
                Step::Insert(hash) => {
                    model.insert(next, hash);
                    index.insert(hash, Slot::new(next), |s| model[&s.as_u32()]);
                    next += 1;
                }
                Step::Remove(at) => if let Some(slot) = pick(&at) {
                    let hash = model.remove(&slot).unwrap();
                    prop_assert!(index.remove(hash, Slot::new(slot), |s| model[&s.as_u32()]));
                    prop_assert!(!index.remove(hash, Slot::new(slot), |s| model[&s.as_u32()]));
                },
                Step::Replace(at) => if let Some(slot) = pick(&at) {
                    let hash = model.remove(&slot).unwrap();
                    prop_assert!(replace(&index, hash, slot, next));
                    model.insert(next, hash);
                    next += 1;
                },
            }
            prop_assert_eq!(index.len(), model.len());
        }
        for slot in 0..next {
            let hash = model.get(&slot);
            prop_assert_eq!(hash.is_some(), (0_u64..24).any(|n| index.has(crowded(n), slot)));
            prop_assert!(hash.is_none_or(|&hash| index.has(hash, slot)));
        }
    }
}

/// Slots of this test hold a key and retire after they have left the index.
#[test]
fn what_is_there_is_found_while_others_come_and_go() {
    const STAY: u64 = 500;
    let keys: Vec<AtomicU64> = (0..8_192).map(|_| AtomicU64::new(0)).collect();
    let index = Index::with_capacity(8);
    let rehash = |slot: Slot| mixed(keys[slot.index()].load(Ordering::Relaxed));
    let done = AtomicBool::new(false);
    let read = |key: u64| {
        index.find(mixed(key), |s| (keys[s.index()].load(Ordering::Acquire) == key).then_some(()))
    };
    for key in 1..=STAY {
        keys[key as usize].store(key, Ordering::Release);
        index.insert(mixed(key), Slot::new(key as u32), rehash);
    }
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    (1..=STAY).for_each(|key| assert!(read(key).is_some(), "key {key} is there"));
                }
            });
        }
        let mut slots: Vec<u32> = (0..=STAY as u32).collect();
        let mut vacant: Vec<u32> = (STAY as u32 + 1..8_192).collect();
        for round in 0..40_000_u64 {
            // A key that stays moves to another slot; one that does not comes in, up to a number
            // that grows; an old one goes.
            let key = 1 + round % STAY;
            let new = vacant.remove(0);
            keys[new as usize].store(key, Ordering::Release);
            let old = std::mem::replace(&mut slots[key as usize], new);
            assert!(replace(&index, mixed(key), old, new));
            keys[old as usize].store(0, Ordering::Release);
            vacant.push(old);
            let passing = 1_000_000 + round;
            let slot = vacant.remove(0);
            keys[slot as usize].store(passing, Ordering::Release);
            index.insert(mixed(passing), Slot::new(slot), rehash);
            slots.push(slot);
            if slots.len() > 1_000 + round as usize / 8 {
                let slot = slots.remove(STAY as usize + 1);
                let key = keys[slot as usize].load(Ordering::Relaxed);
                assert!(index.remove(mixed(key), Slot::new(slot), rehash));
                keys[slot as usize].store(0, Ordering::Release);
                vacant.push(slot);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}
