//! Queues of slots, first in first out, with removal from anywhere.
//!
//! Several queues share one column of links, since an entry is in one of them at most: eight bytes
//! for each slot, whatever the number of queues. The queue's number lies in the upper bits of a
//! link.

use super::Slot;

/// `N` queues of slots, up to 7. A slot is in one of them at most.
///
/// All calls cost O(1). Weights are given by the caller, who knows them; sums wrap. Slots from
/// [`NONE`] on are never taken in: a shard of half a thousand million entries still has others to
/// let go of.
#[derive(Debug)]
pub(crate) struct Queues<const N: usize> {
    /// As many as slots were seen, never more than [`NONE`].
    links: Vec<Link>,
    ends: [Ends; N],
}

impl<const N: usize> Queues<N> {
    pub(crate) const fn new() -> Queues<N> {
        assert!(N <= ABSENT as usize, "the number of a queue has three bits");
        Queues { links: Vec::new(), ends: [Ends::EMPTY; N] }
    }

    /// Puts a slot that is in no queue behind all others of this one.
    #[inline]
    pub(crate) fn push_back(&mut self, queue: usize, slot: Slot, weight: u64) {
        if slot.index() >= self.links.len() && !self.make_link(slot) {
            return;
        }
        debug_assert_eq!(
            self.links[slot.index()].queue(),
            ABSENT,
            "{slot:?} is in a queue already"
        );
        let ends = &mut self.ends[queue];
        let last = std::mem::replace(&mut ends.back, slot.as_u32());
        ends.len += 1;
        ends.weight = ends.weight.wrapping_add(weight);
        self.links[slot.index()] = Link::new(queue as u32, last, NONE);
        match ends.front {
            NONE => ends.front = slot.as_u32(),
            _ => self.links[last as usize].next = slot.as_u32(),
        }
    }

    /// Makes the link of a slot; whether it can have one.
    #[cold]
    #[inline(never)]
    fn make_link(&mut self, slot: Slot) -> bool {
        let is_possible = slot.as_u32() < NONE;
        if is_possible {
            self.links.resize(slot.index() + 1, Link::ABSENT);
        }
        is_possible
    }

    /// Takes the first slot out of its queue.
    #[inline]
    pub(crate) fn pop_front(&mut self, queue: usize, weight: u64) -> Option<Slot> {
        let ends = &mut self.ends[queue];
        let link = self.links.get_mut(ends.front as usize)?;
        let slot = Slot::new(ends.front);
        ends.front = link.next;
        *link = Link::ABSENT;
        ends.len -= 1;
        ends.weight = ends.weight.wrapping_sub(weight);
        Some(slot)
    }

    /// Takes a slot out of its queue and answers which that was.
    #[inline]
    pub(crate) fn remove(&mut self, slot: Slot, weight: u64) -> Option<usize> {
        let link = self.links.get_mut(slot.index())?;
        let Link { next, .. } = *link;
        let (queue, previous) = (link.queue(), link.previous());
        if queue == ABSENT {
            return None;
        }
        *link = Link::ABSENT;
        let queue = queue as usize;
        let ends = &mut self.ends[queue];
        ends.len -= 1;
        ends.weight = ends.weight.wrapping_sub(weight);
        if ends.front == slot.as_u32() {
            ends.front = next;
        } else {
            self.links[previous as usize].next = next;
            match next {
                NONE => ends.back = previous,
                _ => self.links[next as usize].set_previous(previous),
            }
        }
        Some(queue)
    }

    /// Gives the place of one slot to another that is in no queue, and answers in which queue.
    #[inline]
    pub(crate) fn replace(&mut self, old: (Slot, u64), new: (Slot, u64)) -> Option<usize> {
        let ((old, old_weight), (new, new_weight)) = (old, new);
        if self.links.get(old.index())?.queue() == ABSENT {
            return None;
        }
        if new.index() >= self.links.len() && !self.make_link(new) {
            self.remove(old, old_weight);
            return None;
        }
        let link = std::mem::replace(&mut self.links[old.index()], Link::ABSENT);
        debug_assert_eq!(self.links[new.index()].queue(), ABSENT, "{new:?} is in a queue already");
        self.links[new.index()] = link;
        let queue = link.queue() as usize;
        let ends = &mut self.ends[queue];
        ends.weight = ends.weight.wrapping_sub(old_weight).wrapping_add(new_weight);
        if ends.front == old.as_u32() {
            ends.front = new.as_u32();
        } else {
            self.links[link.previous() as usize].next = new.as_u32();
        }
        match link.next {
            NONE => ends.back = new.as_u32(),
            next => self.links[next as usize].set_previous(new.as_u32()),
        }
        Some(queue)
    }

    /// The slot that has been in this queue for longest.
    #[inline]
    pub(crate) fn front(&self, queue: usize) -> Option<Slot> {
        let front = self.ends[queue].front;
        (front != NONE).then_some(Slot::new(front))
    }

    /// All slots that were ever in a queue have an index below this.
    pub(crate) const fn slots(&self) -> usize {
        self.links.len()
    }

    /// How many slots are in this queue.
    #[inline]
    pub(crate) fn len(&self, queue: usize) -> usize {
        self.ends[queue].len as usize
    }

    /// Sum of the weights in this queue.
    #[inline]
    pub(crate) fn weight(&self, queue: usize) -> u64 {
        self.ends[queue].weight
    }

    /// The slots of this queue, the first that came in first.
    pub(crate) fn iter(&self, queue: usize) -> impl Iterator<Item = Slot> + '_ {
        let after = |slot: &Slot| {
            let next = self.links[slot.index()].next;
            (next != NONE).then_some(Slot::new(next))
        };
        std::iter::successors(self.front(queue), after)
    }
}

/// The neighbours of a slot.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Of the slot that came in before, below [`BITS`]; the queue's number above. Says nothing in the
    /// first of a queue: what follows one that leaves need not be looked at.
    before: u32,
    next: u32,
}

impl Link {
    const ABSENT: Link = Link::new(ABSENT, NONE, NONE);

    #[inline]
    const fn new(queue: u32, previous: u32, next: u32) -> Link {
        Link { before: queue << BITS | previous, next }
    }

    #[inline]
    const fn queue(self) -> u32 {
        self.before >> BITS
    }

    #[inline]
    const fn previous(self) -> u32 {
        self.before & NONE
    }

    #[inline]
    const fn set_previous(&mut self, previous: u32) {
        self.before = self.before & !NONE | previous;
    }
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    front: u32,
    /// Says nothing of an empty queue.
    back: u32,
    len: u32,
    weight: u64,
}

impl Ends {
    const EMPTY: Ends = Ends { front: NONE, back: NONE, len: 0, weight: 0 };
}

/// How many bits a slot has: half a thousand million entries in a shard.
const BITS: u32 = 29;
/// No slot.
const NONE: u32 = (1 << BITS) - 1;
/// The number of no queue.
const ABSENT: u32 = u32::MAX >> BITS;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngSeed};

    proptest! {
        #![proptest_config(Config { rng_seed: RngSeed::Fixed(4), cases: 200, ..Config::default() })]

        /// Two queues against two vectors.
        #[test]
        fn queues_are_vectors(steps in prop::collection::vec((0u8..6, 0u32..24, 0u32..24), 0..300)) {
            let mut queues = Queues::<2>::new();
            let mut model = [Vec::new(), Vec::new()];
            let weight = |slot: Slot| u64::from(slot.as_u32()) * 3;
            for (step, a, b) in steps {
                let (a, b) = (Slot::new(a), Slot::new(b));
                let place = |model: &[Vec<Slot>; 2], slot| {
                    let at = |queue: &Vec<Slot>| queue.iter().position(|&s| s == slot);
                    (0..2).find_map(|queue| at(&model[queue]).map(|at| (queue, at)))
                };
                match step {
                    0 | 1 if place(&model, a).is_none() => {
                        queues.push_back(usize::from(step), a, weight(a));
                        model[usize::from(step)].push(a);
                    }
                    2 => {
                        let at = place(&model, a);
                        prop_assert_eq!(queues.remove(a, weight(a)), at.map(|(queue, _)| queue));
                        if let Some((queue, at)) = at {
                            model[queue].remove(at);
                        }
                    }
                    3 if place(&model, b).is_none() => {
                        let at = place(&model, a);
                        let found = queues.replace((a, weight(a)), (b, weight(b)));
                        prop_assert_eq!(found, at.map(|(queue, _)| queue));
                        if let Some((queue, at)) = at {
                            model[queue][at] = b;
                        }
                    }
                    4 | 5 => {
                        let queue = usize::from(step - 4);
                        let first = model[queue].first().copied();
                        let popped = queues.pop_front(queue, first.map_or(7, weight));
                        prop_assert_eq!(popped, first);
                        model[queue].drain(..popped.map_or(0, |_| 1));
                    }
                    _ => {}
                }
                for (queue, model) in model.iter().enumerate() {
                    prop_assert_eq!(&queues.iter(queue).collect::<Vec<_>>(), model);
                    prop_assert_eq!(queues.front(queue), model.first().copied());
                    prop_assert_eq!(queues.len(queue), model.len());
                    prop_assert_eq!(queues.weight(queue), model.iter().map(|&s| weight(s)).sum::<u64>());
                }
            }
        }
    }

    #[test]
    fn slots_without_a_number_that_a_link_can_hold_are_left_out() {
        let mut queues = Queues::<2>::new();
        for slot in [NONE, NONE + 1, 1 << 31, u32::MAX].map(Slot::new) {
            queues.push_back(1, slot, 3);
            assert_eq!(
                (queues.remove(slot, 3), queues.replace((slot, 3), (Slot::new(5), 3))),
                (None, None)
            );
        }
        assert_eq!(
            (queues.len(1), queues.weight(1), queues.front(1), queues.slots()),
            (0, 0, None, 0)
        );
        (7..10).for_each(|slot| queues.push_back(1, Slot::new(slot), 1));
        assert_eq!(queues.replace((Slot::new(8), 1), (Slot::new(NONE), 1)), None);
        assert_eq!(queues.iter(1).collect::<Vec<_>>(), [7, 9].map(Slot::new), "the old one leaves");
        assert_eq!((queues.weight(1), queues.slots()), (2, 10));
    }

    #[test]
    fn a_slot_takes_eight_bytes() {
        assert_eq!(size_of::<Link>(), 8);
    }
}
