//! What the crate does, seen from outside.

mod export;
mod history;
mod model;
mod recorder;

/// Few cases and a fixed seed, so that a run takes a second and repeats.
fn test_cases() -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, RngSeed};
    let rng_seed = RngSeed::Fixed(20_261_121);
    Config { cases: 128, rng_seed, failure_persistence: None, ..Config::default() }
}
