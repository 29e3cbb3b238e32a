//! The lines of a history: appended one by one, read as far as they can be read.

use super::{Entry, FORMAT};
use serde::Deserialize;
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How many lines are kept; of more, the newest.
const LINES: usize = 10_000;
/// How long the kept lines may be together.
const BYTES: usize = 64 << 20;
/// How long a line may be.
const LINE: u64 = 4 << 20;

/// The runs of a project over its commits, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct History {
    /// The runs in the order in which they were appended.
    pub entries: Vec<Entry>,
    /// What could not be read, or was too much.
    pub left_out: LeftOut,
}

/// Lines that a reader did not take.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// Lines that are no entries, such as half of one after a crash.
    pub unreadable: u64,
    /// Where the first of them stands, from 1, and what is wrong with it.
    pub first_unreadable: Option<(u64, String)>,
    /// Lines of a newer format.
    pub newer: u64,
    /// The newest format among them.
    pub newest_format: Option<u32>,
    /// The oldest lines, beyond what is kept.
    pub oldest: u64,
}

impl History {
    /// Reads lines. At most the newest 10 000 are kept, and 64 MiB; the rest is counted in
    /// [`LeftOut`], and so is what cannot be read.
    ///
    /// # Errors
    ///
    /// Only if `input` fails.
    pub fn read(mut input: impl BufRead) -> io::Result<History> {
        let mut left_out = LeftOut::default();
        let mut kept: VecDeque<(Entry, usize)> = VecDeque::new();
        let (mut number, mut bytes, mut line) = (0, 0, Vec::new());
        loop {
            line.clear();
            number += 1;
            let length = input.by_ref().take(LINE + 1).read_until(b'\n', &mut line)?;
            if length == 0 {
                break;
            }
            let entry = if length as u64 > LINE {
                input.skip_until(b'\n')?;
                Err(Fault::Unreadable(format!("longer than {} MiB", LINE >> 20)))
            } else if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            } else {
                parse(&line)
            };
            match entry {
                Ok(entry) => {
                    bytes += length;
                    kept.push_back((entry, length));
                }
                Err(Fault::Newer(format)) => {
                    left_out.newer += 1;
                    left_out.newest_format = left_out.newest_format.max(Some(format));
                }
                Err(Fault::Unreadable(why)) => {
                    left_out.unreadable += 1;
                    left_out.first_unreadable.get_or_insert((number, why));
                }
            }
            while kept.len() > LINES || bytes > BYTES {
                bytes -= kept.pop_front().map_or(0, |(_, length)| length);
                left_out.oldest += 1;
            }
        }
        let entries = kept.into_iter().map(|(entry, _)| entry).collect();
        Ok(History { entries, left_out })
    }

    /// Reads a file of lines.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn load(file: &Path) -> io::Result<History> {
        History::read(BufReader::new(std::fs::File::open(file)?))
    }

    /// Appends an entry to a file, which is made if it is not there.
    ///
    /// The file is locked, written in one go and brought to the disk. A last line that was cut off
    /// by a crash stays alone: the new one begins on a line of its own.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn append(file: &Path, entry: &Entry) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(file)?;
        file.lock()?;
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        file.write_all(&History::joined(&last, entry))?;
        file.sync_data()
    }

    /// What to write after `before`, the end of a history, to append an entry.
    #[must_use]
    pub fn joined(before: &[u8], entry: &Entry) -> Vec<u8> {
        let cut_off = before.last().is_some_and(|byte| *byte != b'\n');
        let mut text = if cut_off { vec![b'\n'] } else { Vec::new() };
        text.extend_from_slice(entry.to_line().as_bytes());
        text
    }
}

impl LeftOut {
    /// One sentence for each kind of line that was left out.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let lines = |n: u64| if n == 1 { "1 line".to_owned() } else { format!("{n} lines") };
        if let Some((number, why)) = &self.first_unreadable {
            let lines = lines(self.unreadable);
            sentences.push(format!("{lines} could not be read; the first is {number}: {why}"));
        }
        if let Some(format) = self.newest_format {
            sentences.push(format!(
                "{} in a format up to {format}, newer than the {FORMAT} that this program reads: \
                 update it",
                lines(self.newer)
            ));
        }
        if self.oldest > 0 {
            let lines = lines(self.oldest);
            sentences.push(format!("{lines}, the oldest, beyond the {LINES} that are looked at"));
        }
        sentences
    }
}

enum Fault {
    Newer(u32),
    Unreadable(String),
}

fn parse(line: &[u8]) -> Result<Entry, Fault> {
    #[derive(Deserialize)]
    struct Header {
        format: u32,
    }
    let unreadable = |e: serde_json::Error| Fault::Unreadable(e.to_string());
    let Header { format } = serde_json::from_slice(line).map_err(unreadable)?;
    if format > FORMAT {
        return Err(Fault::Newer(format));
    }
    serde_json::from_slice(line).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bench, Machine, Run};

    fn entry(commit: &str) -> Entry {
        let mut run = Run::new(Machine::default());
        run.commit = Some(commit.to_owned());
        run.benches.push(Bench::new("a", vec![1.0]));
        Entry::of(&run).unwrap()
    }

    fn commits(history: &History) -> Vec<&str> {
        history.entries.iter().map(|entry| entry.commit.as_str()).collect()
    }

    #[test]
    fn what_is_appended_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        for commit in ["one", "two", "three"] {
            History::append(&file, &entry(commit)).unwrap();
        }
        let history = History::load(&file).unwrap();
        assert_eq!(commits(&history), ["one", "two", "three"]);
        assert_eq!(history.left_out, LeftOut::default());
        assert!(history.left_out.sentences().is_empty());
    }

    #[test]
    fn half_a_last_line_spoils_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        History::append(&file, &entry("one")).unwrap();
        let line = entry("lost").to_line();
        let mut crashed = OpenOptions::new().append(true).open(&file).unwrap();
        crashed.write_all(&line.as_bytes()[..line.len() / 2]).unwrap();
        let history = History::load(&file).unwrap();
        assert_eq!((commits(&history), history.left_out.unreadable), (vec!["one"], 1));

        History::append(&file, &entry("two")).unwrap();
        let history = History::load(&file).unwrap();
        assert_eq!(commits(&history), ["one", "two"]);
        let sentences = history.left_out.sentences();
        assert!(sentences[0].starts_with("1 line could not be read; the first is 2:"));
    }

    #[test]
    fn lines_that_are_none_are_counted() {
        let mut text = b"not json\n\n \n{\"format\": 1}\n\xff\xfe\n[1]\n".to_vec();
        text.extend(entry("one").to_line().bytes());
        text.extend(b"{\"format\": 7, \"what\": \"the future\"}\n");
        let history = History::read(text.as_slice()).unwrap();
        assert_eq!(commits(&history), ["one"]);
        assert_eq!((history.left_out.unreadable, history.left_out.newer), (4, 1));
        let sentences = history.left_out.sentences().join("; ");
        assert!(sentences.contains("format up to 7, newer than the 1"), "{sentences}");
    }

    #[test]
    fn only_the_newest_lines_are_kept() {
        let mut text = String::new();
        for commit in 0..LINES + 5 {
            text += &entry(&commit.to_string()).to_line();
        }
        let history = History::read(text.as_bytes()).unwrap();
        assert_eq!((history.entries.len(), history.left_out.oldest), (LINES, 5));
        assert_eq!(history.entries[0].commit, "5");
        assert!(history.left_out.sentences()[0].starts_with("5 lines, the oldest"));
    }

    #[test]
    fn a_line_without_end_is_skipped() {
        let mut text = vec![b' '; LINE as usize * 2 + 10];
        text.push(b'\n');
        text.extend(entry("one").to_line().bytes());
        let history = History::read(text.as_slice()).unwrap();
        assert_eq!((commits(&history), history.left_out.unreadable), (vec!["one"], 1));
        let sentences = history.left_out.sentences();
        assert!(sentences[0].ends_with("the first is 1: longer than 4 MiB"), "{sentences:?}");
    }

    #[test]
    fn nothing_is_an_empty_history() {
        assert_eq!(History::read(&b""[..]).unwrap(), History::default());
        assert!(History::load(Path::new("no/such/file")).is_err());
    }
}
