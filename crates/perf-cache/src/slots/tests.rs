use super::places::chunk_of;
use super::*;
use crate::barrier;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A value that counts how often it was dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn entry(key: u64) -> Entry<u64, String> {
    Entry::plain(key, key.to_string())
}

/// Finds what is free and moves it out.
fn harvest<V>(
    slots: &Slots<u64, V>,
    ledger: &mut Ledger,
    readers: &Readers,
    all: bool,
    gone: &mut Vec<Entry<u64, V>>,
) -> Harvest {
    let harvest = slots.harvest(ledger, readers, all);
    gone.extend(std::iter::from_fn(|| slots.vacate(ledger)));
    harvest
}

#[test]
fn a_pair_takes_forty_bytes() {
    assert_eq!(place_size::<u64, u64>(), 40);
}

#[test]
fn chunks_follow_one_another() {
    let mut expected = (0, 0);
    for beyond in 0..10_000 {
        assert_eq!(chunk_of(beyond), expected);
        expected.1 += 1;
        if expected.1 == SMALLEST << expected.0 {
            expected = (expected.0 + 1, 0);
        }
    }
}

#[test]
fn what_was_put_in_is_read_until_it_is_retired() {
    let (readers, (slots, mut ledger)) = (Readers::new(), Slots::new(2));
    let record = readers.own().unwrap();
    let placed: Vec<_> =
        (0..300).map(|key| slots.put(&mut ledger, tag_of(key), 7, entry(key)).0).collect();
    for (key, &slot) in (0..).zip(&placed) {
        let Look::Live(found) = slots.protect(slot, tag_of(key), &readers, record) else {
            panic!("{key} is there")
        };
        assert_eq!((found.key, &*found.value, found.era()), (key, &*key.to_string(), 7));
        assert_eq!(slots.get(&ledger, slot).unwrap().key, key);
    }
    assert!(matches!(slots.protect(placed[3], tag_of(4), &readers, record), Look::Gone));
    slots.retire(&mut ledger, placed[3]);
    assert!(matches!(slots.protect(placed[3], tag_of(3), &readers, record), Look::Gone));
    assert!(slots.get(&ledger, placed[3]).is_none());
    assert_eq!((ledger.len(), ledger.retired()), (299, 1));
}

#[test]
fn what_somebody_reads_is_not_freed() {
    let (readers, (slots, mut ledger)) = (Readers::new(), Slots::new(8));
    let dropped = Arc::new(AtomicUsize::new(0));
    let slot = slots.put(&mut ledger, 5, 0, Entry::plain(5, Dropped(Arc::clone(&dropped)))).0;
    let record = readers.own().unwrap();
    let Look::Live(read) = slots.protect(slot, tag_of(5), &readers, record) else {
        panic!("it is there")
    };
    let mut gone = Vec::new();
    slots.retire(&mut ledger, slot);
    assert_eq!(harvest(&slots, &mut ledger, &readers, true, &mut gone), Harvest::Done);
    assert_eq!((gone.len(), ledger.retired(), read.key), (0, 1, 5));
    drop(read);
    assert_eq!(harvest(&slots, &mut ledger, &readers, true, &mut gone), Harvest::Done);
    assert_eq!((gone.len(), ledger.retired(), dropped.load(SeqCst)), (1, 0, 0));
    gone.clear();
    assert_eq!(dropped.load(SeqCst), 1);
    assert_eq!(slots.put(&mut ledger, 6, 0, Entry::plain(6, Dropped(dropped))).0, slot);
}

#[test]
fn where_others_read_a_barrier_frees() {
    let (readers, (slots, mut ledger)) = (Readers::new(), Slots::new(8));
    let read = |slot, tag| {
        let found = slots.protect(slot, tag, &readers, readers.own().unwrap());
        matches!(found, Look::Live(_))
    };
    let slot = slots.put(&mut ledger, 1, 0, entry(1)).0;
    assert!(read(slot, tag_of(1)));
    std::thread::scope(|scope| {
        let other = scope.spawn(|| read(slot, tag_of(1)));
        assert!(other.join().unwrap());
        // Another thread holds the place of the first one now, or a place of its own.
        scope.spawn(|| read(slot, tag_of(1))).join().unwrap();
    });
    let mut gone = Vec::new();
    slots.retire(&mut ledger, slot);
    assert_eq!(harvest(&slots, &mut ledger, &readers, false, &mut gone), Harvest::Done);
    assert!(gone.is_empty(), "it was only sealed");
    if harvest(&slots, &mut ledger, &readers, false, &mut gone) == Harvest::NeedsBarrier {
        assert!(barrier::heavy());
        assert_eq!(harvest(&slots, &mut ledger, &readers, false, &mut gone), Harvest::Done);
    }
    assert_eq!((gone.len(), ledger.retired()), (1, 0));
}

#[test]
fn what_nobody_reads_is_handed_out_as_its_place_is_used_again() {
    let (readers, (slots, mut ledger)) = (Readers::new(), Slots::new(8));
    let placed: Vec<_> =
        (0..3).map(|key| slots.put(&mut ledger, tag_of(key), 0, entry(key)).0).collect();
    placed.iter().for_each(|&slot| slots.retire(&mut ledger, slot));
    assert_eq!(slots.harvest(&mut ledger, &readers, true), Harvest::Done);
    assert_eq!((ledger.len(), ledger.retired(), ledger.unread().len()), (0, 3, 3));
    let mut left: Vec<_> =
        (3..7).map(|key| slots.put(&mut ledger, tag_of(key), 0, entry(key))).collect();
    assert_eq!((ledger.len(), ledger.retired(), slots.used()), (4, 0, 4));
    assert!(left.pop().is_some_and(|(slot, left)| slot.index() == 3 && left.is_none()));
    for (slot, left) in left {
        assert_eq!(left.unwrap().key, slot.index() as u64, "of that place");
        assert_eq!(slots.get(&ledger, slot).unwrap().key, 5 - slot.index() as u64);
    }
}

#[test]
fn hits_and_era_do_not_meet() {
    let (readers, (slots, mut ledger)) = (Readers::new(), Slots::new(8));
    let slot = slots.put(&mut ledger, 1, 0xabcdef, entry(1)).0;
    let Look::Live(read) = slots.protect(slot, tag_of(1), &readers, readers.own().unwrap()) else {
        panic!("it is there")
    };
    (0..3).for_each(|_| read.count_hit());
    assert_eq!((read.hits(), slots.hits(slot)), (3, 3));
    slots.set_hits(slot, 1);
    assert_eq!((slots.hits(slot), read.era()), (1, 0xabcdef));
    (0..300).for_each(|_| read.count_hit());
    assert_eq!((slots.hits(slot), read.era()), (127, 0xabcdef));
}

#[test]
fn readers_are_told_by_one_word_what_needs_a_closer_look() {
    let (readers, (slots, mut ledger)) = (Readers::new(), Slots::new(8));
    let timed = Entry { look_at: 5.into(), ..entry(2) };
    let plain = slots.put(&mut ledger, 1, 7, entry(1)).0;
    let timed = slots.put(&mut ledger, 2, 7, timed).0;
    let record = readers.own().unwrap();
    let Look::Live(read) = slots.protect(plain, tag_of(1), &readers, record) else {
        panic!("it is there")
    };
    assert!(read.is_plain(7) && !read.is_plain(8) && !read.is_plain(6));
    read.count_hit();
    assert!(read.is_plain_and_hot(7, 1) && !read.is_plain_and_hot(7, 2));
    assert!(!read.is_plain_and_hot(7, u8::MAX) && !read.is_plain_and_hot(8, 0));
    slots.set_era(plain, 8);
    assert!(read.is_plain_and_hot(8, 1));
    drop(read);
    let Look::Live(read) = slots.protect(timed, tag_of(2), &readers, record) else {
        panic!("it is there")
    };
    (0..200).for_each(|_| read.count_hit());
    read.set_era(9);
    slots.set_hits(timed, 3);
    assert!(!read.is_plain(7) && !read.is_plain(9) && !read.is_plain_and_hot(9, 0));
    assert_eq!((read.hits(), read.era()), (3, 9));
}

#[test]
fn what_is_detached_is_freed_after_its_release() {
    let (readers, (slots, mut ledger)) = (Readers::new(), Slots::new(8));
    let slot = slots.put(&mut ledger, 1, 0, entry(1)).0;
    let detached = slots.detach(&mut ledger, slot);
    let mut gone = Vec::new();
    assert_eq!(harvest(&slots, &mut ledger, &readers, true, &mut gone), Harvest::Done);
    assert_eq!((gone.len(), &*detached.value, ledger.len()), (0, "1", 0));
    slots.release(&mut ledger, detached);
    assert_eq!(harvest(&slots, &mut ledger, &readers, true, &mut gone), Harvest::Done);
    assert_eq!(gone.len(), 1);
}

#[test]
fn everything_is_dropped_once_with_the_slots() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let (readers, (slots, mut ledger)) = (Readers::new(), Slots::new(10));
    let place = |ledger: &mut Ledger, key| {
        slots.put(ledger, tag_of(key), 0, Entry::plain(key, Dropped(Arc::clone(&dropped)))).0
    };
    let placed: Vec<_> = (0..100).map(|key| place(&mut ledger, key)).collect();
    placed[..50].iter().for_each(|&slot| slots.retire(&mut ledger, slot));
    let mut gone = Vec::new();
    assert_eq!(harvest(&slots, &mut ledger, &readers, true, &mut gone), Harvest::Done);
    placed[50..70].iter().for_each(|&slot| slots.retire(&mut ledger, slot));
    drop(gone);
    assert_eq!(dropped.load(SeqCst), 50);
    drop(slots);
    assert_eq!(dropped.load(SeqCst), 100);
}

#[test]
#[should_panic(expected = "belongs to its slots")]
fn a_ledger_of_other_slots_is_refused() {
    let (slots, _) = Slots::<u64, String>::new(1);
    let (_, mut other) = Slots::<u64, String>::new(1);
    slots.put(&mut other, 1, 0, entry(1));
}

#[test]
#[should_panic(expected = "only what is live")]
fn nothing_is_retired_twice() {
    let (slots, mut ledger) = Slots::new(1);
    let slot = slots.put(&mut ledger, 1, 0, entry(1)).0;
    slots.retire(&mut ledger, slot);
    slots.retire(&mut ledger, slot);
}

#[test]
fn the_only_reader_replaces_and_takes_at_once_what_it_does_not_look_at() {
    let (readers, (slots, mut ledger)) = (Readers::new(), Slots::new(2));
    let slot = slots.put(&mut ledger, tag_of(5), 0, entry(5)).0;
    let new = || Entry::plain(5, String::from("new"));
    assert!(slots.swap(&mut ledger, &readers, slot, 3, (1, new())).is_err(), "it has not read yet");
    let record = readers.own().unwrap();
    let look = || slots.protect(slot, tag_of(5), &readers, record);
    let guard = look();
    assert!(matches!(&guard, Look::Live(entry) if entry.value == "5"));
    assert!(slots.swap(&mut ledger, &readers, slot, 3, (1, new())).is_err());
    assert!(slots.take(&mut ledger, &readers, slot).is_none());
    drop(guard);
    assert_eq!(slots.swap(&mut ledger, &readers, slot, 3, (1, new())).unwrap().value, "5");
    assert!(matches!(look(), Look::Live(entry) if entry.value == "new" && entry.era() == 1));
    assert_eq!(slots.take(&mut ledger, &readers, slot).unwrap().value, "new");
    assert!(matches!(look(), Look::Gone));
    assert_eq!((ledger.len(), ledger.retired()), (0, 0));
    assert_eq!(slots.put(&mut ledger, tag_of(6), 0, entry(6)).0, slot, "used again");
    let new = |key| (tag_of(key), 2, entry(key));
    let record = readers.own().unwrap();
    let guard = slots.protect(slot, tag_of(6), &readers, record);
    slots.set_hits(slot, 3);
    assert!(slots.supersede(&mut ledger, &readers, slot, new(7)).is_err(), "it is looked at");
    drop(guard);
    assert_eq!(slots.supersede(&mut ledger, &readers, slot, new(7)).unwrap().key, 6);
    assert!(matches!(slots.protect(slot, tag_of(6), &readers, record), Look::Gone));
    let found = slots.protect(slot, tag_of(7), &readers, record);
    assert!(matches!(found, Look::Live(entry) if entry.key == 7 && entry.era() == 2));
    assert_eq!((slots.hits(slot), ledger.len()), (0, 1));
}

#[test]
fn with_another_reader_nothing_is_replaced_where_it_is() {
    let (readers, (slots, mut ledger)) = (Readers::new(), Slots::new(2));
    let slot = slots.put(&mut ledger, tag_of(5), 0, entry(5)).0;
    let read = || {
        let look = slots.protect(slot, tag_of(5), &readers, readers.own().unwrap());
        assert!(matches!(look, Look::Live(_)));
    };
    read();
    std::thread::scope(|scope| scope.spawn(read).join().unwrap());
    assert!(slots.swap(&mut ledger, &readers, slot, 3, (1, entry(5))).is_err());
    assert!(slots.take(&mut ledger, &readers, slot).is_none());
    assert!(slots.supersede(&mut ledger, &readers, slot, (tag_of(6), 1, entry(6))).is_err());
}
