//! Each guard against a naive model, over random schedules.

mod backoff;
mod breaker;
mod budget;
mod rate;

use proptest::test_runner::{Config, RngSeed};

/// Few cases and a fixed seed, so that a run takes a second and repeats.
fn cases() -> Config {
    Config {
        cases: 128,
        rng_seed: RngSeed::Fixed(20_261_121),
        failure_persistence: None,
        ..Config::default()
    }
}
