//! Drives tests, checks, benchmarks and releases.
fn main() {}
