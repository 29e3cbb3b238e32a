//! Cases that are closures.

use super::{passes, queue, run, verdicts};
use crate::{Alive, manager, ms, nap, settle};
use perf_async::test_queue::{TestAttempt, TestCase, TestEvent, Verdict};
use perf_async::{Manager, Operation};
use perf_core::Priority;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn hundreds_run_at_once_and_never_more_than_asked_for() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let case = |number: usize| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        TestCase::new(format!("case {number}"), move |_: TestAttempt| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                nap(ms(10)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<(), &str>(())
            }
        })
    };
    let report = run(queue(128), (0..500).map(case).collect()).await;
    assert!(report.is_passed());
    assert_eq!((report.results.len(), report.jobs), (500, 128));
    assert_eq!(most.load(Ordering::SeqCst), 128);
    let names: Vec<&str> = report.results.iter().map(|result| result.name.as_str()).collect();
    assert_eq!((names[0], names[499]), ("case 0", "case 499"));
}

#[tokio::test(start_paused = true)]
async fn a_group_has_a_limit_of_its_own() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let case = TestCase::new("alone", move |_: TestAttempt| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            nap(ms(10)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<(), &str>(())
        }
    });
    let cases = vec![case.group("database"); 12];
    let report = run(queue(100).group("database", 3), cases).await;
    assert!(report.is_passed());
    assert_eq!((seen.load(Ordering::SeqCst), report.elapsed), (3, ms(40)));
    assert!(queue(1).group("none", 0).build().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_heavy_case_takes_several_places_and_a_giant_runs_alone() {
    let (now, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let case = |weight: u32| {
        let (now, seen) = (Arc::clone(&now), Arc::clone(&seen));
        TestCase::new(format!("{weight}"), move |_: TestAttempt| {
            let (now, seen) = (Arc::clone(&now), Arc::clone(&seen));
            async move {
                let weight = weight as usize;
                let others = now.fetch_add(weight, Ordering::SeqCst);
                seen.lock().unwrap().push((weight, others));
                nap(ms(10)).await;
                now.fetch_sub(weight, Ordering::SeqCst);
                Ok::<(), &str>(())
            }
        })
        .weight(weight)
    };
    let report = run(queue(4), [3, 3, 1, 1, 9, 1, 2, 2].map(case).into()).await;
    assert!(report.is_passed());
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 8);
    assert!(seen.iter().all(|(weight, others)| *others == 0 || weight + others <= 4), "{seen:?}");
    assert!(seen.contains(&(9, 0)) && seen.contains(&(1, 3)), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn every_end_has_its_verdict_and_its_reason() {
    let cases = vec![
        passes("passes"),
        TestCase::new("fails", |attempt: TestAttempt| async move {
            attempt.write("what it saw");
            Err("not so")
        }),
        TestCase::new("panics", |_: TestAttempt| async {
            panic!("out of order") as Result<(), &str>
        }),
        TestCase::new("panics early", |attempt: TestAttempt| {
            assert!(attempt.number() > 1, "before its future");
            async { Ok::<(), &str>(()) }
        }),
        TestCase::new("hangs", |_: TestAttempt| std::future::pending::<Result<(), &str>>())
            .timeout(ms(500)),
    ];
    let report = run(queue(4).retries(0), cases).await;
    let failed = Verdict::Failed;
    assert_eq!(verdicts(&report), [Verdict::Passed, failed, failed, failed, Verdict::TimedOut]);
    let reasons: Vec<_> = report.results.iter().map(|r| r.reason.as_deref()).collect();
    assert_eq!(reasons[..2], [None, Some("not so")]);
    assert!(reasons[2].unwrap().contains("out of order"));
    assert!(reasons[3].unwrap().contains("before its future"));
    assert!(reasons[4].unwrap().contains("500ms"));
    assert_eq!(report.results[1].output, "what it saw");
    assert_eq!(report.results[4].duration, ms(500));
    assert_eq!(report.failed().count(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_passes_after_a_failure_is_flaky_and_listed() {
    let flaky = TestCase::new("flaky", |attempt: TestAttempt| async move {
        nap(ms(10)).await;
        if attempt.number() < 3 { Err(format!("no {}", attempt.number())) } else { Ok(()) }
    });
    let never = TestCase::new("never", |_: TestAttempt| async { Err("never") }).retries(1);
    let report = run(queue(1).retries(2).retry_delay(ms(100)), vec![flaky, never]).await;
    assert_eq!(verdicts(&report), [Verdict::Passed, Verdict::Failed]);
    let [flaky, never] = &report.results[..] else { panic!() };
    assert!(flaky.is_flaky() && !never.is_flaky());
    assert_eq!(
        (flaky.attempts, flaky.failures.as_slice()),
        (3, &["no 1".into(), "no 2".into()][..])
    );
    assert_eq!(flaky.duration, ms(230));
    assert_eq!((never.attempts, never.failures.len()), (2, 1));
    assert_eq!(report.flaky().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_most_urgent_start_first_and_groups_are_kinds() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let case = |name: &'static str, priority: Priority| {
        let order = Arc::clone(&order);
        TestCase::new(name, move |_: TestAttempt| {
            order.lock().unwrap().push(name);
            async { Ok::<(), &str>(()) }
        })
        .priority(priority)
        .group("ordered")
    };
    let cases = vec![
        case("first", Priority::NORMAL),
        case("late", Priority::LOWEST),
        case("second", Priority::NORMAL),
        case("urgent", Priority::HIGHEST),
    ];
    let manager = manager(1);
    // Holds the only place until all cases wait.
    let (release, held) = tokio::sync::oneshot::channel::<()>();
    let holder = manager.submit(Operation::infallible("hold", async { held.await.is_ok() }));
    let running = queue(1).manager(manager.clone()).build().unwrap().start(cases, ());
    while manager.pending_count() < 4 {
        tokio::task::yield_now().await;
    }
    assert!(manager.pending().iter().all(|record| record.kind == "ordered"));
    release.send(()).unwrap();
    assert!(holder.unwrap().await.unwrap());
    assert!(running.finish().await.is_passed());
    assert_eq!(*order.lock().unwrap(), ["urgent", "first", "second", "late"]);
}

#[tokio::test(start_paused = true)]
async fn a_manager_with_a_short_queue_takes_all_in_the_end() {
    let manager = Manager::builder().max_concurrent(2).queue_limit(1).build().unwrap();
    let (release, held) = tokio::sync::oneshot::channel::<()>();
    let holders: Vec<_> = (0..2)
        .map(|_| manager.submit(Operation::infallible("hold", nap(ms(300)))).unwrap())
        .collect();
    let waits = manager.submit(Operation::infallible("wait", async { held.await.is_ok() }));
    let cases = (0..50).map(|n| passes(&n.to_string())).collect::<Vec<_>>();
    let running = queue(1).manager(manager.clone()).build().unwrap().start(cases, ());
    settle().await;
    assert_eq!(running.progress().ended(), 0);
    release.send(()).unwrap();
    let report = running.finish().await;
    assert!(report.is_passed());
    assert!(manager.stats().rejected > 0);
    drop((holders, waits));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_what_runs_and_what_waits_and_reports_both() {
    let alive = Alive::default();
    let counted = alive.clone();
    let hangs = move |n: usize| {
        let alive = counted.clone();
        TestCase::new(format!("hangs {n}"), move |_: TestAttempt| {
            let token = alive.token();
            async move {
                nap(Duration::MAX).await;
                drop(token);
                Ok::<(), &str>(())
            }
        })
        .timeout(Duration::MAX)
    };
    let mut cases = vec![passes("done").priority(Priority::HIGHEST)];
    cases.extend((0..9).map(hangs));
    let mut running = queue(3).build().unwrap().start(cases, ());
    loop {
        match running.next_event().await.unwrap() {
            TestEvent::Finished(done) => break assert_eq!(done.name, "done"),
            _ => continue,
        }
    }
    while alive.count() < 3 {
        tokio::task::yield_now().await;
    }
    let progress = running.progress();
    assert_eq!((progress.total, progress.passed, progress.running), (10, 1, 3));
    assert!(progress.longest.unwrap().0.starts_with("hangs"));
    running.stop();
    let report = running.finish().await;
    assert_eq!((report.count(Verdict::Passed), report.count(Verdict::Cancelled)), (1, 9));
    assert_eq!(alive.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_takes_cases_out_of_the_queue_of_a_busy_manager() {
    let manager = manager(1);
    let busy = manager.submit(
        Operation::infallible("other", std::future::pending::<()>()).timeout(Duration::MAX),
    );
    let cases = vec![passes("a"), passes("b")];
    let running = queue(1).manager(manager.clone()).build().unwrap().start(cases, ());
    while manager.pending_count() < 2 {
        tokio::task::yield_now().await;
    }
    running.stop();
    let report = running.finish().await;
    assert_eq!(verdicts(&report), [Verdict::Cancelled; 2]);
    drop(busy);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_run_drops_its_cases() {
    let alive = Alive::default();
    let counted = alive.clone();
    let hangs = TestCase::new("hangs", move |_: TestAttempt| {
        let token = counted.token();
        async move {
            nap(ms(1_000_000)).await;
            drop(token);
            Ok::<(), &str>(())
        }
    })
    .timeout(Duration::MAX);
    let queue = queue(2).build().unwrap();
    let running = queue.start([hangs.clone(), hangs.clone(), hangs], ());
    while alive.count() < 2 {
        tokio::task::yield_now().await;
    }
    drop(running);
    while alive.count() > 0 || queue.manager().running_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue.manager().pending_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn events_tell_what_happens_and_their_number_is_bounded() {
    let slow = TestCase::new("slow", |attempt: TestAttempt| async move {
        nap(ms(50)).await;
        if attempt.number() == 1 { Err("once") } else { Ok(()) }
    });
    let mut running = queue(1).slow(ms(20)).retries(1).build().unwrap().start([slow], ());
    let mut seen = Vec::new();
    while let Some(event) = running.next_event().await {
        seen.push(match event {
            TestEvent::Started { attempt, .. } => format!("started {attempt}"),
            TestEvent::Slow { after, .. } => format!("slow {after:?}"),
            TestEvent::Retrying { attempt, reason, .. } => format!("retrying {attempt} {reason}"),
            TestEvent::Finished(result) => format!("{} slow {}", result.verdict, result.slow),
            _ => continue,
        });
    }
    let all =
        ["started 1", "slow 20ms", "retrying 1 once", "started 2", "slow 20ms", "passed slow true"];
    assert_eq!(seen, all);
    assert!(running.next_event().await.is_none());

    let cases = (0..1_000).map(|n| passes(&n.to_string())).collect::<Vec<_>>();
    let report = run(queue(9), cases).await;
    assert_eq!((report.results.len(), report.events_dropped), (1_000, 2_000 - 1_024));
}

#[test]
fn a_runtime_that_goes_away_leaves_a_report() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let hangs = TestCase::new("hangs", |_: TestAttempt| std::future::pending::<Result<(), &str>>());
    let queue = queue(1).build().unwrap();
    let running = {
        let _inside = runtime.enter();
        queue.start([hangs, passes("waits")], ())
    };
    runtime.shutdown_timeout(Duration::from_secs(60));
    let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let report = other.block_on(running.finish());
    assert_eq!(verdicts(&report), [Verdict::Cancelled; 2]);
}

#[test]
fn settings_out_of_bounds_are_refused_by_name() {
    for (builder, setting) in [
        (queue(0), "jobs"),
        (queue(1).max_concurrent(0), "max_concurrent"),
        (queue(1).retries(101), "retries"),
        (queue(1).batch(0), "batch"),
        (queue(1).timeout(Duration::ZERO), "timeout"),
        (queue(1).slow(Duration::ZERO), "slow"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.setting(), setting);
    }
}
