//! First in, first out.

use super::queue::Queues;
use super::{Entries, Hits, Policy, Slot};

/// Evicts what came in first, whatever was used since.
///
/// A new value keeps the place of the old one. Right where entries are of use for a fixed time, such
/// as windows of a stream; else one of the others.
///
/// Eight bytes an entry. Hits cost nothing, evicting one entry and taking in another about 4 ns.
#[derive(Debug)]
pub struct Fifo {
    queue: Queues<1>,
}

impl Fifo {
    /// Holds nothing.
    #[must_use]
    pub const fn new() -> Fifo {
        Fifo { queue: Queues::new() }
    }
}

impl Default for Fifo {
    fn default() -> Fifo {
        Fifo::new()
    }
}

impl Policy for Fifo {
    fn name(&self) -> &'static str {
        "fifo"
    }

    fn hits(&self) -> Hits {
        Hits::Ignored
    }

    fn set_capacity(&mut self, _: usize) {}

    fn on_insert(&mut self, slot: Slot, _: &dyn Entries) {
        self.queue.push_back(0, slot, 0);
    }

    fn on_remove(&mut self, slot: Slot, _: &dyn Entries) {
        self.queue.remove(slot, 0);
    }

    fn on_replace(&mut self, old: Slot, new: Slot, _: &dyn Entries) {
        self.queue.replace((old, 0), (new, 0));
    }

    fn victim(&mut self, _: &dyn Entries) -> Option<Slot> {
        self.queue.pop_front(0, 0)
    }

    fn for_each(&self, visit: &mut dyn FnMut(Slot)) {
        self.queue.iter(0).for_each(visit);
    }
}
