//! Children that write and are killed, at moments that nobody chose.
//!
//! The child is the test's own program, told by a variable of its environment to be one. It says in
//! a journal what it is about to do and what has returned; what it had said when it was killed is
//! what the store is held to.

use super::behaviour::{Open, opened};
use super::random::{Random, value_of, version_of};
use super::{Opened, Scratch, Setup};
use crate::disk::{DiskStore, PutTerms};
use perf_core::ByteSize;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

/// What came of all rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crash {
    /// Children that were killed.
    pub rounds: u64,
    /// What their stores said to have found again, summed.
    pub recovered: u64,
    /// What they said to have missed.
    pub dropped: u64,
    /// Steps whose call had returned.
    pub steps: u64,
    /// Values that were found, over all rounds.
    pub found: u64,
}

/// Kills a writing process and opens what it left: 20 times, or as often as
/// `PERF_CACHE_CRASH_ROUNDS` says. `test` is the full name of the test that calls this, so that the
/// child can be told to run it: `disk::crash`.
///
/// # Panics
///
/// If the store does not open, serves what was removed before, what is damaged, or what was never
/// put, or has lost what was pinned.
pub fn crash(test: &str, open: impl Fn(&Path, &Setup) -> Opened) -> Crash {
    if let Some(dir) = env::var_os(CHILD) {
        be_killed(&open, Path::new(&dir));
    }
    let rounds = env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20);
    let scratch = Scratch::new("crash");
    let (store, journal) = paths(scratch.path());
    fs::create_dir_all(&store).expect("a directory can be made");
    let mut random = Random::new(1);
    let mut known = Known::default();
    let mut outcome = Crash::default();
    for round in 0..rounds {
        drop(fs::remove_file(&journal));
        kill_one(test, scratch.path(), &journal, round, 20 + random.below(60_000));
        known.read(&fs::read(&journal).expect("the child kept a journal"));
        let store = opened(&open, &store, &setup());
        let report = store.open_report();
        assert!(!report.clean_shutdown, "round {round}: it was killed: {report:?}");
        outcome.found += known.check(&*store, round);
        let usage = store.usage();
        assert_eq!(usage.corrupt, 0, "round {round}: the system kept what it was handed");
        outcome.rounds += 1;
        outcome.recovered += report.recovered;
        outcome.dropped += report.dropped;
        store.close().expect("it closes");
    }
    outcome.steps = known.steps;
    outcome
}

/// One of the steps that a child takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Put,
    Pin,
    Remove,
}

/// What may be found under a key.
#[derive(Clone, Debug, Default)]
struct Allowed {
    versions: Vec<u64>,
    /// Whether it may be missing.
    missing: bool,
}

#[derive(Debug, Default)]
struct Known {
    keys: BTreeMap<u64, Allowed>,
    steps: u64,
}

impl Known {
    fn read(&mut self, journal: &[u8]) {
        let (lines, _) = journal.as_chunks::<LINE>();
        for [what, rest @ ..] in lines {
            let (key, version) = rest.split_at(8);
            let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
            let (key, version) = (number(key), number(version));
            let step = match what & 3 {
                0 => Step::Put,
                1 => Step::Pin,
                _ => Step::Remove,
            };
            let returned = what & RETURNED != 0;
            self.steps += u64::from(returned);
            let allowed =
                self.keys.entry(key).or_insert(Allowed { versions: Vec::new(), missing: true });
            match (step, returned) {
                // May have come about or not from the moment it was begun.
                (Step::Put | Step::Pin, false) => allowed.versions.push(version),
                // May be lost, or evicted.
                (Step::Put, true) => allowed.missing = true,
                (Step::Pin, true) => *allowed = Allowed { versions: vec![version], missing: false },
                (Step::Remove, false) => allowed.missing = true,
                (Step::Remove, true) => {
                    *allowed = Allowed { versions: Vec::new(), missing: true };
                }
            }
        }
    }

    /// Holds the store to it. What is found is what may be found in the next round.
    fn check(&mut self, store: &dyn DiskStore, round: u64) -> u64 {
        let mut count = 0;
        for (key, allowed) in &mut self.keys {
            let mut value = Vec::new();
            let found = store.get(&key.to_le_bytes(), &mut value).expect("a get works");
            if found.is_none() {
                assert!(allowed.missing, "round {round}: {key} is lost, of {allowed:?}");
                allowed.versions.clear();
                continue;
            }
            count += 1;
            let version = version_of(&value).filter(|(of, _)| of == key);
            let (_, version) = version.expect("a value is whole and its key's");
            assert!(
                allowed.versions.contains(&version),
                "round {round}: {key} has version {version}, of {allowed:?}"
            );
            allowed.versions = vec![version];
        }
        count
    }
}

/// Starts a child, and kills it when its journal is that long.
fn kill_one(test: &str, dir: &Path, journal: &Path, round: u64, length: u64) {
    let program = env::current_exe().expect("a test knows its program");
    let mut child = Command::new(program)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir)
        .env(SEED, round.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child can be started");
    let began = Instant::now();
    while fs::metadata(journal).map_or(0, |data| data.len()) < length {
        if let Ok(Some(status)) = child.try_wait() {
            panic!("round {round}: the child ended by itself: {status}: {}", errors_of(child));
        }
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "round {round}: the child stands still"
        );
        thread::sleep(Duration::from_micros(200));
    }
    child.kill().expect("a child can be killed");
    child.wait().expect("a child that was killed ends");
}

fn errors_of(mut child: Child) -> String {
    let mut text = String::new();
    if let Some(errors) = &mut child.stderr {
        // What cannot be read is not told.
        drop(std::io::Read::read_to_string(errors, &mut text));
    }
    text
}

/// Two threads, each with keys of its own, so that the journal tells the order for each key.
fn be_killed(open: Open<'_>, dir: &Path) -> ! {
    let (store, journal) = paths(dir);
    let seed = env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let store = opened(open, &store, &setup());
    thread::scope(|scope| {
        for half in 0..2 {
            let journal = OpenOptions::new().create(true).append(true).open(&journal);
            let journal = journal.expect("a journal can be written");
            let store = &*store;
            scope.spawn(move || write(store, journal, seed, half));
        }
    });
    unreachable!("the writers go on until they are killed")
}

fn write(store: &dyn DiskStore, mut journal: File, seed: u64, half: u64) -> ! {
    let mut random = Random::new(seed << 1 | half);
    loop {
        let key = random.below(400) * 2 + half;
        let version = random.number() >> 1;
        let bytes = key.to_le_bytes();
        let step = match random.below(40) {
            // Keys below that are never pinned, those above never plain, so that none that is
            // pinned is evicted for the next being plain.
            0..6 => Step::Remove,
            _ if key < 40 => Step::Pin,
            _ => Step::Put,
        };
        let mut line = [0; LINE];
        line[0] = step as u8;
        line[1..9].copy_from_slice(&bytes);
        line[9..].copy_from_slice(&version.to_le_bytes());
        journal.write_all(&line).expect("a journal can be written");
        let value = value_of(key, version, random.below(3_000) as usize);
        let returned = match step {
            Step::Put => store.put(&bytes, &value, PutTerms::default()).map(drop_put),
            Step::Pin => store.put(&bytes, &value[..16], PutTerms::pinned()).map(drop_put),
            Step::Remove => store.remove(&bytes).map(|_| ()),
        };
        returned.expect("a call works");
        line[0] |= RETURNED;
        journal.write_all(&line).expect("a journal can be written");
    }
}

fn drop_put(put: crate::disk::Put) {
    assert_eq!(put, crate::disk::Put::Stored, "a writer that waits is not refused");
}

fn setup() -> Setup {
    Setup::new(ByteSize::mib(4))
}

/// The store's directory and the journal's path.
fn paths(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join("store"), dir.join("journal"))
}

const CHILD: &str = "PERF_CACHE_CRASH_CHILD";
const SEED: &str = "PERF_CACHE_CRASH_SEED";
const ROUNDS: &str = "PERF_CACHE_CRASH_ROUNDS";
/// Bytes of a line of the journal: what, key and version.
const LINE: usize = 17;
const RETURNED: u8 = 4;
