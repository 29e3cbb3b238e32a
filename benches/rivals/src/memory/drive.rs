//! What the threads do, and what LRU by the book would answer.

use super::caches::Rival;
use super::pairs::Pairs;
use crate::measure::Bench;
use anyhow::Result;
use std::collections::{BTreeMap, HashMap};

/// How reads and writes are mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mix {
    /// Gets only, and all of them hit.
    Hits,
    /// 95 gets, each of which inserts what it misses, and 5 inserts.
    ReadThrough,
    /// 50 gets, which leave misses alone, and 50 inserts.
    Half,
}

impl Mix {
    pub(super) fn name(self) -> &'static str {
        match self {
            Mix::Hits => "hits",
            Mix::ReadThrough => "95-5",
            Mix::Half => "50-50",
        }
    }

    /// Of a hundred operations.
    fn writes(self) -> u64 {
        match self {
            Mix::Hits => 0,
            Mix::ReadThrough => 5,
            Mix::Half => 50,
        }
    }
}

/// One operation: a key, and in the top bit whether it is a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation(u64);

impl Operation {
    const WRITE: u64 = 1 << 63;

    #[inline]
    pub(super) fn key(self) -> u64 {
        self.0 & !Operation::WRITE
    }

    #[inline]
    fn writes(self) -> bool {
        self.0 & Operation::WRITE != 0
    }
}

/// The list that threads work through.
pub(super) struct Operations {
    pub(super) list: Vec<Operation>,
    mix: Mix,
}

impl Operations {
    pub(super) fn new(bench: &Bench, mix: Mix) -> Result<Operations> {
        let workload = if mix == Mix::Hits { "hits" } else { "mixed" };
        let count = bench.parameter("operations")?;
        let keys = bench.definition.numbers(workload, count)?;
        let dice = perfkit_benches::Workload::Uniform { keys: 100 };
        let dice = dice.numbers(bench.definition.seed + 1)?;
        let list = keys.into_iter().zip(dice).map(|(key, dice)| {
            Operation(if dice < mix.writes() { key | Operation::WRITE } else { key })
        });
        Ok(Operations { list: list.collect(), mix })
    }

    /// The keys that a cache is filled with: the hottest last.
    pub(super) fn fill(&self, room: usize) -> impl Iterator<Item = u64> + use<> {
        let keys = if self.mix == Mix::Hits { room / 2 } else { room };
        (0..keys as u64).rev()
    }
}

/// What one thread found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) reads: u64,
    pub(super) found: u64,
    pub(super) wrong: u64,
}

/// Works through `count` operations from `start` on, and from the beginning when the list ends.
pub(super) fn drive<C: Rival<P>, P: Pairs>(
    cache: &C,
    operations: &Operations,
    start: usize,
    count: usize,
) -> Found {
    let fills = operations.mix == Mix::ReadThrough;
    let mut done = Found::default();
    let (before, from) = operations.list.split_at(start);
    let work = |part: &[Operation], done: &mut Found| {
        for operation in part {
            let key = operation.key();
            if operation.writes() {
                cache.insert(P::key(key), P::value(key));
                continue;
            }
            done.reads += 1;
            match P::with_key(key, |asked| cache.get(asked)) {
                Some(number) => {
                    done.found += 1;
                    done.wrong += u64::from(number != key);
                }
                None if fills => cache.insert(P::key(key), P::value(key)),
                None => {}
            }
        }
    };
    let first = count.min(from.len());
    work(&from[..first], &mut done);
    work(&before[..count - first], &mut done);
    done
}

/// How many reads find their key when one thread has worked through the whole list once and does so
/// again, for each of `rounds`: a map and an order, as the textbook has it.
pub(super) fn expected_of_lru(operations: &Operations, room: usize, rounds: usize) -> Vec<u64> {
    let mut model = Model { last_use: HashMap::new(), order: BTreeMap::new(), now: 0, room };
    operations.fill(room).for_each(|key| model.touch(key));
    let mut pass = || {
        let mut found = 0;
        for operation in &operations.list {
            let key = operation.key();
            let held = model.last_use.contains_key(&key);
            found += u64::from(held && !operation.writes());
            if held || operation.writes() || operations.mix == Mix::ReadThrough {
                model.touch(key);
            }
        }
        found
    };
    pass();
    (0..rounds).map(|_| pass()).collect()
}

struct Model {
    last_use: HashMap<u64, u64>,
    order: BTreeMap<u64, u64>,
    now: u64,
    room: usize,
}

impl Model {
    fn touch(&mut self, key: u64) {
        self.now += 1;
        if let Some(before) = self.last_use.insert(key, self.now) {
            self.order.remove(&before);
        }
        self.order.insert(self.now, key);
        if self.last_use.len() > self.room
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.last_use.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(mix: Mix, room: usize, list: &[(u64, bool)]) -> Vec<u64> {
        let list = list.iter().map(|(k, w)| Operation(k | u64::from(*w) << 63)).collect();
        expected_of_lru(&Operations { list, mix }, room, 2)
    }

    #[test]
    fn the_model_forgets_the_least_recently_used() {
        let loop_of_three = [(0, false), (1, false), (2, false)];
        assert_eq!(found(Mix::ReadThrough, 3, &loop_of_three), [3, 3]);
        assert_eq!(found(Mix::ReadThrough, 2, &loop_of_three), [0, 0]);
        assert_eq!(found(Mix::Half, 2, &[(7, true), (7, false), (8, false)]), [1, 1]);
    }
}
