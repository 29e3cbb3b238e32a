//! What stands before each value.

use crate::disk::Stored;

/// Version, flags, two bytes of nothing, checksum, end and time of writing, all little-endian.
pub(super) const LEN: usize = 24;
const VERSION: u8 = 1;
/// In the place of a value that has ended: it hides what older generations have under its key.
const ENDED: u8 = 1;
/// What the compaction filter leaves of a value that has ended.
pub(super) const REMAINS: &[u8; LEN] = &{
    let mut remains = [0; LEN];
    remains[0] = VERSION;
    remains[1] = ENDED;
    remains
};

/// What a record turned out to be.
#[derive(Debug)]
pub(super) enum Record<'a> {
    Value(Stored, &'a [u8]),
    Ended,
    Damaged,
}

pub(super) fn write(key: &[u8], value: &[u8], expires_at: u64, at: u64, into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&[VERSION, 0, 0, 0, 0, 0, 0, 0]);
    into.extend_from_slice(&expires_at.to_le_bytes());
    into.extend_from_slice(&at.to_le_bytes());
    let sum = checksum(key, &into[8..], value);
    into[4..8].copy_from_slice(&sum.to_le_bytes());
    into.extend_from_slice(value);
}

pub(super) fn read<'a>(key: &[u8], record: &'a [u8], now: u64) -> Record<'a> {
    let Some((header, value)) = record.split_first_chunk::<LEN>() else { return Record::Damaged };
    if header == REMAINS {
        return Record::Ended;
    }
    let Some(expires_at) = end_of(header) else { return Record::Damaged };
    let sum = checksum(key, &header[8..], value);
    if header[1] != 0 || header[4..8] != sum.to_le_bytes() {
        return Record::Damaged;
    }
    if expires_at <= now {
        return Record::Ended;
    }
    let (_, written_at) = header.split_at(16);
    let written_at = written_at.try_into().map_or(0, u64::from_le_bytes);
    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
    Record::Value(Stored { expires_at, written_at, len }, value)
}

/// When a record ends, for whoever does not look at the rest.
pub(super) fn end_of(record: &[u8]) -> Option<u64> {
    let header = record.first_chunk::<LEN>()?;
    let end = header.get(8..16)?.try_into().ok()?;
    (header[0] == VERSION).then(|| u64::from_le_bytes(end))
}

fn checksum(key: &[u8], times: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(key), times), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_its_keys_and_each_bit_counts() {
        let mut record = Vec::new();
        write(b"key", b"value", 20, 10, &mut record);
        assert!(matches!(
            read(b"key", &record, 19),
            Record::Value(Stored { expires_at: 20, written_at: 10, len: 5 }, b"value")
        ));
        assert!(matches!(read(b"key", &record, 20), Record::Ended));
        assert!(matches!(read(b"kez", &record, 19), Record::Damaged));
        assert!(matches!(read(b"key", REMAINS, 0), Record::Ended));
        for bit in (0..record.len() * 8).filter(|bit| !(16..32).contains(bit)) {
            record[bit / 8] ^= 1 << (bit % 8);
            let found = read(b"key", &record, 0);
            assert!(matches!(found, Record::Damaged), "bit {bit}: {found:?}");
            record[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
