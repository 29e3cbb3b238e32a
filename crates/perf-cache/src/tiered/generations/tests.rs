//! What is dead, and what outlives the process.

use super::table::VERSION;
use super::*;
use perf_core::Glob;

fn no_key() -> Option<Cow<'static, str>> {
    panic!("nobody needs it")
}

fn key(text: &'static str) -> impl FnOnce() -> Option<Cow<'static, str>> {
    move || Some(text.into())
}

/// What a store would have after these invalidations, read by the next process.
fn reopened(kept: &[Record]) -> Generations {
    let next = Generations::new(4, 2);
    for name in RecordName::all() {
        // The latest is the one that is there.
        if let Some(record) = kept.iter().rev().find(|record| record.name == name) {
            next.recover(name, &record.bytes);
        }
    }
    next.recovered(0);
    next
}

fn invalidate(generations: &Generations, id: u64, kept: &mut Vec<Record>) {
    let (number, records) = generations.invalidate_tag(id, |records| records);
    kept.extend(records);
    generations.settle(number);
}

#[test]
fn what_was_read_before_an_invalidation_is_dead_and_what_is_read_after_it_is_not() {
    let generations = Generations::new(100, 100);
    let (before, id) = (generations.era(), Generations::id_of_tag("a"));
    assert!(!generations.are_past(before, [id], no_key));
    let (number, ()) = generations.invalidate_tag(id, |_| ());
    assert!(generations.are_past(before, [id], no_key));
    assert!(!generations.are_past(before, [Generations::id_of_parent("a")], no_key));
    assert_eq!(generations.era(), before, "its record is not there yet");
    generations.settle(number);
    assert!(!generations.are_past(generations.era(), [id], no_key));
}

#[test]
fn patterns_and_namespaces_cover_what_is_older() {
    let generations = Generations::new(100, 100);
    let before = generations.era();
    let glob = Pattern::Glob(Glob::new("users:*:mail").unwrap());
    let (number, ()) = generations.invalidate_pattern(glob, |_| ());
    generations.settle(number);
    let between = generations.era();
    let namespace = Pattern::Namespace("pages".into());
    generations.settle(generations.invalidate_pattern(namespace, |_| ()).0);
    assert!(generations.are_past(before, [], key("users:7:mail")));
    assert!(!generations.are_past(before, [], key("users:7:name")));
    assert!(!generations.are_past(between, [], key("users:7:mail")));
    assert!(generations.are_past(between, [], key("pages:1")));
    assert!(!generations.are_past(between, [], key("pages2")));
    assert!(generations.are_past(between, [], || None), "it may be covered");
    assert!(!generations.are_past(generations.era(), [], no_key));
}

#[test]
fn everything_outlives_the_process_and_numbers_go_on_above() {
    let mut kept = Vec::new();
    let generations = Generations::new(4, 2);
    generations.recovered(0);
    let before = generations.era();
    invalidate(&generations, 7, &mut kept);
    let glob = Pattern::Glob(Glob::new("a*").unwrap());
    let (number, records) = generations.invalidate_pattern(glob, |records| records);
    kept.extend(records);
    generations.settle(number);
    let era = generations.era();
    let next = reopened(&kept);
    assert!(next.era() >= era + GAP);
    assert!(next.are_past(before, [7], no_key) && !next.are_past(before, [8], key("b")));
    assert!(next.are_past(before, [8], key("ab")) && !next.are_past(era, [7], key("ab")));
    let (_, records) = next.invalidate_all(|records| records);
    assert!(next.are_past(era, [], no_key));
    kept.extend(records);
    assert!(reopened(&kept).are_past(era, [], no_key));
}

#[test]
fn tags_that_make_way_count_as_invalidated_with_the_last_of_them() {
    let mut kept = Vec::new();
    let generations = Generations::new(4, 2);
    generations.recovered(0);
    let mut eras = vec![generations.era()];
    for id in 1..=20_u64 {
        invalidate(&generations, id << 56, &mut kept);
        eras.push(generations.era());
    }
    assert!(generations.len().0 <= 4);
    for generations in [&generations, &reopened(&kept)] {
        for id in 1..=20_u64 {
            // Read before the invalidation of that tag.
            assert!(generations.are_past(eras[id as usize - 1], [id << 56], no_key));
        }
        assert!(!generations.are_past(eras[20], [20 << 56, 3 << 56, 99], no_key));
    }
}

#[test]
fn the_oldest_pattern_makes_way_and_takes_what_is_older_with_it() {
    let mut kept = Vec::new();
    let generations = Generations::new(4, 2);
    generations.recovered(0);
    let mut eras = vec![generations.era()];
    for name in ["a", "b", "c", "c"] {
        let pattern = Pattern::Namespace(name.into());
        let (number, records) = generations.invalidate_pattern(pattern, |records| records);
        kept.extend(records);
        generations.settle(number);
        eras.push(generations.era());
    }
    for generations in [&generations, &reopened(&kept)] {
        assert!(generations.are_past(eras[0], [], no_key), "the floor is above it");
        assert!(!generations.are_past(eras[1], [], key("a:1")));
        assert!(generations.are_past(eras[1], [], key("b:1")));
        assert!(generations.are_past(eras[3], [], key("c:1")), "invalidated again");
        assert_eq!(generations.len(), (0, 2));
    }
}

#[test]
fn a_record_that_cannot_be_read_ends_what_is_older() {
    for (name, bytes) in [
        (RecordName::Tags(3), &[VERSION, 1, 2][..]),
        (RecordName::Patterns, &[VERSION, b'x', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (RecordName::Floor, &[9]),
        (RecordName::Floor, &[]),
    ] {
        let generations = Generations::new(4, 2);
        generations.recover(name, bytes);
        assert!(generations.recovered(0).is_some());
        assert!(generations.are_past(1 << 30, [], no_key), "{name:?}");
        assert!(!generations.are_past(generations.era(), [], no_key));
    }
}

#[test]
fn what_a_lost_record_ended_stays_dead_when_the_record_is_written_anew() {
    let mut kept = Vec::new();
    let generations = Generations::new(4, 2);
    generations.recovered(0);
    let before = generations.era();
    invalidate(&generations, 7, &mut kept);
    let tags = kept.len() - 1;
    kept[tags].bytes.truncate(3);
    let next = Generations::new(4, 2);
    next.recover(kept[tags].name, &kept[tags].bytes);
    kept.extend(next.recovered(0));
    let after = next.era();
    invalidate(&next, 8, &mut kept);
    let last = reopened(&kept);
    assert!(last.are_past(before, [7], no_key));
    assert!(!last.are_past(after, [7], no_key));
}

#[test]
fn another_lost_record_does_not_bring_numbers_back() {
    let mut kept = Vec::new();
    let first = Generations::new(4, 2);
    first.recover(RecordName::Tags(3), &[]);
    kept.extend(first.recovered(0));
    let before = first.era();
    invalidate(&first, 7, &mut kept);
    let next = Generations::new(4, 2);
    // The floor is there, the tag is not.
    next.recover(RecordName::Floor, &kept[0].bytes);
    next.recover(RecordName::Tags(0), &[]);
    assert!(next.recovered(0).is_some());
    assert!(next.era() > before && next.are_past(before, [7], no_key));
}

#[test]
fn an_era_that_is_yet_to_come_is_dead() {
    let generations = Generations::new(4, 2);
    generations.recovered(0);
    assert!(generations.are_past(generations.era() + 1, [], no_key));
}

#[test]
fn ids_stay_what_they_are() {
    let ids = [Generations::id_of_tag("user:7"), Generations::id_of_parent("user:7")];
    assert_eq!(ids, [8_473_576_893_961_714_935, 2_962_068_783_633_397_075]);
}
