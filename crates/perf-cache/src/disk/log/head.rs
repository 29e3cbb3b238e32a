//! The end of the log: the segment that is being filled, and what waits to be written.
//!
//! Every change of the store is made under the head's lock: a record is appended and the index is
//! told in one step. So the order of the log is the order of the changes, and a scan from the
//! oldest record to the latest comes to the state that readers saw.

use super::format::{FRONT, Front, SegmentHead, Tail, record_sum};
use super::place::{MAX_SLOTS, MAX_UNITS, Place};
use super::segment::{Segment, aligned, first_record};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[derive(Debug)]
pub(super) struct Head {
    pub(super) active: Option<Active>,
    /// To be written, the first first.
    pub(super) queue: VecDeque<Chunk>,
    /// Bytes in the queue and in the open chunk.
    pub(super) queued: usize,
    /// Bytes that were ever queued: the position of the end of the log in the order of writing.
    pub(super) appended: u64,
    /// Up to where it has to be written for every removal to last.
    pub(super) removed: u64,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
    /// All segments, the oldest first, the active one last.
    pub(super) segments: VecDeque<Arc<Segment>>,
    pub(super) next_number: u64,
    free_slots: Vec<u16>,
    next_slot: usize,
    /// Why the last write failed, and when, in milliseconds; `None` when all goes well.
    pub(super) failing: Option<Failing>,
    pub(super) closed: bool,
    /// At this many bytes a chunk is queued.
    chunk_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Failing {
    /// The system's number of the error, if it has one.
    pub(super) code: Option<i32>,
    pub(super) kind: std::io::ErrorKind,
    pub(super) full: bool,
    pub(super) since: perf_core::Instant,
}

#[derive(Debug)]
pub(super) struct Active {
    pub(super) segment: Arc<Segment>,
    /// Where the next record goes.
    pub(super) end: u64,
    /// The bytes from `open_at` to `end`.
    open: Vec<u8>,
    open_at: u64,
    /// For its footer: hash and place of each record.
    entries: Vec<[u64; 2]>,
    /// Whether its file ends in a footer that is still true.
    has_footer: bool,
}

/// Bytes that wait to be written to a segment.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) segment: Arc<Segment>,
    pub(super) at: u64,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Records(Arc<Vec<u8>>),
    /// The last of a segment, made when it is written.
    Footer(Arc<Vec<[u64; 2]>>),
}

impl Chunk {
    /// Bytes that count against the queue's bound.
    pub(super) fn weight(&self) -> usize {
        match &self.what {
            What::Records(bytes) => bytes.len(),
            What::Footer(entries) => size_of_val(entries.as_slice()),
        }
    }
}

/// A record to be appended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) front: Front,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) expires_at: u64,
    pub(super) written_at: u64,
    /// The hashes of key and value.
    pub(super) hashes: (u64, u64),
}

impl Record<'_> {
    pub(super) fn bytes(&self) -> u64 {
        FRONT as u64 + self.front.payload()
    }
}

/// What a new segment is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape<'a> {
    pub(super) dir: &'a Path,
    pub(super) seed: u64,
    pub(super) shift: u8,
    /// When it holds that much it is sealed.
    pub(super) bytes: u64,
}

impl Head {
    pub(super) fn new(chunk_bytes: usize) -> Head {
        Head {
            active: None,
            queue: VecDeque::new(),
            queued: 0,
            appended: 0,
            removed: 0,
            spare: Vec::new(),
            segments: VecDeque::new(),
            next_number: 1,
            free_slots: Vec::new(),
            next_slot: 0,
            failing: None,
            closed: false,
            chunk_bytes,
        }
    }

    /// Memory for the queue beyond what is queued.
    pub(super) fn spare_bytes(&self) -> usize {
        let open = self.active.as_ref().map_or(0, |active| {
            active.open.capacity() - active.open.len()
                + active.entries.capacity() * size_of::<[u64; 2]>()
        });
        self.spare.iter().map(Vec::capacity).sum::<usize>() + open
    }

    /// A slot for a segment, if there is one.
    pub(super) fn take_slot(&mut self) -> Option<u16> {
        self.free_slots.pop().or_else(|| {
            let slot = u16::try_from(self.next_slot).ok().filter(|_| self.next_slot < MAX_SLOTS)?;
            self.next_slot += 1;
            Some(slot)
        })
    }

    pub(super) fn free_slot(&mut self, slot: u16) {
        self.free_slots.push(slot);
    }

    /// Goes on with a segment that was found on disk.
    pub(super) fn resume(
        &mut self,
        segment: Arc<Segment>,
        end: u64,
        entries: Vec<[u64; 2]>,
        has_footer: bool,
    ) {
        let open = Vec::new();
        self.active = Some(Active { segment, end, open, open_at: end, entries, has_footer });
    }

    /// Whether a record of that many bytes has to go to a new segment.
    pub(super) fn needs_segment(&self, bytes: u64, shape: Shape<'_>) -> bool {
        self.active.as_ref().is_none_or(|active| {
            let holds = active.end > first_record(active.segment.shift);
            let over =
                active.end + bytes > shape.bytes || active.end >> active.segment.shift >= MAX_UNITS;
            holds && over
        })
    }

    /// Begins a new segment after the one before was sealed. `None` if there is no slot left.
    pub(super) fn begin_segment(&mut self, shape: Shape<'_>) -> Option<Arc<Segment>> {
        let slot = self.take_slot()?;
        let number = self.next_number;
        self.next_number += 1;
        let head = SegmentHead { shift: shape.shift, hollow: false, number, seed: shape.seed };
        let segment = Arc::new(Segment::new(shape.dir, slot, head));
        let mut open = self.buffer();
        open.extend_from_slice(&head.encode());
        let end = first_record(shape.shift);
        open.resize(end as usize, 0);
        self.queued += open.len();
        self.appended += open.len() as u64;
        self.segments.push_back(Arc::clone(&segment));
        let (entries, has_footer) = (Vec::new(), false);
        let active =
            Active { segment: Arc::clone(&segment), end, open, open_at: 0, entries, has_footer };
        self.active = Some(active);
        Some(segment)
    }

    /// Queues the rest of the active segment and its footer.
    pub(super) fn seal(&mut self) {
        self.close_chunk();
        let Some(active) = self.active.take() else { return };
        if active.has_footer {
            active.segment.sealed.store(true, Ordering::Release);
        } else {
            let what = What::Footer(Arc::new(active.entries));
            let chunk = Chunk { segment: active.segment, at: active.end, what };
            self.queued += chunk.weight();
            self.appended += chunk.weight() as u64;
            self.queue.push_back(chunk);
        }
    }

    /// Queues what is in the open chunk, so that it is written next after what is queued.
    pub(super) fn close_chunk(&mut self) {
        let Some(active) = self.active.as_mut().filter(|active| !active.open.is_empty()) else {
            return;
        };
        let open = std::mem::take(&mut active.open);
        let (segment, at) = (Arc::clone(&active.segment), active.open_at);
        active.open_at = active.end;
        self.queue.push_back(Chunk { segment, at, what: What::Records(Arc::new(open)) });
    }

    /// Appends a record to the active segment, which there has to be, and answers its place.
    pub(super) fn append(&mut self, record: &Record<'_>) -> Option<Place> {
        if self.active.as_ref().is_some_and(|active| active.open.capacity() == 0) {
            let buffer = self.buffer();
            if let Some(active) = &mut self.active {
                active.open = buffer;
            }
        }
        let active = self.active.as_mut()?;
        let segment = &*active.segment;
        let Record { front, expires_at, written_at, .. } = *record;
        let sum = record_sum(front, (expires_at, written_at), record.hashes, segment.salt);
        let bytes = aligned(record.bytes(), segment.shift);
        let unit = active.end >> segment.shift;
        let place = Place::new(segment.slot, unit, front.payload(), front.pinned);
        let open = &mut active.open;
        let before = open.len();
        open.reserve(bytes as usize);
        open.extend_from_slice(&front.encode(segment.salt));
        open.extend_from_slice(record.value);
        open.extend_from_slice(record.key);
        open.extend_from_slice(&Tail { expires_at, written_at, sum }.encode());
        open.resize(before + bytes as usize, 0);
        active.entries.push([record.hashes.0, place.in_footer(front.tombstone)]);
        if !front.tombstone {
            segment.note_expiry(expires_at);
        }
        active.has_footer = false;
        active.end += bytes;
        let filled = open.len() >= self.chunk_bytes;
        self.queued += bytes as usize;
        self.appended += bytes;
        if filled {
            self.close_chunk();
        }
        Some(place)
    }

    /// What a reader wants of a segment and is not in its file yet: appended to `into`.
    pub(super) fn copy(&self, number: u64, at: u64, len: u64, into: &mut Vec<u8>) -> Held {
        let part = |bytes: &[u8], begin: u64, into: &mut Vec<u8>| {
            let from = usize::try_from(at.checked_sub(begin)?).ok()?;
            into.extend_from_slice(bytes.get(from..)?.get(..usize::try_from(len).ok()?)?);
            Some(())
        };
        if let Some(active) = self.active.as_ref().filter(|active| active.segment.number == number)
            && at >= active.open_at
        {
            let found = part(&active.open, active.open_at, into);
            return if found.is_some() { Held::Copied } else { Held::Not };
        }
        for chunk in self.queue.iter().filter(|chunk| chunk.segment.number == number) {
            if let What::Records(bytes) = &chunk.what
                && part(bytes, chunk.at, into).is_some()
            {
                return Held::Copied;
            }
        }
        Held::Not
    }

    /// A chunk has been written: takes it off the queue, and keeps its buffer for the next.
    pub(super) fn written(&mut self) -> Option<Chunk> {
        let chunk = self.queue.pop_front()?;
        self.queued -= chunk.weight();
        Some(chunk)
    }

    /// Keeps a buffer for the next chunk, but not many, and not those of large values.
    pub(super) fn recycle(&mut self, chunk: Chunk) {
        if let What::Records(bytes) = chunk.what
            && self.spare.len() < SPARE
            && let Ok(mut bytes) = Arc::try_unwrap(bytes)
            && bytes.capacity() <= 4 * self.chunk_bytes
        {
            bytes.clear();
            self.spare.push(bytes);
        }
    }

    fn buffer(&mut self) -> Vec<u8> {
        let room = self.chunk_bytes + self.chunk_bytes / 4;
        self.spare.pop().unwrap_or_else(|| Vec::with_capacity(room))
    }
}

/// What became of a reader's wish to read from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Copied,
    /// It has been written meanwhile.
    Not,
}

/// Buffers that are kept: one is written while another is filled.
const SPARE: usize = 4;
