//! Keys in a file, one a line.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Writes keys to a file, one a line, in the place of what it had: whoever reads it meanwhile, or
/// after a crash, finds the old keys or the new ones. Answers how many were written: what is empty,
/// has line breaks, white space at its ends or `#` at its beginning cannot be a line and is left out.
///
/// The file is for its user alone. O(keys).
///
/// # Errors
///
/// What the system answered; the file is as it was then.
pub fn write_keys<K: AsRef<str>>(
    path: impl AsRef<Path>,
    keys: impl IntoIterator<Item = K>,
) -> io::Result<u64> {
    let path = path.as_ref();
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    let mut beside = name.to_owned();
    beside.push(".new");
    let beside = path.with_file_name(beside);
    let written = write(&beside, keys).and_then(|written| {
        fs::rename(&beside, path)?;
        Ok(written)
    });
    if written.is_err() {
        // What is left of it would be written over by the next one.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write<K: AsRef<str>>(path: &Path, keys: impl IntoIterator<Item = K>) -> io::Result<u64> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = BufWriter::new(options.open(path)?);
    let mut written = 0;
    for key in keys {
        let key = key.as_ref();
        if is_line(key) {
            file.write_all(key.as_bytes())?;
            file.write_all(b"\n")?;
            written += 1;
        }
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(written)
}

fn is_line(key: &str) -> bool {
    let is_plain = !key.is_empty() && !key.starts_with('#') && key.trim() == key;
    is_plain && key.len() <= MOST_BYTES_OF_KEY && !key.contains(['\n', '\r'])
}

/// The first `most` keys of a file that [`write_keys`] has written, or a person: one a line, without
/// empty lines, lines that begin with `#`, and white space at the ends of lines.
///
/// # Errors
///
/// [`KeyListError`] with a file that cannot be read, has more than 64 MiB, is no text in UTF-8, or has
/// a line of more than 16 KiB.
pub fn read_keys(path: impl AsRef<Path>, most: usize) -> Result<Vec<String>, KeyListError> {
    let path = path.as_ref();
    let wrong = |line, what| KeyListError { path: path.to_owned(), line, what };
    let unread = |error| wrong(None, What::Unread(error));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unread)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(wrong(None, What::TooLarge));
    }
    let mut keys = Vec::new();
    for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let text = std::str::from_utf8(bytes).map_err(|_| wrong(Some(line), What::NoText))?;
        // Written by a program that is no text's, as a rule.
        if text.contains('\0') {
            return Err(wrong(Some(line), What::NoText));
        }
        let key = text.trim();
        if key.len() > MOST_BYTES_OF_KEY {
            return Err(wrong(Some(line), What::TooLong));
        }
        if keys.len() < most && !key.is_empty() && !key.starts_with('#') {
            keys.push(key.to_owned());
        }
    }
    Ok(keys)
}

/// A file is no list of keys.
#[derive(Debug)]
pub struct KeyListError {
    path: PathBuf,
    line: Option<u64>,
    what: What,
}

#[derive(Debug)]
enum What {
    Unread(io::Error),
    TooLarge,
    NoText,
    TooLong,
}

impl KeyListError {
    /// Whether there is no such file, as before the first run.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(&self.what, What::Unread(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

impl fmt::Display for KeyListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the list of keys `{}`", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line},")?;
        }
        match &self.what {
            What::Unread(error) => write!(f, " cannot be read: {error}; check the path"),
            What::TooLarge => f.write_str(" has more than 64 MiB; give fewer keys"),
            What::NoText => f.write_str(" is no text in UTF-8; write one key a line"),
            What::TooLong => f.write_str(" has more than 16 KiB; write one key a line"),
        }
    }
}

impl Error for KeyListError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.what {
            What::Unread(error) => Some(error),
            _ => None,
        }
    }
}

const MOST_BYTES: u64 = 64 << 20;
const MOST_BYTES_OF_KEY: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let keys = ["h/b?c", "", "# no", "h/a", "two\nlines", " ends ", "ü"];
        assert_eq!(write_keys(&path, keys).unwrap(), 3);
        assert_eq!(read_keys(&path, 10).unwrap(), ["h/b?c", "h/a", "ü"]);
        assert_eq!(read_keys(&path, 2).unwrap(), ["h/b?c", "h/a"]);
        assert_eq!(write_keys(&path, ["new"]).unwrap(), 1);
        assert_eq!(read_keys(&path, 10).unwrap(), ["new"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_person_may_write_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, "# start page\r\n/ \r\n\r\n  /style.css\n").unwrap();
        assert_eq!(read_keys(&path, 10).unwrap(), ["/", "/style.css"]);
    }

    #[test]
    fn what_is_no_list_is_refused_by_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let refused = || read_keys(&path, 10).unwrap_err();
        assert!(refused().is_missing());
        for (bytes, what) in [
            (b"/a\n\xff\xfe".to_vec(), "line 2, is no text"),
            (b"/a\n/b\n\0\0".to_vec(), "line 3, is no text"),
            (vec![b'a'; (16 << 10) + 1], "line 1, has more than 16 KiB"),
        ] {
            fs::write(&path, bytes).unwrap();
            let error = refused();
            assert!(error.to_string().contains(what) && !error.is_missing(), "{error}");
        }
        File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
        assert!(refused().to_string().contains("64 MiB"));
        assert!(read_keys(folder.path(), 10).unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn the_old_list_stays_where_a_new_one_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        write_keys(&path, ["old"]).unwrap();
        fs::create_dir(folder.path().join("keys.new")).unwrap();
        assert!(write_keys(&path, ["new"]).is_err());
        assert_eq!(read_keys(&path, 10).unwrap(), ["old"]);
        assert!(write_keys("/", ["new"]).is_err());
    }
}
