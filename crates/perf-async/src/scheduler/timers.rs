//! What is to happen at a moment.

use perf_core::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Moments and what belongs to them, the soonest first.
///
/// What no longer matters stays until its moment comes, or until there is more of it than of what
/// does.
#[derive(Debug)]
pub(super) struct Timers<T> {
    heap: BinaryHeap<Reverse<(Instant, T)>>,
    stale: usize,
}

impl<T: Copy + Ord> Timers<T> {
    pub(super) const fn new() -> Timers<T> {
        Timers { heap: BinaryHeap::new(), stale: 0 }
    }

    pub(super) fn push(&mut self, at: Instant, what: T) {
        self.heap.push(Reverse((at, what)));
    }

    /// Notes that one no longer matters; `matters` tells which do.
    pub(super) fn forget(&mut self, matters: impl Fn(Instant, T) -> bool) {
        self.stale += 1;
        if self.stale > self.heap.len() / 2 + SLACK {
            self.heap.retain(|Reverse((at, what))| matters(*at, *what));
            self.stale = 0;
        }
    }

    /// The soonest that matters.
    pub(super) fn first(&mut self, matters: impl Fn(Instant, T) -> bool) -> Option<Instant> {
        while let Some(Reverse((at, what))) = self.heap.peek() {
            if matters(*at, *what) {
                return Some(*at);
            }
            self.heap.pop();
            self.stale = self.stale.saturating_sub(1);
        }
        None
    }

    /// Takes out the soonest that matters if its moment has come.
    pub(super) fn pop(&mut self, now: Instant, matters: impl Fn(Instant, T) -> bool) -> Option<T> {
        if self.first(matters)? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, what))| what)
    }

    /// Whether the soonest of all has come, whether or not it matters. O(1).
    #[inline]
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.heap.peek().is_some_and(|Reverse((at, _))| *at <= now)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

/// So many are never worth cleaning up.
const SLACK: usize = 64;
