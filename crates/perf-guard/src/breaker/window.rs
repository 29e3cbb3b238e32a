//! The outcomes of the last calls, one bit each.

/// A ring of bits with a running count of those set.
#[derive(Debug)]
pub(super) struct Window {
    bits: Vec<u64>,
    capacity: u32,
    len: u32,
    next: u32,
    failures: u32,
}

impl Window {
    pub(super) fn new(capacity: u32) -> Window {
        let words = capacity.div_ceil(64) as usize;
        Window { bits: vec![0; words], capacity, len: 0, next: 0, failures: 0 }
    }

    /// Remembers one outcome and forgets the oldest if there are too many. O(1).
    pub(super) fn push(&mut self, failed: bool) {
        let word = &mut self.bits[(self.next / 64) as usize];
        let bit = 1_u64 << (self.next % 64);
        // Bits not yet written are zero, so the first round forgets nothing.
        self.failures -= u32::from(*word & bit != 0);
        self.failures += u32::from(failed);
        *word = if failed { *word | bit } else { *word & !bit };
        self.len = (self.len + 1).min(self.capacity);
        self.next = (self.next + 1) % self.capacity;
    }

    pub(super) fn clear(&mut self) {
        self.bits.fill(0);
        (self.len, self.next, self.failures) = (0, 0, 0);
    }

    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }
}
