//! Invalidations against what happens at the same time, in every order.
//!
//! The world outside of the cache is an atomic that the invalidating thread changes before it
//! invalidates, as a caller changes its database.

#![expect(clippy::unwrap_used, reason = "tests; clippy exempts only functions marked so")]

use super::dependencies::Graph;
use super::fence::Sequence;
use super::marks::{Marking, Marks};
use super::patterns::{Pattern, Patterns};
use super::tags::{Hold, Name, Tag};
use loom::sync::Arc as Shared;
use loom::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

struct World {
    truth: AtomicU64,
    sequence: Sequence,
}

impl World {
    fn new() -> Shared<World> {
        Shared::new(World { truth: AtomicU64::new(0), sequence: Sequence::new() })
    }
}

fn a_tag() -> Arc<Tag> {
    Arc::new(Tag::new(Name::Tag("t".into()), 0))
}

fn join(world: &World, tag: &Arc<Tag>) -> Option<(u64, Marks)> {
    let fence = world.sequence.fence();
    let value = world.truth.load(Ordering::Relaxed);
    let mut marking = Marking::default();
    marking.join(Hold::new(tag), Some(fence)).then(|| (value, marking.finish()))
}

#[test]
fn a_value_read_before_an_invalidation_is_dead_after_it() {
    loom::model(|| {
        let (world, tag) = (World::new(), a_tag());
        let loader = {
            let (world, tag) = (Shared::clone(&world), Arc::clone(&tag));
            loom::thread::spawn(move || join(&world, &tag))
        };
        world.truth.store(1, Ordering::Relaxed);
        let died = tag.invalidate(world.sequence.advance());
        // Alive from here on is only what has seen the change.
        let stored = loader.join().unwrap();
        let dead = stored.as_ref().is_some_and(|(_, marks)| marks.dead().is_some());
        if let Some((0, _)) = stored {
            assert!(dead, "a value from before the invalidation is alive after it");
        }
        // One that came in and found that it may not stay can be among those that died.
        assert!(died >= u64::from(dead));
        assert_eq!(tag.dead(), u64::from(dead));
    });
}

#[test]
fn each_of_two_invalidations_is_over_when_it_returns() {
    loom::model(|| {
        let (world, tag) = (World::new(), a_tag());
        let other = {
            let (world, tag) = (Shared::clone(&world), Arc::clone(&tag));
            loom::thread::spawn(move || tag.invalidate(world.sequence.advance()))
        };
        let stored = join(&world, &tag);
        let died = tag.invalidate(world.sequence.advance());
        if let Some((_, marks)) = &stored {
            assert!(marks.dead().is_some());
        }
        let died = died + other.join().unwrap();
        assert!(died >= u64::from(stored.is_some()));
        drop(stored);
        assert_eq!(tag.dead(), 0);
    });
}

#[test]
fn an_entry_that_leaves_while_its_tag_is_invalidated_is_counted_once() {
    loom::model(|| {
        let (world, tag) = (World::new(), a_tag());
        let (_, marks) = join(&world, &tag).unwrap();
        let leaving = loom::thread::spawn(move || drop(marks));
        tag.invalidate(world.sequence.advance());
        leaving.join().unwrap();
        assert_eq!((tag.dead(), tag.invalidate(9)), (0, 0));
    });
}

#[test]
fn an_entry_of_an_old_era_is_looked_up_in_the_list() {
    loom::model(|| {
        let world = World::new();
        let patterns = Shared::new(Patterns::new());
        let loader = {
            let (world, patterns) = (Shared::clone(&world), Shared::clone(&patterns));
            loom::thread::spawn(move || {
                let fence = world.sequence.fence();
                let value = world.truth.load(Ordering::Relaxed);
                let era = patterns.era();
                (!patterns.cover_after(fence, "key")).then_some((value, era))
            })
        };
        world.truth.store(1, Ordering::Relaxed);
        patterns.add(&Pattern::Prefix("k".into()), || world.sequence.advance()).unwrap();
        if let Some((0, era)) = loader.join().unwrap() {
            assert!(era != patterns.era() && patterns.cover_since(era, "key"));
        }
    });
}

#[test]
fn a_cascade_finds_an_entry_or_the_entry_finds_it() {
    loom::model(|| {
        let world = World::new();
        let graph = Arc::new(Graph::default());
        // Parent 1, child 2, and on its way what depends on the child.
        let (parent, child) = (a_tag(), a_tag());
        let mut marking = Marking::default();
        assert!(marking.join(Hold::new(&parent), None));
        marking.depend(&graph, vec![1], Some(2));
        let first = marking.finish();
        let loader = {
            let (world, graph, child) =
                (Shared::clone(&world), Arc::clone(&graph), Arc::clone(&child));
            loom::thread::spawn(move || {
                let fence = world.sequence.fence();
                let value = world.truth.load(Ordering::Relaxed);
                let mut marking = Marking::default();
                marking.depend(&graph, vec![2], Some(3));
                marking.join(Hold::new(&child), Some(fence)).then(|| (value, marking.finish()))
            })
        };
        world.truth.store(1, Ordering::Relaxed);
        let number = world.sequence.advance();
        for reached in graph.reached(1) {
            match reached {
                1 => _ = parent.invalidate(number),
                2 => _ = child.invalidate(number),
                _ => {}
            }
        }
        assert!(first.dead().is_some());
        if let Some((0, marks)) = loader.join().unwrap() {
            assert!(marks.dead().is_some());
        }
    });
}
