//! Which of twelve one-byte tags are the one that is looked for.

/// The cells whose tags agree, both words in one: bit 8i is cell i, bit 8i + 4 cell 8 + i. A loop over
/// the two words that hold the tags would branch on where an entry happens to lie, which no processor
/// can foresee: both are compared at once.
pub(super) struct Agreeing(u64);

impl Agreeing {
    /// `tags` holds those of the first eight cells, `rest` in its lower half those of the others.
    #[inline]
    pub(super) const fn of(tags: u64, rest: u64, tag: u64) -> Agreeing {
        let tag = tag.wrapping_mul(LOWEST);
        Agreeing((equal_bytes(tags, tag) >> 7) | ((equal_bytes(rest, tag) & 0xffff_ffff) >> 3))
    }

    #[inline]
    pub(super) const fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some((bit >> 3) + ((bit & 4) << 1))
    }
}

const LOWEST: u64 = 0x0101_0101_0101_0101;

/// The highest bit of each byte that is the same; also of a byte above such a one if it differs in
/// the lowest bit alone, which costs a needless question.
#[inline]
const fn equal_bytes(a: u64, b: u64) -> u64 {
    let differs = a ^ b;
    differs.wrapping_sub(LOWEST) & !differs & (LOWEST << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_is_told_once() {
        let cells = |tags: u64, rest: u64| {
            let mut agreeing = Agreeing::of(tags, rest, 7);
            std::iter::from_fn(move || agreeing.next()).collect::<Vec<_>>()
        };
        for cell in 0..8 {
            assert_eq!(cells(7 << (8 * cell), 0), [cell]);
        }
        for cell in 0..4 {
            assert_eq!(cells(0, 7 << (8 * cell)), [8 + cell]);
        }
        // The upper half of the second word holds no tags.
        assert_eq!(cells(0, 0x0707_0707_0000_0000), [0_usize; 0]);
        let mut all = cells(0x0707_0707_0707_0707, 0x0707_0707);
        all.sort_unstable();
        assert_eq!(all, (0..12).collect::<Vec<_>>());
    }
}
