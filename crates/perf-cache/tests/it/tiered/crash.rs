//! Children that write, remove and invalidate, and are killed at moments that nobody chose.
//!
//! The child is this very program, told by a variable of its environment to be one. It says in a
//! journal what it begins and what has returned, in lines that the system has when it is killed.

use super::{Texts, builder};
use perf_cache::tiered::WritePolicy;
use perf_cache::{Cache, Terms};
use perf_core::{ByteSize, Glob};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, thread};

const CHILD: &str = "PERF_CACHE_TIERED_CHILD";
const ROUNDS: &str = "PERF_CACHE_CRASH_ROUNDS";
const KEYS: u64 = 64;
/// Steps of a round have numbers from that many times its own on.
const STEPS: u64 = 1_000_000;

fn open(dir: &Path, round: u64) -> Texts {
    let max_age = Duration::from_millis(5);
    let write = match round % 3 {
        0 => WritePolicy::Through,
        1 => WritePolicy::Behind { max_bytes: ByteSize::kib(256), max_age },
        _ => WritePolicy::Aside,
    };
    let memory = Cache::builder().max_entries(16).insight(false);
    builder()
        .memory(memory)
        .disk_at(dir)
        .disk_max_bytes(ByteSize::mib(64))
        .write(write)
        .build()
        .unwrap()
}

fn name(key: u64) -> String {
    format!("{}:{key}", ["a", "b", "c"][key as usize % 3])
}

fn tag(key: u64) -> String {
    format!("tag {}", key % 4)
}

/// What a step does, by its number: both sides know.
#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u64),
    Remove(u64),
    Tag(u64),
    Namespace(u64),
    Pattern(u64),
    Clear,
}

fn step(number: u64) -> Step {
    let mut random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    random ^= random >> 29;
    random = random.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    random ^= random >> 32;
    let key = random % KEYS;
    match random >> 8 & 0x3ff {
        0..800 => Step::Insert(key),
        800..950 => Step::Remove(key),
        950..980 => Step::Tag(key),
        980..1_000 => Step::Namespace(key),
        1_000..1_020 => Step::Pattern(key),
        _ => Step::Clear,
    }
}

fn pattern(key: u64) -> Glob {
    Glob::new(&format!("*{}", key % 10)).unwrap()
}

impl Step {
    fn ends(self, key: u64) -> bool {
        match self {
            Step::Insert(_) => false,
            Step::Remove(own) => own == key,
            Step::Tag(own) => tag(own) == tag(key),
            Step::Namespace(own) => own % 3 == key % 3,
            Step::Pattern(own) => pattern(own).matches(&name(key)),
            Step::Clear => true,
        }
    }
}

/// Works until it is killed.
fn be_killed(dir: &Path, round: u64) -> ! {
    let cache = open(&dir.join("store"), round);
    let mut journal = OpenOptions::new().append(true).open(dir.join("journal")).unwrap();
    let mut say = |what: &str, number: u64| {
        journal.write_all(format!("{what} {number}\n").as_bytes()).unwrap();
    };
    for number in round * STEPS.. {
        say("begins", number);
        match step(number) {
            Step::Insert(key) => {
                let value = format!("{number} {}", "x".repeat(number as usize % 2_000));
                cache.insert_with(name(key), value, Terms::new().tags([tag(key)]));
            }
            Step::Remove(key) => _ = cache.remove(&name(key)).unwrap(),
            Step::Tag(key) => _ = cache.invalidate_tag(&tag(key)).unwrap(),
            Step::Namespace(key) => {
                cache.invalidate_namespace(["a", "b", "c"][key as usize % 3]).unwrap();
            }
            Step::Pattern(key) => _ = cache.invalidate_by_pattern(&pattern(key)).unwrap(),
            Step::Clear => cache.clear().unwrap(),
        }
        say("returned", number);
        let key = number % KEYS;
        let _ = cache.get(&name(key));
    }
    unreachable!("there is always another number")
}

/// By key, the last of the steps that have returned that end it.
#[derive(Default)]
struct Ended(BTreeMap<u64, u64>);

impl Ended {
    fn read(&mut self, journal: &str) -> u64 {
        let mut steps = 0;
        for line in journal.lines() {
            let Some(number) = line.strip_prefix("returned ") else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            steps += 1;
            let ends = step(number);
            for key in (0..KEYS).filter(|key| ends.ends(*key)) {
                self.0.insert(key, number);
            }
        }
        steps
    }
}

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn nothing_that_was_invalidated_is_answered_after_a_kill() {
    if let Some(child) = env::var_os(CHILD) {
        let child = child.into_string().unwrap();
        let (round, dir) = child.split_once(' ').unwrap();
        be_killed(Path::new(dir), round.parse().unwrap());
    }
    let rounds = env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(12);
    let dir = env::temp_dir().join(format!("perf-cache-tiered-crash-{}", std::process::id()));
    let scratch = Scratch(dir);
    fs::create_dir_all(&scratch.0).unwrap();
    let mut ended = Ended::default();
    let (mut found, mut steps) = (0, 0);
    for round in 0..rounds {
        let journal = scratch.0.join("journal");
        drop(File::create(&journal).unwrap());
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "tiered::crash::nothing_that_was_invalidated_is_answered_after_a_kill",
            ])
            .env(CHILD, format!("{round} {}", scratch.0.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Somewhere after so many bytes of the journal.
        let enough = 2_000 + round * 7_919 % 40_000;
        while fs::metadata(&journal).unwrap().len() < enough {
            assert!(child.try_wait().unwrap().is_none(), "round {round}: it ended by itself");
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        steps += ended.read(&fs::read_to_string(&journal).unwrap());

        let cache = open(&scratch.0.join("store"), round);
        for key in 0..KEYS {
            let Some(value) = cache.get(&name(key)) else { continue };
            let number: u64 = value.split(' ').next().unwrap().parse().unwrap();
            let is_its_own = matches!(step(number), Step::Insert(own) if own == key);
            assert!(is_its_own, "round {round}: {number} under {key}");
            let end = ended.0.get(&key).copied().unwrap_or(0);
            assert!(number >= end, "round {round}: {key} of {number} was ended by {end}");
            found += 1;
        }
        let stats = cache.stats();
        assert_eq!(stats.tiers[0].undecodable, 0, "round {round}");
        assert!(cache.close().is_clean(), "round {round}");
    }
    assert!(found > 0 && steps > 1_000, "{found} found after {steps} steps");
    println!("{rounds} rounds, {steps} steps, {found} values found");
}
