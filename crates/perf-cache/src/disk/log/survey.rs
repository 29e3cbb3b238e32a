//! Reading all files of a store without opening it, and without changing them.

use super::LogStore;
use super::directory::DirectoryLock;
use super::evict::footer_of;
use super::format::{BadHead, FRONT, Front, HEAD, SegmentHead, TAIL, Tail, VERSION, salt};
use super::read::parts;
use super::scan::{Gaps, scan};
use super::segment::{number_of, path};
use crate::disk::{DiskError, Stored};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What the files of a [`LogStore`] hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogSurvey {
    /// Keys that the next process finds.
    pub entries: u64,
    /// Those of them that are pinned.
    pub pinned: u64,
    /// Entries that have ended, and nothing else took their place.
    pub expired: u64,
    /// Bytes of keys and values that the next process finds.
    pub live_bytes: u64,
    /// Bytes of all files.
    pub file_bytes: u64,
    /// Files.
    pub segments: u64,
    /// Records that were read and are whole, with those that newer ones have replaced, and
    /// tombstones.
    pub records: u64,
    /// Records that have to be there and are not, or not as they were written.
    pub damaged: u64,
    /// The bytes in which they stood.
    pub damaged_bytes: u64,
    /// Bytes at the end of files whose process was killed while it wrote them: nothing of use was
    /// lost, as far as can be told.
    pub cut_bytes: u64,
    /// When the oldest and the newest entry were put, in milliseconds since 1970.
    pub written: Option<(u64, u64)>,
    /// Whether the store was closed.
    pub clean_shutdown: bool,
    /// The largest entries, largest first, with their keys.
    pub largest: Vec<(Box<[u8]>, Stored)>,
}

/// A record that is the latest of its key.
#[derive(Clone, Copy)]
struct Latest {
    number: u64,
    offset: u64,
    front: Front,
    stored: Stored,
}

struct Surveying<'a> {
    now: u64,
    latest: HashMap<u64, Latest>,
    survey: LogSurvey,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl LogStore {
    /// Reads every record of a store that is not open, checks its sum, and tells what there is at
    /// `now`, in milliseconds since 1970, with the `most` largest entries. Changes nothing but the
    /// lock file, by which no store can be opened on the directory meanwhile.
    ///
    /// Calls `progress` with the bytes read and the bytes to read. Takes O(file bytes), as much
    /// memory as the largest file, and about 80 bytes for each entry.
    ///
    /// # Errors
    ///
    /// [`DiskError::Locked`] if the store is open, [`DiskError::Format`] if a newer version wrote
    /// it or there is no store in the directory, and [`DiskError::Io`].
    pub fn survey(
        directory: impl AsRef<Path>,
        now: u64,
        most: usize,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<LogSurvey, DiskError> {
        let dir = directory.as_ref();
        // Without a lock, so that none is made where no store is.
        files(dir)?;
        let lock = DirectoryLock::take(dir)?;
        // A store that was open until now may have made others.
        let files = files(dir)?;
        let total = files.iter().map(|(_, _, len)| len).sum();
        let clean_shutdown = dir.join("CLEAN").exists();
        let survey = LogSurvey {
            segments: files.len() as u64,
            file_bytes: total,
            clean_shutdown,
            ..LogSurvey::default()
        };
        let mut surveying = Surveying { now, latest: HashMap::new(), survey, progress };
        let mut read = 0;
        for (number, path, len) in &files {
            (surveying.progress)(read, total);
            surveying.file(*number, path)?;
            read += len;
        }
        (surveying.progress)(total, total);
        let survey = surveying.finish(dir, most)?;
        lock.release();
        Ok(survey)
    }
}

/// The segments of a directory, the oldest first.
fn files(dir: &Path) -> Result<Vec<(u64, PathBuf, u64)>, DiskError> {
    let at = |error| DiskError::io(dir, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(at)? {
        let entry = entry.map_err(at)?;
        let Some(number) = entry.file_name().to_str().and_then(number_of) else { continue };
        files.push((number, entry.path(), entry.metadata().map_err(at)?.len()));
    }
    if files.is_empty() && !dir.join("LOCK").exists() {
        return Err(DiskError::Format {
            path: dir.to_owned(),
            found: "no store".to_owned(),
            expected: "the files of a log store".to_owned(),
        });
    }
    files.sort_unstable();
    Ok(files)
}

impl Surveying<'_> {
    fn file(&mut self, number: u64, path: &Path) -> Result<(), DiskError> {
        let at = |error| DiskError::io(path, error);
        let bytes = fs::read(path).map_err(at)?;
        let head = match SegmentHead::decode(&bytes) {
            Ok(head) => Some(head).filter(|head| head.number == number),
            Err(BadHead::Version(version)) => {
                return Err(DiskError::Format {
                    path: path.to_owned(),
                    found: format!("version {version} of the log's format"),
                    expected: format!("version {VERSION}"),
                });
            }
            Err(BadHead::Damaged) => None,
        };
        let footer = File::open(path).and_then(|file| footer_of(&file, bytes.len() as u64));
        let footer = footer.map_err(at)?.filter(|(trailer, _)| trailer.number == number);
        let told = head.map(|head| (head.shift, head.seed));
        let told = told.or_else(|| footer.as_ref().map(|(t, _)| (t.shift, t.seed)));
        let Some((shift, seed)) = told else {
            if bytes.len() > HEAD {
                self.survey.damaged += 1;
                self.survey.damaged_bytes += bytes.len() as u64;
            } else {
                self.survey.cut_bytes += bytes.len() as u64;
            }
            return Ok(());
        };
        if head.is_none() {
            self.survey.damaged += 1;
            self.survey.damaged_bytes += HEAD as u64;
        }
        if head.is_some_and(|head| head.hollow) {
            match footer {
                Some((_, entries)) => entries.iter().for_each(|[hash, _]| {
                    self.latest.remove(hash);
                }),
                None => self.damaged(1, bytes.len() as u64),
            }
            return Ok(());
        }
        let whole = footer.as_ref().and_then(|(trailer, _)| {
            let end = usize::try_from(trailer.end).ok()?;
            bytes.get(..end)
        });
        let mut found = 0;
        let gaps = self.records(whole.unwrap_or(&bytes), (number, seed), shift, &mut found);
        match footer {
            Some((trailer, _)) => {
                self.damaged(trailer.count.saturating_sub(found).max(gaps.count), gaps.bytes);
            }
            None => {
                // The last gap reaches to the end of the file if the process died writing.
                let cut = (bytes.len() as u64).saturating_sub(gaps.end);
                self.survey.cut_bytes += cut;
                let before = gaps.bytes.saturating_sub(cut);
                self.damaged(if before > 0 { gaps.count.max(2) - 1 } else { 0 }, before);
            }
        }
        Ok(())
    }

    fn damaged(&mut self, records: u64, bytes: u64) {
        self.survey.damaged += records;
        self.survey.damaged_bytes += bytes;
    }

    fn records(
        &mut self,
        bytes: &[u8],
        (number, seed): (u64, u64),
        shift: u8,
        found: &mut u64,
    ) -> Gaps {
        let salt = salt(number, seed);
        let latest = &mut self.latest;
        let gaps = scan(bytes, salt, shift, seed, &mut |record| {
            *found += 1;
            let offset = record.place.unit() << shift;
            let described = if record.tombstone { None } else { describe(bytes, offset, salt) };
            match described {
                Some((front, stored)) => {
                    latest.insert(record.hash, Latest { number, offset, front, stored });
                }
                None => {
                    latest.remove(&record.hash);
                }
            }
        });
        self.survey.records += *found;
        gaps
    }

    fn finish(mut self, dir: &Path, most: usize) -> Result<LogSurvey, DiskError> {
        let mut largest = BinaryHeap::new();
        for (hash, entry) in &self.latest {
            let (survey, stored) = (&mut self.survey, entry.stored);
            if stored.expires_at <= self.now {
                survey.expired += 1;
                continue;
            }
            survey.entries += 1;
            survey.pinned += u64::from(entry.front.pinned);
            survey.live_bytes += u64::from(entry.front.value) + u64::from(entry.front.key);
            let (oldest, newest) = survey.written.unwrap_or((u64::MAX, 0));
            survey.written = Some((oldest.min(stored.written_at), newest.max(stored.written_at)));
            largest.push(Reverse((stored.len, *hash)));
            if largest.len() > most {
                largest.pop();
            }
        }
        for Reverse((_, hash)) in largest.into_sorted_vec() {
            let Some(entry) = self.latest.get(&hash) else { continue };
            let path = path(dir, entry.number);
            let mut key = vec![0; entry.front.key as usize];
            let at = entry.offset + FRONT as u64 + u64::from(entry.front.value);
            File::open(&path)
                .and_then(|file| super::segment::read_exact_at(&file, &mut key, at))
                .map_err(|error| DiskError::io(&path, error))?;
            self.survey.largest.push((key.into(), entry.stored));
        }
        Ok(self.survey)
    }
}

/// What a whole record says of its value.
fn describe(bytes: &[u8], offset: u64, salt: u64) -> Option<(Front, Stored)> {
    let record = bytes.get(usize::try_from(offset).ok()?..)?;
    let front = Front::decode(record, salt)?;
    let record = record.get(..FRONT + usize::try_from(front.payload()).ok()?)?;
    let (body, tail) = record.split_last_chunk::<TAIL>()?;
    let (value, _) = parts(front, body)?;
    let Tail { expires_at, written_at, .. } = Tail::decode(tail);
    Some((front, Stored { expires_at, written_at, len: value.len() as u32 }))
}

#[cfg(all(test, feature = "conformance"))]
#[expect(clippy::unwrap_used, reason = "tests; clippy exempts only functions marked so")]
mod tests {
    use super::*;
    use crate::disk::conformance::Scratch;
    use crate::disk::{DiskStore, Put, PutTerms};
    use perf_core::{ByteSize, Clock};

    fn survey(dir: &Scratch, most: usize) -> LogSurvey {
        LogStore::survey(dir.path(), 5_000, most, &mut |_, _| {}).unwrap()
    }

    fn open(dir: &Scratch) -> LogStore {
        let (clock, _) = Clock::manual();
        LogStore::builder(dir.path()).max_bytes(ByteSize::mib(64)).clock(clock).open().unwrap()
    }

    fn put(store: &LogStore, key: &str, value: &[u8], terms: PutTerms) {
        assert_eq!(store.put(key.as_bytes(), value, terms).unwrap(), Put::Stored);
    }

    #[test]
    fn tells_what_the_next_process_finds() {
        let dir = Scratch::new("survey");
        let store = open(&dir);
        for n in 0..100_usize {
            put(&store, &format!("key {n}"), &vec![n as u8; 100 + n], PutTerms::default());
        }
        put(&store, "key 0", &[1; 5_000], PutTerms::until(u64::MAX - 1));
        put(&store, "scope", b"1", PutTerms::pinned());
        store.remove(b"key 1").unwrap();
        assert!(matches!(
            LogStore::survey(dir.path(), 0, 0, &mut |_, _| {}),
            Err(DiskError::Locked { .. })
        ));
        store.close().unwrap();
        let seen = survey(&dir, 2);
        assert_eq!((seen.entries, seen.pinned, seen.damaged), (100, 1, 0));
        assert_eq!((seen.records, seen.clean_shutdown, seen.cut_bytes), (103, true, 0));
        let largest: Vec<_> = seen.largest.iter().map(|(key, at)| (&**key, at.len)).collect();
        assert_eq!(largest, [(&b"key 0"[..], 5_000), (b"key 99", 199)]);
        assert_eq!(open(&dir).open_report().recovered, 100);
    }

    #[test]
    fn what_is_changed_is_damage_and_what_is_cut_is_not() {
        let dir = Scratch::new("survey-damage");
        let store = open(&dir);
        for n in 0..50 {
            put(&store, &format!("key {n}"), &[n; 200], PutTerms::default());
        }
        store.flush().unwrap();
        let path = super::path(dir.path(), 0);
        let path = if path.exists() { path } else { super::path(dir.path(), 1) };
        let bytes = fs::read(&path).unwrap();
        // As if killed now, in the middle of a record.
        drop(store);
        fs::write(&path, &bytes[..bytes.len() - 90]).unwrap();
        let seen = survey(&dir, 0);
        assert_eq!((seen.entries, seen.damaged), (49, 0), "{seen:?}");
        assert!(seen.cut_bytes > 0);
        let mut broken = bytes.clone();
        broken[1_000] ^= 1;
        fs::write(&path, &broken).unwrap();
        let seen = survey(&dir, 0);
        assert_eq!((seen.entries, seen.damaged), (49, 1), "{seen:?}");
    }

    #[test]
    fn a_directory_of_something_else_is_refused() {
        let dir = Scratch::new("survey-none");
        fs::create_dir_all(dir.path()).unwrap();
        let refused = LogStore::survey(dir.path(), 0, 0, &mut |_, _| {});
        assert!(matches!(refused, Err(DiskError::Format { .. })), "{refused:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
    }
}
