//! Where a record lies, in one word of the index.

/// Slot of the segment (16 bits), offset in units of its alignment (24), length of value, key and
/// tail (21), and three marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) u64);

/// In the index: there is nothing to be had, though an older record may be on disk. In a footer:
/// a tombstone.
const DEAD: u64 = 1;
/// It was read since it was written.
const HOT: u64 = 2;
const PINNED: u64 = 4;
const LEN_SHIFT: u32 = 3;
const LEN_BITS: u32 = 21;
const OFFSET_SHIFT: u32 = LEN_SHIFT + LEN_BITS;
const OFFSET_BITS: u32 = 24;
const SLOT_SHIFT: u32 = OFFSET_SHIFT + OFFSET_BITS;

/// Offsets are below this many units.
pub(super) const MAX_UNITS: u64 = 1 << OFFSET_BITS;
/// Slots are below this.
pub(super) const MAX_SLOTS: usize = u16::MAX as usize;
/// Lengths below this are exact, others rounded up to the next 4 KiB.
const EXACT: u64 = 1 << (LEN_BITS - 1);

impl Place {
    pub(super) fn new(slot: u16, unit: u64, payload: u64, pinned: bool) -> Place {
        let len = if payload < EXACT {
            payload << 1
        } else {
            payload.div_ceil(4096).min(EXACT - 1) << 1 | 1
        };
        let mark = if pinned { PINNED } else { 0 };
        Place(u64::from(slot) << SLOT_SHIFT | unit << OFFSET_SHIFT | len << LEN_SHIFT | mark)
    }

    /// As it stands in a footer: without the slot, which is another at the next opening.
    pub(super) fn in_footer(self, tombstone: bool) -> u64 {
        let place = self.0 & !(HOT | DEAD) & ((1 << SLOT_SHIFT) - 1);
        place | if tombstone { DEAD } else { 0 }
    }

    /// From a footer, with the slot of the segment in this run.
    pub(super) fn from_footer(word: u64, slot: u16) -> Place {
        Place(word & ((1 << SLOT_SHIFT) - 1) & !HOT | u64::from(slot) << SLOT_SHIFT)
    }

    pub(super) fn slot(self) -> usize {
        (self.0 >> SLOT_SHIFT) as usize
    }

    /// Where the record begins, in units of the segment's alignment.
    pub(super) fn unit(self) -> u64 {
        self.0 >> OFFSET_SHIFT & (MAX_UNITS - 1)
    }

    /// Bytes of value, key and tail, if they are known exactly: below a mebibyte.
    pub(super) fn payload(self) -> Option<u64> {
        let len = self.len_word();
        (len & 1 == 0).then_some(len >> 1)
    }

    /// Bytes of value, key and tail, rounded up to 4 KiB above a mebibyte.
    pub(super) fn about(self) -> u64 {
        let len = self.len_word();
        if len & 1 == 0 { len >> 1 } else { (len >> 1) * 4096 }
    }

    fn len_word(self) -> u64 {
        self.0 >> LEN_SHIFT & ((1 << LEN_BITS) - 1)
    }

    pub(super) fn pinned(self) -> bool {
        self.0 & PINNED != 0
    }

    pub(super) fn hot(self) -> bool {
        self.0 & HOT != 0
    }

    /// Nothing to be had, or a tombstone.
    pub(super) fn dead(self) -> bool {
        self.0 & DEAD != 0
    }

    pub(super) fn made_hot(self) -> Place {
        Place(self.0 | HOT)
    }

    pub(super) fn made_dead(self) -> Place {
        Place(self.0 | DEAD)
    }

    /// Whether both are the same record, whatever was noted of it.
    pub(super) fn same_record(self, other: Place) -> bool {
        (self.0 ^ other.0) & !(HOT | DEAD) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back() {
        let place = Place::new(65_534, MAX_UNITS - 1, EXACT - 1, true);
        assert_eq!((place.slot(), place.unit()), (65_534, MAX_UNITS - 1));
        assert_eq!((place.payload(), place.about()), (Some(EXACT - 1), EXACT - 1));
        assert!(place.pinned() && !place.hot() && !place.dead());
        assert!(place.made_hot().hot() && place.made_dead().dead());
        assert!(place.made_hot().made_dead().same_record(place));
        let back = Place::from_footer(place.made_hot().in_footer(false), 65_534);
        assert_eq!(back, place);
        assert!(Place::from_footer(place.in_footer(true), 0).dead());
    }

    #[test]
    fn long_ones_are_rounded_up() {
        let place = Place::new(0, 0, EXACT + 1, false);
        assert_eq!((place.payload(), place.about()), (None, EXACT + 4096));
        assert_eq!(Place::new(0, 0, u64::from(u32::MAX), false).about(), (EXACT - 1) * 4096);
    }
}
