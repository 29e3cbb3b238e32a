//! The format of the files, version 1. All numbers are little-endian.
//!
//! ```text
//! segment   head, records, footer; a name of sixteen hexadecimal digits, its number, and `.seg`
//! head      40  magic 8, version 4, alignment shift 1, hollow 1, zero 2, number 8, seed 8, sum 8
//! record    front, value, key, tail, zeros up to the alignment
//!   front   12  magic 2, check 2, value length 4, key length 3, flags 1
//!   tail    16  expires at 6, written at 6, sum 4
//! footer    16 for each record, then
//! trailer   64  magic 8, count 7, alignment shift 1, end of records 8, number 8, seed 8, earliest and latest end 16,
//!               sum 8
//! ```
//!
//! What a reader needs stands behind the value, so that one read brings the value in front and the
//! rest is cut off. What a scan needs stands before it. The sums are of xxh3; a record's takes in
//! the salt of its segment, made of its number and a secret seed, and the seeded hash of its key, so
//! that neither a record of another place nor bytes inside of a value pass for one.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

pub(super) const VERSION: u32 = 1;
pub(super) const HEAD: usize = 40;
pub(super) const FRONT: usize = 12;
pub(super) const TAIL: usize = 16;
pub(super) const FOOTER_ENTRY: usize = 16;
pub(super) const TRAILER: usize = 64;
/// Longest key, in bytes: its length has three.
pub(super) const MAX_KEY: usize = (1 << 24) - 1;
/// The shortest alignment of records, as a power of two.
pub(super) const MIN_SHIFT: u8 = 2;
/// The longest, with which segments reach a gibibyte.
pub(super) const MAX_SHIFT: u8 = 6;

const HEAD_MAGIC: [u8; 8] = *b"pk-log\r\n";
const TRAILER_MAGIC: [u8; 8] = *b"pk-logft";
const RECORD_MAGIC: u16 = 0xC15D;
const TOMBSTONE: u8 = 1;
const PINNED: u8 = 2;
/// Never, in six bytes.
const NEVER: u64 = (1 << 48) - 1;

/// What the head of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHead {
    /// Records begin at multiples of two to this.
    pub(super) shift: u8,
    /// Whether only the footer is left, whose entries say what is gone.
    pub(super) hollow: bool,
    pub(super) number: u64,
    /// Of the hashes of keys.
    pub(super) seed: u64,
}

/// What is wrong with the head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHead {
    Damaged,
    Version(u32),
}

impl SegmentHead {
    pub(super) fn encode(&self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&HEAD_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12] = self.shift;
        bytes[13] = u8::from(self.hollow);
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.seed.to_le_bytes());
        let sum = xxh3_64(&bytes[..32]);
        bytes[32..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<SegmentHead, BadHead> {
        let bytes = bytes.get(..HEAD).ok_or(BadHead::Damaged)?;
        if bytes[..8] != HEAD_MAGIC || u64_at(bytes, 32) != xxh3_64(&bytes[..32]) {
            return Err(BadHead::Damaged);
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(BadHead::Version(version));
        }
        let shift = bytes[12].clamp(MIN_SHIFT, MAX_SHIFT);
        let (number, seed) = (u64_at(bytes, 16), u64_at(bytes, 24));
        Ok(SegmentHead { shift, hollow: bytes[13] != 0, number, seed })
    }
}

/// The lengths and flags of a record: its front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Front {
    pub(super) value: u32,
    pub(super) key: u32,
    pub(super) tombstone: bool,
    pub(super) pinned: bool,
}

impl Front {
    fn flags(self) -> u8 {
        (u8::from(self.tombstone) * TOMBSTONE) | (u8::from(self.pinned) * PINNED)
    }

    /// Lengths and flags in one word.
    fn word(self) -> u64 {
        u64::from(self.value) | u64::from(self.key) << 32 | u64::from(self.flags()) << 56
    }

    /// Bytes of value, key and tail: what a reader reads.
    pub(super) fn payload(self) -> u64 {
        u64::from(self.value) + u64::from(self.key) + TAIL as u64
    }

    pub(super) fn encode(self, salt: u64) -> [u8; FRONT] {
        let word = self.word();
        let mut bytes = [0; FRONT];
        bytes[..2].copy_from_slice(&RECORD_MAGIC.to_le_bytes());
        bytes[2..4].copy_from_slice(&front_check(word, salt).to_le_bytes());
        bytes[4..].copy_from_slice(&word.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8], salt: u64) -> Option<Front> {
        let bytes = bytes.get(..FRONT)?;
        if u16::from_le_bytes([bytes[0], bytes[1]]) != RECORD_MAGIC {
            return None;
        }
        let word = u64_at(bytes, 4);
        if u16::from_le_bytes([bytes[2], bytes[3]]) != front_check(word, salt) {
            return None;
        }
        let flags = (word >> 56) as u8;
        let front = Front {
            value: word as u32,
            key: (word >> 32) as u32 & MAX_KEY as u32,
            tombstone: flags & TOMBSTONE != 0,
            pinned: flags & PINNED != 0,
        };
        (front.flags() == flags).then_some(front)
    }
}

/// The times and the sum of a record: its tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Milliseconds since 1970, `u64::MAX` for never.
    pub(super) expires_at: u64,
    pub(super) written_at: u64,
    pub(super) sum: u32,
}

impl Tail {
    pub(super) fn encode(&self) -> [u8; TAIL] {
        let (expires, written) = (self.expires_at.min(NEVER), self.written_at.min(NEVER));
        let mut bytes = [0; TAIL];
        bytes[..6].copy_from_slice(&expires.to_le_bytes()[..6]);
        bytes[6..12].copy_from_slice(&written.to_le_bytes()[..6]);
        bytes[12..].copy_from_slice(&self.sum.to_le_bytes());
        bytes
    }

    /// Of the last bytes of a payload.
    pub(super) fn decode(bytes: &[u8; TAIL]) -> Tail {
        let six = |at: usize| {
            let mut word = [0; 8];
            word[..6].copy_from_slice(&bytes[at..at + 6]);
            u64::from_le_bytes(word)
        };
        let expires_at = if six(0) == NEVER { u64::MAX } else { six(0) };
        Tail { expires_at, written_at: six(6), sum: u32_at(bytes, 12) }
    }
}

/// What the sums of a segment's records take in.
pub(super) fn salt(number: u64, seed: u64) -> u64 {
    fold(number, seed)
}

/// The hash of a key, by which the index knows it.
#[inline]
pub(super) fn hash_key(key: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(key, seed)
}

/// The part of a record's sum that takes long, to be made before any lock is taken.
#[inline]
pub(super) fn hash_value(value: &[u8]) -> u64 {
    xxh3_64(value)
}

/// The sum of a record in a segment of that salt, of the hashes of its key and value.
#[inline]
pub(super) fn record_sum(
    front: Front,
    (expires_at, written_at): (u64, u64),
    (key, value): (u64, u64),
    salt: u64,
) -> u32 {
    let times = expires_at.min(NEVER) ^ written_at.min(NEVER).rotate_left(32);
    let state = fold(key ^ front.word(), salt ^ 0x9E37_79B9_7F4A_7C15);
    let state = fold(state ^ times, value ^ 0xC2B2_AE3D_27D4_EB4F);
    (state ^ (state >> 32)) as u32
}

/// Multiplies to 128 bits and folds them, as wyhash does.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0xA076_1D64_78BD_642F) * u128::from(b ^ 0xE703_7ED1_A0B4_28DB);
    (product as u64) ^ ((product >> 64) as u64)
}

fn front_check(word: u64, salt: u64) -> u16 {
    (fold(word, salt) >> 24) as u16
}

/// What the trailer of a segment says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Records, tombstones too.
    pub(super) count: u64,
    pub(super) shift: u8,
    /// Where the records end and the footer begins.
    pub(super) end: u64,
    pub(super) number: u64,
    pub(super) seed: u64,
    pub(super) min_expiry: u64,
    pub(super) max_expiry: u64,
}

impl Trailer {
    /// The whole footer: an entry for each record, and the trailer.
    pub(super) fn encode(&self, entries: &[[u64; 2]]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(entries.len() * FOOTER_ENTRY + TRAILER);
        for [hash, place] in entries {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&place.to_le_bytes());
        }
        bytes.extend_from_slice(&TRAILER_MAGIC);
        for word in [
            self.count | u64::from(self.shift) << 56,
            self.end,
            self.number,
            self.seed,
            self.min_expiry,
            self.max_expiry,
        ] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let sum = xxh3_64(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Of the last bytes of a file of that length; `None` if they are none, or cannot be true.
    /// Whether they are is known by [`Trailer::entries`].
    pub(super) fn decode(bytes: &[u8], file: u64) -> Option<Trailer> {
        if bytes.len() != TRAILER || bytes[..8] != TRAILER_MAGIC {
            return None;
        }
        let word = |index: usize| u64_at(bytes, 8 * index);
        let [count, end, number, seed] = [word(1), word(2), word(3), word(4)];
        let shift = ((count >> 56) as u8).clamp(MIN_SHIFT, MAX_SHIFT);
        let count = count & ((1 << 56) - 1);
        let (min_expiry, max_expiry) = (word(5), word(6));
        let trailer = Trailer { count, shift, end, number, seed, min_expiry, max_expiry };
        (trailer.len()?.checked_add(end)? == file).then_some(trailer)
    }

    /// Bytes of the footer.
    pub(super) fn len(&self) -> Option<u64> {
        self.count.checked_mul(FOOTER_ENTRY as u64)?.checked_add(TRAILER as u64)
    }

    /// The entries of a footer, if it is whole.
    pub(super) fn entries(footer: &[u8]) -> Option<Vec<[u64; 2]>> {
        let (body, sum) = footer.split_at_checked(footer.len().checked_sub(8)?)?;
        if xxh3_64(body) != u64_at(sum, 0) {
            return None;
        }
        let entries = body.get(..body.len().checked_sub(TRAILER - 8)?)?;
        let (entries, _) = entries.as_chunks::<FOOTER_ENTRY>();
        Some(entries.iter().map(|entry| [u64_at(entry, 0), u64_at(entry, 8)]).collect())
    }
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT_OF_ONE: Front = Front { value: 3, key: 2, tombstone: false, pinned: true };

    #[test]
    fn what_is_written_is_read() {
        let head = SegmentHead { shift: 3, hollow: true, number: 9, seed: 7 };
        assert_eq!(SegmentHead::decode(&head.encode()), Ok(head));
        assert_eq!(Front::decode(&FRONT_OF_ONE.encode(9), 9), Some(FRONT_OF_ONE));
        let tail = Tail { expires_at: u64::MAX, written_at: 1_767_225_600_000, sum: 5 };
        assert_eq!(Tail::decode(&tail.encode()), tail);
        let trailer = Trailer {
            count: 2,
            shift: 3,
            end: 400,
            number: 9,
            seed: 7,
            min_expiry: 1,
            max_expiry: 2,
        };
        let entries = [[1, 2], [3, u64::MAX]];
        let footer = trailer.encode(&entries);
        let file = 400 + footer.len() as u64;
        assert_eq!(Trailer::decode(&footer[footer.len() - TRAILER..], file), Some(trailer));
        assert_eq!(Trailer::entries(&footer), Some(entries.to_vec()));
    }

    #[test]
    fn a_record_of_another_segment_is_none() {
        assert_eq!(Front::decode(&FRONT_OF_ONE.encode(9), 10), None);
        let sum = |number| record_sum(FRONT_OF_ONE, (1, 2), (3, 4), salt(number, 7));
        assert_ne!(sum(9), sum(10));
    }

    #[test]
    fn every_part_of_a_record_counts_in_its_sum() {
        let sum = record_sum(FRONT_OF_ONE, (1, 2), (3, 4), 9);
        let longer = Front { value: 4, ..FRONT_OF_ONE };
        assert_ne!(record_sum(longer, (1, 2), (3, 4), 9), sum);
        assert_ne!(record_sum(Front { pinned: false, ..FRONT_OF_ONE }, (1, 2), (3, 4), 9), sum);
        for (times, hashes) in
            [((0, 2), (3, 4)), ((1, 3), (3, 4)), ((1, 2), (2, 4)), ((1, 2), (3, 5))]
        {
            assert_ne!(record_sum(FRONT_OF_ONE, times, hashes, 9), sum);
        }
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut bytes = SegmentHead { shift: 2, hollow: false, number: 1, seed: 2 }.encode();
        bytes[8] = 2;
        assert_eq!(SegmentHead::decode(&bytes), Err(BadHead::Damaged));
        let sum = xxh3_64(&bytes[..32]);
        bytes[32..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(SegmentHead::decode(&bytes), Err(BadHead::Version(2)));
        assert_eq!(SegmentHead::decode(&bytes[..20]), Err(BadHead::Damaged));
    }
}
