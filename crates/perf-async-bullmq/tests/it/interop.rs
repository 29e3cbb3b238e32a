//! Both ways with the published BullMQ package for Node.js.

use crate::{PATIENCE, Server, manager, queue, worker};
use perf_async_bullmq::{JobId, RemoteJob};
use perf_core::Priority;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, io};

/// Set by `cargo xtask test` where the packages have been found: then their absence is a failure.
const REQUIRED: &str = "PERFKIT_REQUIRE_BULLMQ";

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Letter {
    to: String,
    lines: Vec<String>,
}

fn letter() -> Letter {
    Letter {
        to: "Zoë".to_owned(), lines: vec!["Hello".to_owned(), "„quoted“ \\ 😀".to_owned()]
    }
}

fn node(script: &str, server: &Server) -> Option<Command> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    if !folder.join("node_modules/bullmq").exists() {
        assert!(env::var_os(REQUIRED).is_none(), "{REQUIRED} is set and bullmq is missing");
        eprintln!("skipped: bullmq for Node.js is not installed, `cargo xtask setup` installs it");
        return None;
    }
    let mut command = Command::new("node");
    command.arg(folder.join(script)).env("REDIS_URL", server.url()).stderr(Stdio::inherit());
    Some(command)
}

/// Ends the process with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn jobs_of_ours_are_done_by_theirs() {
    let Some(server) = Server::start() else { return };
    let Some(mut worker) = node("worker.mjs", &server) else { return };
    let queue = queue(&server).await;
    let ok = RemoteJob::new("send", &letter()).unwrap();
    let ok = ok.priority(Priority::HIGHEST).key("letter").attempts(3);
    let ok = queue.enqueue(ok).await.unwrap();
    let bad = queue.enqueue(RemoteJob::new("fail", &letter()).unwrap()).await.unwrap();
    let _worker = Ended(worker.spawn().unwrap());
    let answer: (Letter, u32, u32) = queue.wait(&ok, PATIENCE).await.unwrap();
    // What theirs saw of priority and attempts.
    assert_eq!(answer, (letter(), 1, 3));
    let error = queue.wait::<()>(&bad, PATIENCE).await.unwrap_err();
    assert!(error.to_string().ends_with("failed: no such address"), "{error}");
    let progress = queue.record(&ok).await.unwrap().unwrap().progress::<u32>().unwrap();
    assert_eq!(progress, Some(50));
}

#[tokio::test]
async fn jobs_of_theirs_are_done_by_ours() {
    let Some(server) = Server::start() else { return };
    let Some(mut producer) = node("producer.mjs", &server) else { return };
    let (queue, manager) = (queue(&server).await, manager(4));
    let _worker = worker(&server, &manager)
        .handle("send", |mut context, letter: Letter| async move {
            context.progress(&25).await?;
            Ok::<_, perf_async_bullmq::RemoteError>((letter.lines.len(), context.priority()).0)
        })
        .handle("fail", |_, _: Letter| async { Err::<(), _>(io::Error::other("no such address")) })
        .start()
        .await
        .unwrap();
    // It waits for its jobs itself, with their own means.
    let output = tokio::task::spawn_blocking(move || producer.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1..], ["result 2", "failed no such address", "progress 25"]);
    // And ours sees what theirs put in.
    let record = queue.record(&JobId::from(lines[0])).await.unwrap().unwrap();
    assert_eq!((record.name.as_str(), record.priority), ("send", Priority::new(7).unwrap()));
}
