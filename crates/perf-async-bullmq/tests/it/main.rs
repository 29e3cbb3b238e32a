//! Queue and worker over a real Redis server. Time is real: nothing asserts that it was short.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in tests a failed unwrap is a failed test")]

mod interop;
mod jobs;
mod outages;
mod server;
mod workers;

use perf_async::Manager;
use perf_async_bullmq::{RemoteQueue, RemoteWorker, RemoteWorkerBuilder};
use server::Server;
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

fn manager(concurrent: usize) -> Manager {
    Manager::builder().max_concurrent(concurrent).build().unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn queue(server: &Server) -> RemoteQueue {
    RemoteQueue::builder(server.url(), "jobs").poll(ms(200)).connect().await.unwrap()
}

/// A worker that soon takes another for dead.
fn worker(server: &Server, manager: &Manager) -> RemoteWorkerBuilder {
    RemoteWorker::builder(server.url(), "jobs", manager).lock(ms(1_000)).check(ms(300))
}

/// Looks again and again until it is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < PATIENCE, "it does not come");
        tokio::time::sleep(ms(5)).await;
    }
}
