//! Writes that were given up.
//!
//! Nobody knows whether the store has got such a write, or will yet: it may come after what has
//! been done for the key since. So each write has a number of its own in the file, and those that
//! were given up are remembered; what they wrote is not there.

use std::collections::{HashSet, VecDeque};

/// The last few of them.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Doubts {
    /// Remembers one; whether the oldest is forgotten for it.
    pub(super) fn add(&mut self, nonce: u64) -> bool {
        let is_full = self.order.len() >= MOST;
        if is_full && let Some(oldest) = self.order.pop_front() {
            self.known.remove(&oldest);
        }
        self.known.insert(nonce);
        self.order.push_back(nonce);
        is_full
    }

    pub(super) fn has(&self, nonce: u64) -> bool {
        self.known.contains(&nonce)
    }
}

/// A breaker opens after the first, so there are not many in a minute.
const MOST: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_few_are_remembered() {
        let mut doubts = Doubts::default();
        for nonce in 0..MOST as u64 {
            assert!(!doubts.add(nonce));
        }
        assert!(doubts.has(0) && doubts.add(u64::MAX));
        assert!(!doubts.has(0) && doubts.has(1) && doubts.has(u64::MAX));
        assert_eq!((doubts.known.len(), doubts.order.len()), (MOST, MOST));
    }
}
