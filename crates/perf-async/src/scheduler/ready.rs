//! The kinds that have an operation to start, the best first.

use super::KindId;
use super::line::Rank;

/// A heap that knows where each kind is in it.
#[derive(Debug, Default)]
pub(super) struct Ready {
    heap: Vec<(Turn, KindId)>,
    /// By kind, one more than its place in the heap; zero if it is not there.
    at: Vec<u16>,
}

/// Smaller is sooner: virtual time, then rank.
pub(super) type Turn = (u64, Rank);

impl Ready {
    pub(super) fn first(&self) -> Option<KindId> {
        self.heap.first().map(|(_, kind)| *kind)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Puts a kind where its turn says, or takes it out. O(log kinds), O(1) if it stays.
    pub(super) fn set(&mut self, kind: KindId, turn: Option<Turn>) {
        if self.at.len() <= kind.index() {
            self.at.resize(kind.index() + 1, 0);
        }
        match (self.at[kind.index()].checked_sub(1), turn) {
            (None, None) => {}
            (None, Some(turn)) => {
                self.heap.push((turn, kind));
                self.up(self.heap.len() - 1);
            }
            (Some(at), Some(turn)) => {
                self.heap[usize::from(at)].0 = turn;
                if self.heap.len() > 1 {
                    let at = self.up(usize::from(at));
                    self.down(at);
                }
            }
            (Some(at), None) => {
                let at = usize::from(at);
                self.heap.swap_remove(at);
                self.at[kind.index()] = 0;
                if at < self.heap.len() {
                    let at = self.up(at);
                    self.down(at);
                }
            }
        }
    }

    fn up(&mut self, mut at: usize) -> usize {
        while at > 0 && self.heap[at].0 < self.heap[(at - 1) / 2].0 {
            self.heap.swap(at, (at - 1) / 2);
            self.note(at);
            at = (at - 1) / 2;
        }
        self.note(at);
        at
    }

    fn down(&mut self, mut at: usize) {
        loop {
            let children = (2 * at + 1)..(2 * at + 3).min(self.heap.len());
            let Some(least) = children.min_by_key(|child| self.heap[*child].0) else { break };
            if self.heap[at].0 <= self.heap[least].0 {
                break;
            }
            self.heap.swap(at, least);
            self.note(at);
            at = least;
        }
        self.note(at);
    }

    fn note(&mut self, at: usize) {
        let (_, kind) = self.heap[at];
        self.at[kind.index()] = at as u16 + 1;
    }
}
