//! Writing what is queued, and keeping the files within their bound.

use super::Inner;
use super::counts::add;
use super::format::Trailer;
use super::head::{Chunk, Failing, What};
use super::index::lock;
use super::segment::write_at;
use crate::disk::DiskError;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What belongs to whoever writes.
#[derive(Debug, Default)]
pub(super) struct Io {
    /// Bytes of the first chunk that are written already.
    progress: usize,
    /// A segment found on disk that is to be cut off here before it goes on.
    pub(super) cut: Option<(u64, u64)>,
    /// Up to where it has to be written and synced before a file may go: what is pinned and was
    /// written again lies there.
    pub(super) carried: Option<u64>,
    /// Whether names came or went since the directory was synced.
    pub(super) renamed: bool,
    /// Whether the directory was let go of, and may be someone else's.
    pub(super) ended: bool,
}

impl Failing {
    /// The error, again.
    pub(super) fn error(&self, path: &Path) -> DiskError {
        let source = match self.code {
            Some(code) => io::Error::from_raw_os_error(code),
            None => self.kind.into(),
        };
        if self.full {
            DiskError::Full { path: path.to_owned() }
        } else {
            DiskError::io(path, source)
        }
    }
}

impl Inner {
    /// Writes the first chunk of the queue, the open one if there is no other and `open` says so.
    /// Answers whether there was one.
    pub(super) fn write_one(&self, open: bool) -> Result<bool, DiskError> {
        let mut io = lock(&self.io);
        if io.ended {
            return Err(DiskError::Closed);
        }
        self.write_next(&mut io, open)
    }

    pub(super) fn write_next(&self, io: &mut Io, open: bool) -> Result<bool, DiskError> {
        let mut head = self.head();
        if head.queue.is_empty() && open {
            head.close_chunk();
        }
        let Some(weight) = head.queue.front().map(Chunk::weight) else {
            // Nothing waits for what failed, and the next that does tries it again.
            head.failing = None;
            return Ok(false);
        };
        drop(head);
        // Before each file rather than each chunk: a segment of room is kept beyond what is asked.
        if self.is_short(weight as u64)
            && let Err(error) = self.make_room(io, weight as u64)
        {
            // Whoever waits for the queue has to hear of it.
            self.head().failing = Some(self.failing_since(&error));
            return Err(error);
        }
        self.write_front(io)
    }

    /// Writes the first chunk, whatever the bound.
    pub(super) fn write_front(&self, io: &mut Io) -> Result<bool, DiskError> {
        let Some(chunk) = self.head().queue.front().cloned() else { return Ok(false) };
        let outcome = self.write_chunk(io, &chunk);
        drop(chunk);
        let mut head = self.head();
        match outcome {
            Ok(()) => {
                io.progress = 0;
                head.failing = None;
                if let Some(chunk) = head.written() {
                    // Release: whoever waits for this position finds it written.
                    self.handed.fetch_add(chunk.weight() as u64, Ordering::Release);
                    head.recycle(chunk);
                }
                Ok(true)
            }
            Err((path, error)) => {
                let error = DiskError::io(&path, error);
                head.failing = Some(self.failing_since(&error));
                Err(error)
            }
        }
    }

    fn failing_since(&self, error: &DiskError) -> Failing {
        let (code, kind) = match error {
            DiskError::Io { source, .. } => (source.raw_os_error(), source.kind()),
            _ => (None, io::ErrorKind::StorageFull),
        };
        let full = matches!(error, DiskError::Full { .. });
        Failing { code, kind, full, since: self.settings.clock.coarse() }
    }

    fn write_chunk(
        &self,
        io: &mut Io,
        chunk: &Chunk,
    ) -> Result<(), (std::path::PathBuf, io::Error)> {
        let segment = &chunk.segment;
        let result = (|| {
            if segment.file().is_none() {
                io.renamed = true;
            }
            let file = segment.file_to_write()?;
            if let Some((number, end)) = io.cut
                && number == segment.number
            {
                // What stood after it, a footer or what a crash left, is no longer true.
                let before = file.metadata()?.len();
                file.set_len(end)?;
                self.file_bytes.fetch_sub(before.saturating_sub(end), Ordering::Relaxed);
                io.cut = None;
            }
            match &chunk.what {
                What::Records(bytes) => {
                    self.write_all(io, file, bytes, chunk.at)?;
                    segment.set_written(chunk.at + bytes.len() as u64);
                }
                What::Footer(entries) => {
                    let footer = self.trailer(chunk, entries.len()).encode(entries);
                    self.write_all(io, file, &footer, chunk.at)?;
                    segment.set_written(chunk.at + footer.len() as u64);
                    segment.sealed.store(true, Ordering::Release);
                }
            }
            Ok(())
        })();
        result.map_err(|error| (segment.path.clone(), error))
    }

    fn trailer(&self, chunk: &Chunk, entries: usize) -> Trailer {
        let segment = &chunk.segment;
        Trailer {
            count: entries as u64,
            shift: segment.shift,
            end: chunk.at,
            number: segment.number,
            seed: self.seed,
            min_expiry: segment.min_expiry.load(Ordering::Relaxed),
            max_expiry: segment.max_expiry.load(Ordering::Relaxed),
        }
    }

    /// Writes on from where the last try of this chunk ended.
    fn write_all(&self, io: &mut Io, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        while let Some(rest) = bytes.get(io.progress..).filter(|rest| !rest.is_empty()) {
            let admitted = self.settings.faults.admit(rest.len())?;
            match write_at(file, &rest[..admitted], at + io.progress as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    io.progress += written;
                    self.file_bytes.fetch_add(written as u64, Ordering::Relaxed);
                    add(&self.counts.written_bytes, written as u64);
                    self.unsynced.store(true, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Asks the device to keep all that was written. Nobody waits for it but the caller.
    pub(super) fn sync_files(&self) -> Result<(), DiskError> {
        self.unsynced.store(false, Ordering::Relaxed);
        let renamed = std::mem::take(&mut lock(&self.io).renamed);
        let names = || if renamed { self.sync_names() } else { Ok(()) };
        let outcome = self.sync_segments().and_then(|()| names());
        if outcome.is_err() {
            self.unsynced.store(true, Ordering::Relaxed);
        }
        outcome
    }

    /// Asks the device to keep what was written to the files.
    pub(super) fn sync_segments(&self) -> Result<(), DiskError> {
        self.known_kept()?;
        let segments: Vec<_> = {
            let head = self.head();
            let changed = |segment: &&Arc<super::segment::Segment>| {
                segment.synced.load(Ordering::Acquire) < segment.written()
            };
            head.segments.iter().filter(changed).cloned().collect()
        };
        for segment in segments {
            let written = segment.written();
            if let Some(file) = segment.file() {
                self.kept(&segment.path, || file.sync_data())?;
            }
            segment.synced.fetch_max(written, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Asks the device to keep which files there are.
    pub(super) fn sync_names(&self) -> Result<(), DiskError> {
        self.known_kept()?;
        self.kept(&self.dir, || sync_directory(&self.dir))
    }

    /// Syncs, and never tries again what failed: the system has dropped what it could not write by
    /// then, or takes it for written, so that the next sync would succeed without it.
    ///
    /// Source: Rebello et al., "Can applications recover from fsync failures?", USENIX ATC 2020.
    fn kept(&self, path: &Path, sync: impl FnOnce() -> io::Result<()>) -> Result<(), DiskError> {
        self.settings.faults.admit_sync().and_then(|()| sync()).map_err(|error| {
            add(&self.counts.sync_failures, 1);
            let error = self.error(path, error);
            self.unkept.get_or_init(|| self.failing_since(&error));
            error
        })
    }

    fn known_kept(&self) -> Result<(), DiskError> {
        self.unkept.get().map_or(Ok(()), |unkept| Err(unkept.error(&self.dir)))
    }
}

/// Makes the names in a directory last.
#[cfg(unix)]
pub(super) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use crate::disk::conformance::Scratch;
    use crate::disk::{DiskStore, Faults, LogStore, Put, PutTerms};
    use perf_core::{ByteSize, Clock};
    use std::time::Duration;

    /// Looking for room reads a footer: not with each put.
    #[test]
    fn what_finds_no_room_is_tried_again_by_time() {
        let dir = Scratch::new("by-time");
        let faults = Faults::new();
        let (clock, hand) = Clock::manual();
        let builder = LogStore::builder(dir.path()).max_bytes(ByteSize::mib(1));
        let builder = builder.segment_bytes(ByteSize::kib(32)).sync_interval(None);
        let store = builder.clock(clock.clone()).faults(faults.clone()).open().unwrap();
        assert_eq!(store.put(b"pinned", b"1", PutTerms::pinned()).unwrap(), Put::Stored);
        faults.fail_syncs(1);
        let put = |key: u32| store.put(&key.to_le_bytes(), &[2; 1_000], PutTerms::default());
        // The first to fail writes what is queued; from the second on the queue stays full.
        for _ in 0..2 {
            assert!((0..4_000).any(|key| put(key).is_err()));
            hand.advance(Duration::from_secs(1));
        }
        assert!(put(4_000).is_err());
        let failing = store.inner.head().failing.unwrap();
        assert_eq!(failing.since, clock.coarse(), "the next puts need not try");
    }
}
