//! What was made from what, for cascades.
//!
//! A dependency is a tag named by the parent, so that a read needs no graph. The graph is for the
//! one question that tags cannot answer: which names are reached from this one? Its nodes are
//! hashes of names, its edges lead from a parent to those that depend on it.
//!
//! An edge is there while an entry has it. It stays when that entry has left, so long as others
//! that depend on the entry may be there: they were made from what was made from the parent. Such
//! edges are looked through once they outnumber the others.

use crate::sync::{AtomicU64, Ordering};
use hashbrown::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who depends on whom.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: Mutex<Edges>,
    /// Entries that depend on something, while it is not known how keys become text.
    nameless: AtomicU64,
}

#[derive(Debug, Default)]
struct Edges {
    /// For each parent its children, with the number of entries that have this edge.
    children: HashMap<u64, HashMap<u64, u32>>,
    /// Edges that some entry has, and those that none has.
    held: usize,
    kept: usize,
}

impl Graph {
    /// An entry came in that depends on a parent.
    pub(crate) fn link(&self, parent: u64, child: u64) {
        let mut edges = self.lock();
        let entries = edges.children.entry(parent).or_default().entry(child);
        let known = matches!(entries, hashbrown::hash_map::Entry::Occupied(_));
        let entries = entries.or_insert(0);
        *entries += 1;
        if *entries == 1 {
            edges.held += 1;
            edges.kept -= usize::from(known);
        }
    }

    /// Such an entry left.
    pub(crate) fn unlink(&self, parent: u64, child: u64) {
        let mut edges = self.lock();
        let has_children = edges.children.contains_key(&child);
        let Some(children) = edges.children.get_mut(&parent) else { return };
        let Some(entries) = children.get_mut(&child) else { return };
        *entries = entries.saturating_sub(1);
        if *entries > 0 {
            return;
        }
        if has_children {
            edges.kept += 1;
        } else {
            children.remove(&child);
            if children.is_empty() {
                edges.children.remove(&parent);
            }
        }
        edges.held -= 1;
        if edges.kept > edges.held + KEPT {
            edges.collect();
        }
    }

    /// The name itself and all that are reached from it, each once. O(edges from there).
    pub(crate) fn reached(&self, from: u64) -> Vec<u64> {
        let edges = self.lock();
        let mut reached = vec![from];
        let mut known = HashSet::<u64>::from_iter([from]);
        let mut next = 0;
        while let Some(parent) = reached.get(next) {
            if let Some(children) = edges.children.get(parent) {
                reached.extend(children.keys().filter(|child| known.insert(**child)));
            }
            next += 1;
        }
        reached
    }

    pub(crate) fn add_nameless(&self) {
        self.nameless.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn remove_nameless(&self) {
        self.nameless.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn has_nameless(&self) -> bool {
        self.nameless.load(Ordering::Acquire) > 0
    }

    /// Number of edges, those that no entry has included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let edges = self.lock();
        edges.held + edges.kept
    }

    fn lock(&self) -> MutexGuard<'_, Edges> {
        self.edges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Edges {
    /// Drops the edges that no entry has and that lead to none that an entry has. O(edges).
    fn collect(&mut self) {
        let mut parents = HashMap::<u64, Vec<u64>>::new();
        let mut useful = HashSet::<u64>::new();
        let mut todo = Vec::new();
        for (parent, children) in &self.children {
            for (child, entries) in children {
                if *entries > 0 {
                    if useful.insert(*parent) {
                        todo.push(*parent);
                    }
                } else {
                    parents.entry(*child).or_default().push(*parent);
                }
            }
        }
        while let Some(child) = todo.pop() {
            for parent in parents.remove(&child).unwrap_or_default() {
                if useful.insert(parent) {
                    todo.push(parent);
                }
            }
        }
        self.kept = 0;
        self.children.retain(|_, children| {
            children.retain(|child, entries| *entries > 0 || useful.contains(child));
            self.kept += children.values().filter(|entries| **entries == 0).count();
            !children.is_empty()
        });
    }
}

/// So many edges that no entry has are no reason to look through them.
const KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(graph: &Graph, from: u64) -> Vec<u64> {
        let mut reached = graph.reached(from);
        reached.sort_unstable();
        reached
    }

    #[test]
    fn chains_and_circles_are_walked_once() {
        let graph = Graph::default();
        for (parent, child) in [(1, 2), (2, 3), (3, 1), (3, 4)] {
            graph.link(parent, child);
        }
        assert_eq!(reached(&graph, 1), [1, 2, 3, 4]);
        assert_eq!(reached(&graph, 4), [4]);
    }

    #[test]
    fn a_link_that_left_still_connects_what_is_there() {
        let graph = Graph::default();
        graph.link(1, 2);
        graph.link(2, 3);
        graph.link(3, 4);
        graph.unlink(1, 2);
        graph.unlink(2, 3);
        assert_eq!(reached(&graph, 1), [1, 2, 3, 4]);
        graph.link(1, 2);
        graph.unlink(1, 2);
        assert_eq!(reached(&graph, 1), [1, 2, 3, 4]);
    }

    #[test]
    fn an_edge_is_shared_by_the_entries_that_have_it() {
        let graph = Graph::default();
        graph.link(1, 2);
        graph.link(1, 2);
        graph.unlink(1, 2);
        assert_eq!(reached(&graph, 1), [1, 2]);
        graph.unlink(1, 2);
        assert_eq!((reached(&graph, 1), graph.len()), (vec![1], 0));
    }

    #[test]
    fn circles_and_chains_that_nobody_needs_are_collected() {
        let graph = Graph::default();
        graph.link(0, 1);
        for n in (10..50_000).step_by(10) {
            // A circle of two, and a chain that ends when its last link goes first.
            let edges = [(n, n + 1), (n + 1, n), (n + 2, n + 3), (n + 3, n + 4)];
            edges.iter().for_each(|(parent, child)| graph.link(*parent, *child));
            edges.iter().for_each(|(parent, child)| graph.unlink(*parent, *child));
            assert!(graph.len() <= KEPT + 8, "{} edges for one that is held", graph.len());
        }
        assert_eq!(reached(&graph, 0), [0, 1]);
    }
}
