//! Test cases by the hundred: closures on the paused clock, commands as real processes.

mod closures;
#[cfg(unix)]
mod commands;
mod results;

use perf_async::test_queue::{
    Fingerprint, ResultSink, TestAttempt, TestCase, TestQueue, TestQueueBuilder, TestReport,
    TestResult, Verdict,
};
use std::error::Error;
use std::sync::{Arc, Mutex};

/// A queue that takes nothing from the environment or the machine.
fn queue(jobs: usize) -> TestQueueBuilder {
    TestQueue::builder().jobs(jobs).max_concurrent(1_000)
}

async fn run(queue: TestQueueBuilder, cases: Vec<TestCase>) -> TestReport {
    queue.build().unwrap().start(cases, ()).finish().await
}

fn verdicts(report: &TestReport) -> Vec<Verdict> {
    report.results.iter().map(|result| result.verdict).collect()
}

fn passes(name: &str) -> TestCase {
    TestCase::new(name, |_: TestAttempt| async { Ok::<(), &str>(()) })
}

/// Keeps results in memory, batch by batch.
#[derive(Clone, Debug, Default)]
struct Kept {
    batches: Arc<Mutex<Vec<Vec<Arc<TestResult>>>>>,
    breaks: bool,
}

impl Kept {
    fn sizes(&self) -> Vec<usize> {
        self.batches.lock().unwrap().iter().map(Vec::len).collect()
    }
}

impl ResultSink for Kept {
    fn passed_before(
        &mut self,
        asked: &[Fingerprint],
    ) -> Result<Vec<bool>, Box<dyn Error + Send + Sync>> {
        let batches = self.batches.lock().unwrap();
        let last = |wanted| {
            let all = batches.iter().flatten();
            all.rev().find(|result| result.fingerprint == Some(wanted)).cloned()
        };
        let passed = |wanted: &Fingerprint| {
            last(*wanted).is_some_and(|result| result.is_passed() && !result.is_flaky())
        };
        Ok(asked.iter().map(passed).collect())
    }

    fn store(&mut self, results: &[Arc<TestResult>]) -> Result<(), Box<dyn Error + Send + Sync>> {
        assert!(!self.breaks, "the disk is full");
        self.batches.lock().unwrap().push(results.to_vec());
        Ok(())
    }
}
