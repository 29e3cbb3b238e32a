//! Every order in which a reader and a writer of one slot can meet. The reader is the thread that is
//! spawned, as in the models of the index.

use super::*;
use loom::sync::Arc;
use loom::thread;

/// Pairs that belong together: a mixture of two of them would show.
type Pair = Slots<u64, (u64, u64)>;

const SLOT: Slot = Slot::new(0);

fn filled() -> Arc<Pair> {
    let slots = Slots::with_capacity(1);
    slots.fill(SLOT, 7, &1, &(10, 11), NEVER);
    Arc::new(slots)
}

#[test]
fn loom_a_value_is_read_whole_while_it_is_overwritten() {
    loom::model(|| {
        let slots = filled();
        let reader = Arc::clone(&slots);
        let reader = thread::spawn(move || match reader.read(SLOT, 7, &1) {
            Read::Found(copied) => assert!([(10, 11), (20, 21)].contains(&copied.value)),
            Read::Busy => {}
            Read::Other => panic!("the key was there all the time"),
        });
        slots.overwrite(SLOT, &(20, 21), NEVER);
        reader.join().unwrap();
        assert!(matches!(slots.read(SLOT, 7, &1), Read::Found(c) if c.value == (20, 21)));
    });
}

#[test]
fn loom_a_slot_that_is_used_again_never_answers_for_the_wrong_key() {
    loom::model(|| {
        let slots = filled();
        let reader = Arc::clone(&slots);
        let reader = thread::spawn(move || {
            if let Read::Found(copied) = reader.read(SLOT, 7, &1) {
                assert_eq!(copied.value, (10, 11));
            }
            if let Read::Found(copied) = reader.read(SLOT, 7, &2) {
                assert_eq!(copied.value, (20, 21));
            }
        });
        slots.retire(SLOT);
        // The same hash: only the key tells them apart.
        slots.fill(SLOT, 7, &2, &(20, 21), NEVER);
        reader.join().unwrap();
    });
}

#[test]
fn loom_a_glance_is_of_one_value() {
    loom::model(|| {
        let slots = filled();
        let reader = Arc::clone(&slots);
        let reader = thread::spawn(move || {
            if let Some((value, _)) = reader.glance(SLOT, &1) {
                assert!([(10, 11), (20, 21)].contains(&value));
            }
        });
        slots.overwrite(SLOT, &(20, 21), NEVER);
        reader.join().unwrap();
        assert!(matches!(slots.glance(SLOT, &1), Some(((20, 21), _))));
    });
}

#[test]
fn loom_a_glance_is_of_one_key() {
    loom::model(|| {
        let slots = filled();
        let reader = Arc::clone(&slots);
        let reader = thread::spawn(move || {
            if let Some((value, _)) = reader.glance(SLOT, &1) {
                assert_eq!(value, (10, 11));
            }
        });
        slots.retire(SLOT);
        slots.fill(SLOT, 7, &2, &(20, 21), NEVER);
        reader.join().unwrap();
        assert_eq!(slots.glance(SLOT, &1), None);
    });
}

#[test]
fn loom_a_hit_never_undoes_a_change() {
    loom::model(|| {
        let slots = filled();
        let reader = Arc::clone(&slots);
        let reader = thread::spawn(move || {
            if let Read::Found(copied) = reader.read(SLOT, 7, &1) {
                reader.note_hit(SLOT, copied.meta);
            }
        });
        slots.overwrite(SLOT, &(20, 21), NEVER);
        slots.set_hits(SLOT, 0);
        reader.join().unwrap();
        assert!(matches!(slots.read(SLOT, 7, &1), Read::Found(c) if c.value == (20, 21)));
        assert!(slots.hits(SLOT) <= 1);
    });
}

#[test]
fn loom_two_hits_count_no_more_than_twice() {
    loom::model(|| {
        let slots = filled();
        let other = Arc::clone(&slots);
        let hit = |slots: &Pair| {
            if let Read::Found(copied) = slots.read(SLOT, 7, &1) {
                slots.note_hit(SLOT, copied.meta);
            }
        };
        let other = thread::spawn(move || hit(&other));
        hit(&slots);
        other.join().unwrap();
        assert!((1..=2).contains(&slots.hits(SLOT)));
        assert!(matches!(slots.read(SLOT, 7, &1), Read::Found(_)));
    });
}
