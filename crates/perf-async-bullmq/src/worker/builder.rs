//! How a worker is set.

use super::process::{Handler, Shared, process};
use super::{RemoteWorker, supervise};
use crate::connection::{Address, bounded};
use crate::{Permanent, RemoteContext, RemoteError, RemoteErrorKind};
use bullmq::{Job, Worker, WorkerOptions};
use perf_async::Manager;
use perf_core::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Builds a [`RemoteWorker`].
#[must_use = "`start` makes the worker of it"]
pub struct RemoteWorkerBuilder {
    address: Address,
    manager: Manager,
    handlers: HashMap<String, Handler>,
    max_concurrent: usize,
    lock: Duration,
    check: Duration,
    max_lost: u32,
    put_back: Duration,
}

impl RemoteWorkerBuilder {
    pub(super) fn new(url: String, name: String, manager: Manager) -> RemoteWorkerBuilder {
        RemoteWorkerBuilder {
            address: Address::new(url, name),
            max_concurrent: manager.max_concurrent(),
            manager,
            handlers: HashMap::new(),
            lock: Duration::from_secs(30),
            check: Duration::from_secs(30),
            max_lost: 1,
            put_back: Duration::from_secs(1),
        }
    }

    /// Does the jobs of that name: the function is given the job's payload, inside the operation.
    /// A later one for the same name takes its place.
    ///
    /// A payload that cannot be read as a `P` fails the job for good, as does an error that is a
    /// [`Permanent`]; other errors, panics and time-outs are tried again as often as the job says.
    /// Jobs of a name without a handler fail for good: give every worker of a queue all handlers.
    pub fn handle<P, R, E, H, F>(mut self, name: impl Into<String>, handler: H) -> Self
    where
        P: DeserializeOwned,
        R: Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
        H: Fn(RemoteContext, P) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let boxed: Handler = Arc::new(move |context, payload| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let work = {
                    let payload = P::deserialize(payload).map_err(|error| {
                        Permanent::new(format!("its payload cannot be read: {error}"))
                    })?;
                    handler(context, payload)
                };
                let result = work.await.map_err(Into::into)?;
                serde_json::to_value(result).map_err(|error| {
                    Permanent::new(format!("its result cannot be written as JSON: {error}")).into()
                })
            })
        });
        self.handlers.insert(name.into(), boxed);
        self
    }

    /// What the names of the queue's keys in Redis begin with. The default is `bull`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.address.prefix = prefix.into();
        self
    }

    /// How long connecting may take. The default is 5 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.address.connect_timeout = limit;
        self
    }

    /// How long saying a progress or putting a job back may take. The default is 5 s.
    pub fn command_timeout(mut self, limit: Duration) -> Self {
        self.address.command_timeout = limit;
        self
    }

    /// How many jobs it has at a time, from 1 to 10,000. The default is as many as the manager runs
    /// at once; more wait with the manager, where other workers cannot take them.
    pub fn max_concurrent(mut self, jobs: usize) -> Self {
        self.max_concurrent = jobs;
        self
    }

    /// How long a job stays locked without a sign of life; it is renewed twice as often. From 100 ms
    /// to a day; the default is 30 s. A worker that is silent for longer is taken for dead.
    pub fn lock(mut self, time: Duration) -> Self {
        self.lock = time;
        self
    }

    /// How often it looks for jobs whose worker is dead, from 100 ms to a day. The default is 30 s.
    pub fn check(mut self, time: Duration) -> Self {
        self.check = time;
        self
    }

    /// How often a job may lose its worker until it counts as failed. The default is once.
    pub fn max_lost(mut self, times: u32) -> Self {
        self.max_lost = times;
        self
    }

    /// How long a job that the manager turns away stays in the queue before it is taken again, at
    /// most an hour. The default is one second.
    pub fn put_back(mut self, time: Duration) -> Self {
        self.put_back = time.min(Duration::from_secs(60 * 60));
        self
    }

    /// Connects and begins to take jobs.
    ///
    /// # Errors
    ///
    /// [`RemoteErrorKind::Invalid`] if a setting cannot be or there is no handler,
    /// [`RemoteErrorKind::Unreachable`] if Redis does not answer in time.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer and its drivers enabled.
    pub async fn start(self) -> Result<RemoteWorker, RemoteError> {
        self.check_settings()?;
        self.address.probe().await?;
        let options = WorkerOptions::new()
            .connection(self.address.connection())
            .prefix(self.address.prefix.as_str())
            .concurrency(self.max_concurrent)
            .lock_duration(self.lock)
            .stalled_interval(self.check)
            .max_stalled_count(self.max_lost)
            .drain_delay(LONGEST_LOOK)
            .run_retry_delay(RETRY);
        let shared =
            Shared::new(self.manager, self.handlers, self.put_back, self.address.command_timeout);
        let shared = Arc::new(shared);
        let processor = {
            let shared = Arc::clone(&shared);
            move |job: Job, _| process(Arc::clone(&shared), job)
        };
        let opening = Worker::with_options(&self.address.name, processor, options);
        let worker = Arc::new(bounded(self.address.connect_timeout, "connect", opening).await?);
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(supervise(Arc::clone(&worker), Arc::clone(&shared), stopped));
        let since = Clock::system().now();
        Ok(RemoteWorker { worker, shared, since, _stop: stop })
    }

    fn check_settings(&self) -> Result<(), RemoteError> {
        let times = MIN_TIME..=MAX_TIME;
        let complaint = if self.handlers.is_empty() {
            "a worker without a handler fails every job: add one with `handle`".to_owned()
        } else if !(1..=MAX_CONCURRENT).contains(&self.max_concurrent) {
            let jobs = self.max_concurrent;
            format!("`max_concurrent` cannot be {jobs}: use 1 to {MAX_CONCURRENT}")
        } else if !times.contains(&self.lock) {
            format!("`lock` cannot be {:?}: use {MIN_TIME:?} to {MAX_TIME:?}", self.lock)
        } else if !times.contains(&self.check) {
            format!("`check` cannot be {:?}: use {MIN_TIME:?} to {MAX_TIME:?}", self.check)
        } else {
            return Ok(());
        };
        Err(RemoteError::new(RemoteErrorKind::Invalid, complaint))
    }
}

impl fmt::Debug for RemoteWorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteWorkerBuilder")
            .field("address", &self.address)
            .field("handlers", &self.handlers.keys())
            .finish_non_exhaustive()
    }
}

const MAX_CONCURRENT: usize = 10_000;
const MIN_TIME: Duration = Duration::from_millis(100);
const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a look into an empty queue lasts, unless a job comes.
const LONGEST_LOOK: Duration = Duration::from_secs(2);
/// After a look that failed.
const RETRY: Duration = Duration::from_millis(500);
