use crate::{PATIENCE, Server, manager, ms, queue, until, worker};
use perf_async::Status;
use perf_async_bullmq::{JobId, RemoteCancel, RemoteErrorKind, RemoteJob};
use perf_core::Priority;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Picture {
    name: String,
    widths: Vec<u32>,
}

fn job(payload: u32) -> RemoteJob {
    RemoteJob::new("number", &payload).unwrap()
}

fn level(level: u8) -> Priority {
    Priority::new(level).unwrap()
}

#[tokio::test]
async fn a_job_is_done_elsewhere_and_its_result_comes_back() {
    let Some(server) = Server::start() else { return };
    let (queue, manager) = (queue(&server).await, manager(4));
    let picture = Picture { name: "cat".to_owned(), widths: vec![100, 200] };
    let id = queue.enqueue(RemoteJob::new("shrink", &picture).unwrap()).await.unwrap();
    assert_eq!(queue.status(&id).await.unwrap(), Some(Status::Queued));
    assert_eq!(queue.pending_count().await.unwrap(), 1);
    let worker = worker(&server, &manager)
        .handle("shrink", |context, mut picture: Picture| async move {
            assert_eq!((context.name(), context.attempt()), ("shrink", 1));
            picture.widths.reverse();
            Ok::<_, io::Error>(picture)
        })
        .start()
        .await
        .unwrap();
    let done: Picture = queue.wait(&id, PATIENCE).await.unwrap();
    assert_eq!(done, Picture { name: "cat".to_owned(), widths: vec![200, 100] });
    // Who comes later is told too, and one who expects another type is told so.
    assert!(queue.wait::<Picture>(&id, PATIENCE).await.is_ok());
    let error = queue.wait::<u32>(&id, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), RemoteErrorKind::Encoding);
    assert_eq!(queue.status(&id).await.unwrap(), Some(Status::Completed));
    until(async || worker.stats().completed == 1).await;
    // It was an operation of the manager, of the job's kind.
    let finished = manager.finished();
    assert_eq!((&*finished[0].kind, finished[0].priority), ("shrink", Priority::NORMAL));
    assert_eq!(worker.close(PATIENCE).await, 0);
}

#[tokio::test]
async fn the_urgent_are_taken_first_and_priorities_can_be_changed() {
    let Some(server) = Server::start() else { return };
    let (queue, manager) = (queue(&server).await, manager(1));
    let mut ids = Vec::new();
    for (number, urgency) in [(1, 1), (2, 5), (3, 10), (4, 5), (5, 2)] {
        ids.push(queue.enqueue(job(number).priority(level(urgency))).await.unwrap());
    }
    assert!(queue.set_priority(&ids[4], level(8)).await.unwrap());
    assert_eq!(queue.record(&ids[4]).await.unwrap().unwrap().priority, level(8));
    assert_eq!(queue.record(&ids[0]).await.unwrap().unwrap().priority, level(1));
    let order = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&order);
    let _worker = worker(&server, &manager)
        .handle("number", move |_, number: u32| {
            noted.lock().unwrap().push(number);
            async { Ok::<_, io::Error>(()) }
        })
        .start()
        .await
        .unwrap();
    for id in &ids {
        queue.wait::<()>(id, PATIENCE).await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [3, 5, 2, 4, 1]);
    assert!(!queue.set_priority(&ids[0], level(9)).await.unwrap());
}

#[tokio::test]
async fn jobs_with_the_same_key_are_one_while_it_waits_or_runs() {
    let Some(server) = Server::start() else { return };
    let (queue, manager) = (queue(&server).await, manager(4));
    let first = queue.enqueue(job(1).key("a")).await.unwrap();
    assert_eq!(queue.enqueue(job(2).key("a")).await.unwrap(), first);
    assert_ne!(queue.enqueue(job(3).key("b")).await.unwrap(), first);
    assert_eq!(queue.pending_count().await.unwrap(), 2);
    let _worker = worker(&server, &manager)
        .handle("number", |_, number: u32| async move { Ok::<_, io::Error>(number) })
        .start()
        .await
        .unwrap();
    assert_eq!(queue.wait::<u32>(&first, PATIENCE).await.unwrap(), 1);
    // It has ended, so the next one is another.
    let second = queue.enqueue(job(4).key("a")).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(queue.wait::<u32>(&second, PATIENCE).await.unwrap(), 4);
}

#[tokio::test]
async fn a_job_that_waits_can_be_cancelled_and_one_that_runs_cannot() {
    let Some(server) = Server::start() else { return };
    let (queue, manager) = (queue(&server).await, manager(1));
    let _worker = worker(&server, &manager)
        .handle("number", |mut context, number: u32| async move {
            context.progress(&("half", number)).await?;
            std::future::pending::<()>().await;
            Ok::<_, perf_async_bullmq::RemoteError>(number)
        })
        .start()
        .await
        .unwrap();
    let runs = queue.enqueue(job(7)).await.unwrap();
    until(async || queue.status(&runs).await.unwrap() == Some(Status::InProgress)).await;
    let waits = queue.enqueue(job(2).key("k")).await.unwrap();
    let later = queue.enqueue(job(3).delay(Duration::MAX)).await.unwrap();
    assert_eq!(queue.status(&later).await.unwrap(), Some(Status::Queued));
    assert_eq!(queue.cancel(&runs).await.unwrap(), RemoteCancel::Running);
    assert_eq!(queue.cancel(&later).await.unwrap(), RemoteCancel::Removed);
    // Those who wait for it are told.
    let waiting = tokio::spawn({
        let (queue, id) = (queue.clone(), waits.clone());
        async move { queue.wait::<u32>(&id, PATIENCE).await }
    });
    tokio::time::sleep(ms(50)).await;
    assert_eq!(queue.cancel(&waits).await.unwrap(), RemoteCancel::Removed);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), RemoteErrorKind::NotFound);
    assert_eq!(queue.cancel(&waits).await.unwrap(), RemoteCancel::Unknown);
    assert_eq!(queue.status(&waits).await.unwrap(), None);
    // Its key is free again.
    assert_ne!(queue.enqueue(job(2).key("k")).await.unwrap(), waits);
    let mut progress = None;
    until(async || {
        let record = queue.record(&runs).await.unwrap().unwrap();
        progress = record.progress::<(String, u32)>().unwrap();
        progress.is_some()
    })
    .await;
    assert_eq!(progress, Some(("half".to_owned(), 7)));
    let error = queue.wait::<u32>(&runs, ms(100)).await.unwrap_err();
    assert_eq!(error.kind(), RemoteErrorKind::TimedOut);
    assert!(error.to_string().contains("has not ended within 100ms"), "{error}");
}

#[tokio::test]
async fn a_job_that_never_was_is_not_waited_for() {
    let Some(server) = Server::start() else { return };
    let queue = queue(&server).await;
    let id = JobId::from("4711");
    let error = queue.wait::<u32>(&id, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), RemoteErrorKind::NotFound);
    assert!(queue.record(&id).await.unwrap().is_none());
    assert!(!queue.set_priority(&id, Priority::HIGHEST).await.unwrap());
    assert_eq!(queue.cancel(&id).await.unwrap(), RemoteCancel::Unknown);
}

#[tokio::test]
async fn what_is_kept_of_ended_jobs_is_bounded() {
    let Some(server) = Server::start() else { return };
    let builder = perf_async_bullmq::RemoteQueue::builder(server.url(), "jobs");
    let queue = builder.keep(3, PATIENCE).poll(ms(200)).connect().await.unwrap();
    let manager = manager(1);
    let _worker = worker(&server, &manager)
        .handle("number", |_, number: u32| async move { Ok::<_, io::Error>(number) })
        .start()
        .await
        .unwrap();
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(queue.enqueue(job(number)).await.unwrap());
    }
    queue.wait::<u32>(&ids[9], PATIENCE).await.unwrap();
    let mut kept = 0;
    for id in &ids {
        kept += u32::from(queue.status(id).await.unwrap().is_some());
    }
    assert_eq!(kept, 3);
}
