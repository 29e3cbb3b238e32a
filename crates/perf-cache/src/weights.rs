//! What the entries of a shard weigh, beside the entries.

use crate::policy::Slot;
use hashbrown::HashMap;

/// One number for each slot, 32 bits wide: what is heavier is kept apart. Takes no memory where
/// all entries weigh the same.
#[derive(Debug)]
pub(crate) struct Weights {
    column: Option<Vec<u32>>,
    /// Of slots whose number in the column says [`HEAVIER`].
    heavier: HashMap<u32, u64>,
    of_each: u64,
}

const HEAVIER: u32 = u32::MAX;

impl Weights {
    /// `of_each`: what all entries weigh; `None` where each has its own weight.
    pub(crate) fn new(of_each: Option<u64>) -> Weights {
        let column = if of_each.is_none() { Some(Vec::new()) } else { None };
        Weights { column, heavier: HashMap::new(), of_each: of_each.unwrap_or(0) }
    }

    /// Whether each entry has its own.
    pub(crate) const fn differ(&self) -> bool {
        self.column.is_some()
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> u64 {
        let Some(column) = &self.column else { return self.of_each };
        match column.get(slot.index()) {
            Some(&HEAVIER) => self.heavier.get(&slot.as_u32()).copied().unwrap_or(0),
            Some(&weight) => u64::from(weight),
            None => 0,
        }
    }

    #[inline]
    pub(crate) fn set(&mut self, slot: Slot, weight: u64) {
        if self.column.is_some() {
            self.note(slot, weight);
        }
    }

    fn note(&mut self, slot: Slot, weight: u64) {
        let Some(column) = &mut self.column else { return };
        if column.len() <= slot.index() {
            column.resize(slot.index() + 1, 0);
        }
        let narrow = u32::try_from(weight).unwrap_or(HEAVIER);
        let before = std::mem::replace(&mut column[slot.index()], narrow);
        if narrow == HEAVIER {
            self.heavier.insert(slot.as_u32(), weight);
        } else if before == HEAVIER {
            self.heavier.remove(&slot.as_u32());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_entries_are_weighed_too() {
        let mut weights = Weights::new(None);
        let [a, b] = [3, 7].map(Slot::new);
        for weight in [0, 5, u64::from(u32::MAX) - 1, u64::from(u32::MAX), u64::MAX, 6] {
            weights.set(a, weight);
            weights.set(b, 1);
            assert_eq!((weights.get(a), weights.get(b)), (weight, 1));
        }
        assert!(weights.heavier.is_empty());
    }

    #[test]
    fn where_all_weigh_the_same_nothing_is_kept() {
        let mut weights = Weights::new(Some(56));
        weights.set(Slot::new(1_000), 56);
        assert_eq!((weights.get(Slot::new(5)), weights.column.is_none()), (56, true));
    }
}
