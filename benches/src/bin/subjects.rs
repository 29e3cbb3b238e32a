//! The benches of perfkit's core functions, behind the protocol of `perf_bench::Subjects`.

use perf_bench::{CountingAllocator, Subject, Subjects};
use perfkit_benches::core_benches;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator::system();

fn main() -> ExitCode {
    let mut subjects = Subjects::new();
    for bench in core_benches() {
        let (name, work, iterations) = (bench.name, bench.work, bench.answer_iterations);
        let subject = Subject::new(name, work, move || bench.set_up());
        subjects = subjects.subject(subject.answer_iterations(iterations));
    }
    subjects.main()
}
