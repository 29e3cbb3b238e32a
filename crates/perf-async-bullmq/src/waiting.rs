//! Those who wait for jobs, and the one listener that tells them.
//!
//! Events make waiting quick; nobody depends on them, for each who waits looks for itself too.

use crate::JobId;
use crate::connection::Address;
use bullmq::{QueueEvent, QueueEvents, QueueEventsOptions};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// How a job ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// With this result, as JSON.
    Completed(String),
    Failed(String),
    Gone,
}

pub(crate) struct Waiters {
    address: Address,
    poll: Duration,
    entries: Arc<Mutex<Entries>>,
    /// Its end is what stops the listener.
    listener: Mutex<Option<Listener>>,
}

type Entries = HashMap<JobId, Arc<Entry>>;

struct Entry {
    news: Notify,
    outcome: Mutex<Option<Outcome>>,
}

struct Listener {
    _stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Waiters {
    pub(crate) fn new(address: Address, poll: Duration) -> Waiters {
        let entries = Arc::new(Mutex::new(Entries::new()));
        Waiters { address, poll, entries, listener: Mutex::new(None) }
    }

    pub(crate) fn poll(&self) -> Duration {
        self.poll
    }

    /// One more who waits for that job.
    pub(crate) fn enter(&self, id: &JobId) -> Waiting<'_> {
        let mut entries = lock(&self.entries);
        let entry = entries
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Entry { news: Notify::new(), outcome: Mutex::new(None) }));
        Waiting { waiters: self, id: id.clone(), entry: Arc::clone(entry) }
    }

    /// Starts to listen, unless that has been done. If it cannot be done now, the next call tries
    /// again; until then those who wait find out by looking.
    pub(crate) fn listen(&self) {
        let mut listener = lock(&self.listener);
        if listener.as_ref().is_some_and(|listener| !listener.task.is_finished()) {
            return;
        }
        let (stop, stopped) = oneshot::channel();
        let (address, entries) = (self.address.clone(), Arc::clone(&self.entries));
        let task = tokio::spawn(async move {
            let limit = address.connect_timeout;
            if let Ok(Some(events)) = tokio::time::timeout(limit, open(&address)).await {
                // What ended before it began to listen is found by looking once more.
                for entry in entries_of(&entries) {
                    entry.news.notify_waiters();
                }
                hear(events, entries, stopped).await;
            }
        });
        *listener = Some(Listener { _stop: stop, task });
    }
}

async fn open(address: &Address) -> Option<QueueEvents> {
    let options = QueueEventsOptions {
        connection: address.connection(),
        prefix: address.prefix.clone(),
        last_event_id: Some(last_event(address).await?),
        ..QueueEventsOptions::default()
    };
    QueueEvents::with_options(&address.name, options).await.ok()
}

/// Where the events stand now. Told nothing, the library asks for "what comes from now on" anew each
/// time it reads, and misses what comes in between.
async fn last_event(address: &Address) -> Option<String> {
    let client = redis::Client::open(address.url.as_str()).ok()?;
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    let keys = bullmq::QueueKeys::new(&address.name, Some(&address.prefix));
    let mut read = redis::cmd("XREVRANGE");
    read.arg(keys.events()).arg("+").arg("-").arg("COUNT").arg(1);
    let last: Vec<(String, redis::Value)> = read.query_async(&mut connection).await.ok()?;
    Some(last.into_iter().next().map_or_else(|| "0".to_owned(), |(id, _)| id))
}

fn entries_of(entries: &Mutex<Entries>) -> Vec<Arc<Entry>> {
    lock(entries).values().map(Arc::clone).collect()
}

/// Tells those who wait, until the queue is gone. Reads on whether or not anybody waits, because
/// what the library has read and nobody takes stays in memory.
async fn hear(
    events: QueueEvents,
    entries: Arc<Mutex<Entries>>,
    mut stopped: oneshot::Receiver<()>,
) {
    loop {
        let event = {
            let mut next = std::pin::pin!(events.next_event());
            std::future::poll_fn(|cx| {
                if std::pin::Pin::new(&mut stopped).poll(cx).is_ready() {
                    return std::task::Poll::Ready(None);
                }
                next.as_mut().poll(cx)
            })
            .await
        };
        let Some(event) = event else { break };
        let (id, outcome) = match event.event {
            QueueEvent::Completed { job_id, return_value, .. } => {
                (job_id, Outcome::Completed(return_value))
            }
            QueueEvent::Failed { job_id, failed_reason, .. } => {
                (job_id, Outcome::Failed(failed_reason))
            }
            QueueEvent::Removed { job_id, .. } => (job_id, Outcome::Gone),
            _ => continue,
        };
        let entry = lock(&entries).get(&JobId::from(id)).map(Arc::clone);
        if let Some(entry) = entry {
            // The first word counts, but a result more than that the job was cleaned away after it.
            lock(&entry.outcome).get_or_insert(outcome);
            entry.news.notify_waiters();
        }
    }
    events.close().await;
}

/// One who waits for a job.
pub(crate) struct Waiting<'a> {
    waiters: &'a Waiters,
    id: JobId,
    entry: Arc<Entry>,
}

impl Waiting<'_> {
    pub(crate) fn id(&self) -> &JobId {
        &self.id
    }

    /// Ends when an event says that the job has ended, from the moment it is made.
    pub(crate) fn news(&self) -> impl Future<Output = ()> + '_ {
        self.entry.news.notified()
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        lock(&self.entry.outcome).clone()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut entries = lock(&self.waiters.entries);
        // Two: the register's and this one. Others enter under the lock that is held.
        if Arc::strong_count(&self.entry) <= 2 {
            entries.remove(&self.id);
        }
    }
}

/// Nothing that can panic midway runs under these locks, so what they guard is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
