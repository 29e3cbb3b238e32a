//! Making room: files are given up the oldest first.
//!
//! The order matters for what a restart finds. A record counts until a later one of its key, or a
//! tombstone, is met; so no file may go while an older one is there that holds what it overrules.
//! A file in the middle of which all has ended is therefore made hollow: its values go, and its
//! footer stays to say which keys were overruled there.

use super::Inner;
use super::counts::add;
use super::directory::own_file;
use super::format::{FOOTER_ENTRY, SegmentHead, TAIL, TRAILER, Trailer, hash_key, hash_value};
use super::head::Record;
use super::place::Place;
use super::read::parts;
use super::segment::{Advice, Segment, advise, first_record};
use super::write::Io;
use crate::disk::DiskError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What is to be written again of a file that is given up.
#[derive(Clone, Copy, Debug)]
enum Keep {
    /// What is pinned.
    Pinned,
    /// And what was read since it was written, up to that many bytes.
    Hot(u64),
    /// All that is in use.
    Living,
}

/// What becomes of an entry whose file is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is in another file by now.
    Moved,
    Evicted,
    Ended,
    Damaged,
}

/// What was written again of a file.
#[derive(Debug, Default)]
struct Moved {
    bytes: u64,
}

impl Inner {
    /// Whether writing that much would leave less room than it takes to give a file up: a file of
    /// what is written again, and all that is queued before it.
    pub(super) fn is_short(&self, need: u64) -> bool {
        let segment = self.segment_bytes.load(Ordering::Relaxed);
        let reserve = 2 * segment + self.queue_bytes();
        self.file_bytes.load(Ordering::Relaxed) + need + reserve > self.max_bytes()
    }

    pub(super) fn make_room(&self, io: &mut Io, need: u64) -> Result<(), DiskError> {
        self.give_up_ended(io)?;
        let mut rounds = 0;
        // None that this fills: with more pinned than fits in, it would not end.
        let end = self.head().next_number;
        while self.is_short(need) {
            if self.is_crowded() && self.spare_of_pinned() < self.least_gain() {
                break;
            }
            let oldest = self.oldest_sealed().filter(|oldest| oldest.number < end);
            let Some(oldest) = oldest else { break };
            let keep = if rounds < ROUNDS && self.is_mostly_dead() {
                Keep::Living
            } else {
                let share = self.settings.reinsertion.as_f64();
                Keep::Hot((oldest.written() as f64 * share) as u64)
            };
            self.give_up(io, &oldest, keep)?;
            rounds += 1;
        }
        Ok(())
    }

    /// Whether what is pinned takes so much of the room that nothing else fits in: giving a file up
    /// would mean to write what is pinned again, for less than a quarter of it. Puts are refused
    /// then. Takes O(files).
    pub(super) fn is_crowded(&self) -> bool {
        let pinned = self.pinned_bytes();
        let reserve = 2 * self.segment_bytes.load(Ordering::Relaxed) + self.queue_bytes();
        let crowded = pinned + pinned / 4 + reserve > self.max_bytes();
        self.crowded.store(crowded, Ordering::Relaxed);
        crowded
    }

    /// Bytes that files and queue have beyond what is pinned.
    fn spare_of_pinned(&self) -> u64 {
        let queued = self.head().queued as u64;
        let files = self.file_bytes.load(Ordering::Relaxed);
        (files + queued).saturating_sub(self.pinned_bytes())
    }

    /// Where all is pinned, what has to be to be gained for what is pinned to be written again.
    fn least_gain(&self) -> u64 {
        self.pinned_bytes() / 4 + self.segment_bytes.load(Ordering::Relaxed)
    }

    /// What is pinned takes, with its part of the footers.
    fn pinned_bytes(&self) -> u64 {
        let pinned = |segment: &Arc<Segment>| {
            let (count, bytes) = segment.pinned();
            bytes + count * FOOTER_ENTRY as u64
        };
        self.head().segments.iter().map(pinned).sum()
    }

    /// Gives up the files of which nothing is to be had any more, without reading their values.
    pub(super) fn give_up_ended(&self, io: &mut Io) -> Result<(), DiskError> {
        let now = self.now();
        let segments: Vec<_> = self.head().segments.iter().cloned().collect();
        for (order, segment) in segments.iter().enumerate() {
            let done = segment.sealed.load(Ordering::Acquire);
            if !done || !(segment.live().0 == 0 || segment.expired(now)) {
                continue;
            }
            let oldest =
                self.head().segments.front().is_some_and(|first| Arc::ptr_eq(first, segment));
            if oldest {
                self.give_up(io, segment, Keep::Pinned)?;
            } else if order > 0 && !segment.hollow {
                self.hollow(io, segment)?;
            }
        }
        Ok(())
    }

    /// Removes everything but what is pinned.
    pub(super) fn clear(&self) -> Result<u64, DiskError> {
        self.check_open()?;
        let mut io = super::index::lock(&self.io);
        let mut head = self.open_head()?;
        head.seal();
        let (old, position) = (head.next_number, head.appended);
        let mut removed = 0;
        for entries in self.index.snapshots() {
            for (hash, _) in entries.into_iter().filter(|(_, place)| !place.pinned()) {
                // Known until its file is gone: a removal before that writes a tombstone.
                removed += u64::from(self.index.kill(hash).is_some());
            }
        }
        drop(head);
        while self.handed.load(Ordering::Acquire) < position {
            self.write_front(&mut io)?;
        }
        loop {
            let oldest = self.head().segments.front().cloned();
            match oldest.filter(|oldest| oldest.number < old) {
                Some(oldest) => self.give_up(&mut io, &oldest, Keep::Pinned)?,
                None => return Ok(removed),
            }
        }
    }

    pub(super) fn set_max_bytes(&self, bytes: u64) {
        let bytes = bytes.max(super::builder::MIN_MAX_BYTES);
        self.max_bytes.store(bytes, Ordering::Relaxed);
        let segment = self.settings.segment_bytes(bytes);
        self.segment_bytes.store(segment, Ordering::Relaxed);
        if self.closed.load(Ordering::Acquire) {
            return;
        }
        let mut head = self.head();
        if head.active.as_ref().is_some_and(|active| active.end > segment) && !head.closed {
            head.seal();
        }
        drop(head);
        // What fails here fails again with the next write, and is told there.
        drop(self.flush());
        let mut io = super::index::lock(&self.io);
        // Another may have closed it meanwhile; the directory may be someone else's by now.
        if !self.closed.load(Ordering::Acquire) {
            drop(self.make_room(&mut io, 0));
        }
    }

    fn oldest_sealed(&self) -> Option<Arc<Segment>> {
        let oldest = self.head().segments.front().cloned()?;
        oldest.sealed.load(Ordering::Acquire).then_some(oldest)
    }

    /// Whether what is in use takes so little of the room that writing it again costs less than
    /// losing it.
    fn is_mostly_dead(&self) -> bool {
        let live: u64 = self.head().segments.iter().map(|segment| segment.live().1).sum();
        live <= self.max_bytes() / 10 * 6
    }

    /// Takes the oldest file away, and writes again what is to be kept of it.
    fn give_up(&self, io: &mut Io, segment: &Arc<Segment>, keep: Keep) -> Result<(), DiskError> {
        let entries = if segment.uses() > 0 { self.entries(segment) } else { Vec::new() };
        self.empty(io, segment, keep, &entries)?;
        if let Some(position) = io.carried {
            // Before the only other copy goes, also if that failed the last time.
            self.head().close_chunk();
            while self.handed.load(Ordering::Acquire) < position {
                self.write_front(io)?;
                self.head().close_chunk();
            }
            self.sync_segments()?;
            // A copy in a file whose name the device does not have is none.
            self.sync_names()?;
            io.carried = None;
        }
        self.delete(io, segment, &entries)
    }

    /// Moves each entry that means this file, or says that nothing is to be had of it. Those stay
    /// known while the file is there, where a restart would find them: a removal meanwhile writes a
    /// tombstone.
    fn empty(
        &self,
        io: &mut Io,
        segment: &Arc<Segment>,
        keep: Keep,
        entries: &[(u64, Place)],
    ) -> Result<(), DiskError> {
        if entries.is_empty() {
            return Ok(());
        }
        let ended = segment.expired(self.now());
        let mut moved = Moved::default();
        let mut record = Vec::new();
        if matches!(keep, Keep::Living)
            && !ended
            && let Some(file) = segment.file()
        {
            advise(file, Advice::Soon);
        }
        for &(hash, place) in entries {
            let Some(here) = self.index.get(hash).filter(|here| here.same_record(place)) else {
                continue;
            };
            let wanted = match keep {
                _ if here.dead() || ended => false,
                _ if here.pinned() => true,
                Keep::Pinned => false,
                Keep::Hot(most) => here.hot() && moved.bytes < most && self.has_room(here),
                Keep::Living => self.has_room(here),
            };
            let fate = match wanted {
                true => self.move_record(segment, hash, here, &mut record, &mut moved)?,
                false if ended => Fate::Ended,
                false => Fate::Evicted,
            };
            let count = match fate {
                Fate::Moved => {
                    if here.pinned() {
                        io.carried = Some(self.head().appended);
                    }
                    self.drain(io)?;
                    continue;
                }
                Fate::Evicted => &self.counts.evicted,
                Fate::Ended => &self.counts.expired,
                Fate::Damaged => &self.counts.corrupt,
            };
            if self.index.mark_dead(hash, here, segment) {
                add(count, 1);
            }
        }
        Ok(())
    }

    /// Appends a record anew, if that can be.
    fn move_record(
        &self,
        segment: &Arc<Segment>,
        hash: u64,
        place: Place,
        record: &mut Vec<u8>,
        moved: &mut Moved,
    ) -> Result<Fate, DiskError> {
        let read = match self.read_record(segment, place, record) {
            Ok(read) => read,
            // A bad sector must not keep a file, and all after it, from being given up.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof || !place.pinned() => None,
            Err(error) => return Err(self.error(&segment.path, error)),
        };
        let Some((front, tail)) = read else { return Ok(Fate::Damaged) };
        let body = &record[..record.len() - TAIL];
        let Some((value, key)) = parts(front, body) else { return Ok(Fate::Damaged) };
        if tail.expires_at <= self.now() {
            return Ok(Fate::Ended);
        }
        if hash_key(key, self.seed) != hash {
            return Ok(Fate::Damaged);
        }
        let again = Record {
            front,
            key,
            value,
            expires_at: tail.expires_at,
            written_at: tail.written_at,
            hashes: (hash, hash_value(value)),
        };
        let mut head = self.head();
        // Nobody changes an entry without this lock.
        let still = self.index.get(hash).is_some_and(|now| now.same_record(place) && !now.dead());
        if !still {
            return Ok(Fate::Moved);
        }
        if self.append_to(&mut head, &again).is_none() {
            return Ok(Fate::Evicted);
        }
        drop(head);
        add(&self.counts.reinserted, 1);
        moved.bytes += again.bytes();
        Ok(Fate::Moved)
    }

    /// Whether the files would stay within their bound with this one and all that is queued.
    fn has_room(&self, place: Place) -> bool {
        let queued = self.head().queued as u64;
        let files = self.file_bytes.load(Ordering::Relaxed);
        files + queued + place.about() + RESERVE <= self.max_bytes()
    }

    /// Keeps what was appended anew from filling more memory than the queue may.
    fn drain(&self, io: &mut Io) -> Result<(), DiskError> {
        let bound = self.queue_bytes();
        while self.head().queued as u64 > bound {
            if !self.write_front(io)? {
                self.head().close_chunk();
            }
        }
        Ok(())
    }

    /// The entries that a file was written with, by its footer; if that is damaged, those of the
    /// index that mean it.
    fn entries(&self, segment: &Segment) -> Vec<(u64, Place)> {
        match read_footer(segment) {
            Some((_, entries)) => {
                let place = |[hash, word]: [u64; 2]| {
                    let place = Place::from_footer(word, segment.slot);
                    (!place.dead()).then_some((hash, place))
                };
                entries.into_iter().filter_map(place).collect()
            }
            None => {
                self.index.snapshots().flatten().filter(|(_, place)| of(*place, segment)).collect()
            }
        }
    }

    /// Takes a file away of which nothing is to be had, and forgets what it held.
    fn delete(
        &self,
        io: &mut Io,
        segment: &Arc<Segment>,
        entries: &[(u64, Place)],
    ) -> Result<(), DiskError> {
        let bytes = length(segment);
        match fs::remove_file(&segment.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.error(&segment.path, error));
            }
            _ => {}
        }
        io.renamed = true;
        self.file_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.forget(segment, entries);
        let mut head = self.head();
        head.segments.retain(|other| !Arc::ptr_eq(other, segment));
        if !segment.hollow {
            self.index.set_segment(segment.slot, None);
            head.free_slot(segment.slot);
        }
        Ok(())
    }

    /// Forgets the entries of a file that is gone, and those that its footer did not tell of.
    fn forget(&self, segment: &Segment, entries: &[(u64, Place)]) {
        for &(hash, place) in entries {
            self.index.remove_if(hash, place);
        }
        if segment.uses() == 0 {
            return;
        }
        for (hash, place) in self.index.snapshots().flatten() {
            if of(place, segment) && self.index.remove_if(hash, place) && !place.dead() {
                add(&self.counts.evicted, 1);
            }
        }
    }

    /// Puts a file of nothing but the footer in the place of one of which all has ended.
    fn hollow(&self, io: &mut Io, segment: &Arc<Segment>) -> Result<(), DiskError> {
        let Some((trailer, mut entries)) = read_footer(segment) else { return Ok(()) };
        let (before, end) = (length(segment), first_record(segment.shift));
        let after = end + (entries.len() * FOOTER_ENTRY + TRAILER) as u64;
        if before < 2 * after {
            return Ok(());
        }
        let held = self.entries(segment);
        self.empty(io, segment, Keep::Pinned, &held)?;
        for entry in &mut entries {
            entry[1] = Place(entry[1]).in_footer(true);
        }
        let head = SegmentHead {
            shift: segment.shift,
            hollow: true,
            number: segment.number,
            seed: self.seed,
        };
        let new = segment.path.with_extension("seg.new");
        let file = (|| {
            let mut file = own_file().create(true).truncate(true).open(&new)?;
            let mut bytes = head.encode().to_vec();
            bytes.resize(end as usize, 0);
            bytes.extend_from_slice(&Trailer { end, ..trailer }.encode(&entries));
            self.settings.faults.admit(bytes.len())?;
            file.write_all(&bytes)?;
            // Before it takes the place of what says the same.
            file.sync_all()?;
            fs::rename(&new, &segment.path)?;
            Ok(file)
        })();
        let file = file.map_err(|error| self.error(&segment.path, error))?;
        io.renamed = true;
        self.file_bytes.fetch_sub(before.saturating_sub(after), Ordering::Relaxed);
        self.forget(segment, &held);
        let hollow = Segment::found(&self.dir, u16::MAX, head, file, after);
        hollow.sealed.store(true, Ordering::Release);
        let mut list = self.head();
        if let Some(place) = list.segments.iter_mut().find(|other| Arc::ptr_eq(other, segment)) {
            *place = Arc::new(hollow);
        }
        self.index.set_segment(segment.slot, None);
        list.free_slot(segment.slot);
        Ok(())
    }
}

/// Whether a place is in that segment.
fn of(place: Place, segment: &Segment) -> bool {
    place.slot() == usize::from(segment.slot)
}

fn length(segment: &Segment) -> u64 {
    segment.file().and_then(|file| file.metadata().ok()).map_or(0, |data| data.len())
}

/// The footer of a file, if it is whole.
pub(super) fn read_footer(segment: &Segment) -> Option<(Trailer, Vec<[u64; 2]>)> {
    let file: &File = segment.file()?;
    let (trailer, entries) = footer_of(file, file.metadata().ok()?.len()).ok()??;
    (trailer.number == segment.number).then_some((trailer, entries))
}

/// The footer of a file of that length, if it is whole.
pub(super) fn footer_of(file: &File, len: u64) -> io::Result<Option<(Trailer, Vec<[u64; 2]>)>> {
    let Some(at) = len.checked_sub(TRAILER as u64) else { return Ok(None) };
    let mut trailer = [0; TRAILER];
    super::segment::read_exact_at(file, &mut trailer, at)?;
    let Some(trailer) = Trailer::decode(&trailer, len) else { return Ok(None) };
    let mut footer = vec![0; (len - trailer.end) as usize];
    super::segment::read_exact_at(file, &mut footer, trailer.end)?;
    Ok(Trailer::entries(&footer).map(|entries| (trailer, entries)))
}

/// After this many files in one go of which all was written again, the next is lost after all.
const ROUNDS: usize = 16;
/// What is left free when records are written again.
const RESERVE: u64 = 4 << 10;
