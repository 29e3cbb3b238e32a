//! A map from hashes to places in little memory: sixteen bytes an entry, at least 71 % full.
//!
//! Entries stand in the order of their hashes, each at or after the place that its hash would have
//! if all were spread evenly, so a search ends at the first greater hash, and growing is one pass
//! from the old to the new. Since any size will do, it grows by a fifth instead of doubling.
//!
//! Source: Amble and Knuth, "Ordered hash tables", The Computer Journal 17(2), 1974.

use super::place::Place;

#[derive(Debug)]
pub(super) struct Table {
    /// Hash and place. Longer than `homes` where the last run needs it.
    cells: Vec<[u64; 2]>,
    /// Over how many cells the hashes are spread.
    homes: usize,
    len: usize,
}

/// The place of a cell without an entry; its slot is never given out.
const VACANT: u64 = u64::MAX;
const EMPTY: [u64; 2] = [0, VACANT];
/// Cells for each hundred entries just after growing or shrinking; it grows when they are 118.
const ROOMY: usize = 141;
/// Cells kept for the last run.
const OVERHANG: usize = 24;

impl Table {
    pub(super) const fn new() -> Table {
        Table { cells: Vec::new(), homes: 0, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<[u64; 2]>()
    }

    pub(super) fn get(&self, hash: u64) -> Option<Place> {
        self.find(hash).ok().map(|at| Place(self.cells[at][1]))
    }

    /// Changes the place of a hash that is there.
    pub(super) fn replace(&mut self, hash: u64, place: Place) {
        if let Ok(at) = self.find(hash) {
            self.cells[at][1] = place.0;
        }
    }

    /// Sets the place of a hash and answers the one before.
    pub(super) fn insert(&mut self, hash: u64, place: Place) -> Option<Place> {
        let at = match self.find(hash) {
            Ok(at) => return Some(Place(std::mem::replace(&mut self.cells[at][1], place.0))),
            Err(at) if (self.len + 1) * 118 <= self.homes * 100 => at,
            Err(_) => {
                self.resize(self.len + 1);
                self.find(hash).unwrap_or_else(|at| at)
            }
        };
        let free = self.cells[at..].iter().position(|cell| cell[1] == VACANT);
        let free = free.map_or(self.cells.len(), |after| at + after);
        if free == self.cells.len() {
            self.push(EMPTY);
        }
        self.cells.copy_within(at..free, at + 1);
        self.cells[at] = [hash, place.0];
        self.len += 1;
        None
    }

    pub(super) fn remove(&mut self, hash: u64) -> Option<Place> {
        let at = self.find(hash).ok()?;
        let place = Place(self.cells[at][1]);
        let stays = |(after, cell): (usize, &[u64; 2])| {
            cell[1] == VACANT || self.home(cell[0]) > at + after
        };
        let run = self.cells[at + 1..].iter().enumerate().position(stays);
        let end = run.map_or(self.cells.len(), |after| at + 1 + after);
        self.cells.copy_within(at + 1..end, at);
        self.cells[end - 1] = EMPTY;
        self.len -= 1;
        if self.len * 4 < self.homes && self.homes > 1024 {
            self.resize(self.len);
        }
        Some(place)
    }

    /// Makes room for that many in all.
    pub(super) fn reserve(&mut self, len: usize) {
        if len * 118 > self.homes * 100 {
            self.resize(len);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Place)> {
        self.cells.iter().filter(|cell| cell[1] != VACANT).map(|cell| (cell[0], Place(cell[1])))
    }

    /// Where a hash is, or where it belongs.
    fn find(&self, hash: u64) -> Result<usize, usize> {
        let home = self.home(hash);
        for (after, cell) in self.cells.get(home..).unwrap_or_default().iter().enumerate() {
            if cell[1] == VACANT || cell[0] > hash {
                return Err(home + after);
            }
            if cell[0] == hash {
                return Ok(home + after);
            }
        }
        Err(self.cells.len())
    }

    fn home(&self, hash: u64) -> usize {
        ((u128::from(hash) * self.homes as u128) >> 64) as usize
    }

    /// One cell more at the end, where a vector would double by itself.
    fn push(&mut self, cell: [u64; 2]) {
        if self.cells.len() == self.cells.capacity() {
            self.cells.reserve_exact(OVERHANG);
        }
        self.cells.push(cell);
    }

    fn resize(&mut self, len: usize) {
        let homes = (len * ROOMY / 100).max(16);
        let mut cells = Vec::with_capacity(homes + OVERHANG);
        cells.resize(homes, EMPTY);
        let mut old = std::mem::replace(&mut self.cells, cells);
        self.homes = homes;
        let mut next = 0;
        for cell in old.drain(..).filter(|cell| cell[1] != VACANT) {
            let at = self.home(cell[0]).max(next);
            if at >= self.cells.len() {
                self.push(cell);
            } else {
                self.cells[at] = cell;
            }
            next = at + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::hash_key;
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    use std::collections::BTreeMap;

    /// Hashes near each other, so that runs are long, also at the very end.
    fn hash(number: u16) -> u64 {
        u64::MAX - (u64::from(number % 300) << if number.is_multiple_of(2) { 1 } else { 54 })
    }

    #[test]
    fn does_what_a_map_does() {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
        let mut runner = TestRunner::new_with_rng(Config::with_cases(64), rng);
        let steps = prop::collection::vec((0..3u8, any::<u16>(), 0..1_000_000u64), 1..900);
        let outcome = runner.run(&steps, |steps| {
            let (mut table, mut model) = (Table::new(), BTreeMap::new());
            for (what, number, place) in steps {
                let (hash, place) = (hash(number), Place(place));
                if what == 2 {
                    prop_assert_eq!(table.remove(hash), model.remove(&hash));
                } else {
                    prop_assert_eq!(table.insert(hash, place), model.insert(hash, place));
                }
                prop_assert_eq!(table.get(hash), model.get(&hash).copied());
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert!(table.iter().eq(model.iter().map(|(hash, place)| (*hash, *place))));
            for number in 0..600 {
                prop_assert_eq!(table.get(hash(number)), model.get(&hash(number)).copied());
            }
            Ok(())
        });
        outcome.unwrap();
    }

    #[test]
    fn an_entry_takes_at_most_24_bytes_at_any_size() {
        let mut table = Table::new();
        let hash = |number: u64| hash_key(&number.to_le_bytes(), 7);
        for len in 1..=60_000 {
            table.insert(hash(len), Place(len));
            let each = table.bytes() as f64 / len as f64;
            assert!(len < 800 || each <= 24.0, "{each} bytes for each of {len}");
        }
        for number in 1..=59_000 {
            table.remove(hash(number));
        }
        assert!(table.bytes() <= 1000 * 16 * 4 + 4096, "{} bytes for 1000", table.bytes());
    }
}
