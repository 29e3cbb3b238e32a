//! Where it is kept: lines of JSON, one file per machine.

use super::{NoiseHistory, NoiseKind, NoiseRecord};
use crate::{FORMAT, Machine};
use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// So many records are kept of each bench and kind when the file is tidied.
const KEPT: usize = 200;

/// A file that is larger is tidied before it grows further: 200 records of two kinds for some
/// 50 benches.
const LARGEST: u64 = 4 << 20;

/// A folder with what was learnt, a file for each machine.
///
/// It belongs to no build folder: whoever cleans up must not unlearn the noise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoiseStore {
    folder: PathBuf,
}

impl NoiseStore {
    /// The store in this folder, which is made when something is kept.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> NoiseStore {
        NoiseStore { folder: folder.into() }
    }

    /// The file of a machine.
    #[must_use]
    pub fn file(&self, machine: &Machine) -> PathBuf {
        self.folder.join(format!("noise-{}.jsonl", machine.key()))
    }

    /// What was learnt on this machine; nothing if the file is missing. Lines that were cut short
    /// or come from a newer version are counted and left out.
    ///
    /// # Errors
    ///
    /// [`NoiseError`] if the file is there and cannot be read.
    pub fn read(&self, machine: &Machine) -> Result<NoiseHistory, NoiseError> {
        let path = self.file(machine);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(parse(&bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(NoiseHistory::default()),
            Err(e) => Err(NoiseError::of(&path, &e)),
        }
    }

    /// Keeps records. They go to the end of the file at once, under a lock; a file that has grown
    /// too large is first reduced to the latest of each bench.
    ///
    /// # Errors
    ///
    /// [`NoiseError`] if the file cannot be written.
    pub fn append(&self, machine: &Machine, records: &[NoiseRecord]) -> Result<(), NoiseError> {
        let path = self.file(machine);
        let mut lines = String::new();
        for record in records {
            // What JSON cannot hold, such as an infinite ratio, says nothing of the noise either.
            if let Ok(line) = serde_json::to_string(record) {
                lines.push_str(&line);
                lines.push('\n');
            }
        }
        self.write(&path, &lines).map_err(|e| NoiseError::of(&path, &e))
    }

    fn write(&self, path: &Path, lines: &str) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        file.lock()?;
        if file.metadata()?.len() > LARGEST {
            tidy(&mut file)?;
        }
        // A line that a crash has cut short must not swallow the next one.
        let unfinished = !ends_a_line(&mut file)?;
        let start = if unfinished { "\n" } else { "" };
        file.write_all(format!("{start}{lines}").as_bytes())?;
        file.unlock()
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(io::SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Keeps the latest records of each bench and kind.
fn tidy(file: &mut File) -> io::Result<()> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    let records = parse(&bytes).records;
    let mut later: HashMap<(&str, NoiseKind), usize> = HashMap::new();
    let mut kept = Vec::new();
    for record in records.iter().rev() {
        let seen = later.entry((&record.bench, record.kind)).or_default();
        *seen += 1;
        if *seen <= KEPT {
            kept.push(serde_json::to_string(record)?);
        }
    }
    kept.reverse();
    file.set_len(0)?;
    file.write_all((kept.join("\n") + "\n").as_bytes())
}

fn parse(bytes: &[u8]) -> NoiseHistory {
    let mut history = NoiseHistory::default();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<NoiseRecord>(line) {
            Ok(record) if record.format <= FORMAT => history.records.push(record),
            _ => history.unreadable += 1,
        }
    }
    history
}

/// A store that cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoiseError {
    path: PathBuf,
    why: String,
}

impl NoiseError {
    fn of(path: &Path, error: &io::Error) -> NoiseError {
        NoiseError { path: path.to_owned(), why: error.to_string() }
    }
}

impl fmt::Display for NoiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, where noise is kept: {}", self.path.display(), self.why)
    }
}

impl std::error::Error for NoiseError {}

#[cfg(test)]
mod tests {
    use super::super::history::tests::record;
    use super::*;

    fn store() -> (tempfile::TempDir, NoiseStore, Machine) {
        let folder = tempfile::tempdir().unwrap();
        let store = NoiseStore::new(folder.path().join("not there yet"));
        (folder, store, Machine::default())
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let (_folder, store, machine) = store();
        assert_eq!(store.read(&machine), Ok(NoiseHistory::default()));
        let records = [1.5, 0.75].map(|ratio| record("a", NoiseKind::Relinked, ratio));
        store.append(&machine, &records[..1]).unwrap();
        store.append(&machine, &records[1..]).unwrap();
        let read = store.read(&machine).unwrap();
        assert_eq!((read.records.len(), read.unreadable), (2, 0));
        assert_eq!(read.records[1].ratio.value, 0.75);
    }

    #[test]
    fn cut_lines_and_newer_ones_are_counted_and_harm_no_other() {
        let (_folder, store, machine) = store();
        let mut newer = record("a", NoiseKind::SameProgram, 1.0);
        newer.format = FORMAT + 1;
        store.append(&machine, &[newer]).unwrap();
        let mut file = OpenOptions::new().append(true).open(store.file(&machine)).unwrap();
        file.write_all(b"{\"format\":1,\"bench\":\"cut").unwrap();
        store.append(&machine, &[record("a", NoiseKind::SameProgram, 1.0)]).unwrap();
        let read = store.read(&machine).unwrap();
        assert_eq!((read.records.len(), read.unreadable), (1, 2));
    }

    #[test]
    fn equal_counts_teach_nothing() {
        let (_folder, store, machine) = store();
        let record = record("a", NoiseKind::SameProgram, 1.1);
        let line = serde_json::to_string(&record).unwrap().replace("same_program", "same_counts");
        std::fs::create_dir_all(store.file(&machine).parent().unwrap()).unwrap();
        std::fs::write(store.file(&machine), (line + "\n").repeat(40)).unwrap();
        let read = store.read(&machine).unwrap();
        assert_eq!((read.margins().len(), read.unreadable), (0, 40));
    }

    #[test]
    fn a_large_file_is_reduced_to_the_latest() {
        let (_folder, store, machine) = store();
        let line = serde_json::to_string(&record("old", NoiseKind::Relinked, 1.0)).unwrap();
        let lines = (line.clone() + "\n").repeat(LARGEST as usize / line.len());
        std::fs::create_dir_all(store.file(&machine).parent().unwrap()).unwrap();
        std::fs::write(store.file(&machine), lines).unwrap();
        store.append(&machine, &[record("new", NoiseKind::Relinked, 1.0)]).unwrap();
        let kept = store.read(&machine).unwrap();
        let count = |name| kept.records.iter().filter(|record| record.bench == name).count();
        assert_eq!((count("old"), count("new")), (KEPT, 1));
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = NoiseStore::new(&file).append(&Machine::default(), &[]).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
