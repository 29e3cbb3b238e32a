//! Which keys a generation has, in a file beside the database, so that opening reads nothing of the
//! generations that are no longer put to. An entry takes twelve bytes.
//!
//! A list is made when its generation is full, and all are made anew at an orderly end. One that is
//! damaged or missing is made up for by reading its generation. One from before a kill may name
//! what was removed since: whoever asks for that finds nothing, and it is forgotten.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The hash of a key, and the bytes of what it has.
pub(super) type Listed = (u64, u32);

const MAGIC: [u8; 8] = *b"pk-keys1";
const SUM: usize = 8;
const ENTRY: usize = 12;

/// Writes the list of a generation. Where that fails there is none.
pub(super) fn write(dir: &Path, generation: u32, entries: impl Iterator<Item = Listed>) {
    let mut bytes = MAGIC.to_vec();
    for (hash, len) in entries {
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&len.to_le_bytes());
    }
    bytes.extend_from_slice(&sum(&bytes, generation).to_le_bytes());
    let path = path(dir, generation);
    let made = fs::create_dir_all(folder(dir));
    if made.and_then(|()| File::create(&path)?.write_all(&bytes)).is_err() {
        // What is left of it is not taken for one; it only takes room.
        drop(fs::remove_file(&path));
    }
}

/// The list of a generation, if it is there and whole.
pub(super) fn read(dir: &Path, generation: u32) -> Option<Vec<Listed>> {
    let bytes = fs::read(path(dir, generation)).ok()?;
    let (bytes, found) = bytes.split_last_chunk::<SUM>()?;
    let (entries, rest) = bytes.strip_prefix(&MAGIC)?.as_chunks::<ENTRY>();
    if !rest.is_empty() || u64::from_le_bytes(*found) != sum(bytes, generation) {
        return None;
    }
    let entry = |entry: &[u8; ENTRY]| {
        let (hash, len) = (entry.first_chunk()?, entry.last_chunk()?);
        Some((u64::from_le_bytes(*hash), u32::from_le_bytes(*len)))
    };
    entries.iter().map(entry).collect()
}

/// Takes away the list of a generation that goes, or that will be put to.
pub(super) fn remove(dir: &Path, generation: u32) -> io::Result<()> {
    match fs::remove_file(path(dir, generation)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Takes away those of generations that are not there, which a kill may leave, and makes that last:
/// a list that came back with a power cut would not name what was put since.
pub(super) fn retain(dir: &Path, generations: &[u32]) -> io::Result<()> {
    let folder = folder(dir);
    let files = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        files => files?,
    };
    for file in files {
        let file = file?;
        let number = file.file_name().to_str().and_then(|name| name.parse().ok());
        if number.is_none_or(|number| !generations.contains(&number)) {
            fs::remove_file(file.path())?;
        }
    }
    #[cfg(unix)]
    File::open(&folder)?.sync_all()?;
    Ok(())
}

/// Bytes of a generation's list.
pub(super) fn bytes_of(dir: &Path, generation: u32) -> u64 {
    fs::metadata(path(dir, generation)).map_or(0, |data| data.len())
}

/// Where they all are.
pub(super) fn folder(dir: &Path) -> PathBuf {
    dir.join("keys")
}

fn path(dir: &Path, generation: u32) -> PathBuf {
    folder(dir).join(format!("{generation:010}"))
}

/// With the generation, so that no other's list is taken for its own.
fn sum(bytes: &[u8], generation: u32) -> u64 {
    xxh3_64_with_seed(bytes, generation.into())
}
