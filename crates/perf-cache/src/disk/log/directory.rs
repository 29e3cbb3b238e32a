//! The directory of a store: its lock, and the marker of an orderly end.

use crate::disk::DiskError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::index::lock;

/// Holds a directory for one store until it is released or dropped.
#[derive(Debug)]
pub(in crate::disk) struct DirectoryLock {
    file: Mutex<Option<File>>,
}

impl DirectoryLock {
    /// Makes the directory if it is not there, and takes its lock. The system gives it back when
    /// the process ends, however it does.
    pub(in crate::disk) fn take(dir: &Path) -> Result<DirectoryLock, DiskError> {
        fs::create_dir_all(dir).map_err(|error| DiskError::io(dir, error))?;
        let path = dir.join("LOCK");
        let at = |error| DiskError::io(&path, error);
        let mut file = own_file().create(true).truncate(false).open(&path).map_err(at)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Whoever holds it may not have written its number yet, or not be of this kind.
                let read = file.read_to_string(&mut owner);
                let pid = read.ok().and_then(|_| owner.trim().parse().ok());
                return Err(DiskError::Locked { path: dir.to_owned(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(at(error)),
        }
        // For people and for the error of the next; a full disk does not keep a store from opening.
        drop(file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())));
        Ok(DirectoryLock { file: Mutex::new(Some(file)) })
    }

    /// Unlocks, and does not only close: a child that is just being made by another thread has the
    /// file open too, until it runs its program.
    pub(super) fn release(&self) {
        if let Some(file) = lock(&self.file).take() {
            // Closing it does so as well, a little later.
            drop(file.unlock());
        }
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        self.release();
    }
}

/// Takes away the marker, and answers whether it was there.
pub(super) fn take_clean_marker(dir: &Path) -> Result<bool, DiskError> {
    let path = marker(dir);
    match fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DiskError::io(&path, error)),
    }
}

/// Says that everything was written before the end.
pub(super) fn set_clean_marker(dir: &Path) -> Result<(), DiskError> {
    let path = marker(dir);
    let made = own_file().create(true).truncate(true).open(&path);
    let made = made.and_then(|file| file.sync_all());
    made.map_err(|error| DiskError::io(&path, error))
}

/// To read and write a file that is for the user of this process alone where it is made: values may
/// be what others are not to see.
pub(super) fn own_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true).write(true);
    options
}

fn marker(dir: &Path) -> PathBuf {
    dir.join("CLEAN")
}

/// The numbers of the segments in a directory, ascending. Takes away what was never finished.
pub(super) fn segments(dir: &Path) -> Result<Vec<u64>, DiskError> {
    let at = |error| DiskError::io(dir, error);
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(at)? {
        let name = entry.map_err(at)?.file_name();
        let Some(name) = name.to_str() else { continue };
        if let Some(number) = super::segment::number_of(name) {
            numbers.push(number);
        } else if name.ends_with(".seg.new") {
            let path = dir.join(name);
            fs::remove_file(&path).map_err(|error| DiskError::io(&path, error))?;
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}
