//! A program of benches: what a project writes to have its own functions compared and counted.
//!
//! ```sh
//! cargo run --release -p perf-bench --example own_subjects -- list
//! cargo run --release -p perf-bench --example own_subjects -- run sort/falling
//! ```

use perf_bench::{CountingAllocator, Subject, Subjects, repeat};
use std::collections::BTreeMap;
use std::process::ExitCode;

// Without it, allocations are left out.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

fn main() -> ExitCode {
    Subjects::new()
        .bench("sort/falling", "sorts 100 numbers in falling order, version 1", || {
            let falling: Vec<u64> = (0..100).rev().collect();
            move |iterations| {
                repeat(iterations, || {
                    let mut numbers = falling.clone();
                    numbers.sort_unstable();
                    numbers[0] + numbers[99]
                })
            }
        })
        // An ordered map: the keys of a `HashMap` lie elsewhere in every process, and so do its
        // instructions, unless it is given a hasher with a fixed seed.
        .bench("map/build", "puts 20 texts into an ordered map, version 1", || {
            |iterations| {
                repeat(iterations, || {
                    let texts = (0..20_u64).map(|n| ((n * 7 % 20).to_string(), n));
                    texts.collect::<BTreeMap<String, u64>>().len() as u64
                })
            }
        })
        .subject(
            Subject::new("thread/spawn", "starts a thread and waits for it, version 1", || {
                |iterations| {
                    repeat(iterations, || {
                        std::thread::spawn(|| 7).join().expect("the thread only answers")
                    })
                }
            })
            .multi_threaded(),
        )
        .main()
}
