//! What waits to be purged, as a pure data structure: bounded, each item once, nothing that
//! something else covers.

use crate::cdn::purge::Purge;
use perf_core::Instant;
use std::collections::{HashMap, VecDeque};

/// Something that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) item: Purge,
    /// When somebody asked for it first.
    pub(super) since: Instant,
    /// When somebody did last.
    pub(super) asked: Instant,
    /// The number of that call.
    pub(super) number: u64,
    /// The most that go with it in one call: less once such a call was rejected.
    pub(super) most: usize,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits, and so many others do not any more, which it covers.
    Queued { covered: usize },
    /// Something that waits does it.
    Coalesced,
    /// There was no room: all is purged instead of so many items.
    Collapsed { items: usize },
    /// There was no room.
    Full,
}

/// All that waits, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    /// With when somebody asked for each last, or for what it covers.
    known: HashMap<Purge, Instant>,
    /// Those of them that cover others.
    wide: Vec<Purge>,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.since).min()
    }

    /// The first call that somebody waits for.
    pub(super) fn first_number(&self) -> Option<u64> {
        self.waiting.iter().map(|waiting| waiting.number).min()
    }

    /// `max`: how many may wait; `collapses`: whether all may be purged if more would.
    pub(super) fn push(&mut self, mut new: Waiting, max: usize, collapses: bool) -> Pushed {
        if self.is_covered(&new.item, new.asked) {
            return Pushed::Coalesced;
        }
        let covered = if is_wide(&new.item) { self.cover(&mut new) } else { 0 };
        if self.len() < max || new.item == Purge::All {
            self.insert(new, false);
            return Pushed::Queued { covered };
        }
        if !collapses {
            return Pushed::Full;
        }
        new.item = Purge::All;
        let items = self.cover(&mut new) + 1;
        self.insert(new, false);
        Pushed::Collapsed { items }
    }

    /// Takes out what the item covers, and counts its waiting from theirs; how many that were.
    fn cover(&mut self, new: &mut Waiting) -> usize {
        let before = self.len();
        for waiting in self.waiting.iter().filter(|waiting| new.item.covers(&waiting.item)) {
            new.since = new.since.min(waiting.since);
            new.number = new.number.min(waiting.number);
        }
        let item = new.item.clone();
        self.retain(|waiting, _| !item.covers(&waiting.item));
        before - self.len()
    }

    /// Takes what goes together, from the oldest on.
    pub(super) fn take(&mut self, most: usize, is_mixed: bool) -> Vec<Waiting> {
        let Some(first) = self.waiting.front() else { return Vec::new() };
        let kind = std::mem::discriminant(&first.item);
        let is_alone = first.item == Purge::All;
        let most = most.min(first.most).max(1);
        let goes_along = |item: &Purge| {
            let is_same = std::mem::discriminant(item) == kind;
            is_same || is_mixed && !is_alone && *item != Purge::All
        };
        let mut taken = Vec::new();
        let mut left = VecDeque::with_capacity(self.waiting.len());
        for waiting in self.waiting.drain(..) {
            // What is to go with few others does so, whoever was before it.
            let room = most.min(waiting.most);
            if taken.len() < room && goes_along(&waiting.item) {
                taken.push(waiting);
            } else {
                left.push_back(waiting);
            }
        }
        self.waiting = left;
        for waiting in &mut taken {
            waiting.asked = self.known.remove(&waiting.item).unwrap_or(waiting.asked);
        }
        self.wide.retain(|item| self.known.contains_key(item));
        taken
    }

    /// Puts back what was taken, before all others; how many of these something else does by now.
    pub(super) fn put_back(&mut self, taken: Vec<Waiting>) -> usize {
        let mut covered = 0;
        for waiting in taken.into_iter().rev() {
            if self.is_covered(&waiting.item, waiting.asked) {
                covered += 1;
            } else {
                self.insert(waiting, true);
            }
        }
        covered
    }

    /// Takes all.
    pub(super) fn drain(&mut self) -> usize {
        let waiting = self.len();
        self.retain(|_, _| false);
        waiting
    }

    /// Takes what nobody has asked for since before `start`.
    pub(super) fn give_up(&mut self, start: Instant) -> usize {
        let before = self.len();
        if self.oldest().is_some_and(|oldest| oldest < start) {
            self.retain(|_, asked| asked >= start);
        }
        before - self.len()
    }

    /// Whether something that waits does it, which is then noted as asked for.
    fn is_covered(&mut self, item: &Purge, now: Instant) -> bool {
        let by = match self.known.contains_key(item) {
            true => Some(item),
            false => self.wide.iter().find(|wide| wide.covers(item)),
        };
        let asked = by.and_then(|by| self.known.get_mut(by));
        asked.map(|asked| *asked = now.max(*asked)).is_some()
    }

    fn insert(&mut self, waiting: Waiting, is_first: bool) {
        self.known.insert(waiting.item.clone(), waiting.asked);
        if is_wide(&waiting.item) && self.wide.len() < MOST_WIDE {
            self.wide.push(waiting.item.clone());
        }
        if is_first {
            self.waiting.push_front(waiting);
        } else {
            self.waiting.push_back(waiting);
        }
    }

    fn retain(&mut self, keep: impl Fn(&Waiting, Instant) -> bool) {
        let known = &mut self.known;
        self.waiting.retain(|waiting| {
            let asked = known.get(&waiting.item).copied().unwrap_or(waiting.asked);
            let is_kept = keep(waiting, asked);
            if !is_kept {
                known.remove(&waiting.item);
            }
            is_kept
        });
        self.wide.retain(|item| self.known.contains_key(item));
    }
}

fn is_wide(item: &Purge) -> bool {
    matches!(item, Purge::Prefix(_) | Purge::Host(_) | Purge::All)
}

/// Each item that is asked for is compared with these; beyond, some are purged twice.
const MOST_WIDE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use Pushed::{Coalesced, Collapsed, Full, Queued};

    fn waiting(item: Purge, number: u64) -> Waiting {
        let since = Instant::from_nanos(number);
        Waiting { item, since, asked: since, number, most: usize::MAX }
    }

    fn url(text: &str) -> Purge {
        Purge::Url(format!("https://{text}"))
    }

    fn items(taken: Vec<Waiting>) -> Vec<Purge> {
        taken.into_iter().map(|waiting| waiting.item).collect()
    }

    /// Items by turns, numbered from 1.
    fn queue(all: &[Purge]) -> Queue {
        let mut queue = Queue::default();
        for (number, item) in (1..).zip(all) {
            queue.push(waiting(item.clone(), number), 100, false);
        }
        queue
    }

    #[test]
    fn each_waits_once_and_nothing_that_another_covers() {
        let tag = || Purge::Tag("t".into());
        let mut queue = queue(&[url("a/b/c"), tag(), url("a/x"), url("z/y")]);
        let mut push = |item| queue.push(waiting(item, 9), 100, false);
        assert_eq!(push(url("a/b/c")), Coalesced);
        assert_eq!(push(Purge::Prefix("a/b/".into())), Queued { covered: 1 });
        assert_eq!(push(url("a/b/d")), Coalesced);
        assert_eq!(push(Purge::Host("a".into())), Queued { covered: 2 });
        assert_eq!(push(Purge::Prefix("a/b/".into())), Coalesced);
        assert_eq!(push(Purge::All), Queued { covered: 3 });
        assert_eq!((push(Purge::All), push(tag())), (Coalesced, Coalesced));
        assert_eq!(items(queue.take(10, true)), [Purge::All]);
        // What was taken does not do what is asked for then.
        assert_eq!(queue.push(waiting(tag(), 10), 100, false), Queued { covered: 0 });
    }

    #[test]
    fn what_goes_together_is_of_one_kind_and_the_oldest_is_first() {
        let tag = |text: &str| Purge::Tag(text.into());
        let all = [tag("1"), url("a/1"), tag("2"), url("a/2"), tag("3")];
        let mut one_kind = queue(&all);
        assert_eq!(items(one_kind.take(2, false)), [tag("1"), tag("2")]);
        assert_eq!(items(one_kind.take(9, false)), [url("a/1"), url("a/2")]);
        assert_eq!(items(one_kind.take(9, false)), [tag("3")]);
        assert!(one_kind.take(9, false).is_empty());
        let mut mixed = queue(&all);
        assert_eq!(items(mixed.take(4, true)), all[..4]);
        assert_eq!((mixed.len(), mixed.oldest()), (1, Some(Instant::from_nanos(5))));
    }

    #[test]
    fn what_comes_back_is_first_unless_something_does_it_by_now() {
        let mut queue = queue(&[url("a/1"), url("b/1"), url("c/1")]);
        let taken = queue.take(2, false);
        queue.push(waiting(url("a/1"), 7), 100, false);
        assert_eq!(queue.put_back(taken), 1);
        assert_eq!(queue.first_number(), Some(2));
        let taken = queue.take(9, false);
        assert_eq!(items(taken.clone()), [url("b/1"), url("c/1"), url("a/1")]);
        queue.push(waiting(Purge::All, 8), 100, false);
        assert_eq!((queue.put_back(taken), queue.len()), (3, 1));
    }

    #[test]
    fn there_is_a_bound_and_beyond_it_all_goes_or_nothing_comes_in() {
        let push = |queue: &mut Queue, n: u64, collapses| {
            queue.push(waiting(url(&format!("a/{n}")), n), 3, collapses)
        };
        let mut queue = Queue::default();
        for n in 0..3 {
            assert_eq!(push(&mut queue, n, false), Queued { covered: 0 });
        }
        assert_eq!((push(&mut queue, 3, false), queue.len()), (Full, 3));
        assert_eq!(push(&mut queue, 3, true), Collapsed { items: 4 });
        assert_eq!((queue.len(), queue.first_number()), (1, Some(0)));
        assert_eq!(push(&mut queue, 4, true), Coalesced);
    }

    #[test]
    fn what_has_waited_for_too_long_goes() {
        let mut queue = queue(&[url("a/1"), Purge::Host("b".into()), url("c/1")]);
        assert_eq!(queue.give_up(Instant::from_nanos(1)), 0);
        assert_eq!(queue.give_up(Instant::from_nanos(3)), 2);
        assert_eq!(queue.push(waiting(url("b/1"), 9), 100, false), Queued { covered: 0 });
        assert_eq!((queue.drain(), queue.len()), (2, 0));
    }

    #[test]
    fn what_is_asked_for_again_has_its_time_again() {
        let mut queue = queue(&[url("a/1"), Purge::Host("b".into()), url("c/1"), url("d/1")]);
        assert_eq!(queue.push(waiting(url("a/1"), 8), 100, false), Coalesced);
        assert_eq!(queue.push(waiting(url("b/1"), 9), 100, false), Coalesced);
        // That holds over a call that failed.
        let taken = queue.take(1, false);
        queue.put_back(taken);
        assert_eq!(queue.give_up(Instant::from_nanos(8)), 2);
        assert_eq!(queue.oldest(), Some(Instant::from_nanos(1)));
        assert_eq!(queue.give_up(Instant::from_nanos(9)), 1);
        // What does the work of another has waited as long as that, and has its own time.
        assert_eq!(queue.push(waiting(Purge::All, 20), 100, false), Queued { covered: 1 });
        assert_eq!((queue.first_number(), queue.give_up(Instant::from_nanos(20))), (Some(2), 0));
    }
}
