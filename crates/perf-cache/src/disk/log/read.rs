//! Getting.

use super::Inner;
use super::counts::add;
use super::format::{FRONT, Front, MAX_KEY, TAIL, Tail, hash_key, hash_value, record_sum};
use super::head::Held;
use super::place::Place;
use super::segment::{Segment, read_at_once};
use crate::disk::{DiskError, Stored, TryGet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a record was read.
enum Read {
    /// From the file: its sum has to be checked.
    File,
    /// From what is yet to be written.
    Memory,
    WouldBlock,
    /// The file has no such bytes.
    Damaged,
}

/// What a payload turned out to be.
enum Found {
    Value(Tail),
    /// Another key's.
    Other,
    Ended,
    Damaged,
}

impl Inner {
    pub(super) fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<Option<Stored>, DiskError> {
        match self.look_up(key, into, true)? {
            TryGet::Found(stored) => Ok(Some(stored)),
            TryGet::Missing | TryGet::WouldBlock => Ok(None),
        }
    }

    pub(super) fn try_get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<TryGet, DiskError> {
        self.look_up(key, into, false)
    }

    fn look_up(&self, key: &[u8], into: &mut Vec<u8>, wait: bool) -> Result<TryGet, DiskError> {
        self.check_open()?;
        if key.len() > MAX_KEY {
            return Ok(TryGet::Missing);
        }
        let hash = hash_key(key, self.seed);
        let Some((place, segment)) = self.index.find(hash, true) else {
            return Ok(TryGet::Missing);
        };
        let start = into.len();
        let read = match self.read(&segment, place, into, wait) {
            Ok(read) => read,
            Err(error) => {
                into.truncate(start);
                return Err(self.error(&segment.path, error));
            }
        };
        let from_file = match read {
            Read::File => true,
            Read::Memory => false,
            Read::WouldBlock => {
                into.truncate(start);
                return Ok(TryGet::WouldBlock);
            }
            Read::Damaged => {
                into.truncate(start);
                self.write_off(hash, place, &segment, &self.counts.corrupt);
                return Ok(TryGet::Missing);
            }
        };
        let found = self.understand(key, hash, &into[start..], place, &segment, from_file);
        let end = into.len() - TAIL.min(into.len() - start);
        match found {
            Found::Value(tail) => {
                into.truncate(end - key.len());
                let len = (into.len() - start) as u32;
                let Tail { expires_at, written_at, .. } = tail;
                Ok(TryGet::Found(Stored { expires_at, written_at, len }))
            }
            Found::Other => {
                into.truncate(start);
                Ok(TryGet::Missing)
            }
            Found::Ended => {
                into.truncate(start);
                self.write_off(hash, place, &segment, &self.counts.expired);
                Ok(TryGet::Missing)
            }
            Found::Damaged => {
                into.truncate(start);
                self.write_off(hash, place, &segment, &self.counts.corrupt);
                Ok(TryGet::Missing)
            }
        }
    }

    /// Nothing is to be had of an entry any more.
    fn write_off(&self, hash: u64, place: Place, segment: &Arc<Segment>, count: &AtomicU64) {
        if self.index.mark_dead(hash, place, segment) {
            add(count, 1);
        }
    }

    /// Appends value, key and tail of a record to `into`.
    fn read(
        &self,
        segment: &Segment,
        place: Place,
        into: &mut Vec<u8>,
        wait: bool,
    ) -> io::Result<Read> {
        let begin = segment.offset(place);
        let at = begin + FRONT as u64;
        let in_memory = begin >= segment.written();
        let len = match place.payload() {
            Some(len) => len,
            // The index has no more than about how long it is.
            None if in_memory => match self.front_in_memory(segment, begin)? {
                Some(front) => front.payload(),
                None => return Ok(Read::Damaged),
            },
            None if !wait => return Ok(Read::WouldBlock),
            None => match segment.read_front(place) {
                Ok(Some(front)) if front.payload() <= place.about() => front.payload(),
                Ok(_) => return Ok(Read::Damaged),
                Err(error) => return ended(error),
            },
        };
        if in_memory && self.head().copy(segment.number, at, len, into) == Held::Copied {
            return Ok(Read::Memory);
        }
        let start = into.len();
        into.resize(start + len as usize, 0);
        if wait {
            return segment
                .read_exact(&mut into[start..], at)
                .map_or_else(ended, |()| Ok(Read::File));
        }
        let Some(file) = segment.file() else { return Ok(Read::WouldBlock) };
        let read = read_at_once(file, &mut into[start..], at)?;
        Ok(read.map_or(Read::WouldBlock, |()| Read::File))
    }

    fn front_in_memory(&self, segment: &Segment, begin: u64) -> io::Result<Option<Front>> {
        let mut front = Vec::with_capacity(FRONT);
        self.read_part(segment, begin, begin, FRONT, &mut front)?;
        Ok(Front::decode(&front, segment.salt))
    }

    fn understand(
        &self,
        key: &[u8],
        hash: u64,
        payload: &[u8],
        place: Place,
        segment: &Segment,
        from_file: bool,
    ) -> Found {
        let Some((rest, tail)) = payload.split_last_chunk::<TAIL>() else { return Found::Damaged };
        let tail = Tail::decode(tail);
        let split = rest.len().checked_sub(key.len()).map(|at| rest.split_at(at));
        let Some((value, found)) = split else { return Found::Other };
        if found != key {
            // Damaged or another's with this hash; that is too rare to tell them apart.
            return if from_file { Found::Damaged } else { Found::Other };
        }
        if from_file {
            let front = Front {
                value: value.len() as u32,
                key: key.len() as u32,
                tombstone: false,
                pinned: place.pinned(),
            };
            let times = (tail.expires_at, tail.written_at);
            let sum = record_sum(front, times, (hash, hash_value(value)), segment.salt);
            if sum != tail.sum {
                return Found::Damaged;
            }
        }
        // Most never end, and the clock takes as long as the sum of a small value.
        let ended = tail.expires_at != u64::MAX && tail.expires_at <= self.now();
        if ended { Found::Ended } else { Found::Value(tail) }
    }

    pub(super) fn contains(&self, key: &[u8]) -> Result<bool, DiskError> {
        self.check_open()?;
        if key.len() > MAX_KEY {
            return Ok(false);
        }
        let hash = hash_key(key, self.seed);
        let Some((place, segment)) = self.index.find(hash, false) else { return Ok(false) };
        match self.key_and_tail(&segment, place, key.len()) {
            Ok(Some((found, tail))) => Ok(found == key && tail.expires_at > self.now()),
            Ok(None) => Ok(false),
            // It was cut off: the record is damaged, the device is not.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.write_off(hash, place, &segment, &self.counts.corrupt);
                Ok(false)
            }
            Err(error) => Err(self.error(&segment.path, error)),
        }
    }

    /// The place of what is indexed, and whether it has ended, which takes a read for few.
    pub(super) fn ended(&self, hash: u64, key: usize) -> Option<(Place, bool)> {
        let (place, segment) = self.index.find(hash, false)?;
        let now = self.now();
        if segment.min_expiry.load(Ordering::Relaxed) > now {
            return Some((place, false));
        }
        let tail = self.key_and_tail(&segment, place, key);
        Some((place, matches!(tail, Ok(Some((_, tail))) if tail.expires_at <= now)))
    }

    /// Key and tail of a record with a key of that length. `None` if it cannot be that long.
    fn key_and_tail(
        &self,
        segment: &Segment,
        place: Place,
        key: usize,
    ) -> io::Result<Option<(Vec<u8>, Tail)>> {
        let begin = segment.offset(place);
        let mut part = Vec::with_capacity(key + TAIL);
        let payload = match place.payload() {
            Some(payload) => payload,
            None => {
                self.read_part(segment, begin, begin, FRONT, &mut part)?;
                match Front::decode(&part, segment.salt) {
                    Some(front) => front.payload(),
                    None => return Ok(None),
                }
            }
        };
        let wanted = key + TAIL;
        let Some(before) = payload.checked_sub(wanted as u64) else { return Ok(None) };
        self.read_part(segment, begin, begin + FRONT as u64 + before, wanted, &mut part)?;
        let Some((_, tail)) = part.split_last_chunk::<TAIL>() else { return Ok(None) };
        let tail = Tail::decode(tail);
        part.truncate(key);
        Ok(Some((part, tail)))
    }

    /// Part of the record that begins at `begin`, in place of what is in `part`.
    fn read_part(
        &self,
        segment: &Segment,
        begin: u64,
        at: u64,
        len: usize,
        part: &mut Vec<u8>,
    ) -> io::Result<()> {
        part.clear();
        if begin >= segment.written()
            && self.head().copy(segment.number, at, len as u64, part) == Held::Copied
        {
            return Ok(());
        }
        part.resize(len, 0);
        segment.read_exact(part, at)
    }

    /// A whole record that is living, in place of what is in `record`: front, value, key and tail.
    /// `None` if it is damaged.
    pub(super) fn read_record(
        &self,
        segment: &Segment,
        place: Place,
        record: &mut Vec<u8>,
    ) -> io::Result<Option<(Front, Tail)>> {
        let begin = segment.offset(place);
        let len = match place.payload() {
            Some(payload) => payload,
            None => {
                self.read_part(segment, begin, begin, FRONT, record)?;
                match Front::decode(record, segment.salt) {
                    Some(front) if front.payload() <= place.about() => front.payload(),
                    _ => return Ok(None),
                }
            }
        };
        self.read_part(segment, begin, begin, FRONT + len as usize, record)?;
        let Some(front) = Front::decode(record, segment.salt) else { return Ok(None) };
        let Some((rest, tail)) = record.split_last_chunk::<TAIL>() else { return Ok(None) };
        let tail = Tail::decode(tail);
        let Some((value, key)) = parts(front, rest) else { return Ok(None) };
        let hashes = (hash_key(key, self.seed), hash_value(value));
        let sum = record_sum(front, (tail.expires_at, tail.written_at), hashes, segment.salt);
        Ok((sum == tail.sum).then_some((front, tail)))
    }
}

/// Value and key of a record without its tail, if it is that long.
pub(super) fn parts(front: Front, record: &[u8]) -> Option<(&[u8], &[u8])> {
    let (value, key) = record.get(FRONT..)?.split_at_checked(front.value as usize)?;
    (key.len() == front.key as usize).then_some((value, key))
}

/// A file that is too short was cut off: the record is damaged, the device is not.
fn ended(error: io::Error) -> io::Result<Read> {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ok(Read::Damaged) } else { Err(error) }
}
