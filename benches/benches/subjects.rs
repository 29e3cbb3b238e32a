//! The core functions under criterion. `cargo xtask bench run` starts it and reads the samples.

use criterion::Criterion;
use perfkit_benches::core_benches;
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for bench in core_benches() {
        criterion.bench_function(bench.name, |bencher| {
            let mut body = bench.set_up();
            bencher.iter_custom(|iterations| {
                let start = Instant::now();
                black_box(body(black_box(iterations)));
                start.elapsed()
            });
        });
    }
    criterion.final_summary();
}
