//! What an entry remembers of its tags.

use super::dependencies::Graph;
use super::fence::Fence;
use super::tags::{Hold, Name, Tag};
use crate::Cause;
use crate::sync::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The tags that an entry came in with, counted there until it leaves.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    marks: Box<[Mark]>,
    links: Option<Box<Links>>,
    has_left: AtomicBool,
}

/// One tag and the epoch in which the entry joined it.
#[derive(Debug)]
struct Mark {
    tag: Arc<Tag>,
    epoch: u32,
}

/// For an entry that depends on something: its place in the graph.
#[derive(Debug)]
struct Links {
    graph: Arc<Graph>,
    parents: Box<[u64]>,
    /// The hash of its own name, once that is known; `None` if it has left before.
    child: OnceLock<Option<u64>>,
}

fn leave(marks: &[Mark], links: Option<&Links>) {
    for Mark { tag, epoch } in marks {
        tag.leave(*epoch);
        tag.let_go();
    }
    let Some(links) = links else { return };
    // Closes it: who comes to name the entry now comes too late.
    let mut was_open = false;
    let child = links.child.get_or_init(|| {
        was_open = true;
        None
    });
    if was_open {
        links.graph.remove_nameless();
    }
    if let Some(child) = child {
        links.parents.iter().for_each(|parent| links.graph.unlink(*parent, *child));
    }
}

impl Marks {
    /// What the entry died of, if it did. One comparison for each tag, without a lock.
    #[inline]
    pub(crate) fn dead(&self) -> Option<Cause> {
        let past = self.marks.iter().find(|mark| mark.tag.is_past(mark.epoch));
        past.map(|mark| mark.tag.cause())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        self.names().any(|name| matches!(name, Name::Tag(own) if **own == *tag))
    }

    pub(crate) fn depend_on(&self, parent: &str) -> bool {
        self.names().any(|name| matches!(name, Name::Parent(own) if **own == *parent))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.marks.iter().map(|mark| mark.tag.name())
    }

    /// The entry has left, though somebody may still look at it. Happens by itself when the marks
    /// are dropped, which may be later.
    pub(crate) fn leave(&self) {
        if !self.has_left.swap(true, Ordering::AcqRel) {
            leave(&self.marks, self.links.as_deref());
        }
    }

    /// Whether the entry depends on something and is in the graph without a name of its own.
    pub(crate) fn are_nameless(&self) -> bool {
        self.links.as_ref().is_some_and(|links| links.child.get().is_none())
    }

    /// Enters the graph under its own name, if it depends on something and has not done so.
    pub(crate) fn link(&self, child: u64) {
        if let Some(links) = &self.links {
            links.enter(child);
        }
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Links {
    fn enter(&self, child: u64) {
        self.child.get_or_init(|| {
            self.parents.iter().for_each(|parent| self.graph.link(*parent, child));
            self.graph.remove_nameless();
            Some(child)
        });
    }
}

/// Marks in the making. What has joined is counted already, and no longer if this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Marking {
    marks: Vec<Mark>,
    links: Option<Box<Links>>,
}

impl Marking {
    /// Those that an entry has, to which others are added. Its place in the graph is not among
    /// them. `None` if the entry has left.
    pub(crate) fn copy(marks: &Marks) -> Option<Marking> {
        let mut copy = Marking::default();
        for Mark { tag, epoch } in &marks.marks {
            let tag = Hold::beside(tag)?.keep();
            tag.join_again(*epoch);
            copy.marks.push(Mark { tag, epoch: *epoch });
        }
        Some(copy)
    }

    /// Joins a tag; whether what comes in behind this fence may have it.
    pub(crate) fn join(&mut self, tag: Hold, fence: Option<Fence>) -> bool {
        if self.marks.iter().any(|mark| Arc::ptr_eq(&mark.tag, &tag)) {
            return true;
        }
        let joined = tag.join(fence);
        self.marks.extend(joined.map(|epoch| Mark { tag: tag.keep(), epoch }));
        joined.is_some()
    }

    /// Enters the graph, if the entry's own name is known; else [`Marks::link`] will.
    pub(crate) fn depend(&mut self, graph: &Arc<Graph>, mut parents: Vec<u64>, child: Option<u64>) {
        parents.sort_unstable();
        parents.dedup();
        let (graph, parents) = (Arc::clone(graph), parents.into_boxed_slice());
        let links = Links { graph, parents, child: OnceLock::new() };
        links.graph.add_nameless();
        if let Some(child) = child {
            links.enter(child);
        }
        self.links = Some(Box::new(links));
    }

    pub(crate) fn finish(mut self) -> Marks {
        let marks = std::mem::take(&mut self.marks).into_boxed_slice();
        Marks { marks, links: self.links.take(), has_left: AtomicBool::new(false) }
    }
}

impl Drop for Marking {
    fn drop(&mut self) {
        leave(&self.marks, self.links.as_deref());
    }
}
