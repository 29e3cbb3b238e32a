//! Opening a store: what is on disk, from the oldest record to the latest.

use super::builder::{Settings, shift_for};
use super::counts::Counts;
use super::directory::{DirectoryLock, segments, take_clean_marker};
use super::evict::footer_of;
use super::format::{BadHead, HEAD, SegmentHead, Trailer, VERSION, salt};
use super::head::Head;
use super::index::Index;
use super::place::Place;
use super::scan::scan;
use super::segment::{Segment, first_record, open as open_file, path, read_exact_at};
use super::write::Io;
use super::{Inner, LogStore};
use crate::disk::{DiskError, OpenReport};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::{Instant, UNIX_EPOCH};

/// A segment file before it is understood.
struct Candidate {
    number: u64,
    file: File,
    len: u64,
    head: Option<SegmentHead>,
    footer: Option<(Trailer, Vec<[u64; 2]>)>,
}

/// What is being put together.
struct Opening {
    dir: PathBuf,
    settings: Settings,
    index: Index,
    head: Head,
    io: Io,
    seed: u64,
    now: u64,
    file_bytes: u64,
    report: OpenReport,
    /// What the last segment has to be smaller than to be gone on with.
    segment_bytes: u64,
}

pub(super) fn open(
    dir: PathBuf,
    settings: Settings,
    max_bytes: u64,
) -> Result<LogStore, DiskError> {
    let began = Instant::now();
    let lock = DirectoryLock::take(&dir)?;
    let numbers = segments(&dir)?;
    let candidates =
        numbers.iter().map(|number| candidate(&dir, *number)).collect::<Result<Vec<_>, _>>()?;
    let clean_shutdown = take_clean_marker(&dir)? || candidates.is_empty();
    let segment_bytes = settings.segment_bytes(max_bytes);
    let now = settings.clock.wall().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    let mut opening = Opening {
        head: Head::new(settings.chunk_bytes()),
        dir,
        settings,
        index: Index::new(),
        io: Io::default(),
        seed: seed_of(&candidates),
        now,
        file_bytes: 0,
        report: OpenReport { clean_shutdown, ..OpenReport::default() },
        segment_bytes,
    };
    let expected: u64 =
        candidates.iter().filter_map(|c| c.footer.as_ref()).map(|f| f.0.count).sum();
    opening.index.reserve(usize::try_from(expected).unwrap_or(usize::MAX).min(1 << 32));
    // The marker went.
    opening.io.renamed = true;
    let last = candidates.len().saturating_sub(1);
    for (order, candidate) in candidates.into_iter().enumerate() {
        opening.head.next_number = candidate.number.saturating_add(1);
        opening.take(candidate, order == last)?;
    }
    let (entries, dead) = opening.index.len();
    opening.report.recovered = entries - dead;
    opening.report.took = began.elapsed();
    let inner = Arc::new(Inner {
        dir: opening.dir,
        settings: opening.settings,
        seed: opening.seed,
        index: opening.index,
        head: Mutex::new(opening.head),
        io: Mutex::new(opening.io),
        work: Condvar::new(),
        handed: AtomicU64::new(0),
        file_bytes: AtomicU64::new(opening.file_bytes),
        max_bytes: AtomicU64::new(max_bytes),
        segment_bytes: AtomicU64::new(segment_bytes),
        closed: AtomicBool::new(false),
        crowded: AtomicBool::new(false),
        unsynced: AtomicBool::new(!clean_shutdown),
        unkept: OnceLock::new(),
        counts: Counts::default(),
        report: opening.report,
        lock,
    });
    if opening.file_bytes > max_bytes {
        // The bound is another than it was. What fails here fails again with the next write.
        drop(inner.make_room(&mut super::index::lock(&inner.io), 0));
    }
    let for_thread = Arc::clone(&inner);
    let writer = thread::Builder::new()
        .name("perf-cache-log".to_owned())
        .spawn(move || for_thread.run())
        .map_err(|error| inner.error(&inner.dir, error))?;
    Ok(LogStore { inner, writer: Mutex::new(Some(writer)), closed: Mutex::new(None) })
}

/// The seed of the latest file that tells it, or a new one.
fn seed_of(candidates: &[Candidate]) -> u64 {
    let told = candidates.iter().rev().find_map(|candidate| {
        let head = candidate.head.map(|head| head.seed);
        head.or_else(|| candidate.footer.as_ref().map(|footer| footer.0.seed))
    });
    told.unwrap_or_else(|| RandomState::new().build_hasher().finish())
}

fn candidate(dir: &std::path::Path, number: u64) -> Result<Candidate, DiskError> {
    let path = path(dir, number);
    let at = |error| DiskError::io(&path, error);
    let file = open_file(OpenOptions::new().read(true).write(true), &path).map_err(at)?;
    let len = file.metadata().map_err(at)?.len();
    let mut bytes = [0; HEAD];
    let read = read_exact_at(&file, &mut bytes, 0);
    let head = match read.map(|()| SegmentHead::decode(&bytes)) {
        Ok(Ok(head)) => Some(head).filter(|head| head.number == number),
        Ok(Err(BadHead::Version(version))) => {
            return Err(DiskError::Format {
                path: path.clone(),
                found: format!("version {version} of the log's format"),
                expected: format!("version {VERSION}"),
            });
        }
        Ok(Err(BadHead::Damaged)) => None,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
        Err(error) => return Err(at(error)),
    };
    let footer = footer_of(&file, len).map_err(at)?;
    let footer = footer.filter(|(trailer, _)| trailer.number == number);
    Ok(Candidate { number, file, len, head, footer })
}

impl Opening {
    /// Takes in one segment after those that are older.
    fn take(&mut self, candidate: Candidate, last: bool) -> Result<(), DiskError> {
        let Candidate { number, file, len, head, footer } = candidate;
        let seed = self.seed;
        let footer = footer.filter(|(trailer, _)| trailer.seed == seed);
        if head.is_none() && footer.is_none() && len <= HEAD as u64 {
            // Its process died while making it, or it was cut off; nothing tells which.
            self.report.dropped += 1;
            self.report.corrupt_bytes += len;
            let path = path(&self.dir, number);
            return std::fs::remove_file(&path).map_err(|error| DiskError::io(&path, error));
        }
        let footer_shift = footer.as_ref().map(|(trailer, _)| trailer.shift);
        let shift = head.map(|head| head.shift).or(footer_shift).unwrap_or_else(|| shift_for(len));
        let hollow = head.is_some_and(|head| head.hollow);
        let Some(slot) = (if hollow { Some(u16::MAX) } else { self.head.take_slot() }) else {
            return Err(DiskError::Io {
                path: self.dir.clone(),
                source: io::Error::other("more segments than a store can have"),
            });
        };
        let has_footer = footer.is_some();
        let mut end = len;
        let head = SegmentHead { shift, hollow, number, seed };
        let segment = Arc::new(Segment::found(&self.dir, slot, head, file, len));
        if !hollow {
            self.index.set_segment(slot, Some(&segment));
        }
        let entries = match footer {
            Some((trailer, entries)) => {
                end = trailer.end;
                segment.min_expiry.store(trailer.min_expiry, Ordering::Relaxed);
                segment.max_expiry.store(trailer.max_expiry, Ordering::Relaxed);
                self.by_footer(&segment, &entries);
                entries
            }
            None if hollow => {
                // What it overruled may come back: there is nothing left to tell of it.
                self.report.dropped += 1;
                self.report.corrupt_bytes += len;
                Vec::new()
            }
            None => {
                let (entries, records_end) = self.by_scan(&segment, shift)?;
                end = records_end;
                entries
            }
        };
        self.head.segments.push_back(Arc::clone(&segment));
        let resume = last && !hollow && end < self.segment_bytes / 2 && shift == self.shift();
        if resume {
            segment.set_written(end);
            self.io.cut = Some((number, end));
            self.head.resume(Arc::clone(&segment), end, entries, has_footer);
        } else if has_footer || hollow {
            segment.sealed.store(true, Ordering::Release);
        } else {
            self.seal(&segment, end, &entries);
        }
        self.file_bytes += segment.file().and_then(|f| f.metadata().ok()).map_or(len, |m| m.len());
        Ok(())
    }

    fn shift(&self) -> u8 {
        shift_for(self.segment_bytes)
    }

    fn by_footer(&mut self, segment: &Segment, entries: &[[u64; 2]]) {
        let ended = segment.expired(self.now);
        for [hash, word] in entries {
            let place = Place::from_footer(*word, segment.slot);
            if place.dead() || segment.hollow {
                self.report.dropped += u64::from(!place.dead());
                self.index.remove(*hash);
                continue;
            }
            self.index.insert(*hash, place);
            if ended {
                // Known as long as its file is there: the clock may be set back.
                self.report.dropped += 1;
                self.index.kill(*hash);
            }
        }
    }

    /// Reads the whole file: only where its process died, or it is damaged.
    fn by_scan(&mut self, segment: &Segment, shift: u8) -> Result<(Vec<[u64; 2]>, u64), DiskError> {
        let bytes =
            std::fs::read(&segment.path).map_err(|error| DiskError::io(&segment.path, error))?;
        let (index, now, dropped) = (&self.index, self.now, &mut self.report.dropped);
        let mut entries = Vec::new();
        let salt = salt(segment.number, self.seed);
        let gaps = scan(&bytes, salt, shift, self.seed, &mut |record| {
            let word = record.place.in_footer(record.tombstone);
            entries.push([record.hash, word]);
            if record.tombstone {
                index.remove(record.hash);
                return;
            }
            segment.note_expiry(record.expires_at);
            index.insert(record.hash, Place::from_footer(word, segment.slot));
            if record.expires_at <= now {
                *dropped += 1;
                index.kill(record.hash);
            }
        });
        self.report.dropped += gaps.count;
        self.report.corrupt_bytes += gaps.bytes;
        Ok((entries, gaps.end.max(first_record(shift))))
    }

    /// Gives a segment the footer that its process did not write. If that fails it will be scanned
    /// the next time too.
    fn seal(&self, segment: &Segment, end: u64, entries: &[[u64; 2]]) {
        let trailer = Trailer {
            count: entries.len() as u64,
            shift: segment.shift,
            end,
            number: segment.number,
            seed: self.seed,
            min_expiry: segment.min_expiry.load(Ordering::Relaxed),
            max_expiry: segment.max_expiry.load(Ordering::Relaxed),
        };
        let written = segment.file().map_or(Ok(()), |file| {
            file.set_len(end)?;
            let (footer, mut done) = (trailer.encode(entries), 0);
            while done < footer.len() {
                let admitted = self.settings.faults.admit(footer.len() - done)?;
                let rest = &footer[done..done + admitted];
                done += super::segment::write_at(file, rest, end + done as u64)?;
            }
            Ok::<(), io::Error>(())
        });
        drop(written);
        segment.set_written(end);
        segment.sealed.store(true, Ordering::Release);
    }
}
