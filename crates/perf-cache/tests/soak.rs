//! Steady overwrites that reuse keys: no bound is passed, and the process takes no more memory in
//! the end than in the beginning.
//!
//! A program of its own, as it looks at the memory of the whole process, and one test, so that
//! nothing else runs beside it. Its length is a number of rounds of as many writes each:
//! `PERFKIT_SOAK_ROUNDS`, or rounds until `PERFKIT_SOAK_SECONDS` have passed
//! (`cargo xtask bench soak`); a few without either.

#![expect(clippy::unwrap_used, reason = "tests; clippy exempts only functions marked so")]
#![expect(clippy::print_stdout, reason = "the figures are what the bench is for")]

use perf_cache::{Cache, PlainCache};
use perf_core::ByteSize;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const THREADS: u64 = 4;
/// Of each thread in a round.
const WRITES: u64 = 25_000;
const ROUNDS: u64 = 5;
/// Rounds before memory is expected to be flat: tables and the pools of the allocator fill up.
const WARM: u64 = 3;
const BOUND: u64 = 16 << 20;
/// Twice as many keys as there is room for.
const KEYS: u64 = 16_000;
const PLAIN_BOUND: u64 = 50_000;

/// Fragmentation, and what waits to be freed while whoever frees it is not given a processor, move
/// within this, a quarter of the bound.
const MARGIN: u64 = BOUND / 4;
/// glibc gives threads pools of their own, which go on fragmenting for long, whoever fills them.
/// With one pool, what grows is ours.
const POOLS: (&str, &str) = ("MALLOC_ARENA_MAX", "1");

struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % below
    }
}

/// How long it goes on.
enum Length {
    Rounds(u64),
    Until(Instant),
}

impl Length {
    /// `share`: of the seconds, from now on.
    fn of_this_run(share: f64) -> Length {
        let set = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
        match set("PERFKIT_SOAK_SECONDS") {
            Some(seconds) => {
                Length::Until(Instant::now() + Duration::from_secs(seconds).mul_f64(share))
            }
            None => Length::Rounds(set("PERFKIT_SOAK_ROUNDS").unwrap_or(ROUNDS)),
        }
    }

    fn goes_on(&self, rounds: u64) -> bool {
        match self {
            Length::Rounds(most) => rounds < (*most).max(WARM + 1),
            Length::Until(end) => rounds <= WARM || Instant::now() < *end,
        }
    }
}

/// Bytes of memory that the process holds, where the system tells.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let sizes = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let page = sizes.lines().find_map(|line| line.strip_prefix("KernelPageSize:"))?;
    let kib: u64 = page.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(pages * kib * 1_024)
}

/// Runs rounds of `write(thread, number)` on several threads, with `look` beside them all the time
/// and `check` between them, and holds memory against what it was after the first few.
fn soak(
    what: &str,
    length: &Length,
    write: impl Fn(u64, &mut Numbers) + Sync,
    look: impl Fn() + Sync,
    check: impl Fn(),
) {
    let mut rounds = 0;
    let (mut first, mut most) = (None, None);
    while length.goes_on(rounds) {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    look();
                    std::thread::yield_now();
                }
            });
            let writers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let write = &write;
                    scope.spawn(move || {
                        let mut numbers = Numbers(rounds * THREADS + thread);
                        (0..WRITES).for_each(|_| write(thread, &mut numbers));
                    })
                })
                .collect();
            let ends: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
            over.store(true, Ordering::Relaxed);
            looking.join().unwrap();
            ends.into_iter().for_each(|end| end.unwrap());
        });
        check();
        rounds += 1;
        let now = resident();
        if rounds <= WARM {
            first = first.max(now);
        } else {
            most = most.max(now);
        }
    }
    let mib = |bytes: Option<u64>| bytes.unwrap_or(0) as f64 / f64::from(1 << 20);
    println!(
        "{what}: {} writes, resident {:.1} MiB after {WARM} rounds, {:.1} MiB at most in {} more",
        rounds * THREADS * WRITES,
        mib(first),
        mib(most),
        rounds - WARM,
    );
    assert!(first.is_some() || !cfg!(target_os = "linux"), "how much memory is in use?");
    if let (Some(first), Some(most)) = (first, most) {
        assert!(most <= first + MARGIN, "{what}: memory grew from {first} to {most} bytes");
    }
}

fn weighed(share: f64) {
    let cache: Cache<u64, Vec<u8>> = Cache::builder()
        .max_bytes(ByteSize::from_bytes(BOUND))
        .weigher(|_, value: &Vec<u8>| value.len() as u64)
        .build()
        .unwrap();
    let within = || {
        let held = cache.memory_usage().as_u64();
        assert!(held <= BOUND, "{held} bytes where {BOUND} may be");
    };
    let write = |_, numbers: &mut Numbers| {
        let key = numbers.next(KEYS);
        let length = 8 + numbers.next(4_096) as usize;
        cache.insert(key, vec![key as u8; length]);
        within();
        if numbers.next(16) == 0 {
            cache.remove(&numbers.next(KEYS));
        }
        if let Some(value) = cache.get(&numbers.next(KEYS)) {
            assert!(value.iter().all(|&byte| byte == value[0]));
        }
    };
    // Counted anew, whatever the cache counts.
    let check = || {
        let sizes = (0..KEYS).filter_map(|key| cache.peek(&key)).map(|value| value.len() as u64);
        let (entries, bytes) =
            sizes.fold((0, 0), |(entries, bytes), size| (entries + 1, bytes + size));
        assert_eq!((cache.len(), cache.memory_usage().as_u64()), (entries, bytes));
        assert!(bytes <= BOUND && bytes > BOUND / 10 * 9, "{bytes}");
    };
    soak("Cache", &Length::of_this_run(share), write, within, check);
}

fn plain(share: f64) {
    let cache: PlainCache<u64, u64> =
        PlainCache::builder().max_entries(PLAIN_BOUND).build().unwrap();
    let within = || {
        let held = cache.len() as u64;
        assert!(held <= PLAIN_BOUND, "{held} entries where {PLAIN_BOUND} may be");
    };
    let write = |_, numbers: &mut Numbers| {
        let key = numbers.next(2 * PLAIN_BOUND);
        cache.insert(key, key << 32 | numbers.next(1 << 20));
        within();
        if numbers.next(16) == 0 {
            cache.remove(&numbers.next(2 * PLAIN_BOUND));
        }
        let key = numbers.next(2 * PLAIN_BOUND);
        assert!(cache.get(&key).is_none_or(|value| value >> 32 == key));
    };
    let check = || {
        let entries = (0..2 * PLAIN_BOUND).filter(|key| cache.contains(key)).count();
        assert_eq!(cache.len(), entries);
    };
    soak("PlainCache", &Length::of_this_run(share), write, within, check);
}

#[test]
fn overwrites_that_reuse_keys_pass_no_bound_and_leave_memory_flat() {
    if std::env::var_os(POOLS.0).is_none() {
        // It is read when a process starts.
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.env(POOLS.0, POOLS.1);
        let run = again.arg("--nocapture").output().unwrap();
        let said = [run.stdout, run.stderr].concat();
        println!("{}", String::from_utf8_lossy(&said));
        assert!(run.status.success());
        return;
    }
    // This first: what the other frees the allocator keeps, which would hide growth.
    plain(0.5);
    weighed(0.5);
}
