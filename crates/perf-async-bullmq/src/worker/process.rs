//! One job as one operation.

use super::RemoteWorkerStats;
use crate::job::to_our_priority;
use crate::{Permanent, RemoteContext};
use bullmq::types::BackoffStrategy;
use bullmq::{Error as Theirs, Job, JobOptions};
use perf_async::{Manager, Operation, OperationError};
use serde_json::Value;
use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// A handler, whatever it takes and answers.
pub(super) type Handler = Arc<dyn Fn(RemoteContext, Value) -> Handling + Send + Sync>;
type Handling = Pin<Box<dyn Future<Output = Result<Value, Box<dyn Error + Send + Sync>>> + Send>>;

/// What the jobs of one worker share.
pub(super) struct Shared {
    manager: Manager,
    handlers: HashMap<String, Handler>,
    put_back_for: Duration,
    command_timeout: Duration,
    /// How many jobs run, and whether they shall stop.
    running: watch::Sender<Running>,
    taken: AtomicU64,
    put_back: AtomicU64,
    pub(super) stopped: AtomicU64,
    pub(super) completed: AtomicU64,
    pub(super) failed: AtomicU64,
    errors: AtomicU64,
    last_error: Mutex<Option<String>>,
}

#[derive(Clone, Copy, Default)]
struct Running {
    jobs: u64,
    stop: bool,
}

impl Shared {
    pub(super) fn new(
        manager: Manager,
        handlers: HashMap<String, Handler>,
        put_back_for: Duration,
        command_timeout: Duration,
    ) -> Shared {
        Shared {
            manager,
            handlers,
            put_back_for,
            command_timeout,
            running: watch::Sender::new(Running::default()),
            taken: AtomicU64::new(0),
            put_back: AtomicU64::new(0),
            stopped: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last_error: Mutex::new(None),
        }
    }

    /// Relaxed, here and where it is read: each count stands by itself.
    pub(super) fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_error(&self, error: String) {
        self.count(&self.errors);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(super) fn command_timeout(&self) -> Duration {
        self.command_timeout
    }

    /// Stops what runs, and what is taken from now on, at its next await.
    pub(super) fn stop(&self) {
        self.running.send_modify(|running| running.stop = true);
    }

    /// Waits until no job runs.
    pub(super) async fn idle(&self) {
        // The sender lives as long as this does.
        let _ = self.running.subscribe().wait_for(|running| running.jobs == 0).await;
    }

    pub(super) fn stats(&self) -> RemoteWorkerStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RemoteWorkerStats {
            taken: read(&self.taken),
            completed: read(&self.completed),
            failed: read(&self.failed),
            put_back: read(&self.put_back),
            errors: read(&self.errors),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            running: self.running.borrow().jobs,
        }
    }
}

/// Counts a job as running as long as it lives.
struct Count<'a>(&'a Shared);

impl<'a> Count<'a> {
    fn new(shared: &'a Shared) -> Count<'a> {
        shared.count(&shared.taken);
        shared.running.send_modify(|running| running.jobs += 1);
        Count(shared)
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.running.send_modify(|running| running.jobs -= 1);
    }
}

/// Does a job. Never panics: the library would renew the lock of a job whose task has panicked for
/// ever.
pub(super) async fn process(shared: Arc<Shared>, job: Job) -> Result<Value, Theirs> {
    let _count = Count::new(&shared);
    let Some(handler) = shared.handlers.get(job.name()).map(Arc::clone) else {
        let name = job.name();
        return Err(Theirs::Unrecoverable(format!(
            "no worker has a handler for jobs named {name}"
        )));
    };
    let kind = job.name().to_owned();
    let priority = to_our_priority(job.priority());
    let (context, payload) =
        (RemoteContext::new(job.clone(), shared.command_timeout), job.data().clone());
    // The handler is called inside the operation, where its panic is one of the operation.
    let work = async move { handler(context, payload).await };
    let operation = Operation::new(kind, work).priority(priority);
    let ended = {
        let mut run = pin!(shared.manager.run(operation));
        let mut stops = shared.running.subscribe();
        let mut stop = pin!(stops.wait_for(|running| running.stop));
        std::future::poll_fn(|cx| {
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            run.as_mut().poll(cx).map(Some)
        })
        .await
    };
    match ended {
        Some(Ok(value)) => Ok(value),
        Some(Err(OperationError::Overloaded(_))) => put_back(&shared, &job, None).await,
        Some(Err(OperationError::CircuitOpen { retry_after })) => {
            put_back(&shared, &job, Some(retry_after)).await
        }
        Some(Err(error)) => Err(match to_their_error(&error) {
            Theirs::ProcessingError(text) if !can_back_off(job.opts(), job.attempts_made()) => {
                Theirs::Unrecoverable(text)
            }
            error => error,
        }),
        None => {
            shared.count(&shared.stopped);
            shared.count(&shared.put_back);
            // The library's word for "back into the queue, and no attempt lost".
            Err(Theirs::RateLimited { delay_ms: 0 })
        }
    }
}

/// Has the job taken again after a while, without the loss of an attempt.
async fn put_back(shared: &Shared, job: &Job, at_least: Option<Duration>) -> Result<Value, Theirs> {
    let after = shared.put_back_for.max(at_least.unwrap_or_default()).min(LONGEST_PUT_BACK);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = u64::try_from((now + after).as_millis()).unwrap_or(u64::MAX);
    match tokio::time::timeout(shared.command_timeout, job.move_to_delayed(at)).await {
        Ok(Ok(())) => {
            shared.count(&shared.put_back);
            Err(Theirs::Delayed)
        }
        Ok(Err(error)) => Err(error),
        // Its lock runs out, and it is taken again then.
        Err(_) => Err(Theirs::Delayed),
    }
}

fn to_their_error(error: &OperationError) -> Theirs {
    match error {
        OperationError::Failed(own) => {
            let text = own.to_string();
            if own.is::<Permanent>() {
                Theirs::Unrecoverable(text)
            } else {
                Theirs::ProcessingError(text)
            }
        }
        OperationError::Cancelled => Theirs::Unrecoverable(error.to_string()),
        _ => Theirs::ProcessingError(error.to_string()),
    }
}

/// Whether the library can compute how long to wait for the next attempt of a job that some other
/// program has put in: where the doubling overflows, it panics or waits for any time.
fn can_back_off(options: &JobOptions, attempts_made: u32) -> bool {
    match options.backoff {
        Some(BackoffStrategy::Exponential(base)) => 2_u64
            .checked_pow(attempts_made)
            .and_then(|factor| base.checked_mul(factor))
            .is_some_and(|delay| delay <= i64::MAX as u64),
        _ => true,
    }
}

const LONGEST_PUT_BACK: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_that_overflows_is_found() {
        let exponential = |base| JobOptions::new().backoff(BackoffStrategy::Exponential(base));
        assert!(can_back_off(&exponential(1_000), 29));
        assert!(can_back_off(&exponential(1), 62));
        assert!(!can_back_off(&exponential(1), 63));
        assert!(!can_back_off(&exponential(1_000), 60));
        assert!(!can_back_off(&exponential(0), 64));
        assert!(can_back_off(&JobOptions::new(), u32::MAX));
    }
}
