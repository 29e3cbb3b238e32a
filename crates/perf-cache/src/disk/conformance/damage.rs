//! What a store does when files or the device are not as it left them.

use super::behaviour::{Open, opened, put, put_with, value};
use super::random::{Random, value_of, version_of};
use super::{Opened, Scratch, Setup};
use crate::disk::{DiskError, PutTerms};
use perf_core::ByteSize;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Faults that can be made without knowing the store: a path that cannot be a directory, one that
/// cannot be written, a directory that is removed while the store is open.
///
/// # Panics
///
/// If the store panics, hangs, or says that all is well.
pub fn faults(open: impl Fn(&Path, &Setup) -> Opened) {
    not_a_directory(&open);
    read_only(&open);
    removed_while_open(&open);
}

fn not_a_directory(open: Open<'_>) {
    let dir = Scratch::new("not-a-directory");
    let file = dir.path().join("file");
    fs::write(&file, b"of someone else").expect("a file can be written");
    let setup = Setup::new(ByteSize::mib(4));
    for path in [file.clone(), file.join("below")] {
        let error = open(&path, &setup).map(drop).expect_err("a file is not a directory");
        assert!(!matches!(error, DiskError::Closed), "{error}");
    }
    assert_eq!(fs::read(&file).expect("it is still there"), b"of someone else");
}

/// Also for root, who may write to what is read-only: no one can make files in `/proc`.
fn read_only(open: Open<'_>) {
    let path = Path::new("/proc/perf-cache");
    if cfg!(target_os = "linux") {
        let error = open(path, &Setup::new(ByteSize::mib(4))).map(drop);
        assert!(
            matches!(error, Err(DiskError::Io { .. } | DiskError::Backend { .. })),
            "{error:?}"
        );
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let dir = Scratch::new("read-only");
        let mode = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode));
        mode(0o555).expect("a mode can be set");
        let root = fs::write(dir.path().join("probe"), b"").is_ok();
        let outcome = open(dir.path(), &Setup::new(ByteSize::mib(4))).map(drop);
        assert!(root || outcome.is_err(), "opened where nothing can be written");
        mode(0o755).expect("a mode can be set");
    }
}

/// Nothing lasts then, but nobody is lied to: a value that is served is the one that was put.
fn removed_while_open(open: Open<'_>) {
    let dir = Scratch::new("removed");
    let setup = Setup::new(ByteSize::mib(4));
    let store = opened(open, dir.path(), &setup);
    for key in 0..50_u64 {
        put(&*store, &key.to_le_bytes(), &value_of(key, 0, 1_000));
    }
    store.flush().expect("it flushes");
    fs::remove_dir_all(dir.path()).expect("a directory can be removed");
    for key in 0..3_000_u64 {
        // May be refused, or fail.
        drop(store.put(&key.to_le_bytes(), &value_of(key, 1, 4_000), PutTerms::default()));
        drop(store.remove(&(key / 2).to_le_bytes()));
        let mut found = Vec::new();
        if let Ok(Some(_)) = store.get(&key.to_le_bytes(), &mut found) {
            assert_eq!(version_of(&found).map(|version| version.0), Some(key));
        }
    }
    drop(store.flush());
    drop(store.close());
}

/// Flips bits in and cuts off the files of a closed store, and opens it again, as often as asked.
/// It may refuse to open; what it serves then is what was put, and it says that it missed
/// something where it did. Answers how many values were lost over all rounds.
///
/// # Panics
///
/// If the store panics, or serves what was not put or was removed.
pub fn damage(open: impl Fn(&Path, &Setup) -> Opened, rounds: u64) -> u64 {
    (0..rounds).map(|seed| damaged_once(&open, seed)).sum()
}

fn damaged_once(open: Open<'_>, seed: u64) -> u64 {
    let dir = Scratch::new("damage");
    let setup = Setup::new(ByteSize::mib(4));
    let mut random = Random::new(seed);
    let count = 1 + random.below(300);
    let store = opened(open, dir.path(), &setup);
    for key in 0..count {
        put(&*store, &key.to_le_bytes(), &value_of(key, 0, random.below(3_000) as usize));
    }
    let pinned = value_of(count, 0, 10);
    put_with(&*store, &count.to_le_bytes(), &pinned, PutTerms::pinned());
    store.close().expect("it closes");
    drop(store);
    let hurt = hurt(dir.path(), &mut random);
    let Ok(store) = open(dir.path(), &setup) else { return count };
    let mut lost = 0;
    for key in 0..=count {
        let mut found = Vec::new();
        match store.get(&key.to_le_bytes(), &mut found) {
            Ok(Some(_)) => {
                let version = version_of(&found);
                assert_eq!(version, Some((key, 0)), "seed {seed}: {hurt}");
            }
            Ok(None) | Err(_) => lost += 1,
        }
    }
    let (report, usage) = (store.open_report(), store.usage());
    let told = report.dropped > 0 || report.corrupt_bytes > 0 || usage.corrupt > 0;
    assert!(lost == 0 || told, "seed {seed}: {lost} lost untold: {hurt}, {report:?}, {usage:?}");
    // It goes on as one that is whole.
    put(&*store, b"after", b"1");
    store.close().expect("it closes");
    drop(store);
    let store = opened(open, dir.path(), &setup);
    assert_eq!(value(&*store, b"after").as_deref(), Some(&b"1"[..]), "seed {seed}: {hurt}");
    lost
}

/// Damages one file, and says how.
fn hurt(dir: &Path, random: &mut Random) -> String {
    let mut files = Vec::new();
    files_below(dir, &mut files);
    files.retain(|path| fs::metadata(path).is_ok_and(|data| data.len() > 0));
    files.sort();
    let path = &files[random.below(files.len() as u64) as usize];
    let len = fs::metadata(path).expect("it is there").len();
    let outcome = if random.below(3) == 0 {
        let to = random.below(len);
        let file = OpenOptions::new().write(true).open(path).expect("it opens");
        file.set_len(to).map(|()| format!("cut from {len} to {to}"))
    } else {
        flip(path, len, random)
    };
    format!("{} {}", path.display(), outcome.expect("a file can be damaged"))
}

fn flip(path: &Path, len: u64, random: &mut Random) -> io::Result<String> {
    let mut bytes = fs::read(path)?;
    let mut at = Vec::new();
    for _ in 0..=random.below(8) {
        let bit = random.below(len * 8);
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        at.push(bit / 8);
    }
    fs::write(path, bytes)?;
    Ok(format!("flipped in bytes {at:?} of {len}"))
}

fn files_below(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("it can be listed").flatten() {
        let path = entry.path();
        if path.is_dir() { files_below(&path, files) } else { files.push(path) }
    }
}
