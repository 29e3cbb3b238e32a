//! What is to happen at a moment.

use perf_core::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Moments and what belongs to them, the soonest first.
///
/// What no longer matters stays until its moment comes, or until there is more of it than of what
/// does and no room for more.
#[derive(Debug)]
pub(super) struct Timers<T> {
    heap: BinaryHeap<Reverse<(Instant, T)>>,
    stale: usize,
}

impl<T: Copy + Ord> Timers<T> {
    pub(super) const fn new() -> Timers<T> {
        Timers { heap: BinaryHeap::new(), stale: 0 }
    }

    /// Adds one. Where there would have to be more room for it, and most of what there is no longer
    /// matters, that goes first; `matters` tells what does. O(log n), amortised.
    pub(super) fn push(&mut self, at: Instant, what: T, matters: impl Fn(Instant, T) -> bool) {
        if self.heap.len() == self.heap.capacity() && self.stale > self.heap.len() / 2 {
            self.heap.retain(|Reverse((at, what))| matters(*at, *what));
            self.stale = 0;
        }
        self.heap.push(Reverse((at, what)));
    }

    /// Notes that one no longer matters. O(1).
    pub(super) const fn forget(&mut self) {
        self.stale += 1;
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
