//! A test case and how it wants to be run.

use super::TestCommand;
use super::output::Tail;
use crate::driver::BoxError;
use crate::sync::{Arc, Mutex, lock};
use perf_core::Priority;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

/// A command or an async closure with a name, and how it wants to be run.
#[derive(Clone, Debug)]
pub struct TestCase {
    pub(super) name: String,
    pub(super) body: Body,
    pub(super) group: Option<String>,
    pub(super) priority: Priority,
    pub(super) weight: u32,
    pub(super) timeout: Option<Duration>,
    pub(super) slow: Option<Duration>,
    pub(super) retries: Option<u32>,
    pub(super) inputs: Option<Vec<PathBuf>>,
}

/// What a case does.
#[derive(Clone)]
pub(super) enum Body {
    Command(Arc<TestCommand>),
    Function(Arc<Function>),
}

pub(super) type Function =
    dyn Fn(TestAttempt) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send + Sync;

impl TestCase {
    /// A case that is a command.
    #[must_use]
    pub fn command(name: impl Into<String>, command: TestCommand) -> TestCase {
        TestCase::of(name.into(), Body::Command(Arc::new(command)))
    }

    /// A case that is an async closure: it passes if it answers `Ok`. It is called once for each
    /// attempt. When its time is up, or the run is stopped, its future is dropped; a panic is a
    /// failure like any other.
    #[must_use]
    pub fn new<T, F, E>(name: impl Into<String>, test: T) -> TestCase
    where
        T: Fn(TestAttempt) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let function = move |attempt| -> Pin<Box<dyn Future<Output = _> + Send>> {
            let answer = test(attempt);
            Box::pin(async move { answer.await.map_err(Into::into) })
        };
        TestCase::of(name.into(), Body::Function(Arc::new(function)))
    }

    fn of(name: String, body: Body) -> TestCase {
        TestCase {
            name,
            body,
            group: None,
            priority: Priority::NORMAL,
            weight: 1,
            timeout: None,
            slow: None,
            retries: None,
            inputs: None,
        }
    }

    /// The group that it belongs to, whose limit holds for it: see
    /// [`TestQueueBuilder::group`](super::TestQueueBuilder::group).
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> TestCase {
        self.group = Some(name.into());
        self
    }

    /// How early it starts. The default is 5.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> TestCase {
        self.priority = priority;
        self
    }

    /// How many of the places it takes; one that wants more than there are runs alone. The default is
    /// 1. On a manager of your own it is what the case [needs](crate::Needs) of the pool `cpu`.
    #[must_use]
    pub fn weight(mut self, places: u32) -> TestCase {
        self.weight = places;
        self
    }

    /// How long one attempt may take. The default is the queue's.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> TestCase {
        self.timeout = Some(limit);
        self
    }

    /// From when on it is marked as slow. The default is the queue's.
    #[must_use]
    pub fn slow(mut self, after: Duration) -> TestCase {
        self.slow = Some(after);
        self
    }

    /// How often it is tried again after a failure. The default is the queue's.
    #[must_use]
    pub fn retries(mut self, times: u32) -> TestCase {
        self.retries = Some(times);
        self
    }

    /// The files and folders that its outcome depends on, besides its command and the variables set
    /// for it; relative ones are taken from the command's folder. With them, if only an empty list,
    /// it is skipped as unchanged when all of that is as it was when it last passed; without, it
    /// always runs. A program that is named by a path is one of them by itself.
    #[must_use]
    pub fn inputs<P: Into<PathBuf>>(mut self, paths: impl IntoIterator<Item = P>) -> TestCase {
        self.inputs.get_or_insert_default().extend(paths.into_iter().map(Into::into));
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// One attempt at a case, as the closure sees it.
#[derive(Clone, Debug)]
pub struct TestAttempt {
    number: u32,
    written: Arc<Mutex<Tail>>,
}

impl TestAttempt {
    pub(super) fn new(number: u32, limit: usize) -> TestAttempt {
        TestAttempt { number, written: Arc::new(Mutex::new(Tail::new(limit))) }
    }

    /// Which attempt it is, from 1.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Adds to what is shown if the case fails; of much, the end is kept.
    pub fn write(&self, bytes: impl AsRef<[u8]>) {
        lock(&self.written).push(bytes.as_ref());
    }

    /// What was written, and how many bytes of it were cut.
    pub(super) fn take(&self) -> (String, u64) {
        lock(&self.written).take()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Command(command) => command.fmt(f),
            Body::Function(_) => f.write_str("Function"),
        }
    }
}
