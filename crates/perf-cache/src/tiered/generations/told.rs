//! What was invalidated in a tier that other processes use as well, by the tier's own numbers.

use super::table::{Pattern, Table};
use super::{Generations, Standing};
use crate::tiered::shared::Scope;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// All that a shared tier has told of, bounded as [`Generations`] are.
#[derive(Debug)]
pub(in crate::tiered) struct Told {
    table: RwLock<Table>,
    /// Of the numbers in the table. Changed only with the table locked for that.
    epoch: AtomicU64,
    max_tags: usize,
    max_patterns: usize,
}

/// What a scope covers, as far as a value says.
#[derive(Debug)]
pub(in crate::tiered) enum Covers {
    Id(u64),
    Pattern(Pattern),
    All,
}

impl Covers {
    pub(in crate::tiered) fn of(scope: &Scope) -> Covers {
        match scope {
            Scope::Tag(tag) => Covers::Id(Generations::id_of_tag(tag)),
            Scope::Dependencies(parent) => Covers::Id(Generations::id_of_parent(parent)),
            Scope::Namespace(name) => Covers::Pattern(Pattern::Namespace(name.clone())),
            Scope::Pattern(glob) => Covers::Pattern(Pattern::Glob(glob.clone())),
            Scope::All => Covers::All,
        }
    }

    /// Whether it covers a value with these tags. A key of which nobody knows the text may be covered
    /// by any pattern.
    pub(in crate::tiered) fn takes<'a>(
        &self,
        tags: &[u64],
        key: &dyn Fn() -> Option<Cow<'a, str>>,
    ) -> bool {
        match self {
            Covers::Id(id) => tags.contains(id),
            Covers::Pattern(pattern) => key().is_none_or(|key| pattern.covers(&key)),
            Covers::All => true,
        }
    }
}

impl Told {
    pub(in crate::tiered) fn new(max_tags: usize, max_patterns: usize) -> Told {
        Told { table: RwLock::default(), epoch: AtomicU64::new(0), max_tags, max_patterns }
    }

    /// Something was invalidated by the change of that number.
    pub(in crate::tiered) fn note(&self, number: u64, scope: &Scope) {
        self.take_in(&mut self.table_mut(), number, scope);
    }

    /// The same, if numbers are still of that epoch.
    pub(in crate::tiered) fn note_in(&self, epoch: u64, number: u64, scope: &Scope) {
        let mut table = self.table_mut();
        if self.epoch() == epoch {
            self.take_in(&mut table, number, scope);
        }
    }

    /// Whose numbers these are: for what is about to be asked of the tier.
    pub(in crate::tiered) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// This is all there is to know.
    pub(in crate::tiered) fn replace(&self, standing: &Standing) {
        let mut table = Table { floor: standing.floor, ..Table::default() };
        let mut scopes: Vec<_> = standing.scopes.iter().collect();
        // The oldest first: they are those that make way.
        scopes.sort_unstable_by_key(|(number, _)| *number);
        for (number, scope) in scopes {
            self.take_in(&mut table, *number, scope);
        }
        let mut known = self.table_mut();
        *known = table;
        self.epoch.store(standing.since.epoch, Ordering::Release);
    }

    fn take_in(&self, table: &mut Table, number: u64, scope: &Scope) {
        if number <= table.floor {
            return;
        }
        match Covers::of(scope) {
            Covers::Id(id) => {
                if table.tags.len() >= self.max_tags && !table.tags.contains_key(&id) {
                    table.forget_tags();
                }
                let known = table.tags.entry(id).or_default();
                *known = number.max(*known);
            }
            Covers::Pattern(pattern) => {
                let known = table.patterns.iter().position(|(known, _)| **known == pattern);
                let number = known.map_or(number, |at| table.patterns.remove(at).1.max(number));
                if table.patterns.len() >= self.max_patterns {
                    let (_, oldest) = table.patterns.remove(0);
                    table.floor = table.floor.max(oldest);
                }
                let at = table.patterns.partition_point(|(_, known)| *known <= number);
                table.patterns.insert(at, (Arc::new(pattern), number));
            }
            Covers::All => {
                table.floor = number;
                table.tags.retain(|_, known| *known > number);
                table.patterns.retain(|(_, known)| *known > number);
            }
        }
    }

    /// Whether a value of that number, which was asked for in that epoch, is dead. One that was asked
    /// for in another is: its number says nothing.
    pub(in crate::tiered) fn are_past<'a>(
        &self,
        (epoch, number): (u64, u64),
        tags: &[u64],
        key: impl FnOnce() -> Option<Cow<'a, str>>,
    ) -> bool {
        let table = self.table();
        self.epoch() != epoch || table.are_past(number, tags.iter().copied(), key)
    }

    /// Tags and patterns that are kept.
    pub(in crate::tiered) fn len(&self) -> (usize, usize) {
        let table = self.table();
        (table.tags.len(), table.patterns.len())
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiered::shared::Since;
    use perf_core::Glob;

    fn tag(name: &str) -> Scope {
        Scope::Tag(name.into())
    }

    fn id(name: &str) -> u64 {
        Generations::id_of_tag(name)
    }

    fn namespace(name: &str) -> Scope {
        Scope::Namespace(name.into())
    }

    fn key(text: &'static str) -> impl Fn() -> Option<Cow<'static, str>> {
        move || Some(text.into())
    }

    #[test]
    fn a_value_is_dead_by_what_was_invalidated_after_its_number() {
        let told = Told::new(4, 2);
        told.note(5, &tag("a"));
        told.note(7, &namespace("n"));
        assert!(told.are_past((0, 4), &[id("a")], key("k")));
        assert!(!told.are_past((0, 5), &[id("a")], key("k")), "that very change put it there");
        assert!(!told.are_past((0, 4), &[id("b")], key("k")));
        assert!(told.are_past((0, 6), &[], key("n:1")) && !told.are_past((0, 7), &[], key("n:1")));
        assert!(told.are_past((0, 6), &[], || None), "it may be covered");
        told.note(9, &Scope::All);
        assert!(
            told.are_past((0, 8), &[], key("k")) && !told.are_past((0, 9), &[id("a")], key("n:1"))
        );
        assert_eq!(told.len(), (0, 0));
    }

    #[test]
    fn changes_are_known_in_whatever_order_they_come() {
        let told = Told::new(4, 4);
        told.note(9, &namespace("n"));
        told.note(5, &namespace("m"));
        told.note(4, &namespace("n"));
        told.note(8, &tag("a"));
        told.note(3, &tag("a"));
        assert!(
            told.are_past((0, 8), &[], key("n:1")) && told.are_past((0, 7), &[id("a")], key("k"))
        );
        assert!(told.are_past((0, 4), &[], key("m:1")) && !told.are_past((0, 5), &[], key("m:1")));
        told.note(6, &Scope::All);
        assert!(told.are_past((0, 8), &[], key("n:1")), "that was later");
    }

    #[test]
    fn what_makes_way_counts_as_invalidated() {
        let told = Told::new(4, 2);
        for number in 1..=20 {
            told.note(number, &tag(&number.to_string()));
        }
        assert!(told.len().0 <= 4);
        for number in 1..=20 {
            assert!(told.are_past((0, number - 1), &[id(&number.to_string())], key("k")));
        }
        for (number, name) in [(21, "a"), (22, "b"), (23, "c")] {
            told.note(number, &Scope::Pattern(Glob::new(&format!("{name}*")).unwrap()));
        }
        assert!(told.are_past((0, 20), &[], key("x")) && !told.are_past((0, 21), &[], key("x")));
        assert_eq!(told.len().1, 2);
    }

    #[test]
    fn what_stands_takes_the_place_of_what_was_known() {
        let told = Told::new(4, 4);
        told.note(1_000, &tag("a"));
        let scopes = vec![(7, tag("b")), (3, tag("c")), (5, namespace("n"))];
        told.replace(&Standing::new(Since { epoch: 2, number: 9 }, 4, scopes));
        assert!(!told.are_past((2, 8), &[id("a")], key("k")), "of another epoch");
        assert!(told.are_past((0, 8), &[id("a")], key("k")), "asked for before that");
        told.note_in(0, 9, &tag("c"));
        assert!(!told.are_past((2, 8), &[id("c")], key("k")), "told in another");
        assert!(
            told.are_past((2, 6), &[id("b")], key("k")) && told.are_past((2, 4), &[], key("n:1"))
        );
        assert!(
            told.are_past((2, 3), &[], key("k")) && !told.are_past((2, 4), &[id("c")], key("k"))
        );
    }
}
