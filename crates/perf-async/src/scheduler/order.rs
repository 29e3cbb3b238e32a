//! Which of the waiting operations comes next.
//!
//! An operation that has waited `w` at level `l` ranks as if it stood at `l + w / aging`. All ranks
//! rise at the same pace, so they never cross and can be compared by a number that does not change:
//! `stamp - l × aging`, smallest first. Within a level the stamps only grow, so a list is already
//! sorted and only ten heads need comparing. Operations that change level would break their list;
//! they move to a small sorted set.

use perf_core::{Instant, Priority};
use std::collections::BTreeSet;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Order {
    nodes: Vec<Node>,
    lists: [List; LEVELS],
    moved: BTreeSet<(Rank, u32)>,
    aging: i128,
    last_stamp: u64,
    sequence: u64,
    len: usize,
}

/// Smaller is sooner; the sequence number keeps equals in order of arrival.
type Rank = (i128, u64);

#[derive(Clone, Copy, Debug)]
struct Node {
    stamp: u64,
    sequence: u64,
    level: u8,
    place: Place,
    prev: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Absent,
    Listed,
    Moved,
}

#[derive(Clone, Copy, Debug)]
struct List {
    head: u32,
    tail: u32,
}

impl Order {
    pub(super) fn new(aging: Duration) -> Order {
        Order {
            nodes: Vec::new(),
            lists: [List { head: NONE, tail: NONE }; LEVELS],
            moved: BTreeSet::new(),
            aging: i128::try_from(aging.as_nanos()).unwrap_or(i128::MAX / 16).min(STRICT),
            last_stamp: 0,
            sequence: 0,
            len: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Adds an operation that is not in the order yet. O(1).
    pub(super) fn push(&mut self, slot: u32, priority: Priority, now: Instant) {
        let index = slot as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, ABSENT);
        }
        debug_assert_eq!(self.nodes[index].place, Place::Absent, "slot {slot} waits already");
        // Callers read the clock before they get the lock, so readings may arrive out of order.
        self.last_stamp = self.last_stamp.max(now.as_nanos());
        self.sequence += 1;
        let list = &mut self.lists[usize::from(priority.level() - 1)];
        self.nodes[index] = Node {
            stamp: self.last_stamp,
            sequence: self.sequence,
            level: priority.level(),
            place: Place::Listed,
            prev: list.tail,
            next: NONE,
        };
        match list.tail {
            NONE => list.head = slot,
            tail => self.nodes[tail as usize].next = slot,
        }
        list.tail = slot;
        self.len += 1;
    }

    /// The operation that comes next. At most eleven comparisons.
    pub(super) fn first(&self) -> Option<u32> {
        let heads = self.lists.iter().map(|list| list.head).filter(|head| *head != NONE);
        let listed = heads.map(|slot| (self.rank(slot), slot));
        listed.chain(self.moved.first().copied()).min().map(|(_, slot)| slot)
    }

    /// Takes an operation out. O(1), O(log m) if it is one of the m that changed level.
    pub(super) fn remove(&mut self, slot: u32) {
        let node = self.nodes[slot as usize];
        match node.place {
            Place::Absent => return,
            Place::Listed => self.unlink(node),
            Place::Moved => {
                self.moved.remove(&(self.rank(slot), slot));
            }
        }
        self.nodes[slot as usize] = ABSENT;
        self.len -= 1;
    }

    /// Changes the level and keeps the time of arrival. O(log m), m = those that changed level.
    pub(super) fn set_priority(&mut self, slot: u32, priority: Priority) {
        let node = self.nodes[slot as usize];
        if node.place == Place::Absent || node.level == priority.level() {
            return;
        }
        match node.place {
            Place::Moved => {
                self.moved.remove(&(self.rank(slot), slot));
            }
            _ => self.unlink(node),
        }
        self.nodes[slot as usize] =
            Node { level: priority.level(), place: Place::Moved, prev: NONE, next: NONE, ..node };
        self.moved.insert((self.rank(slot), slot));
    }

    fn rank(&self, slot: u32) -> Rank {
        let node = &self.nodes[slot as usize];
        (i128::from(node.stamp) - i128::from(node.level) * self.aging, node.sequence)
    }

    fn unlink(&mut self, node: Node) {
        let list = &mut self.lists[usize::from(node.level - 1)];
        match node.prev {
            NONE => list.head = node.next,
            prev => self.nodes[prev as usize].next = node.next,
        }
        match node.next {
            NONE => list.tail = node.prev,
            next => self.nodes[next as usize].prev = node.prev,
        }
    }
}

const LEVELS: usize = Priority::HIGHEST.level() as usize;
const NONE: u32 = u32::MAX;
const ABSENT: Node =
    Node { stamp: 0, sequence: 0, level: 0, place: Place::Absent, prev: NONE, next: NONE };
/// An aging time as long as the clock itself: then no wait ever makes up for a level.
const STRICT: i128 = u64::MAX as i128 + 1;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push { level: u8, after: u64 },
        Pop,
        Remove(usize),
        Move { which: usize, level: u8 },
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            5 => (1_u8..=10, 0_u64..800_000_000).prop_map(|(level, after)| Step::Push { level, after }),
            3 => Just(Step::Pop),
            1 => any::<usize>().prop_map(Step::Remove),
            2 => (any::<usize>(), 1_u8..=10).prop_map(|(which, level)| Step::Move { which, level }),
        ];
        prop::collection::vec(step, 1..300)
    }

    /// What the docs say: the highest level once waiting has been added to it, then arrival.
    fn model_first(waiting: &[(u32, u8, u64)], aging: u64) -> Option<usize> {
        (0..waiting.len()).min_by_key(|i| {
            let (_, level, stamp) = waiting[*i];
            (i128::from(stamp) - i128::from(level) * i128::from(aging), *i)
        })
    }

    proptest! {
        #![proptest_config(crate::test_cases())]

        #[test]
        fn pops_in_the_order_of_a_naive_list(aging in prop_oneof![Just(0), 1_u64..3_000_000_000], steps in steps()) {
            let mut order = Order::new(Duration::from_nanos(aging));
            let mut waiting: Vec<(u32, u8, u64)> = Vec::new(); // slot, level, stamp, by arrival
            let (mut now, mut slot) = (0, 0);
            for step in steps {
                match step {
                    Step::Push { level, after } => {
                        now += after;
                        order.push(slot, Priority::new(level).unwrap(), Instant::from_nanos(now));
                        waiting.push((slot, level, now));
                        slot += 1;
                    }
                    Step::Pop => {
                        let model = model_first(&waiting, aging).map(|i| waiting.remove(i).0);
                        prop_assert_eq!(order.first(), model);
                        if let Some(slot) = model {
                            order.remove(slot);
                        }
                    }
                    Step::Remove(which) if !waiting.is_empty() => {
                        let (slot, ..) = waiting.remove(which % waiting.len());
                        order.remove(slot);
                    }
                    Step::Move { which, level } if !waiting.is_empty() => {
                        let which = which % waiting.len();
                        waiting[which].1 = level;
                        order.set_priority(waiting[which].0, Priority::new(level).unwrap());
                    }
                    _ => {}
                }
                prop_assert_eq!(order.len(), waiting.len());
            }
            while let Some(i) = model_first(&waiting, aging) {
                let (slot, ..) = waiting.remove(i);
                prop_assert_eq!(order.first(), Some(slot));
                order.remove(slot);
            }
            prop_assert_eq!(order.first(), None);
            prop_assert!(order.moved.is_empty());
        }

        /// The bound that the docs promise: an operation at level p is overtaken by one at level
        /// q > p only if that one arrived less than (q - p) × aging later.
        #[test]
        fn nobody_is_overtaken_by_those_that_come_too_late(
            aging in 1_u64..2_000_000_000,
            arrivals in prop::collection::vec((1_u8..=10, 0_u64..500_000_000), 1..100),
        ) {
            let mut order = Order::new(Duration::from_nanos(aging));
            let mut now = 0;
            let mut known = Vec::new();
            for (slot, (level, after)) in (0_u32..).zip(arrivals) {
                now += after;
                order.push(slot, Priority::new(level).unwrap(), Instant::from_nanos(now));
                known.push((level, now));
            }
            let mut popped = Vec::new();
            while let Some(slot) = order.first() {
                order.remove(slot);
                popped.push(known[slot as usize]);
            }
            for (i, (q, later)) in popped.iter().enumerate() {
                for (p, earlier) in &popped[i + 1..] {
                    if later > earlier {
                        prop_assert!(q > p);
                        prop_assert!(later - earlier < u64::from(q - p) * aging);
                    }
                }
            }
        }
    }

    #[test]
    fn endless_aging_time_means_strict_priority() {
        let mut order = Order::new(Duration::MAX);
        order.push(0, Priority::LOWEST, Instant::from_nanos(0));
        order.push(1, Priority::NORMAL, Instant::from_nanos(u64::MAX));
        assert_eq!(order.first(), Some(1));
    }
}
