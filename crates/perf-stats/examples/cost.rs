//! What the methods cost here: `cargo run --release -p perf-stats --example cost`.
#![expect(clippy::print_stdout, reason = "the example is there to print")]

use perf_stats::{
    Confidence, EDivisive, bootstrap_quantile_ratio, hodges_lehmann, hodges_lehmann_ratio_unpaired,
    mann_whitney, welch_log_ratio, wilcoxon_signed_rank,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn main() {
    let p99 = Confidence::P99;
    let (base, head) = (noise(100, 1), noise(100, 2));
    let many = noise(100_000, 3);
    let commits: Vec<f64> =
        noise(4_800, 4).iter().enumerate().map(|(i, v)| v * (1.0 + (i / 400) as f64)).collect();

    say("hodges_lehmann, 30", || hodges_lehmann(&base[..30], p99));
    say("hodges_lehmann, 100 000", || hodges_lehmann(&many, p99));
    say("hodges_lehmann_ratio_unpaired, 30 + 30", || {
        hodges_lehmann_ratio_unpaired(&base[..30], &head[..30], p99)
    });
    say("hodges_lehmann_ratio_unpaired, 50 + 50", || {
        hodges_lehmann_ratio_unpaired(&base[..50], &head[..50], p99)
    });
    say("wilcoxon_signed_rank, 60", || wilcoxon_signed_rank(&base[..60]));
    say("mann_whitney, 50 + 50", || mann_whitney(&base[..50], &head[..50]));
    say("welch_log_ratio, 100 + 100", || welch_log_ratio(&base, &head, p99));
    say("bootstrap_quantile_ratio, 100 + 100, 10 000 resamples", || {
        bootstrap_quantile_ratio(&base, &head, 0.5, p99, 10_000, 1)
    });
    say("change points, 4 800", || EDivisive::default().change_points(&commits));
    let eager = EDivisive { p: 0.2, ..EDivisive::default() };
    say("change points, 4 800, p 0.2", || eager.change_points(&commits));
}

/// Values around 100, with a tenth of that as noise.
fn noise(count: u64, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count).map(|_| 95.0 + 10.0 * (next() + next() + next()) / 3.0).collect()
}

fn say<T>(what: &str, method: impl Fn() -> T) {
    // The least of some runs: what it costs where nothing else interferes.
    let run = |_| {
        let start = Instant::now();
        black_box(method());
        start.elapsed()
    };
    let least = (0..20).map(run).min().unwrap_or(Duration::ZERO);
    println!("{what:<55} {least:>10.1?}");
}
