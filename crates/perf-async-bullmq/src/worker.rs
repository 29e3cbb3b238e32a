//! Where jobs are done.

mod builder;
mod process;

pub use builder::RemoteWorkerBuilder;

use bullmq::Worker;
use bullmq::worker::WorkerEvent;
use perf_async::Manager;
use perf_core::{Instant, Observe, Signal, Unit};
use process::Shared;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;

/// Takes jobs out of a queue and runs each as an operation of a local manager.
///
/// The operation's kind is the job's name and its priority the job's, so the manager's limits,
/// time-outs and circuit breakers for that kind hold. A job that the manager turns away (its queue
/// is full, a circuit is open) goes back into the queue for a while and loses no attempt.
///
/// Dropping it stops it at once: no more jobs are taken, and those that run are stopped at their
/// next await and put back into the queue. [`close`](RemoteWorker::close) lets them end first.
pub struct RemoteWorker {
    worker: Arc<Worker>,
    shared: Arc<Shared>,
    since: Instant,
    _stop: oneshot::Sender<()>,
}

/// What a worker has done since it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteWorkerStats {
    /// Jobs taken out of the queue.
    pub taken: u64,
    /// Jobs that ended with a result.
    pub completed: u64,
    /// Attempts that ended with an error, those that are tried again too.
    pub failed: u64,
    /// Jobs put back because the manager turned them away or the worker was stopped.
    pub put_back: u64,
    /// Calls to Redis that failed.
    pub errors: u64,
    /// Why the last of them did.
    pub last_error: Option<String>,
    /// Jobs that run, or wait for their turn with the manager.
    pub running: u64,
}

impl RemoteWorker {
    /// A worker for the queue of that name in the Redis at that URL, whose jobs run with that
    /// manager.
    pub fn builder(
        url: impl Into<String>,
        name: impl Into<String>,
        manager: &Manager,
    ) -> RemoteWorkerBuilder {
        RemoteWorkerBuilder::new(url.into(), name.into(), manager.clone())
    }

    /// What it has done since it was started.
    #[must_use]
    pub fn stats(&self) -> RemoteWorkerStats {
        self.shared.stats()
    }

    /// Takes no more jobs and waits for those that run, at most so long; then stops the rest, which
    /// go back into the queue. Answers how many that were. Takes a few seconds also when nothing
    /// runs, for a look into the queue that is under way.
    pub async fn close(self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX / 2).min(LONGEST_CLOSE);
        // It only answers errors that it never meets.
        let _ = self.worker.close(limit).await;
        let before = self.shared.stopped.load(Ordering::Relaxed);
        self.shared.stop();
        self.shared.idle().await;
        // The library still has to write where they went.
        let written = async {
            while self.worker.active_count().await > 0 {
                tokio::time::sleep(WRITING).await;
            }
        };
        // What is not written by then is found when its lock has run out.
        let _ = tokio::time::timeout(self.shared.command_timeout(), written).await;
        self.shared.stopped.load(Ordering::Relaxed) - before
    }
}

impl Drop for RemoteWorker {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// Takes in what the worker reports, until its owner goes away, and closes it then. What nobody
/// takes in would stay in memory.
async fn supervise(worker: Arc<Worker>, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    loop {
        let event = {
            let mut next = pin!(worker.next_event());
            std::future::poll_fn(|cx| {
                if Pin::new(&mut stopped).poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                next.as_mut().poll(cx)
            })
            .await
        };
        match event {
            Some(WorkerEvent::Completed { .. }) => shared.count(&shared.completed),
            Some(WorkerEvent::Failed { .. }) => shared.count(&shared.failed),
            Some(WorkerEvent::Error(error)) => shared.note_error(error),
            Some(_) => {}
            None => break,
        }
    }
    let _ = worker.close(0).await;
}

impl Observe for RemoteWorker {
    fn observe(&self, visit: &mut dyn FnMut(Signal<'_>)) {
        let stats = self.stats();
        let counters = [
            ("taken", stats.taken, "Jobs taken out of the queue."),
            ("completed", stats.completed, "Jobs that ended with a result."),
            ("failed", stats.failed, "Attempts that ended with an error."),
            ("put_back", stats.put_back, "Jobs put back into the queue."),
            ("errors", stats.errors, "Calls to Redis that failed."),
        ];
        for (name, value, help) in counters {
            visit(Signal::counter(name, value, self.since).help(help));
        }
        let help = "Jobs that run, or wait for their turn with the manager.";
        visit(Signal::gauge("running", Unit::Count, stats.running as f64).help(help));
    }
}

impl fmt::Debug for RemoteWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteWorker").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Between two looks whether it has.
const WRITING: Duration = Duration::from_millis(5);
/// A day, in milliseconds.
const LONGEST_CLOSE: u64 = 24 * 60 * 60 * 1_000;
