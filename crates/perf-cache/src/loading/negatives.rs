//! What loads answered that gave no value, remembered for a while.
//!
//! Without this a key that has no value, or an origin that is down, costs a load for each caller.
//! All are remembered for the same time, so the oldest is always the first to expire: a queue beside
//! the table is enough to find it, and bounds the table as well.

use crate::invalidation::Fence;
use equivalent::Equivalent;
use hashbrown::HashTable;
use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a load answered instead of a value.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// There is none.
    Absent,
    /// An `Arc<E>`.
    Error(Arc<dyn Any + Send + Sync>),
}

/// The answers for the keys of one shard, no more than [`MOST`].
#[derive(Debug)]
pub(crate) struct Negatives<K> {
    table: HashTable<Negative<K>>,
    /// Oldest first; some may be forgotten already.
    queue: VecDeque<(u64, u64)>,
    next: u64,
}

#[derive(Debug)]
struct Negative<K> {
    hash: u64,
    key: K,
    number: u64,
    until: u64,
    refusal: Refusal,
    fence: Fence,
}

impl<K> Negatives<K> {
    pub(crate) const fn new() -> Negatives<K> {
        Negatives { table: HashTable::new(), queue: VecDeque::new(), next: 0 }
    }

    /// What is remembered for a key at this moment of the clock, which is asked only if there is
    /// something; and what that may be older than.
    pub(crate) fn find<Q>(
        &self,
        hash: u64,
        key: &Q,
        now: impl FnOnce() -> u64,
    ) -> Option<(Refusal, Fence)>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if self.table.is_empty() {
            return None;
        }
        let found = self.table.find(hash, |negative| key.equivalent(&negative.key))?;
        (now() < found.until).then(|| (found.refusal.clone(), found.fence))
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Forgets what is remembered for a key, and answers it to be dropped after the lock.
    pub(crate) fn forget<Q>(&mut self, hash: u64, key: &Q) -> Option<(K, Refusal)>
    where
        Q: Equivalent<K> + ?Sized,
    {
        if self.table.is_empty() {
            return None;
        }
        let found = self.table.find_entry(hash, |negative| key.equivalent(&negative.key)).ok()?;
        let negative = found.remove().0;
        Some((negative.key, negative.refusal))
    }

    fn forget_number(&mut self, hash: u64, number: u64) -> Option<Negative<K>> {
        let found = self.table.find_entry(hash, |negative| negative.number == number).ok()?;
        Some(found.remove().0)
    }
}

impl<K: Eq> Negatives<K> {
    /// Remembers an answer. What it takes the place of, and what has expired by now, goes to
    /// `gone`, to be dropped after the lock. Answers how many were let go before their time, for
    /// want of room.
    pub(crate) fn remember(
        &mut self,
        hash: u64,
        key: K,
        (refusal, fence): (Refusal, Fence),
        (now, until): (u64, u64),
        gone: &mut Vec<(K, Refusal)>,
    ) -> u64 {
        gone.extend(self.forget(hash, &key));
        let mut dropped = 0;
        while let Some(&(hash, number)) = self.queue.front() {
            let oldest = self.table.find(hash, |negative| negative.number == number);
            let alive = oldest.map(|negative| negative.until > now);
            if alive == Some(true) && self.table.len() < MOST {
                break;
            }
            self.queue.pop_front();
            if let Some(old) = self.forget_number(hash, number) {
                dropped += u64::from(old.until > now);
                gone.push((old.key, old.refusal));
            }
        }
        if self.queue.len() >= 2 * MOST {
            // Half of them at least are of keys that were forgotten by name.
            let table = &self.table;
            self.queue.retain(|&(hash, n)| table.find(hash, |old| old.number == n).is_some());
        }
        let number = self.next;
        self.next += 1;
        self.queue.push_back((hash, number));
        let negative = Negative { hash, key, number, until, refusal, fence };
        self.table.insert_unique(hash, negative, |negative| negative.hash);
        dropped
    }
}

/// How many answers a shard remembers.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn absent() -> (Refusal, Fence) {
        (Refusal::Absent, Fence::default())
    }

    fn remember(negatives: &mut Negatives<u64>, key: u64, now: u64, until: u64) -> (u64, usize) {
        let mut gone = Vec::new();
        let dropped = negatives.remember(key, key, absent(), (now, until), &mut gone);
        (dropped, gone.len())
    }

    #[test]
    fn an_answer_holds_until_its_time() {
        let mut negatives = Negatives::new();
        assert!(negatives.find(1, &1, || unreachable!("nothing is there")).is_none());
        remember(&mut negatives, 1, 0, 10);
        assert!(negatives.find(1, &1, || 9).is_some());
        assert!(negatives.find(1, &1, || 10).is_none());
        assert!(negatives.find(2, &2, || unreachable!("not this key")).is_none());
        assert!(negatives.forget(1, &1).is_some());
        assert!(negatives.find(1, &1, || 9).is_none());
    }

    #[test]
    fn a_new_answer_takes_the_place_of_the_old() {
        let mut negatives = Negatives::new();
        remember(&mut negatives, 1, 0, 10);
        assert_eq!(remember(&mut negatives, 1, 5, 15), (0, 1));
        assert!(negatives.find(1, &1, || 14).is_some());
    }

    #[test]
    fn the_expired_leave_before_the_living() {
        let mut negatives = Negatives::new();
        for key in 0..MOST as u64 {
            remember(&mut negatives, key, 0, 10 + key);
        }
        assert_eq!(remember(&mut negatives, 1_000, 12, 400), (0, 3));
        assert_eq!(negatives.table.len(), MOST - 2);
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let mut negatives = Negatives::new();
        let mut dropped = 0;
        for key in 0..10 * MOST as u64 {
            dropped += remember(&mut negatives, key, 0, 10).0;
            assert!(negatives.table.len() <= MOST && negatives.queue.len() <= 2 * MOST);
        }
        assert_eq!(dropped, 9 * MOST as u64);
        // Forgotten by name and remembered again, over and over.
        for _ in 0..10 * MOST {
            remember(&mut negatives, 10 * MOST as u64 - 1, 0, 10);
            assert!(negatives.table.len() <= MOST && negatives.queue.len() <= 2 * MOST);
        }
    }
}
