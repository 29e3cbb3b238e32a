//! Closed windows, packed behind one another in one allocation.
//!
//! A record is `gap, covered, length, payload`: the distance to the slot of the record before it,
//! the milliseconds it covers, and a payload that can be stepped over without being read. An idle
//! counter costs five bytes a window.

/// Packed windows in the order of their slots.
#[derive(Debug, Default)]
pub(super) struct Tape {
    bytes: Vec<u8>,
    /// Where the oldest record begins; everything before it is waste.
    head: usize,
    /// The slot that the gap of the oldest record counts from.
    base: u64,
    last: u64,
    records: usize,
}

impl Tape {
    /// Appends a window. Slots only grow.
    pub(super) fn push(&mut self, slot: u64, covered_ms: u64, payload: &[u8]) {
        debug_assert!(self.records == 0 || slot > self.last, "slots only grow");
        let from = if self.records == 0 {
            self.base = 0;
            0
        } else {
            self.last
        };
        if self.bytes.capacity() - self.bytes.len() < payload.len() + HEADER {
            // An eighth at a time: a tape soon stays as long as it is, and there are thousands.
            self.bytes.reserve_exact(payload.len() + HEADER + self.bytes.len() / 8);
        }
        write_varint(&mut self.bytes, u128::from(slot - from));
        write_varint(&mut self.bytes, u128::from(covered_ms));
        write_varint(&mut self.bytes, payload.len() as u128);
        self.bytes.extend_from_slice(payload);
        self.last = slot;
        self.records += 1;
    }

    /// Forgets the windows of slots before `slot`; answers how many.
    pub(super) fn drop_before(&mut self, slot: u64) -> usize {
        let mut dropped = 0;
        while let Some((oldest, next)) = self.read(self.head, self.base).map(|(r, n)| (r.slot, n)) {
            if oldest >= slot {
                break;
            }
            self.head = next;
            self.base = oldest;
            self.records -= 1;
            dropped += 1;
        }
        if self.head > 128 && self.head * 8 > self.bytes.len() {
            self.bytes.drain(..self.head);
            self.head = 0;
            self.bytes.shrink_to(self.bytes.len() + self.bytes.len() / 4);
        }
        dropped
    }

    /// Forgets the older half of the windows; answers how many.
    pub(super) fn drop_half(&mut self) -> usize {
        let middle = self.iter().nth(self.records.div_ceil(2)).map_or(u64::MAX, |r| r.slot);
        let dropped = self.drop_before(middle);
        self.bytes.drain(..self.head);
        self.head = 0;
        self.bytes.shrink_to_fit();
        dropped
    }

    pub(super) fn iter(&self) -> Records<'_> {
        Records { tape: self, at: self.head, slot: self.base }
    }

    /// Bytes allocated.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn read(&self, at: usize, base: u64) -> Option<(Record<'_>, usize)> {
        if at >= self.bytes.len() {
            return None;
        }
        let mut reader = Reader { bytes: &self.bytes[at..] };
        let slot = base + reader.next_u64();
        let covered_ms = reader.next_u64();
        let length = reader.next_u64() as usize;
        let start = self.bytes.len() - reader.bytes.len();
        let payload = Reader { bytes: &self.bytes[start..start + length] };
        Some((Record { slot, covered_ms, payload }, start + length))
    }
}

/// What a record takes beside its payload at most: three numbers of up to 64 bits.
const HEADER: usize = 30;

/// One closed window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) slot: u64,
    pub(super) covered_ms: u64,
    pub(super) payload: Reader<'a>,
}

/// The windows of a [`Tape`], oldest first.
#[derive(Clone, Debug)]
pub(super) struct Records<'a> {
    tape: &'a Tape,
    at: usize,
    slot: u64,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let (record, next) = self.tape.read(self.at, self.slot)?;
        self.at = next;
        self.slot = record.slot;
        Some(record)
    }
}

/// Reads what [`write_varint`] and [`write_f64`] wrote.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    #[inline]
    pub(super) fn next_u64(&mut self) -> u64 {
        // Most numbers are below 128: gaps of one, small counts.
        match self.bytes {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.bytes = rest;
                u64::from(*byte)
            }
            _ => self.next_u128() as u64,
        }
    }

    pub(super) fn next_u128(&mut self) -> u128 {
        let mut value = 0;
        let mut shift = 0;
        while let [byte, rest @ ..] = self.bytes {
            self.bytes = rest;
            value |= u128::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    pub(super) fn next_f64(&mut self) -> f64 {
        let Some((head, rest)) = self.bytes.split_first_chunk::<8>() else { return 0.0 };
        self.bytes = rest;
        f64::from_le_bytes(*head)
    }
}

/// Seven bits a byte, lowest first.
pub(super) fn write_varint(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn write_f64(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(crate::test_cases())]

        #[test]
        fn a_tape_is_a_list_of_windows(
            steps in prop::collection::vec(
                (1u64..400, 0u64..1 << 40, prop::collection::vec(any::<u8>(), 0..40), 0u8..10, 0u64..900),
                0..120,
            )
        ) {
            let mut tape = Tape::default();
            let mut model: Vec<(u64, u64, Vec<u8>)> = Vec::new();
            let mut slot = 0;
            for (gap, covered, payload, what, keep) in steps {
                slot += gap;
                tape.push(slot, covered, &payload);
                model.push((slot, covered, payload));
                let dropped = match what {
                    0 => tape.drop_half(),
                    1..=4 => tape.drop_before(slot.saturating_sub(keep)),
                    _ => 0,
                };
                match what {
                    0 => drop(model.drain(..model.len().div_ceil(2))),
                    1..=4 => model.retain(|(s, ..)| *s >= slot.saturating_sub(keep)),
                    _ => {}
                }
                prop_assert_eq!(tape.records, model.len(), "{} dropped", dropped);
            }
            let records: Vec<_> =
                tape.iter().map(|r| (r.slot, r.covered_ms, r.payload.bytes.to_vec())).collect();
            prop_assert_eq!(records, model);
        }
    }

    #[test]
    fn numbers_come_back() {
        let mut bytes = Vec::new();
        let numbers = [0, 1, 127, 128, 300, u128::from(u64::MAX), u128::MAX];
        for n in numbers {
            write_varint(&mut bytes, n);
        }
        write_f64(&mut bytes, -0.25);
        let mut reader = Reader { bytes: &bytes };
        for n in numbers {
            assert_eq!(reader.next_u128(), n);
        }
        assert_eq!(reader.next_f64(), -0.25);
    }

    #[test]
    fn dropping_from_the_front_keeps_the_rest_and_gives_memory_back() {
        let mut tape = Tape::default();
        for slot in 1..=1000 {
            tape.push(slot * 3, 1000, &[slot as u8; 4]);
            tape.drop_before((slot * 3).saturating_sub(30));
        }
        let slots: Vec<u64> = tape.iter().map(|r| r.slot).collect();
        assert_eq!(slots, (990..=1000).map(|s| s * 3).collect::<Vec<_>>());
        assert_eq!(tape.records, 11);
        assert!(tape.capacity() < 1024, "{}", tape.capacity());
    }

    #[test]
    fn an_emptied_tape_starts_afresh() {
        let mut tape = Tape::default();
        tape.push(7, 1, &[]);
        assert_eq!(tape.drop_before(8), 1);
        tape.push(9, 2, &[1]);
        let records: Vec<_> = tape.iter().map(|r| (r.slot, r.covered_ms)).collect();
        assert_eq!(records, [(9, 2)]);
        assert_eq!(tape.drop_half(), 1);
        assert_eq!(tape.iter().count(), 0);
    }
}
