//! Where results go, and what is not run again.

use super::{Kept, passes, queue};
use perf_async::test_queue::{TestAttempt, TestCase, TestReport, Verdict};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

async fn run(kept: &Kept, force: bool, cases: Vec<TestCase>) -> TestReport {
    queue(1).batch(4).force(force).build().unwrap().start(cases, kept.clone()).finish().await
}

#[tokio::test(start_paused = true)]
async fn results_are_stored_in_batches_and_each_once() {
    let kept = Kept::default();
    let report = run(&kept, false, (0..10).map(|n| passes(&n.to_string())).collect()).await;
    assert_eq!(kept.sizes().iter().sum::<usize>(), 10);
    assert!(kept.sizes().iter().all(|size| *size <= 4), "{:?}", kept.sizes());
    assert_eq!((report.stored, &report.sink_error), (10, &None));
    let batches = kept.batches.lock().unwrap();
    let ids: BTreeSet<&str> = batches.iter().flatten().map(|r| r.execution_id.as_str()).collect();
    assert_eq!(ids.len(), 10);
    assert!(ids.iter().all(|id| id.starts_with(&report.run_id)));
}

#[tokio::test(start_paused = true)]
async fn a_case_that_has_not_changed_is_skipped_unless_forced() {
    let kept = Kept::default();
    let folder = std::env::temp_dir().join(format!("perf-async-inputs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("input"), "one").unwrap();
    let runs = Arc::new(AtomicU32::new(0));
    let cases = || {
        let counted = Arc::clone(&runs);
        let known = TestCase::new("known", move |_: TestAttempt| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok::<(), &str>(()) }
        });
        vec![known.inputs([folder.join("input")]), passes("always")]
    };
    let (passed, unchanged) = (Verdict::Passed, Verdict::Unchanged);
    for (force, write, known, ran) in [
        (false, None, passed, 1),
        (false, None, unchanged, 1),
        (false, None, unchanged, 1),
        (true, None, passed, 2),
        (false, Some("two"), passed, 3),
        (false, None, unchanged, 3),
    ] {
        if let Some(text) = write {
            std::fs::write(folder.join("input"), text).unwrap();
        }
        let report = run(&kept, force, cases()).await;
        assert_eq!(super::verdicts(&report), [known, passed]);
        assert_eq!(runs.load(Ordering::SeqCst), ran);
        assert!(report.is_passed() && report.notices.is_empty());
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let report = run(&kept, false, cases()).await;
    assert_eq!(super::verdicts(&report), [passed, passed]);
    assert!(report.notices[0].contains("known: input"), "{:?}", report.notices);
}

#[tokio::test(start_paused = true)]
async fn what_failed_or_was_flaky_runs_again() {
    let kept = Kept::default();
    let none: [&str; 0] = [];
    let fails = || TestCase::new("fails", |_: TestAttempt| async { Err("no") }).inputs(none);
    let flaky = || {
        let passes_second = |attempt: TestAttempt| async move {
            if attempt.number() == 1 { Err("no") } else { Ok(()) }
        };
        TestCase::new("flaky", passes_second).retries(1).inputs(none)
    };
    for _ in 0..2 {
        let report = run(&kept, false, vec![fails(), flaky()]).await;
        assert_eq!(super::verdicts(&report), [Verdict::Failed, Verdict::Passed]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_breaks_costs_the_results_only_and_is_told() {
    let kept = Kept { breaks: true, ..Kept::default() };
    let report = run(&kept, false, (0..10).map(|n| passes(&n.to_string())).collect()).await;
    assert!(report.is_passed());
    assert_eq!(report.stored, 0);
    assert!(report.sink_error.unwrap().contains("the disk is full"));
}
