//! S3-FIFO: three queues, first in first out.
//!
//! Most of what comes in is never used again. So it first goes through a small queue, a tenth of
//! the cache; only what was hit twice there moves on to the main queue, where each hit that was
//! noted, up to three, saves it from one eviction. The hashes of those that left the small queue
//! are remembered for a while, and what comes back meanwhile goes to the main queue at once.
//!
//! Source: Yang, Zhang, Qiu, Yue, Vinayak, "FIFO queues are all you need for cache eviction",
//! SOSP 2023, algorithm 1. Where that evicts from both queues in one step, this answers one entry at
//! a time and looks at the shares anew.

use super::ghost::Ghost;
use super::queue::Queues;
use super::{Entries, Hits, Policy, Slot};

/// Evicts what is not used again soon after it came, then what is used least.
///
/// Good for the web and other mixed workloads, weak where keys return in long loops. A hit is
/// a count beside the entry, at most three, without the lock. Shares are by weight.
///
/// Fourteen bytes an entry, six of them for ghosts. With 125 000 entries in a shard, evicting one
/// entry and taking in another costs about 40 ns.
#[derive(Debug)]
pub struct S3Fifo {
    queues: Queues<2>,
    ghost: Ghost,
}

impl S3Fifo {
    /// Holds nothing.
    #[must_use]
    pub fn new() -> S3Fifo {
        S3Fifo { queues: Queues::new(), ghost: Ghost::new() }
    }

    /// Whether the small queue has its tenth of what is held.
    fn small_is_full(&self) -> bool {
        let small = self.queues.weight(SMALL);
        let all = small.saturating_add(self.queues.weight(MAIN));
        self.queues.len(SMALL) > 0 && small.saturating_mul(10) >= all
    }
}

impl Default for S3Fifo {
    fn default() -> S3Fifo {
        S3Fifo::new()
    }
}

impl Policy for S3Fifo {
    fn name(&self) -> &'static str {
        "s3-fifo"
    }

    fn hits(&self) -> Hits {
        Hits::Counted(MAX_HITS)
    }

    /// Hashes are remembered for as many evictions as the main queue has entries.
    fn set_capacity(&mut self, entries: usize) {
        self.ghost.set_capacity((entries - entries / 10).max(1));
    }

    fn on_insert(&mut self, slot: Slot, entries: &dyn Entries) {
        let queue = if self.ghost.remove(entries.hash(slot)) { MAIN } else { SMALL };
        self.queues.push_back(queue, slot, entries.weight(slot));
    }

    fn on_remove(&mut self, slot: Slot, entries: &dyn Entries) {
        self.queues.remove(slot, entries.weight(slot));
    }

    fn on_replace(&mut self, old: Slot, new: Slot, entries: &dyn Entries) {
        let weights = (entries.weight(old), entries.weight(new));
        self.queues.replace((old, weights.0), (new, weights.1));
        entries.set_hits(new, (entries.hits(old) + 1).min(MAX_HITS));
    }

    fn victim(&mut self, entries: &dyn Entries) -> Option<Slot> {
        // So many steps use up all hits that can be noted. Hits that come meanwhile do not make it
        // longer.
        let most = (MAX_HITS as usize + 1) * self.queues.len(MAIN) + self.queues.len(SMALL) * 4;
        for step in 0..=most {
            let from_small = self.small_is_full() || self.queues.len(MAIN) == 0;
            let queue = if from_small { SMALL } else { MAIN };
            let slot = self.queues.front(queue)?;
            let (hits, weight) = (entries.hits(slot), entries.weight(slot));
            self.queues.pop_front(queue, weight);
            if step == most {
                return Some(slot);
            }
            match (from_small, hits) {
                (true, 2..) => {
                    entries.set_hits(slot, 0);
                    self.queues.push_back(MAIN, slot, weight);
                }
                (true, _) => {
                    self.ghost.insert(entries.hash(slot));
                    return Some(slot);
                }
                (false, 1..) => {
                    entries.set_hits(slot, hits - 1);
                    self.queues.push_back(MAIN, slot, weight);
                }
                (false, 0) => return Some(slot),
            }
        }
        None
    }

    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        self.queues.iter(SMALL).chain(self.queues.iter(MAIN)).for_each(visit);
    }
}

const SMALL: usize = 0;
const MAIN: usize = 1;
const MAX_HITS: u8 = 3;
