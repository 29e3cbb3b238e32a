//! A cache that loads ahead: what that spares callers, and what a hit pays for it.
//!
//! `cargo run --release -p perf-cache --example prefetch`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use perf_cache::learning::Prefetching;
use perf_cache::{Cache, Terms};
use std::convert::Infallible;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;
/// Which key the n'th request is for, a number by chance being given.
type Key = fn(u64, u64) -> u64;

fn main() -> Result<(), Error> {
    readers()?;
    hits()
}

/// Readers take articles at random, and each article page after page. The origin takes 2 ms for a
/// page, a reader 3 ms to go on.
fn readers() -> Result<(), Error> {
    println!(
        "{:14} {:>6} {:>6} {:>12} {:>4} {:>9}",
        "", "pages", "missed", "loaded ahead", "used", "mean wait"
    );
    for on in [false, true] {
        let cache = Cache::builder().max_entries(100).build()?;
        let pages = Prefetching::builder(cache).load(|page: &(u64, u64)| {
            thread::sleep(Duration::from_millis(2));
            Ok::<_, Infallible>((format!("page {} of article {}", page.1, page.0), Terms::new()))
        })?;
        pages.set_enabled(on);
        let (mut waited, mut read, mut draw) = (Duration::ZERO, 0_u32, 7_u64);
        for _ in 0..300 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let article = (draw >> 33) % 40;
            for page in 0..6 {
                let start = Instant::now();
                black_box(pages.get(&(article, page))?);
                waited += start.elapsed();
                read += 1;
                thread::sleep(Duration::from_millis(3));
            }
        }
        let (misses, ahead) = (pages.cache().stats().misses, pages.prefetch_stats());
        println!(
            "{:14} {read:6} {misses:6} {:12} {:4} {:6.2} ms",
            if on { "ahead" } else { "when asked for" },
            ahead.named,
            ahead.used,
            waited.as_secs_f64() * 1e3 / f64::from(read),
        );
    }
    Ok(())
}

/// One thread, everything held. By turns, so that all see the same machine.
fn hits() -> Result<(), Error> {
    const KEYS: u64 = 10_000;
    let cache = Cache::builder().max_entries(20_000).build()?;
    let numbers = Prefetching::builder(cache)
        .load(|key: &u64| Ok::<_, Infallible>((2 * key, Terms::new())))?;
    for key in 0..KEYS {
        numbers.get(&key)?;
    }
    let ways: [(&str, bool, Key); 4] = [
        ("off, by chance", false, |_, draw| draw),
        ("on, by chance", true, |_, draw| draw),
        ("off, in sequence", false, |n, _| n),
        ("on, in sequence", true, |n, _| n),
    ];
    let mut spans = [const { Vec::new() }; 4];
    let mut state = 1_u64;
    for _ in 0..15 {
        for ((_, on, key), spans) in ways.iter().zip(&mut spans) {
            numbers.set_enabled(*on);
            let start = Instant::now();
            for n in 0..200_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                black_box(numbers.get(&(key(n, state >> 33) % KEYS))?);
            }
            spans.push(start.elapsed().as_secs_f64() * 1e9 / 2e5);
        }
    }
    println!("\na hit, median of 15 rounds       ns");
    for ((name, ..), spans) in ways.iter().zip(&mut spans) {
        spans.sort_unstable_by(f64::total_cmp);
        println!("{name:28} {:6.1}", spans[7]);
    }
    Ok(())
}
