//! Every order in which a reader and a writer can meet.

use super::*;
use loom::sync::Arc;
use loom::thread;

/// The index with what stands in its slots: a key, or nothing once it has been retired.
struct Shard {
    index: Index,
    keys: Vec<AtomicU64>,
}

/// All keys of these models begin in the first bucket, and have one of two hashes but for this one,
/// whose tag is its own.
const LONE: u64 = 99;

fn hash(key: u64) -> u64 {
    let first = |hash: &u64| home(*hash, 64) == 0;
    let nth = if key == LONE { 2 } else { key % 2 };
    (0..).filter(first).nth(nth as usize).unwrap()
}

impl Shard {
    fn new(keys: u64, slots: usize, capacity: u64) -> Arc<Shard> {
        let shard = Shard {
            index: Index::with_capacity(capacity),
            keys: (0..slots).map(|_| AtomicU64::new(0)).collect(),
        };
        (1..=keys).for_each(|key| shard.insert(key, key as u32));
        Arc::new(shard)
    }

    fn rehash(&self, slot: Slot) -> u64 {
        hash(self.keys[slot.index()].load(Ordering::Relaxed))
    }

    fn insert(&self, key: u64, slot: u32) {
        self.keys[slot as usize].store(key, Ordering::Release);
        self.index.insert(hash(key), Slot::new(slot), |slot| self.rehash(slot));
    }

    fn remove(&self, key: u64, slot: u32) {
        assert!(self.index.remove(hash(key), Slot::new(slot), |slot| self.rehash(slot)));
        self.keys[slot as usize].store(0, Ordering::Release);
    }

    fn replace(&self, key: u64, old: u32, new: u32) {
        self.keys[new as usize].store(key, Ordering::Release);
        let found = self.index.seek(hash(key), |slot| slot == Slot::new(old)).unwrap();
        self.index.replace(found, Slot::new(new));
        self.keys[old as usize].store(0, Ordering::Release);
    }

    fn has(&self, key: u64) -> bool {
        let is_it = |slot: Slot| self.keys[slot.index()].load(Ordering::Acquire) == key;
        self.index.find(hash(key), |slot| is_it(slot).then_some(())).is_some()
    }

    /// Whether a glance leaves it open that it is there.
    fn may_have(&self, key: u64) -> bool {
        !matches!(self.index.likely(hash(key)), Likely::Nothing)
    }
}

/// The reader is the thread that is spawned. Loom tries another order of an access and the last one
/// before it to the same word; writers load before they store, so that of a reader that came first it
/// would try hardly any.
fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 10_000;
    builder.check(model);
}

#[test]
fn loom_an_entry_that_gets_new_slots_is_always_found() {
    check(|| {
        let shard = Shard::new(1, 4, 12);
        let reader = Arc::clone(&shard);
        let reader = thread::spawn(move || assert!(reader.has(1)));
        shard.replace(1, 1, 2);
        // The old slot is used again for the same key: it looks as it did before.
        shard.replace(1, 2, 1);
        reader.join().unwrap();
        assert!(shard.has(1));
    });
}

#[test]
fn loom_an_entry_that_moves_back_is_always_found() {
    check(|| {
        // Twelve fill the first bucket; the thirteenth is in the next.
        let shard = Shard::new(13, 14, 24);
        let reader = Arc::clone(&shard);
        let reader = thread::spawn(move || assert!(reader.has(13)));
        shard.remove(5, 5);
        reader.join().unwrap();
        assert!(shard.has(13) && !shard.has(5));
    });
}

#[test]
fn loom_an_entry_that_moves_back_is_not_taken_for_nothing() {
    // Into a cell whose tag is in the first word, or in the second.
    for leaves in [5, 11] {
        for look in [Shard::may_have, Shard::has] {
            check(move || {
                let shard = Shard::new(12, 14, 24);
                shard.insert(LONE, 13);
                let reader = Arc::clone(&shard);
                let reader = thread::spawn(move || assert!(look(&reader, LONE)));
                shard.remove(leaves, leaves as u32);
                reader.join().unwrap();
                assert!(matches!(shard.index.likely(hash(LONE)), Likely::Slot(_)), "it is alone");
            });
        }
    }
}

#[test]
fn loom_an_entry_is_found_while_the_index_grows() {
    check(|| {
        let shard = Shard::new(10, 13, 1);
        let reader = Arc::clone(&shard);
        let reader = thread::spawn(move || assert!(reader.has(3)));
        shard.insert(11, 11);
        shard.replace(3, 3, 12);
        reader.join().unwrap();
        assert!(shard.has(3) && shard.has(11));
    });
}

#[test]
fn loom_what_is_found_was_there() {
    check(|| {
        let shard = Shard::new(1, 4, 12);
        let reader = Arc::clone(&shard);
        // Never in this order: the second is there only after the first is gone.
        let reader = thread::spawn(move || assert!(!(reader.has(3) && reader.has(1))));
        shard.remove(1, 1);
        shard.insert(3, 1);
        reader.join().unwrap();
        assert!(shard.has(3) && !shard.has(1));
    });
}
