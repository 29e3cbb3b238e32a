//! Numbers as bytes: seven bits in each, least significant first, the top bit says "more".

use super::OpenError;

/// Appends `number` in one byte for each seven bits of it.
#[inline]
pub(super) fn put_varint(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// Small numbers of either sign become small numbers.
pub(super) const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// What [`zigzag`] was made of.
pub(super) const fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Reads from the front of some bytes, and never past their end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], OpenError> {
        let (front, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(OpenError::Malformed { what: "it is cut short" })?;
        self.0 = rest;
        Ok(front)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, OpenError> {
        self.take(1).map(|bytes| bytes[0])
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, OpenError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(OpenError::Malformed { what: "a number in it is longer than 64 bits" })
    }

    #[inline]
    pub(super) fn varint_u32(&mut self) -> Result<u32, OpenError> {
        u32::try_from(self.varint()?)
            .map_err(|_| OpenError::Malformed { what: "a number in it is longer than 32 bits" })
    }

    #[inline]
    pub(super) fn u64_le(&mut self) -> Result<u64, OpenError> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight were taken")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_as_few_bytes_as_they_need() {
        for bits in 0..64 {
            for number in [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1, u64::MAX] {
                let mut bytes = Vec::new();
                put_varint(&mut bytes, number);
                assert_eq!(bytes.len() as u32, (64 - number.leading_zeros()).div_ceil(7).max(1));
                let mut reader = Reader(&bytes);
                assert_eq!(reader.varint().unwrap(), number);
                assert!(reader.0.is_empty());
                assert_eq!(unzigzag(zigzag(number as i64)), number as i64);
            }
        }
        assert_eq!((zigzag(0), zigzag(-1), zigzag(1)), (0, 1, 2));
    }

    #[test]
    fn a_number_that_is_too_long_or_cut_short_is_refused() {
        for bytes in [&[0xff; 10][..], &[0x80; 11], &[0x80], &[]] {
            assert!(matches!(Reader(bytes).varint(), Err(OpenError::Malformed { .. })));
        }
        assert!(Reader(&[0xff, 0xff, 0xff, 0xff, 0x1f]).varint_u32().is_err());
    }
}
