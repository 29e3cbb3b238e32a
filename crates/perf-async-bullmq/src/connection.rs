//! The way to Redis, with a bound on every step.

use crate::waiting::Waiters;
use crate::{RemoteError, RemoteErrorKind, RemoteQueue};
use bullmq::options::RedisConnectionOptions;
use bullmq::types::{KeepJobs, RemoveOnFinish};
use bullmq::{JobOptions, Queue, QueueOptions};
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// Builds a [`RemoteQueue`].
#[derive(Clone, Debug)]
#[must_use = "`connect` makes the queue of it"]
pub struct RemoteQueueBuilder {
    pub(crate) address: Address,
    keep: (usize, Duration),
    poll: Duration,
}

/// Which queue in which Redis, and how long an answer may take.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) url: String,
    pub(crate) name: String,
    pub(crate) prefix: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) command_timeout: Duration,
}

impl Address {
    pub(crate) fn new(url: String, name: String) -> Address {
        Address {
            url,
            name,
            prefix: "bull".to_owned(),
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(5),
        }
    }

    pub(crate) fn connection(&self) -> RedisConnectionOptions {
        RedisConnectionOptions::new().url(self.url.as_str())
    }

    /// Asks for an answer on a connection of its own. The library tries again for half a minute and
    /// more before it says why it cannot connect.
    pub(crate) async fn probe(&self) -> Result<(), RemoteError> {
        if self.url.starts_with("rediss:") && !cfg!(feature = "tls") {
            let message = "`url` cannot be rediss://…: turn on the feature `tls`";
            return Err(RemoteError::new(RemoteErrorKind::Invalid, message));
        }
        // The URL may hold a password, so it is never part of a message.
        let client = redis::Client::open(self.url.as_str()).map_err(|error| {
            let message = "`url` cannot be used: write redis://host:port";
            RemoteError::caused(RemoteErrorKind::Invalid, message, error)
        })?;
        let ping = async {
            let mut connection = client.get_multiplexed_async_connection().await?;
            redis::cmd("PING").query_async::<()>(&mut connection).await?;
            Ok(())
        };
        bounded(self.connect_timeout, "connect", ping).await
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Waits for Redis no longer than that.
pub(crate) async fn bounded<T>(
    limit: Duration,
    doing: &str,
    answer: impl Future<Output = Result<T, bullmq::Error>>,
) -> Result<T, RemoteError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| RemoteError::of(doing, error)),
        Err(_) => Err(RemoteError::silent(doing, limit)),
    }
}

impl RemoteQueueBuilder {
    pub(crate) fn new(url: String, name: String) -> RemoteQueueBuilder {
        let address = Address::new(url, name);
        let keep = (1_000, Duration::from_secs(24 * 60 * 60));
        RemoteQueueBuilder { address, keep, poll: Duration::from_secs(2) }
    }

    /// What the names of its keys in Redis begin with. The default is `bull`, as in other programs.
    pub fn prefix(mut self, prefix: impl Into<String>) -> RemoteQueueBuilder {
        self.address.prefix = prefix.into();
        self
    }

    /// How long connecting may take. The default is 5 s.
    pub fn connect_timeout(mut self, limit: Duration) -> RemoteQueueBuilder {
        self.address.connect_timeout = limit;
        self
    }

    /// How long a command may take. The default is 5 s.
    pub fn command_timeout(mut self, limit: Duration) -> RemoteQueueBuilder {
        self.address.command_timeout = limit;
        self
    }

    /// How many jobs that ended well, and as many that failed, are kept in Redis, and for how long;
    /// what goes beyond is forgotten. The default is 1,000 and a day.
    pub fn keep(mut self, jobs: usize, time: Duration) -> RemoteQueueBuilder {
        self.keep = (jobs, time);
        self
    }

    /// How often [`RemoteQueue::wait`] looks for itself, should an event be lost, at least every
    /// 10 ms. The default is 2 s.
    pub fn poll(mut self, time: Duration) -> RemoteQueueBuilder {
        self.poll = time.max(Duration::from_millis(10));
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// [`RemoteErrorKind::Unreachable`] if Redis does not answer in time,
    /// [`RemoteErrorKind::Invalid`] if URL, name or prefix cannot be.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer and its drivers enabled.
    pub async fn connect(self) -> Result<RemoteQueue, RemoteError> {
        let RemoteQueueBuilder { address, keep: (count, time), poll } = self;
        address.probe().await?;
        let kept = RemoveOnFinish::Options(KeepJobs {
            // The script counts in seconds, whatever the library's page says.
            age: Some(time.as_secs().max(1)),
            count: Some(count),
            limit: None,
        });
        let kept = JobOptions::new().remove_on_complete(kept.clone()).remove_on_fail(kept);
        let options = QueueOptions::new()
            .connection(address.connection())
            .prefix(address.prefix.as_str())
            .default_job_options(kept);
        let opening = Queue::with_options(&address.name, options);
        let queue = bounded(address.connect_timeout, "connect", opening).await?;
        let waiters = Waiters::new(address.clone(), poll);
        Ok(RemoteQueue::new(queue, address, waiters))
    }
}
