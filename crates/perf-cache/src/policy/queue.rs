//! Queues of slots, first in first out, with removal from anywhere.
//!
//! Several queues share one column of links, since an entry is in one of them at most: eight bytes
//! for each slot, whatever the number of queues. The queue's number lies in the upper bits of a
//! link.

use super::Slot;

/// `N` queues of slots, up to 7. A slot is in one of them at most.
///
/// All calls cost O(1). Weights are given by the caller, who knows them; sums wrap.
#[derive(Debug)]
pub(crate) struct Queues<const N: usize> {
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
        let index = slot.index();
        if index >= self.links.len() {
            self.links.resize(index + 1, Link::ABSENT);
        }
        debug_assert_eq!(self.links[index].queue(), ABSENT, "{slot:?} is in a queue already");
        let ends = &mut self.ends[queue];
        let last = std::mem::replace(&mut ends.back, slot.as_u32());
        ends.len += 1;
        ends.weight = ends.weight.wrapping_add(weight);
        self.links[index] = Link::new(queue as u32, last, NONE);
        match last {
            NONE => ends.front = slot.as_u32(),
            _ => self.links[last as usize].next = slot.as_u32(),
        }
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
        match previous {
            NONE => ends.front = next,
            _ => self.links[previous as usize].next = next,
        }
        match next {
            NONE => ends.back = previous,
            _ => self.links[next as usize].set_previous(previous),
        }
        Some(queue)
    }

    /// Gives the place of one slot to another that is in no queue, and answers in which queue.
    #[inline]
    pub(crate) fn replace(&mut self, old: (Slot, u64), new: (Slot, u64)) -> Option<usize> {
        let ((old, old_weight), (new, new_weight)) = (old, new);
        let link = self.links.get_mut(old.index())?;
        if link.queue() == ABSENT {
            return None;
        }
        let link = std::mem::replace(link, Link::ABSENT);
        if new.index() >= self.links.len() {
            self.links.resize(new.index() + 1, Link::ABSENT);
        }
        debug_assert_eq!(self.links[new.index()].queue(), ABSENT, "{new:?} is in a queue already");
        self.links[new.index()] = link;
        let queue = link.queue() as usize;
        let ends = &mut self.ends[queue];
        ends.weight = ends.weight.wrapping_sub(old_weight).wrapping_add(new_weight);
        match link.previous() {
            NONE => ends.front = new.as_u32(),
            previous => self.links[previous as usize].next = new.as_u32(),
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
    /// Of the slot that came in before, below [`BITS`]; the queue's number above.
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
        fn queues_are_vectors(steps in prop::collection::vec((0u8..4, 0u32..24, 0u32..24), 0..300)) {
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
                    _ => {}
                }
                for (queue, model) in model.iter().enumerate() {
                    prop_assert_eq!(&queues.iter(queue).collect::<Vec<_>>(), model);
                    prop_assert_eq!(queues.front(queue), model.first().copied());
                    prop_assert_eq!(queues.len(queue), model.len());
                    prop_assert_eq!(queues.weight(queue), model.iter().map(|&s| weight(s)).sum());
                }
            }
        }
    }

    #[test]
    fn a_slot_takes_eight_bytes() {
        assert_eq!(size_of::<Link>(), 8);
    }
}
