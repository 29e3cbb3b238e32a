//! Finding records in the bytes of a segment that has no footer to tell of them.

use super::format::{FRONT, Front, TAIL, Tail, hash_key, hash_value, record_sum};
use super::place::{MAX_UNITS, Place};
use super::read::parts;
use super::segment::{aligned, first_record};

/// A record that is whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanned {
    pub(super) hash: u64,
    pub(super) place: Place,
    pub(super) tombstone: bool,
    pub(super) expires_at: u64,
}

/// What a scan came upon besides records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    /// Where the last record ends.
    pub(super) end: u64,
    /// Stretches in which no record was found, each at least one that was lost.
    pub(super) count: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}

/// Goes through the bytes of a whole segment file. Where there is no record, it looks for one at
/// each place where one could begin; what it then finds has the right sum.
pub(super) fn scan(
    file: &[u8],
    salt: u64,
    shift: u8,
    seed: u64,
    visit: &mut dyn FnMut(Scanned),
) -> Gaps {
    let mut at = first_record(shift);
    let mut gaps = Gaps { end: at, ..Gaps::default() };
    let mut first = None;
    while at < file.len() as u64 && at >> shift < MAX_UNITS {
        let Some((scanned, bytes)) = record_at(file, at, salt, shift, seed) else {
            at += 1 << shift;
            continue;
        };
        gaps.skipped(at);
        first.get_or_insert([scanned.hash, scanned.place.in_footer(scanned.tombstone)]);
        visit(scanned);
        at += aligned(bytes, shift);
        gaps.end = at;
    }
    if !begins_footer(file, gaps.end, first) {
        gaps.skipped(file.len() as u64);
    }
    gaps
}

impl Gaps {
    /// No record was found before `at`.
    fn skipped(&mut self, at: u64) {
        if at > self.end {
            self.count += 1;
            self.bytes += at - self.end;
        }
    }
}

fn record_at(file: &[u8], at: u64, salt: u64, shift: u8, seed: u64) -> Option<(Scanned, u64)> {
    let rest = file.get(usize::try_from(at).ok()?..)?;
    let front = Front::decode(rest, salt)?;
    let bytes = FRONT as u64 + front.payload();
    let record = rest.get(..usize::try_from(bytes).ok()?)?;
    let (body, tail) = record.split_last_chunk::<TAIL>()?;
    let tail = Tail::decode(tail);
    let (value, key) = parts(front, body)?;
    let hash = hash_key(key, seed);
    let times = (tail.expires_at, tail.written_at);
    if record_sum(front, times, (hash, hash_value(value)), salt) != tail.sum {
        return None;
    }
    let place = Place::new(0, at >> shift, front.payload(), front.pinned);
    let Front { tombstone, .. } = front;
    Some((Scanned { hash, place, tombstone, expires_at: tail.expires_at }, bytes))
}

/// Whether what follows the last record is a footer that was cut off: nothing is lost then.
fn begins_footer(file: &[u8], end: u64, first: Option<[u64; 2]>) -> bool {
    let rest = usize::try_from(end).ok().and_then(|end| file.get(end..)).unwrap_or_default();
    let Some([hash, place]) = first else { return rest.is_empty() };
    let mut entry = [0; 16];
    entry[..8].copy_from_slice(&hash.to_le_bytes());
    entry[8..].copy_from_slice(&place.to_le_bytes());
    !rest.is_empty() && entry.starts_with(&rest[..rest.len().min(entry.len())])
}

#[cfg(test)]
mod tests {
    use super::super::format::{SegmentHead, salt};
    use super::*;

    const SALT_OF: (u64, u64) = (5, 77);

    fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
        let salt = salt(SALT_OF.0, SALT_OF.1);
        let front = Front {
            value: value.len() as u32,
            key: key.len() as u32,
            tombstone: false,
            pinned: false,
        };
        let hashes = (hash_key(key, SALT_OF.1), hash_value(value));
        let sum = record_sum(front, (u64::MAX, 9), hashes, salt);
        let mut bytes = front.encode(salt).to_vec();
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(&Tail { expires_at: u64::MAX, written_at: 9, sum }.encode());
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn segment(records: &[Vec<u8>]) -> Vec<u8> {
        let (number, seed) = SALT_OF;
        let mut file = SegmentHead { shift: 2, hollow: false, number, seed }.encode().to_vec();
        records.iter().for_each(|record| file.extend_from_slice(record));
        file
    }

    fn scanned(file: &[u8]) -> (Vec<u64>, Gaps) {
        let mut found = Vec::new();
        let salt = salt(SALT_OF.0, SALT_OF.1);
        let gaps = scan(file, salt, 2, SALT_OF.1, &mut |record| found.push(record.place.unit()));
        (found, gaps)
    }

    #[test]
    fn goes_on_behind_damage() {
        let records: Vec<_> = (0..3_u8).map(|n| record(&[n; 5], &[n; 40])).collect();
        let len = records[0].len() as u64;
        let mut file = segment(&records);
        let (found, gaps) = scanned(&file);
        assert_eq!((found.len(), gaps.count, gaps.end), (3, 0, file.len() as u64));
        file[40 + len as usize + 20] ^= 1;
        let (found, gaps) = scanned(&file);
        assert_eq!(found, [10, 10 + 2 * len / 4]);
        assert_eq!((gaps.count, gaps.bytes), (1, len));
    }

    #[test]
    fn a_record_inside_of_a_value_is_found_only_with_the_seed() {
        let inner = record(b"inner", b"forged");
        let mut forged = inner.clone();
        // As one would write who does not know the seed.
        forged[2] ^= 0x55;
        let mut file = segment(&[record(b"outer", &forged)]);
        let at = file.len() - 4;
        file[at] ^= 1;
        assert_eq!(scanned(&file).0, [] as [u64; 0]);
    }

    #[test]
    fn what_was_cut_off_is_lost_but_a_footer() {
        let mut file = segment(&[record(b"a", b"1"), record(b"b", b"2")]);
        let whole = file.len();
        let (_, gaps) = scanned(&file[..whole - 5]);
        assert_eq!((gaps.count, gaps.end as usize), (1, 40 + (whole - 40) / 2));
        let hash = hash_key(b"a", SALT_OF.1);
        file.extend_from_slice(&hash.to_le_bytes());
        assert_eq!(scanned(&file).1, Gaps { end: whole as u64, count: 0, bytes: 0 });
    }
}
