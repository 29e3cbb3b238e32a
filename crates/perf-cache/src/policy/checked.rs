//! A policy that may be wrong, and a cache that stays right.

use super::queue::Queues;
use super::{Entries, Hits, Policy, Slot};

/// Keeps a list of its own of what a policy holds, oldest first. Where the policy answers what it
/// does not hold, or nothing though it holds some, the oldest entry goes; and for a switch, what it
/// forgot comes last.
///
/// Around policies of the caller's: an entry that no policy would ever answer would stay for ever,
/// and one that was answered twice would be taken away from another key. Eight bytes an entry.
#[derive(Debug)]
pub(crate) struct Checked<P> {
    policy: P,
    held: Queues<1>,
}

impl<P: Policy> Checked<P> {
    pub(crate) const fn new(policy: P) -> Checked<P> {
        Checked { policy, held: Queues::new() }
    }
}

impl<P: Policy> Policy for Checked<P> {
    fn name(&self) -> &'static str {
        self.policy.name()
    }

    fn hits(&self) -> Hits {
        self.policy.hits()
    }

    fn set_capacity(&mut self, entries: usize) {
        self.policy.set_capacity(entries);
    }

    // The list changes before the policy is called, which may panic.
    fn on_insert(&mut self, slot: Slot, entries: &dyn Entries) {
        self.held.push_back(0, slot, 0);
        self.policy.on_insert(slot, entries);
    }

    fn on_hit(&mut self, slot: Slot, entries: &dyn Entries) {
        self.policy.on_hit(slot, entries);
    }

    fn on_remove(&mut self, slot: Slot, entries: &dyn Entries) {
        self.held.remove(slot, 0);
        self.policy.on_remove(slot, entries);
    }

    fn on_replace(&mut self, old: Slot, new: Slot, entries: &dyn Entries) {
        self.held.replace((old, 0), (new, 0));
        self.policy.on_replace(old, new, entries);
    }

    fn victim(&mut self, entries: &dyn Entries) -> Option<Slot> {
        let oldest = self.held.front(0)?;
        if let Some(slot) = self.policy.victim(entries)
            && self.held.remove(slot, 0).is_some()
        {
            return Some(slot);
        }
        self.held.remove(oldest, 0);
        self.policy.on_remove(oldest, entries);
        Some(oldest)
    }

    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        let mut left = vec![false; self.held.slots()];
        self.held.iter(0).for_each(|slot| left[slot.index()] = true);
        let mut once = |slot: Slot| {
            let is_left = left.get_mut(slot.index()).is_some_and(std::mem::take);
            if is_left {
                visit(slot);
            }
        };
        self.policy.for_each(&mut once);
        self.held.iter(0).for_each(once);
    }
}
