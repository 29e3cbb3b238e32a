//! Where jobs are handed in, looked at and waited for.

use crate::connection::{Address, RemoteQueueBuilder, bounded};
use crate::job::{to_our_priority, to_their_priority};
use crate::waiting::{Outcome, Waiters, Waiting};
use crate::{JobId, RemoteError, RemoteErrorKind, RemoteJob};
use bullmq::{Job, JobState, Queue};
use perf_async::Status;
use perf_core::Priority;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A queue of jobs in Redis. Cheap to clone: each clone is a handle to the same connection.
///
/// Every call is bounded by the [`command_timeout`](RemoteQueueBuilder::command_timeout). When Redis
/// goes away calls fail with [`RemoteErrorKind::Unreachable`]; the connection is made anew by
/// itself, and calls succeed again when Redis is back.
#[derive(Clone)]
pub struct RemoteQueue {
    inner: Arc<Inner>,
}

struct Inner {
    queue: Queue,
    address: Address,
    waiters: Waiters,
}

/// What is known of a job. A copy: it does not follow what happens next.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RemoteRecord {
    /// Its name within the queue.
    pub id: JobId,
    /// Which handler does it.
    pub name: String,
    /// How urgent it is.
    pub priority: Priority,
    /// Where it stands; one that is delayed is queued.
    pub status: Status,
    /// When it was enqueued, by the clock of who did it.
    pub queued_at: SystemTime,
    /// How many attempts have ended.
    pub attempts_made: u32,
    /// How many attempts it has.
    pub attempts: u32,
    /// Why its last attempt failed.
    pub error: Option<String>,
    progress: Option<Value>,
}

impl RemoteRecord {
    /// What the handler last said of its progress, `None` if it has said nothing.
    ///
    /// # Errors
    ///
    /// [`RemoteErrorKind::Encoding`] if it cannot be read as a `P`.
    pub fn progress<P: DeserializeOwned>(&self) -> Result<Option<P>, RemoteError> {
        let Some(progress) = &self.progress else { return Ok(None) };
        P::deserialize(progress).map(Some).map_err(|error| {
            let message = format!("cannot read the progress of job {}", self.id);
            RemoteError::caused(RemoteErrorKind::Encoding, message, error)
        })
    }
}

/// What cancelling a job did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteCancel {
    /// It was waiting; now it is gone and never starts.
    Removed,
    /// A worker has it: the protocol has no way to stop it from outside.
    Running,
    /// It had ended before.
    AlreadyFinished,
    /// There is no such job, or it is no longer kept.
    Unknown,
}

impl RemoteQueue {
    /// The queue of that name in the Redis at that URL, such as `redis://127.0.0.1:6379`.
    pub fn builder(url: impl Into<String>, name: impl Into<String>) -> RemoteQueueBuilder {
        RemoteQueueBuilder::new(url.into(), name.into())
    }

    pub(crate) fn new(queue: Queue, address: Address, waiters: Waiters) -> RemoteQueue {
        RemoteQueue { inner: Arc::new(Inner { queue, address, waiters }) }
    }

    /// The name of the queue.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.queue.name()
    }

    /// Hands a job in, and answers its id; if one with the same key waits or runs, the id of that
    /// one.
    ///
    /// # Errors
    ///
    /// [`RemoteError`] if Redis cannot be reached or refuses. If it did not answer in time the job
    /// may be in the queue all the same; with a key it is safe to try again.
    pub async fn enqueue(&self, job: RemoteJob) -> Result<JobId, RemoteError> {
        let options = job.options();
        let adding = self.inner.queue.add(&job.name, job.payload).options(options);
        let job = self.bounded("enqueue", adding.into_future()).await?;
        Ok(JobId::from(job.id()))
    }

    /// Where a job stands; `None` if there is none or it is no longer kept.
    ///
    /// # Errors
    ///
    /// [`RemoteError`] if Redis cannot be reached.
    pub async fn status(&self, id: &JobId) -> Result<Option<Status>, RemoteError> {
        Ok(to_status(self.state(id).await?))
    }

    /// What is known of a job; `None` if there is none or it is no longer kept.
    ///
    /// # Errors
    ///
    /// [`RemoteError`] if Redis cannot be reached.
    pub async fn record(&self, id: &JobId) -> Result<Option<RemoteRecord>, RemoteError> {
        let Some(job) = self.job(id).await? else { return Ok(None) };
        let Some(status) = self.status(id).await? else { return Ok(None) };
        let (priority, progress) = self.as_it_stands(id).await?;
        Ok(Some(RemoteRecord {
            id: id.clone(),
            name: job.name().to_owned(),
            priority: to_our_priority(priority.unwrap_or(job.priority())),
            status,
            queued_at: SystemTime::UNIX_EPOCH + Duration::from_millis(job.timestamp()),
            attempts_made: job.attempts_made(),
            attempts: job.opts().attempts.unwrap_or(1).max(1),
            error: Some(job.failed_reason().to_owned()).filter(|error| !error.is_empty()),
            progress,
        }))
    }

    /// How many jobs wait, those that are delayed too.
    ///
    /// # Errors
    ///
    /// [`RemoteError`] if Redis cannot be reached.
    pub async fn pending_count(&self) -> Result<u64, RemoteError> {
        self.bounded("count the jobs", self.inner.queue.count()).await
    }

    /// Changes the priority of a job that waits: it goes behind those that have that priority
    /// already. Answers whether it waited.
    ///
    /// # Errors
    ///
    /// [`RemoteError`] if Redis cannot be reached.
    pub async fn set_priority(&self, id: &JobId, priority: Priority) -> Result<bool, RemoteError> {
        if to_status(self.state(id).await?) != Some(Status::Queued) {
            return Ok(false);
        }
        let Some(job) = self.job(id).await? else { return Ok(false) };
        let change = job.change_priority(to_their_priority(priority), false);
        match self.bounded("set a priority", change).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == RemoteErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes a job that waits out of the queue. One that runs goes on.
    ///
    /// # Errors
    ///
    /// [`RemoteError`] if Redis cannot be reached.
    pub async fn cancel(&self, id: &JobId) -> Result<RemoteCancel, RemoteError> {
        match to_status(self.state(id).await?) {
            None => return Ok(RemoteCancel::Unknown),
            Some(Status::InProgress) => return Ok(RemoteCancel::Running),
            Some(Status::Queued) => {}
            Some(_) => return Ok(RemoteCancel::AlreadyFinished),
        }
        let removing = self.inner.queue.remove(id.as_str());
        let removed = self.bounded("cancel a job", removing).await?;
        // A worker may have taken it since it was looked at.
        Ok(if removed { RemoteCancel::Removed } else { RemoteCancel::Running })
    }

    /// Waits until a job has ended, at most so long, and answers its result. Dropping this future
    /// changes nothing.
    ///
    /// It hears of the end by the queue's events, and looks for itself now and then
    /// ([`poll`](RemoteQueueBuilder::poll)), also while Redis is away for a time.
    ///
    /// # Errors
    ///
    /// [`RemoteErrorKind::Failed`] with the job's error; [`TimedOut`](RemoteErrorKind::TimedOut) if
    /// it has not ended by then; [`NotFound`](RemoteErrorKind::NotFound) if there is no such job;
    /// [`Encoding`](RemoteErrorKind::Encoding) if its result is no `R`;
    /// [`Unreachable`](RemoteErrorKind::Unreachable) if Redis was away when the time was up.
    pub async fn wait<R: DeserializeOwned>(
        &self,
        id: &JobId,
        limit: Duration,
    ) -> Result<R, RemoteError> {
        let waiting = self.inner.waiters.enter(id);
        let mut last = None;
        let outcome = match tokio::time::timeout(limit, self.outcome(&waiting, &mut last)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let message = format!("job {id} has not ended within {limit:?}");
                let late = RemoteError::new(RemoteErrorKind::TimedOut, message);
                return Err(last.unwrap_or(late));
            }
        };
        match outcome {
            Outcome::Completed(text) => serde_json::from_str(&text).map_err(|error| {
                let message = format!("cannot read the result of job {id}");
                RemoteError::caused(RemoteErrorKind::Encoding, message, error)
            }),
            Outcome::Failed(why) => {
                Err(RemoteError::new(RemoteErrorKind::Failed, format!("job {id} failed: {why}")))
            }
            Outcome::Gone => {
                let message = format!("there is no job {id}, or it is no longer kept");
                Err(RemoteError::new(RemoteErrorKind::NotFound, message))
            }
        }
    }

    /// Looks until the job has ended; leaves in `last` why the last look failed, if it did.
    async fn outcome(&self, waiting: &Waiting<'_>, last: &mut Option<RemoteError>) -> Outcome {
        self.inner.waiters.listen();
        loop {
            // Made before the look, so that no event between the two is missed.
            let news = waiting.news();
            if let Some(outcome) = waiting.outcome() {
                return outcome;
            }
            match self.look(waiting.id()).await {
                Ok(Some(Outcome::Gone)) => return waiting.outcome().unwrap_or(Outcome::Gone),
                Ok(Some(outcome)) => return outcome,
                Ok(None) => *last = None,
                Err(error) => *last = Some(error),
            }
            let again = Instant::now() + self.inner.waiters.poll();
            if tokio::time::timeout_at(again, news).await.is_err() {
                // Redis may have been away when the listener was to be made.
                self.inner.waiters.listen();
            }
        }
    }

    async fn look(&self, id: &JobId) -> Result<Option<Outcome>, RemoteError> {
        let status = match to_status(self.state(id).await?) {
            None => return Ok(Some(Outcome::Gone)),
            Some(status) if !status.is_finished() => return Ok(None),
            Some(status) => status,
        };
        let Some(job) = self.job(id).await? else { return Ok(Some(Outcome::Gone)) };
        Ok(Some(if status == Status::Completed {
            Outcome::Completed(job.returnvalue().to_owned())
        } else {
            Outcome::Failed(job.failed_reason().to_owned())
        }))
    }

    async fn job(&self, id: &JobId) -> Result<Option<Job>, RemoteError> {
        self.bounded("read a job", self.inner.queue.get_job(id.as_str())).await
    }

    async fn state(&self, id: &JobId) -> Result<JobState, RemoteError> {
        self.bounded("read a job's state", self.inner.queue.get_job_state(id.as_str())).await
    }

    /// Priority and progress. The library knows the priority with which the job was enqueued, and a
    /// progress that is a number only as a fraction.
    async fn as_it_stands(&self, id: &JobId) -> Result<(Option<u32>, Option<Value>), RemoteError> {
        let key = self.inner.queue.keys().job_key(id.as_str());
        let mut read = redis::cmd("HMGET");
        read.arg(key).arg("priority").arg("progress");
        let reading = self.inner.queue.connection().cmd(&mut read);
        let (priority, progress): (Option<u32>, Option<String>) =
            self.bounded("read a job", reading).await?;
        Ok((priority, progress.and_then(|text| serde_json::from_str(&text).ok())))
    }

    async fn bounded<T>(
        &self,
        doing: &str,
        answer: impl Future<Output = Result<T, bullmq::Error>>,
    ) -> Result<T, RemoteError> {
        bounded(self.inner.address.command_timeout, doing, answer).await
    }
}

fn to_status(state: JobState) -> Option<Status> {
    match state {
        JobState::Waiting
        | JobState::Delayed
        | JobState::Prioritized
        | JobState::WaitingChildren => Some(Status::Queued),
        JobState::Active => Some(Status::InProgress),
        JobState::Completed => Some(Status::Completed),
        JobState::Failed => Some(Status::Failed),
        JobState::Unknown => None,
    }
}

impl fmt::Debug for RemoteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteQueue").field("address", &self.inner.address).finish_non_exhaustive()
    }
}
