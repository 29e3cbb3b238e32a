//! The benches give the same answer in every set-up.

use perfkit_benches::core_benches;
use std::collections::HashSet;

#[test]
fn every_bench_answers_the_same_from_a_fresh_set_up() {
    for bench in core_benches() {
        let iterations = bench.answer_iterations;
        let answers = [(); 2].map(|()| bench.set_up()(iterations));
        assert_eq!(answers[0], answers[1], "{}", bench.name);
    }
}

#[test]
fn names_are_unique_and_carry_their_crate() {
    let benches = core_benches();
    let names: HashSet<&str> = benches.iter().map(|bench| bench.name).collect();
    assert_eq!(names.len(), benches.len());
    assert!(names.iter().all(|name| name.split('/').count() == 2), "{names:?}");
    assert!(benches.iter().all(|bench| bench.work.contains(", v")), "work names its version");
}
