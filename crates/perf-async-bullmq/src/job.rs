//! A job and how it wants to be done.

use crate::{RemoteError, RemoteErrorKind};
use bullmq::types::BackoffStrategy;
use bullmq::{DeduplicationOptions, JobOptions};
use perf_core::Priority;
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// The name of a job within its queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JobId(String);

impl JobId {
    /// The id as text, as other programs know it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for JobId {
    fn from(id: String) -> JobId {
        JobId(id)
    }
}

impl From<&str> for JobId {
    fn from(id: &str) -> JobId {
        JobId(id.to_owned())
    }
}

/// A job: the name of what is to be done, what it is to be done with, and how.
#[derive(Clone, Debug)]
#[must_use = "enqueue it"]
pub struct RemoteJob {
    pub(crate) name: String,
    pub(crate) payload: Value,
    priority: Priority,
    key: Option<String>,
    delay: Duration,
    attempts: u32,
    retry_delay: Duration,
}

impl RemoteJob {
    /// A job of that name with that payload: priority 5, no key, no delay, one attempt.
    ///
    /// # Errors
    ///
    /// [`RemoteErrorKind::Encoding`] if the payload cannot be written as JSON,
    /// [`RemoteErrorKind::Invalid`] if the name is empty.
    pub fn new<P: Serialize + ?Sized>(
        name: impl Into<String>,
        payload: &P,
    ) -> Result<RemoteJob, RemoteError> {
        let name = name.into();
        if name.is_empty() {
            let message = "`name` of a job cannot be empty: name the handler that does it";
            return Err(RemoteError::new(RemoteErrorKind::Invalid, message));
        }
        let payload = serde_json::to_value(payload).map_err(|error| {
            let message = format!("cannot write the payload of job `{name}` as JSON");
            RemoteError::caused(RemoteErrorKind::Encoding, message, error)
        })?;
        Ok(RemoteJob {
            name,
            payload,
            priority: Priority::NORMAL,
            key: None,
            delay: Duration::ZERO,
            attempts: 1,
            retry_delay: Duration::from_secs(1),
        })
    }

    /// How urgent it is. The default is 5.
    pub fn priority(mut self, priority: Priority) -> RemoteJob {
        self.priority = priority;
        self
    }

    /// As long as a job with the same key waits or runs in the queue, enqueuing answers that job's
    /// id and adds none. The first keeps its payload and its priority.
    pub fn key(mut self, key: impl Into<String>) -> RemoteJob {
        self.key = Some(key.into());
        self
    }

    /// How long it waits before it may be taken; to the millisecond. The default is not at all.
    pub fn delay(mut self, delay: Duration) -> RemoteJob {
        self.delay = delay;
        self
    }

    /// How often it is tried until it counts as failed, from 1 to 30; beyond that the nearest of the
    /// two. The default is once. Workers that die do not count as attempts.
    pub fn attempts(mut self, attempts: u32) -> RemoteJob {
        self.attempts = attempts.clamp(1, MAX_ATTEMPTS);
        self
    }

    /// How long it waits before the second attempt; twice as long before each further one. At most
    /// an hour. The default is one second.
    pub fn retry_delay(mut self, delay: Duration) -> RemoteJob {
        self.retry_delay = delay.min(MAX_RETRY_DELAY);
        self
    }

    pub(crate) fn options(&self) -> JobOptions {
        let mut options = JobOptions::new()
            .priority(to_their_priority(self.priority))
            .attempts(self.attempts)
            .backoff(BackoffStrategy::Exponential(milliseconds(self.retry_delay)));
        if !self.delay.is_zero() {
            options = options.delay(self.delay.min(MAX_DELAY));
        }
        match &self.key {
            Some(key) => options.deduplication(DeduplicationOptions {
                id: key.clone(),
                ..DeduplicationOptions::default()
            }),
            None => options,
        }
    }
}

/// Theirs counts from 1, the most urgent.
pub(crate) fn to_their_priority(priority: Priority) -> u32 {
    u32::from(11 - priority.level())
}

/// Zero is theirs for no priority, which goes before all others.
pub(crate) fn to_our_priority(priority: u32) -> Priority {
    let level = 11_u32.saturating_sub(priority).clamp(1, 10);
    u8::try_from(level).ok().and_then(Priority::new).unwrap_or(Priority::LOWEST)
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// With the longest delay, what the library computes for the last attempt still fits.
const MAX_ATTEMPTS: u32 = 30;
const MAX_RETRY_DELAY: Duration = Duration::from_secs(60 * 60);
/// A hundred years: the script adds the wall time and multiplies, in floating point.
const MAX_DELAY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_mapped_inversely_and_back() {
        for level in 1..=10 {
            let priority = Priority::new(level).unwrap();
            assert_eq!(to_our_priority(to_their_priority(priority)), priority);
        }
        assert_eq!(to_their_priority(Priority::HIGHEST), 1);
        assert_eq!(to_our_priority(0), Priority::HIGHEST);
        assert_eq!(to_our_priority(2_097_152), Priority::LOWEST);
    }

    #[test]
    fn what_is_out_of_bounds_is_brought_in() {
        let job = RemoteJob::new("a", &1).unwrap().attempts(0).retry_delay(Duration::MAX);
        let options = job.clone().delay(Duration::MAX).options();
        assert_eq!(options.attempts, Some(1));
        assert_eq!(options.delay, Some(milliseconds(MAX_DELAY)));
        assert!(matches!(options.backoff, Some(BackoffStrategy::Exponential(3_600_000))));
        assert_eq!(job.attempts(99).options().attempts, Some(30));
        assert_eq!(RemoteJob::new("", &1).unwrap_err().kind(), RemoteErrorKind::Invalid);
    }

    #[test]
    fn a_payload_that_is_no_json_is_an_error() {
        let keys = std::collections::HashMap::from([((1, 2), 3)]);
        assert_eq!(RemoteJob::new("a", &keys).unwrap_err().kind(), RemoteErrorKind::Encoding);
    }
}
