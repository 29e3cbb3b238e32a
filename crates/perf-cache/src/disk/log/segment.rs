//! One file of the log, and the reading of records from it.

use super::directory::own_file;
use super::format::{FRONT, Front, HEAD, SegmentHead, salt};
use super::place::Place;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// What the sums of its records take in.
    pub(super) salt: u64,
    pub(super) slot: u16,
    pub(super) shift: u8,
    /// Only a footer of what is gone.
    pub(super) hollow: bool,
    pub(super) path: PathBuf,
    /// Opened when its first bytes are written.
    file: OnceLock<File>,
    /// Bytes that can be read from the file; those after them are in memory.
    written: AtomicU64,
    /// Bytes of the file that the device has.
    pub(super) synced: AtomicU64,
    /// Whether its footer is written, after which nothing is.
    pub(super) sealed: AtomicBool,
    /// Earliest and latest end of a value.
    pub(super) min_expiry: AtomicU64,
    pub(super) max_expiry: AtomicU64,
    live_entries: AtomicU64,
    dead_entries: AtomicU64,
    live_bytes: AtomicU64,
    pinned: AtomicU64,
    pinned_bytes: AtomicU64,
}

impl Segment {
    pub(super) fn new(dir: &Path, slot: u16, head: SegmentHead) -> Segment {
        Segment {
            number: head.number,
            salt: salt(head.number, head.seed),
            slot,
            shift: head.shift,
            hollow: head.hollow,
            path: path(dir, head.number),
            file: OnceLock::new(),
            written: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            sealed: AtomicBool::new(false),
            min_expiry: AtomicU64::new(u64::MAX),
            max_expiry: AtomicU64::new(0),
            live_entries: AtomicU64::new(0),
            dead_entries: AtomicU64::new(0),
            live_bytes: AtomicU64::new(0),
            pinned: AtomicU64::new(0),
            pinned_bytes: AtomicU64::new(0),
        }
    }

    /// One that was found on disk, with records up to `len`.
    pub(super) fn found(dir: &Path, slot: u16, head: SegmentHead, file: File, len: u64) -> Segment {
        let mut segment = Segment::new(dir, slot, head);
        segment.file = OnceLock::from(file);
        segment.written = AtomicU64::new(len);
        segment
    }

    /// The file, if anything was written yet.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.get()
    }

    /// The file, made if it is not there yet. Only whoever writes calls this.
    pub(super) fn file_to_write(&self) -> io::Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = open(own_file().create_new(true), &self.path)?;
        Ok(self.file.get_or_init(|| file))
    }

    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Release: whoever sees the length reads the bytes from the file.
    pub(super) fn set_written(&self, len: u64) {
        self.written.store(len, Ordering::Release);
    }

    /// Notes the end of a value in it.
    pub(super) fn note_expiry(&self, expires_at: u64) {
        self.min_expiry.fetch_min(expires_at, Ordering::Relaxed);
        self.max_expiry.fetch_max(expires_at, Ordering::Relaxed);
    }

    /// Whether all its values have ended.
    pub(super) fn expired(&self, now: u64) -> bool {
        self.max_expiry.load(Ordering::Relaxed) <= now
    }

    /// Where a record begins in the file.
    pub(super) fn offset(&self, place: Place) -> u64 {
        place.unit() << self.shift
    }

    /// An entry of the index means a record in it.
    pub(super) fn account(&self, place: Place) {
        self.live_entries.fetch_add(1, Ordering::Relaxed);
        self.live_bytes.fetch_add(bytes_of(place), Ordering::Relaxed);
        if place.pinned() {
            self.pinned.fetch_add(1, Ordering::Relaxed);
            self.pinned_bytes.fetch_add(bytes_of(place), Ordering::Relaxed);
        }
    }

    /// Nothing is to be had of an entry, which stays in the index.
    pub(super) fn mark_dead(&self, place: Place) {
        self.unaccount(place);
        self.dead_entries.fetch_add(1, Ordering::Relaxed);
    }

    /// How many entries of the index mean it, dead ones too.
    pub(super) fn uses(&self) -> u64 {
        self.live().0 + self.dead_entries.load(Ordering::Relaxed)
    }

    /// An entry of the index does not mean it any more.
    pub(super) fn unaccount(&self, place: Place) {
        if place.dead() {
            self.dead_entries.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        self.live_entries.fetch_sub(1, Ordering::Relaxed);
        self.live_bytes.fetch_sub(bytes_of(place), Ordering::Relaxed);
        if place.pinned() {
            self.pinned.fetch_sub(1, Ordering::Relaxed);
            self.pinned_bytes.fetch_sub(bytes_of(place), Ordering::Relaxed);
        }
    }

    /// Entries of the index that mean it, and their bytes.
    pub(super) fn live(&self) -> (u64, u64) {
        (self.live_entries.load(Ordering::Relaxed), self.live_bytes.load(Ordering::Relaxed))
    }

    /// Those that are pinned, and their bytes.
    pub(super) fn pinned(&self) -> (u64, u64) {
        (self.pinned.load(Ordering::Relaxed), self.pinned_bytes.load(Ordering::Relaxed))
    }

    /// The front of a record.
    pub(super) fn read_front(&self, place: Place) -> io::Result<Option<Front>> {
        let mut front = [0; FRONT];
        self.read_exact(&mut front, self.offset(place))?;
        Ok(Front::decode(&front, self.salt))
    }

    pub(super) fn read_exact(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let file = self.file().ok_or(io::ErrorKind::UnexpectedEof)?;
        read_exact_at(file, into, at)
    }
}

/// Front, payload and the alignment's zeros, about.
pub(super) fn bytes_of(place: Place) -> u64 {
    place.about() + FRONT as u64
}

/// Bytes that a record takes in a segment of that alignment.
pub(super) fn aligned(bytes: u64, shift: u8) -> u64 {
    let unit = 1_u64 << shift;
    bytes.next_multiple_of(unit)
}

/// Where the first record begins.
pub(super) fn first_record(shift: u8) -> u64 {
    aligned(HEAD as u64, shift)
}

pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}.seg"))
}

/// The number of a segment by the name of its file.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// Opens a segment's file. Its reads do not change the time of the last access: that would cost
/// each a few tens of nanoseconds, and at times a write.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let without_times = rustix::fs::OFlags::NOATIME.bits().cast_signed();
        match options.clone().custom_flags(without_times).open(path) {
            // Of a file that is another user's.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            opened => return opened.inspect(|file| advise(file, Advice::Scattered)),
        }
    }
    options.open(path).inspect(|file| advise(file, Advice::Scattered))
}

/// Tells the system how a file is going to be read.
#[cfg(target_os = "linux")]
pub(super) fn advise(file: &File, advice: Advice) {
    use rustix::fs::Advice as System;
    let advice = match advice {
        Advice::Scattered => System::Random,
        Advice::Soon => System::WillNeed,
    };
    // What it does not heed is only slower.
    let _ = rustix::fs::fadvise(file, 0, None, advice);
}

#[cfg(not(target_os = "linux"))]
pub(super) fn advise(_: &File, _: Advice) {}

/// How a file is going to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Here and there: what was not asked for is not read ahead.
    Scattered,
    /// All of it, at once.
    Soon,
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, at)
}

#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, at)
}

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut into: &mut [u8], mut at: u64) -> io::Result<()> {
    while !into.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, into, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                into = &mut into[read..];
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(windows)]
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, at)
}

/// Reads what can be had without waiting for the device: `None` if that is not all of it, or the
/// system cannot tell.
#[cfg(target_os = "linux")]
pub(super) fn read_at_once(file: &File, into: &mut [u8], at: u64) -> io::Result<Option<()>> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};
    let len = into.len();
    match preadv2(file, &mut [io::IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok((read == len).then_some(())),
        Err(Errno::AGAIN | Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn read_at_once(_: &File, _: &mut [u8], _: u64) -> io::Result<Option<()>> {
    Ok(None)
}
