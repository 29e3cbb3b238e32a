//! Whether a case is as it was: a hash of all that it says it depends on.

use super::TestCase;
use super::case::Body;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

/// A hash of a case's command, the variables set for it and its inputs.
///
/// XXH3 with 128 bits: equal content has the same one, and different content practically never; not
/// safe against those who build collisions on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// As a number.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The one that [`as_u128`](Fingerprint::as_u128) gave.
    #[must_use]
    pub const fn from_u128(hash: u128) -> Fingerprint {
        Fingerprint(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Takes fingerprints; each file is read once, however many cases depend on it.
#[derive(Debug, Default)]
pub(super) struct Fingerprints {
    files: HashMap<PathBuf, u128>,
    folders: HashMap<PathBuf, u128>,
}

/// Changes with what is hashed, so that nothing of an older version counts as unchanged.
const VERSION: &str = "perf-async test case 1";
/// Beyond so many folders in each other something is wrong.
const DEEPEST: usize = 64;

impl Fingerprints {
    /// The fingerprint of a case, `None` if it names no inputs. Reads files: not for a thread that
    /// runs futures.
    pub(super) fn of(&mut self, case: &TestCase) -> Result<Option<Fingerprint>, String> {
        let Some(inputs) = &case.inputs else { return Ok(None) };
        let mut hash = Xxh3::new();
        text(&mut hash, VERSION.as_ref());
        text(&mut hash, case.name.as_ref());
        let mut folder = None;
        let mut paths: Vec<PathBuf> = Vec::new();
        if let Body::Command(command) = &case.body {
            text(&mut hash, &command.program);
            count(&mut hash, command.arguments.len());
            command.arguments.iter().for_each(|argument| text(&mut hash, argument));
            count(&mut hash, command.environment.len());
            for (name, value) in &command.environment {
                text(&mut hash, name);
                text(&mut hash, value);
            }
            text(&mut hash, command.dir.as_deref().unwrap_or(Path::new("")).as_os_str());
            let stdin = command.stdin.as_deref();
            count(&mut hash, stdin.map_or(0, |bytes| bytes.len() + 1));
            hash.update(stdin.unwrap_or_default());
            hash.update(&command.exit_code.to_le_bytes());
            count(&mut hash, command.contains.len());
            command.contains.iter().for_each(|word| text(&mut hash, word.as_ref()));
            if command.is_path() {
                paths.push(command.program_path());
            }
            folder = command.dir.clone();
        }
        paths.extend(inputs.iter().map(|input| match &folder {
            Some(folder) => folder.join(input),
            None => input.clone(),
        }));
        for path in &paths {
            let content = self
                .input(path)
                .map_err(|error| format!("input {} cannot be read: {error}", path.display()))?;
            text(&mut hash, path.as_os_str());
            hash.update(&content.to_le_bytes());
        }
        Ok(Some(Fingerprint(hash.digest128())))
    }

    fn input(&mut self, path: &Path) -> io::Result<u128> {
        if fs::metadata(path)?.is_dir() { self.folder(path, 0) } else { self.file(path) }
    }

    fn file(&mut self, path: &Path) -> io::Result<u128> {
        if let Some(known) = self.files.get(path) {
            return Ok(*known);
        }
        let mut file = File::open(path)?;
        let mut hash = Xxh3::new();
        let mut piece = vec![0; 64 * 1024];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                read => hash.update(&piece[..read]),
            }
        }
        let content = hash.digest128();
        self.files.insert(path.to_owned(), content);
        Ok(content)
    }

    /// All below a folder by name; links count by where they point, and are not followed.
    fn folder(&mut self, path: &Path, depth: usize) -> io::Result<u128> {
        if let Some(known) = self.folders.get(path) {
            return Ok(*known);
        }
        if depth > DEEPEST {
            return Err(io::Error::other(format!("more than {DEEPEST} folders in each other")));
        }
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut hash = Xxh3::new();
        for entry in entries {
            let (kind, path) = (entry.file_type()?, entry.path());
            text(&mut hash, &entry.file_name());
            if kind.is_dir() {
                hash.update(b"d");
                hash.update(&self.folder(&path, depth + 1)?.to_le_bytes());
            } else if kind.is_symlink() {
                hash.update(b"l");
                text(&mut hash, fs::read_link(&path)?.as_os_str());
            } else if kind.is_file() {
                hash.update(b"f");
                hash.update(&self.file(&path)?.to_le_bytes());
            }
        }
        let content = hash.digest128();
        self.folders.insert(path.to_owned(), content);
        Ok(content)
    }
}

/// With its length before it, so that no two lists of texts are the same bytes.
fn text(hash: &mut Xxh3, text: &OsStr) {
    count(hash, text.len());
    hash.update(text.as_encoded_bytes());
}

fn count(hash: &mut Xxh3, count: usize) {
    hash.update(&(count as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_queue::TestCommand;

    fn of(case: &TestCase) -> Option<Fingerprint> {
        Fingerprints::default().of(case).unwrap()
    }

    #[test]
    fn only_a_case_that_names_its_inputs_has_one() {
        let command = TestCommand::new("true");
        assert_eq!(of(&TestCase::command("a", command.clone())), None);
        let none: [&str; 0] = [];
        assert!(of(&TestCase::command("a", command).inputs(none)).is_some());
    }

    #[test]
    fn all_that_a_command_says_counts() {
        let none: [&str; 0] = [];
        let base = TestCommand::new("sh");
        let all = [
            base.clone(),
            base.clone().arg("ab"),
            base.clone().args(["a", "b"]),
            base.clone().env("A", "1"),
            base.clone().env("A", "2"),
            base.clone().dir("/"),
            base.clone().stdin(""),
            base.clone().stdin("x"),
            base.clone().exit_code(1),
            base.output_contains("ok"),
            TestCommand::new("shell"),
        ];
        let prints: std::collections::BTreeSet<_> =
            all.iter().map(|c| of(&TestCase::command("a", c.clone()).inputs(none))).collect();
        assert_eq!(prints.len(), all.len());
    }

    #[test]
    fn a_changed_file_anywhere_below_an_input_counts() {
        let folder = std::env::temp_dir().join(format!("perf-async-{}", std::process::id()));
        fs::create_dir_all(folder.join("deep")).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        let case = || TestCase::command("a", TestCommand::new("true")).inputs([&folder]);
        write("one", "1");
        write("deep/two", "2");
        let first = of(&case());
        assert_eq!(of(&case()), first);
        write("deep/two", "3");
        let second = of(&case());
        assert_ne!(second, first);
        fs::rename(folder.join("one"), folder.join("other")).unwrap();
        assert_ne!(of(&case()), second);
        fs::remove_dir_all(&folder).unwrap();
        let missing = Fingerprints::default().of(&case()).unwrap_err();
        assert!(missing.contains("cannot be read"), "{missing}");
    }
}
