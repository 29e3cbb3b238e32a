//! What the scheduler itself costs, without a runtime, and that it stays as large as it is.
//!
//! Run: `cargo run --release -p perf-async --example scheduler`
//!
//! Each figure is the best of several rounds, in nanoseconds per operation. The floor is what a
//! list of places must do that has no order at all: take the future out, drop it, and note that the
//! place is free.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use perf_async::{Ended, Next, OperationId, Scheduler, SchedulerConfig, Submission};
use perf_core::{Instant as Moment, Priority};
use std::hint::black_box;
use std::time::Instant;

/// Stands for an operation's future.
type Future = Box<[u64; 8]>;

fn main() {
    for waiting in [0, 10_000] {
        let each = best(20, || cycle(waiting, 200_000));
        println!("submit + start + finish, {waiting:>6} waiting    {each:>8.1} ns");
    }
    for waiting in [1_000, 100_000, 1_000_000] {
        let rounds = 6_000_000 / waiting.max(300_000);
        let floor = best(rounds, || floor(waiting));
        let cancel = best(rounds, || cancel(waiting));
        let ratio = cancel / floor;
        println!(
            "cancel at random, {waiting:>7} waiting          {cancel:>8.1} ns, floor {floor:.1}, {ratio:.2} x"
        );
    }
    for waiting in [1_000, 100_000, 1_000_000] {
        let each = best(6_000_000 / waiting.max(300_000), || set_priority(waiting));
        println!("set_priority at random, {waiting:>7} waiting    {each:>8.1} ns");
    }
    let before = resident();
    let (scheduler, ids) = full(1_000_000);
    let bytes = (resident() - before) as f64 / ids.len() as f64 - (64 + 16) as f64;
    println!(
        "memory for each of {:>7} waiting       {bytes:>12.0} B beside its future",
        scheduler.pending()
    );
    drop((scheduler, ids));
    flat();
}

fn config(places: usize) -> SchedulerConfig {
    let mut config = SchedulerConfig::default();
    config.max_concurrent = places;
    config.queue_limit = 1_000_000;
    config
}

fn future() -> Future {
    Box::new([0; 8])
}

/// One operation in, one out, while so many wait.
fn cycle(waiting: usize, operations: u64) -> f64 {
    let mut scheduler = Scheduler::new(config(1));
    let kind = scheduler.kind("any");
    for n in 0..waiting as u64 {
        _ = scheduler.submit(Submission::new(kind), n, Moment::from_nanos(n));
    }
    let start = Instant::now();
    for n in 0..operations {
        let now = Moment::from_nanos(n * 500);
        _ = black_box(scheduler.submit(Submission::new(kind), n, now));
        if let Some(Next::Start { id, .. }) = scheduler.next(now) {
            black_box(scheduler.finish(id, Ended::Completed, now));
        }
    }
    let each = start.elapsed().as_nanos() as f64 / operations as f64;
    assert_eq!(scheduler.totals().completed, operations);
    each
}

fn full(waiting: usize) -> (Scheduler<Future>, Vec<OperationId>) {
    let mut scheduler = Scheduler::new(config(0));
    let kind = scheduler.kind("any");
    let submit = |n: usize| {
        let priority = Priority::new(1 + (n % 10) as u8).unwrap_or_default();
        let submission = Submission::new(kind).priority(priority);
        scheduler.submit(submission, future(), Moment::from_nanos(n as u64)).ok()
    };
    let ids: Vec<_> = (0..waiting).filter_map(submit).collect();
    assert_eq!(ids.len(), waiting);
    (scheduler, ids)
}

fn cancel(waiting: usize) -> f64 {
    let (mut scheduler, mut ids) = full(waiting);
    shuffle(&mut ids);
    let start = Instant::now();
    for id in &ids {
        black_box(scheduler.cancel(*id, Moment::from_nanos(0)));
    }
    let each = start.elapsed().as_nanos() as f64 / waiting as f64;
    assert_eq!(scheduler.totals().cancelled, waiting as u64);
    each
}

fn set_priority(waiting: usize) -> f64 {
    let (mut scheduler, mut ids) = full(waiting);
    shuffle(&mut ids);
    let start = Instant::now();
    for (n, id) in ids.iter().enumerate() {
        let priority = Priority::new(1 + (n % 9) as u8).unwrap_or_default();
        black_box(scheduler.set_priority(*id, priority));
    }
    start.elapsed().as_nanos() as f64 / waiting as f64
}

fn floor(waiting: usize) -> f64 {
    let mut places: Vec<Option<Future>> = (0..waiting).map(|_| Some(future())).collect();
    let mut order: Vec<usize> = (0..waiting).collect();
    shuffle(&mut order);
    let mut free = Vec::with_capacity(waiting);
    let start = Instant::now();
    for place in &order {
        black_box(places[*place].take());
        free.push(*place);
    }
    let each = start.elapsed().as_nanos() as f64 / waiting as f64;
    assert_eq!(free.len(), waiting);
    each
}

/// Ten million operations that come, are moved, cancelled, run, suspended and end, with a thousand
/// at a time: what they need when a million have been through is what they need in the end.
fn flat() {
    let mut scheduler = Scheduler::new(config(16));
    let kinds = ["a", "b", "c"].map(|name| scheduler.kind(name));
    let (mut live, mut random, mut at_first) = (Vec::new(), 1_u64, 0);
    let start = Instant::now();
    for n in 0..TEN_MILLION {
        let now = Moment::from_nanos(n * 1_000);
        random = next_random(random);
        let priority = Priority::new(1 + (random >> 20) as u8 % 10).unwrap_or_default();
        let submission = Submission::new(kinds[n as usize % 3]).priority(priority);
        if let Ok(id) = scheduler.submit(submission, future(), now) {
            live.push(id);
        }
        if random.is_multiple_of(5) {
            let which = live[(random >> 30) as usize % live.len()];
            scheduler.set_priority(which, Priority::HIGHEST);
        }
        while let Some(next) = scheduler.next(now) {
            let Next::Start { id, payload, .. } = next else { continue };
            scheduler.set_payload(id, payload);
        }
        while live.len() > 1_000 {
            random = next_random(random);
            let id = live.swap_remove((random >> 30) as usize % live.len());
            scheduler.cancel(id, now);
            scheduler.finish(id, Ended::Cancelled, now);
        }
        if n == TEN_MILLION / 10 {
            at_first = resident();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let grown = resident() as f64 - at_first as f64;
    println!(
        "ten million operations in {seconds:.1} s; the last nine took {:.2} MB more",
        grown / 1e6
    );
    assert!(grown < 2e6, "memory grew by {grown} bytes");
}

/// The program's resident memory in bytes, zero where the system does not say.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

fn best(rounds: usize, mut measure: impl FnMut() -> f64) -> f64 {
    (0..rounds).map(|_| measure()).fold(f64::INFINITY, f64::min)
}

fn shuffle<T>(of: &mut [T]) {
    let mut random = 7;
    for i in (1..of.len()).rev() {
        random = next_random(random);
        of.swap(i, (random >> 33) as usize % (i + 1));
    }
}

/// Knuth's MMIX generator; the high bits are good enough.
fn next_random(random: u64) -> u64 {
    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

const TEN_MILLION: u64 = 10_000_000;
