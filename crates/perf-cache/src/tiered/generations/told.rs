//! What was invalidated in a tier that other processes use as well, by the tier's own numbers.

use super::table::{Pattern, Table};
use super::{Generations, Standing};
use crate::tiered::shared::Scope;
use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// All that a shared tier has told of, bounded as [`Generations`] are.
#[derive(Debug)]
pub(in crate::tiered) struct Told {
    table: RwLock<Table>,
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
        Told { table: RwLock::default(), max_tags, max_patterns }
    }

    /// Something was invalidated by the change of that number.
    pub(in crate::tiered) fn note(&self, number: u64, scope: &Scope) {
        self.take_in(&mut self.table_mut(), number, scope);
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
        *self.table_mut() = table;
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

    /// Whether a value of that number is dead.
    pub(in crate::tiered) fn are_past<'a>(
        &self,
        number: u64,
        tags: &[u64],
        key: impl FnOnce() -> Option<Cow<'a, str>>,
    ) -> bool {
        self.table().are_past(number, tags.iter().copied(), key)
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
        assert!(told.are_past(4, &[id("a")], key("k")));
        assert!(!told.are_past(5, &[id("a")], key("k")), "that very change put it there");
        assert!(!told.are_past(4, &[id("b")], key("k")));
        assert!(told.are_past(6, &[], key("n:1")) && !told.are_past(7, &[], key("n:1")));
        assert!(told.are_past(6, &[], || None), "it may be covered");
        told.note(9, &Scope::All);
        assert!(told.are_past(8, &[], key("k")) && !told.are_past(9, &[id("a")], key("n:1")));
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
        assert!(told.are_past(8, &[], key("n:1")) && told.are_past(7, &[id("a")], key("k")));
        assert!(told.are_past(4, &[], key("m:1")) && !told.are_past(5, &[], key("m:1")));
        told.note(6, &Scope::All);
        assert!(told.are_past(8, &[], key("n:1")), "that was later");
    }

    #[test]
    fn what_makes_way_counts_as_invalidated() {
        let told = Told::new(4, 2);
        for number in 1..=20 {
            told.note(number, &tag(&number.to_string()));
        }
        assert!(told.len().0 <= 4);
        for number in 1..=20 {
            assert!(told.are_past(number - 1, &[id(&number.to_string())], key("k")));
        }
        for (number, name) in [(21, "a"), (22, "b"), (23, "c")] {
            told.note(number, &Scope::Pattern(Glob::new(&format!("{name}*")).unwrap()));
        }
        assert!(told.are_past(20, &[], key("x")) && !told.are_past(21, &[], key("x")));
        assert_eq!(told.len().1, 2);
    }

    #[test]
    fn what_stands_takes_the_place_of_what_was_known() {
        let told = Told::new(4, 4);
        told.note(1_000, &tag("a"));
        let scopes = vec![(7, tag("b")), (3, tag("c")), (5, namespace("n"))];
        told.replace(&Standing::new(Since { epoch: 2, number: 9 }, 4, scopes));
        assert!(!told.are_past(8, &[id("a")], key("k")), "of another epoch");
        assert!(told.are_past(6, &[id("b")], key("k")) && told.are_past(4, &[], key("n:1")));
        assert!(told.are_past(3, &[], key("k")) && !told.are_past(4, &[id("c")], key("k")));
    }
}
