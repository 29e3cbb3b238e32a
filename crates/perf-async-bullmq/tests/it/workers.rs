use crate::{PATIENCE, Server, manager, ms, queue, until, worker};
use perf_async::{Manager, Status};
use perf_async_bullmq::{Permanent, RemoteErrorKind, RemoteJob, RemoteWorker};
use perf_core::{Observe, Reading};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, io};
use tokio::time::sleep;

fn job(name: &str) -> RemoteJob {
    RemoteJob::new(name, &7).unwrap()
}

#[tokio::test]
async fn an_attempt_that_fails_is_followed_by_another() {
    let Some(server) = Server::start() else { return };
    let (queue, manager) = (queue(&server).await, manager(4));
    let tries = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&tries);
    let worker = worker(&server, &manager)
        .handle("shaky", move |context, _: u32| {
            let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                assert_eq!(context.attempt(), number);
                assert_ne!(number, 2, "boom");
                if number < 3 { Err(io::Error::other("not yet")) } else { Ok(number) }
            }
        })
        .start()
        .await
        .unwrap();
    let id = queue.enqueue(job("shaky").attempts(5).retry_delay(ms(20))).await.unwrap();
    assert_eq!(queue.wait::<u32>(&id, PATIENCE).await.unwrap(), 3);
    // With one attempt it fails, and says why.
    tries.store(0, Ordering::SeqCst);
    let id = queue.enqueue(job("shaky")).await.unwrap();
    let error = queue.wait::<u32>(&id, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), RemoteErrorKind::Failed);
    assert_eq!(error.to_string(), format!("job {id} failed: not yet"));
    let record = queue.record(&id).await.unwrap().unwrap();
    assert_eq!((record.status, record.attempts, record.attempts_made), (Status::Failed, 1, 1));
    assert_eq!(record.error.as_deref(), Some("not yet"));
    until(async || worker.stats().failed == 3).await;
    assert_eq!(worker.stats().taken, 4);
}

#[tokio::test]
async fn what_no_other_attempt_can_mend_fails_at_once() {
    let Some(server) = Server::start() else { return };
    let (queue, manager) = (queue(&server).await, manager(4));
    let _worker = worker(&server, &manager)
        .handle("hopeless", |_, _: u32| async { Err::<(), _>(Permanent::new("no such picture")) })
        .handle("texts", |_, _: String| async { Ok::<_, io::Error>(()) })
        .start()
        .await
        .unwrap();
    for (name, why) in [
        ("hopeless", "no such picture"),
        ("texts", "its payload cannot be read: invalid type: integer `7`, expected a string"),
        ("unheard", "no worker has a handler for jobs named unheard"),
    ] {
        let id = queue.enqueue(job(name).attempts(9)).await.unwrap();
        let error = queue.wait::<()>(&id, PATIENCE).await.unwrap_err();
        assert_eq!(error.to_string(), format!("job {id} failed: {why}"));
    }
}

#[tokio::test]
async fn the_limits_of_the_manager_hold() {
    let Some(server) = Server::start() else { return };
    let queue = queue(&server).await;
    let builder = Manager::builder().max_concurrent(1).queue_limit(0).timeout(ms(100));
    let manager = builder.build().unwrap();
    let worker = worker(&server, &manager)
        .max_concurrent(3)
        .put_back(ms(20))
        .handle("short", |_, number: u32| async move {
            sleep(ms(30)).await;
            Ok::<_, io::Error>(number)
        })
        .handle("long", |_, _: u32| async {
            std::future::pending::<()>().await;
            Ok::<_, io::Error>(())
        })
        .start()
        .await
        .unwrap();
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(queue.enqueue(job("short")).await.unwrap());
    }
    for id in &ids {
        assert_eq!(queue.wait::<u32>(id, PATIENCE).await.unwrap(), 7);
        // Turned away by the manager, and no attempt lost.
        assert_eq!(queue.record(id).await.unwrap().unwrap().attempts_made, 1);
    }
    assert!(worker.stats().put_back > 0, "{worker:?}");
    let id = queue.enqueue(job("long")).await.unwrap();
    let error = queue.wait::<()>(&id, PATIENCE).await.unwrap_err();
    assert!(error.to_string().ends_with("not done after running for 100ms"), "{error}");
    // The library tells of an attempt's end a moment after it has written it.
    until(async || worker.stats().failed == 1).await;
    let mut names = BTreeSet::new();
    worker.observe(&mut |signal| {
        if matches!(signal.reading, Reading::Counter(1..)) {
            names.insert(signal.name.to_owned());
        }
    });
    let expected = ["completed", "failed", "put_back", "taken"];
    assert!(expected.iter().all(|name| names.contains(*name)), "{names:?}");
}

#[tokio::test]
async fn what_runs_when_a_worker_is_closed_or_dropped_is_done_by_another() {
    let Some(server) = Server::start() else { return };
    let (queue, manager) = (queue(&server).await, manager(4));
    let endless = |server: &Server| {
        worker(server, &manager).handle("job", |_, _: u32| async {
            std::future::pending::<()>().await;
            Ok::<_, io::Error>(0)
        })
    };
    let id = queue.enqueue(job("job")).await.unwrap();
    for is_closed in [true, false] {
        let worker = endless(&server).start().await.unwrap();
        until(async || worker.stats().running == 1).await;
        if is_closed {
            assert_eq!(worker.close(ms(50)).await, 1);
        } else {
            drop(worker);
        }
        until(async || queue.status(&id).await.unwrap() == Some(Status::Queued)).await;
        until(async || manager.running_count() == 0).await;
    }
    let patient = worker(&server, &manager)
        .handle("job", |_, number: u32| async move {
            sleep(ms(100)).await;
            Ok::<_, io::Error>(number)
        })
        .start()
        .await
        .unwrap();
    until(async || patient.stats().running == 1).await;
    // With time to end, it ends.
    assert_eq!(patient.close(PATIENCE).await, 0);
    assert_eq!(queue.wait::<u32>(&id, PATIENCE).await.unwrap(), 7);
    assert_eq!(queue.record(&id).await.unwrap().unwrap().attempts_made, 1);
    // Nothing of the workers is left behind.
    until(async || server.clients() <= 5).await;
}

/// The name of the test that is the worker of the one below.
const CHILD: &str = "PERFKIT_BULLMQ_WORKER";

/// No test by itself: a process that takes a job and never ends it, to be killed.
#[tokio::test]
async fn a_worker_that_is_going_to_die() {
    let Some(url) = env::var_os(CHILD) else { return };
    let url = url.into_string().unwrap();
    let _worker = RemoteWorker::builder(url, "jobs", &manager(1))
        .lock(ms(1_000))
        .check(ms(300))
        .handle("job", |_, _: u32| std::future::pending::<io::Result<u32>>())
        .start()
        .await
        .unwrap();
    // The one who started this kills it; should that one die first, this ends by itself.
    sleep(PATIENCE).await;
}

#[tokio::test]
async fn a_job_whose_worker_was_killed_is_taken_again() {
    let Some(server) = Server::start() else { return };
    let (queue, manager) = (queue(&server).await, manager(1));
    let id = queue.enqueue(job("job")).await.unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "workers::a_worker_that_is_going_to_die"])
        .env(CHILD, server.url())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until(async || queue.status(&id).await.unwrap() == Some(Status::InProgress)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(queue.status(&id).await.unwrap(), Some(Status::InProgress));
    let _worker = worker(&server, &manager)
        .handle("job", |context, _: u32| async move {
            Ok::<_, io::Error>((context.attempt(), context.starts()))
        })
        .start()
        .await
        .unwrap();
    // The first attempt still, and the second start.
    assert_eq!(queue.wait::<(u32, u32)>(&id, PATIENCE).await.unwrap(), (1, 2));
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_before_anything_is_connected() {
    let manager = manager(1);
    let worker = || RemoteWorker::builder("redis://127.0.0.1:1", "jobs", &manager);
    let handled = || worker().handle("a", |_, _: u32| async { Ok::<_, io::Error>(0) });
    for builder in [
        worker(),
        handled().max_concurrent(0),
        handled().max_concurrent(10_001),
        handled().lock(ms(99)),
        handled().check(ms(0)),
    ] {
        assert_eq!(builder.start().await.unwrap_err().kind(), RemoteErrorKind::Invalid);
    }
}
