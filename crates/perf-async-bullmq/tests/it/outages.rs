use crate::server::free_port;
use crate::{PATIENCE, Server, manager, ms, queue, until, worker};
use perf_async::Status;
use perf_async_bullmq::{RemoteErrorKind, RemoteJob, RemoteQueue, RemoteWorker};
use std::error::Error;
use std::io;

fn job() -> RemoteJob {
    RemoteJob::new("job", &7).unwrap()
}

#[tokio::test]
async fn where_no_redis_is_connecting_fails_and_says_why() {
    let url = format!("redis://:secret@127.0.0.1:{}", free_port());
    let error = RemoteQueue::builder(&url, "jobs").connect().await.unwrap_err();
    assert_eq!(error.kind(), RemoteErrorKind::Unreachable);
    assert_eq!(error.to_string(), "cannot connect: Redis cannot be reached");
    assert!(error.source().unwrap().to_string().contains("refused"), "{error:?}");
    let manager = manager(1);
    let worker = RemoteWorker::builder(&url, "jobs", &manager)
        .handle("job", |_, _: u32| async { Ok::<_, io::Error>(0) });
    let error = worker.start().await.unwrap_err();
    assert_eq!(error.kind(), RemoteErrorKind::Unreachable);
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test]
async fn what_is_no_url_or_no_name_is_refused() {
    for url in ["", "localhost", "http://127.0.0.1", "redis://"] {
        let error = RemoteQueue::builder(url, "jobs").connect().await.unwrap_err();
        let kinds = [RemoteErrorKind::Invalid, RemoteErrorKind::Unreachable];
        assert!(kinds.contains(&error.kind()), "{url}: {error:?}");
    }
    #[cfg(not(feature = "tls"))]
    {
        let error = RemoteQueue::builder("rediss://127.0.0.1", "jobs").connect().await.unwrap_err();
        assert_eq!(error.kind(), RemoteErrorKind::Invalid);
    }
    let Some(server) = Server::start() else { return };
    for (name, prefix) in [("", "bull"), ("a:b", "bull"), ("jobs", ""), ("jobs", "a:b")] {
        let builder = RemoteQueue::builder(server.url(), name).prefix(prefix);
        assert_eq!(builder.connect().await.unwrap_err().kind(), RemoteErrorKind::Invalid);
    }
}

#[tokio::test]
async fn a_redis_that_does_not_answer_is_not_waited_for_for_ever() {
    let Some(server) = Server::start() else { return };
    let builder = RemoteQueue::builder(server.url(), "jobs").poll(ms(50));
    let queue = builder.command_timeout(ms(200)).connect().await.unwrap();
    let id = queue.enqueue(job()).await.unwrap();
    server.pause(true);
    for error in [
        queue.enqueue(job()).await.unwrap_err(),
        queue.status(&id).await.unwrap_err(),
        queue.cancel(&id).await.unwrap_err(),
        queue.wait::<u32>(&id, ms(500)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), RemoteErrorKind::Unreachable, "{error:?}");
        assert!(error.to_string().ends_with("Redis did not answer within 200ms"), "{error}");
    }
    let builder = RemoteQueue::builder(server.url(), "jobs").connect_timeout(ms(200));
    assert_eq!(builder.connect().await.unwrap_err().kind(), RemoteErrorKind::Unreachable);
    server.pause(false);
    until(async || queue.status(&id).await.is_ok()).await;
}

#[tokio::test]
async fn queue_and_worker_go_on_when_redis_is_back() {
    let Some(mut server) = Server::start() else { return };
    let (queue, manager) = (queue(&server).await, manager(2));
    let worker = worker(&server, &manager)
        .handle("job", |_, number: u32| async move { Ok::<_, io::Error>(number) })
        .start()
        .await
        .unwrap();
    let id = queue.enqueue(job()).await.unwrap();
    assert_eq!(queue.wait::<u32>(&id, PATIENCE).await.unwrap(), 7);
    server.kill();
    until(async || {
        let error = queue.enqueue(job()).await.unwrap_err();
        error.kind() == RemoteErrorKind::Unreachable
    })
    .await;
    until(async || worker.stats().errors > 0).await;
    assert!(worker.stats().last_error.is_some());
    server.restart();
    let mut id = None;
    until(async || {
        id = queue.enqueue(job()).await.ok();
        id.is_some()
    })
    .await;
    let id = id.unwrap();
    assert_eq!(queue.wait::<u32>(&id, PATIENCE).await.unwrap(), 7);
    assert_eq!(queue.status(&id).await.unwrap(), Some(Status::Completed));
}
