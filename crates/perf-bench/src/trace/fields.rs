//! Lines of numbers and words.

/// First key, how many keys in a row, size.
pub(super) type Row = (u64, u64, Option<u64>);

/// `start count ignored sequence`. The last two may lack.
pub(super) fn arc(line: &[u8]) -> Option<Row> {
    let mut words = words(line);
    Some((number(words.next()?)?, number(words.next()?)?, None))
}

/// One number.
pub(super) fn lirs(line: &[u8]) -> Option<Row> {
    Some((number(line)?, 1, None))
}

/// `time key size`.
pub(super) fn sized(line: &[u8]) -> Option<Row> {
    let mut words = words(line);
    let _time = words.next()?;
    Some((number(words.next()?)?, 1, Some(number(words.next()?)?)))
}

/// `l|s 0xADDRESS n`.
pub(super) fn address(line: &[u8]) -> Option<Row> {
    let address = words(line).nth(1)?.strip_prefix(b"0x")?;
    let address = u64::from_str_radix(std::str::from_utf8(address).ok()?, 16).ok()?;
    Some((address, 1, None))
}

pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Decimal digits that fit 64 bits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 { None } else { sum.checked_mul(10)?.checked_add(u64::from(digit)) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_or_are_none() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for text in ["", "18446744073709551616", "1.5", "-1", "+1", " 1"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
    }
}
