//! The protocol of reading, retiring and freeing, under every order in which threads may meet.

use super::*;
use crate::barrier;
use crate::index::Index;
use loom::sync::{Arc, Mutex, MutexGuard};
use loom::thread;

/// A value that knows whether it lives. Loom sees every access to it.
struct Witness {
    lives: loom::sync::atomic::AtomicBool,
    /// How many have been dropped.
    dropped: Arc<loom::sync::atomic::AtomicUsize>,
    number: u64,
}

impl Drop for Witness {
    fn drop(&mut self) {
        assert!(self.lives.swap(false, Ordering::Relaxed), "dropped twice");
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

struct Model {
    slots: Slots<u64, Witness>,
    ledger: Mutex<Ledger>,
    readers: Readers,
    index: Index,
    dropped: Arc<loom::sync::atomic::AtomicUsize>,
}

impl Model {
    fn new(index_room: u64) -> Model {
        let (slots, ledger) = Slots::new(2);
        Model {
            slots,
            ledger: Mutex::new(ledger),
            readers: Readers::new(),
            index: Index::with_capacity(index_room),
            dropped: Arc::new(loom::sync::atomic::AtomicUsize::new(0)),
        }
    }

    fn witness(&self, number: u64) -> Witness {
        Witness {
            lives: loom::sync::atomic::AtomicBool::new(true),
            dropped: Arc::clone(&self.dropped),
            number,
        }
    }

    fn rehash(&self) -> impl Fn(Slot) -> u64 + '_ {
        |slot| u64::from(self.slots.tag(slot))
    }

    fn insert(&self, key: u64, number: u64) {
        let mut ledger = self.ledger.lock().unwrap();
        let entry = Entry::plain(key, self.witness(number));
        let (slot, left) = self.slots.put(&mut ledger, tag_of(key), 0, entry);
        self.index.insert(u64::from(tag_of(key)), slot, self.rehash());
        drop(ledger);
        drop(left);
    }

    fn find(&self, ledger: &Ledger, key: u64) -> Option<Slot> {
        self.index.find(u64::from(tag_of(key)), |slot| {
            let entry = self.slots.get(ledger, slot)?;
            (entry.key == key).then_some(slot)
        })
    }

    fn remove(&self, key: u64) {
        let mut gone = Vec::new();
        let mut ledger = self.leave(key);
        gone.extend(std::iter::from_fn(|| self.slots.vacate(&mut ledger)));
        drop(ledger);
        drop(gone);
    }

    /// Takes out what a key has, to be dropped when its place is used again.
    fn leave(&self, key: u64) -> MutexGuard<'_, Ledger> {
        let mut ledger = self.ledger.lock().unwrap();
        if let Some(slot) = self.find(&ledger, key) {
            self.index.remove(u64::from(tag_of(key)), slot, self.rehash());
            self.slots.retire(&mut ledger, slot);
        }
        self.harvest(&mut ledger);
        ledger
    }

    fn replace(&self, key: u64, number: u64) {
        let mut ledger = self.ledger.lock().unwrap();
        let old = self.find(&ledger, key).unwrap();
        let entry = Entry::plain(key, self.witness(number));
        let (slot, left) = self.slots.put(&mut ledger, tag_of(key), 0, entry);
        let found = self.index.seek(u64::from(tag_of(key)), |slot| slot == old).unwrap();
        self.index.replace(found, slot);
        self.slots.retire(&mut ledger, old);
        self.harvest(&mut ledger);
        let gone = self.slots.vacate(&mut ledger);
        drop(ledger);
        drop((left, gone));
    }

    /// As [`replace`](Model::replace), where the old value is if this thread is alone.
    fn swap(&self, key: u64, number: u64) {
        let mut ledger = self.ledger.lock().unwrap();
        let old = self.find(&ledger, key).unwrap();
        let entry = Entry::plain(key, self.witness(number));
        let swapped = self.slots.swap(&mut ledger, &self.readers, old, 3, (0, entry));
        drop(ledger);
        if swapped.is_err() {
            self.replace(key, number);
        }
    }

    /// As [`remove`](Model::remove), at once if this thread is alone.
    fn take(&self, key: u64) {
        let mut ledger = self.ledger.lock().unwrap();
        let slot = self.find(&ledger, key).unwrap();
        self.index.remove(u64::from(tag_of(key)), slot, self.rehash());
        let taken = self.slots.take(&mut ledger, &self.readers, slot);
        if taken.is_none() {
            self.slots.retire(&mut ledger, slot);
        }
    }

    /// Puts an entry of another key in the place of this one if this thread is alone.
    fn supersede(&self, old: u64, new: u64, number: u64) {
        let mut ledger = self.ledger.lock().unwrap();
        let slot = self.find(&ledger, old).unwrap();
        let entry = Entry::plain(new, self.witness(number));
        let entry = (tag_of(new), 0, entry);
        let gone = self.slots.supersede(&mut ledger, &self.readers, slot, entry);
        if gone.is_ok() {
            self.index.remove(u64::from(tag_of(old)), slot, self.rehash());
            self.index.insert(u64::from(tag_of(new)), slot, self.rehash());
        }
        drop(ledger);
        if gone.is_err() {
            self.remove(old);
            self.insert(new, number);
        }
    }

    fn harvest(&self, ledger: &mut Ledger) {
        if self.slots.harvest(ledger, &self.readers, true) == Harvest::NeedsBarrier {
            barrier::heavy();
            let _ = self.slots.harvest(ledger, &self.readers, true);
        }
    }

    /// What a reader finds for a key.
    fn read(&self, key: u64) -> Option<u64> {
        let record = self.readers.own().unwrap();
        let tag = tag_of(key);
        self.index.find(u64::from(tag), |slot| {
            match self.slots.protect(slot, tag, &self.readers, record) {
                Look::Live(entry) if entry.key == key => {
                    assert!(entry.value.lives.load(Ordering::Relaxed), "read after its drop");
                    let number = entry.value.number;
                    assert!(entry.value.lives.load(Ordering::Relaxed), "dropped while it was read");
                    Some(number)
                }
                _ => None,
            }
        })
    }
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 10_000;
    builder.check(check);
}

#[test]
fn loom_an_entry_is_not_freed_while_it_is_read() {
    model(|| {
        let model = Arc::new(Model::new(4));
        model.insert(1, 10);
        let reader = {
            let model = Arc::clone(&model);
            thread::spawn(move || assert!(matches!(model.read(1), None | Some(10))))
        };
        model.remove(1);
        reader.join().unwrap();
        assert_eq!(model.read(1), None);
    });
}

#[test]
fn loom_a_thread_that_has_read_before_needs_less() {
    model(|| {
        let model = Arc::new(Model::new(4));
        model.insert(1, 10);
        let reader = {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                // The first makes the record known, the second does with the light half.
                assert!(matches!(model.read(1), None | Some(10)));
                assert!(matches!(model.read(1), None | Some(10)));
            })
        };
        model.remove(1);
        reader.join().unwrap();
    });
}

#[test]
fn loom_a_place_that_is_used_again_is_not_mistaken() {
    model(|| {
        let model = Arc::new(Model::new(4));
        model.insert(1, 10);
        let reader = {
            let model = Arc::clone(&model);
            thread::spawn(move || assert!(matches!(model.read(1), None | Some(10) | Some(11))))
        };
        // The new entries may take the place of the old one.
        model.remove(1);
        model.insert(2, 20);
        model.insert(1, 11);
        reader.join().unwrap();
        assert_eq!((model.read(1), model.read(2)), (Some(11), Some(20)));
    });
}

#[test]
fn loom_what_is_left_in_a_place_is_dropped_as_it_is_used_again() {
    model(|| {
        let model = Arc::new(Model::new(4));
        model.insert(1, 10);
        let reader = {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                assert!(matches!(model.read(1), None | Some(10)));
                assert!(matches!(model.read(2), None | Some(20)));
            })
        };
        drop(model.leave(1));
        assert_eq!(model.dropped.load(Ordering::Relaxed), 0);
        model.insert(2, 20);
        reader.join().unwrap();
        assert_eq!((model.read(1), model.read(2)), (None, Some(20)));
    });
}

#[test]
fn loom_a_replaced_value_is_always_found_old_or_new() {
    model(|| {
        let model = Arc::new(Model::new(4));
        model.insert(1, 10);
        let reader = {
            let model = Arc::clone(&model);
            thread::spawn(move || assert!(matches!(model.read(1), Some(10 | 11))))
        };
        model.replace(1, 11);
        reader.join().unwrap();
        assert_eq!(model.read(1), Some(11));
    });
}

#[test]
fn loom_a_value_is_replaced_where_it_is_while_another_begins_to_read() {
    model(|| {
        let model = Arc::new(Model::new(4));
        model.insert(1, 10);
        assert_eq!(model.read(1), Some(10));
        let reader = {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                assert!(matches!(model.read(1), Some(10 | 11)));
                assert!(matches!(model.read(1), Some(10 | 11)));
            })
        };
        model.swap(1, 11);
        assert_eq!(model.read(1), Some(11));
        reader.join().unwrap();
    });
}

#[test]
fn loom_a_place_is_taken_and_used_again_while_another_begins_to_read() {
    model(|| {
        let model = Arc::new(Model::new(4));
        model.insert(1, 10);
        assert_eq!(model.read(1), Some(10));
        let reader = {
            let model = Arc::clone(&model);
            thread::spawn(move || assert!(matches!(model.read(1), None | Some(10 | 11))))
        };
        model.take(1);
        model.insert(1, 11);
        reader.join().unwrap();
        assert_eq!(model.read(1), Some(11));
    });
}

#[test]
fn loom_a_place_is_given_to_another_key_while_another_begins_to_read() {
    model(|| {
        let model = Arc::new(Model::new(4));
        model.insert(1, 10);
        assert_eq!(model.read(1), Some(10));
        let reader = {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                assert!(matches!(model.read(1), None | Some(10)));
                assert!(matches!(model.read(2), None | Some(20)));
            })
        };
        model.supersede(1, 2, 20);
        reader.join().unwrap();
        assert_eq!((model.read(1), model.read(2)), (None, Some(20)));
    });
}

#[test]
fn loom_two_writers_and_their_own_reads() {
    model(|| {
        let model = Arc::new(Model::new(4));
        model.insert(1, 10);
        let other = {
            let model = Arc::clone(&model);
            thread::spawn(move || {
                assert!(matches!(model.read(1), None | Some(10)));
                model.insert(2, 20);
            })
        };
        assert_eq!(model.read(1), Some(10));
        model.remove(1);
        other.join().unwrap();
        assert_eq!((model.read(1), model.read(2)), (None, Some(20)));
    });
}

#[test]
fn loom_everything_is_dropped_once_with_the_cache() {
    model(|| {
        let model = Arc::new(Model::new(4));
        let dropped = Arc::clone(&model.dropped);
        model.insert(1, 10);
        model.insert(2, 20);
        let other = {
            let model = Arc::clone(&model);
            thread::spawn(move || assert!(matches!(model.read(2), None | Some(20))))
        };
        model.remove(2);
        // Whoever is last drops what is left.
        drop(model);
        other.join().unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
    });
}
