//! A piece of work and how it wants to be run.

use crate::driver::BoxError;
use perf_core::Priority;
use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A piece of work with a value of type `T`, and how it wants to be run.
///
/// The future is polled only once its turn has come, so what it awaits costs nothing while it
/// waits.
pub struct Operation<T, F> {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) future: F,
    pub(crate) priority: Priority,
    pub(crate) key: Option<Key<T>>,
    pub(crate) limits: Limits,
}

/// A key, and how to copy the value for each who waits: known only where `T` can be copied.
pub(crate) struct Key<T> {
    pub(crate) name: String,
    pub(crate) copy: fn(&T) -> T,
}

/// What an operation's future has as its output inside the manager.
pub(crate) type Answer<T> = Result<T, BoxError>;

impl Operation<(), ()> {
    /// An operation of that kind which may fail. Priority 5, no key, the manager's time-out.
    ///
    /// The kind is a word for people and statistics, such as `"fetch"`.
    ///
    /// ```
    /// # use perf_async::Operation;
    /// let operation = Operation::new("parse", async { "42".parse::<u32>() });
    /// ```
    pub fn new<T, E, F>(
        kind: impl Into<Cow<'static, str>>,
        future: F,
    ) -> Operation<T, impl Future<Output = Result<T, BoxError>>>
    where
        F: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        Operation::of(kind.into(), Fallible { future })
    }

    /// An operation of that kind which always has a value, or whose errors are the caller's own
    /// affair: a `Result` is then a value like any other, and counts as completed.
    ///
    /// ```
    /// # use perf_async::Operation;
    /// let operation = Operation::infallible("add", async { 1 + 1 });
    /// ```
    pub fn infallible<T, F>(
        kind: impl Into<Cow<'static, str>>,
        future: F,
    ) -> Operation<T, impl Future<Output = Result<T, BoxError>>>
    where
        F: Future<Output = T>,
    {
        Operation::of(kind.into(), Infallible { future })
    }
}

impl<T, F> Operation<T, F> {
    fn of(kind: Cow<'static, str>, future: F) -> Operation<T, F> {
        let limits = Limits { queue: Duration::MAX, run: None, total: Duration::MAX };
        Operation { kind, future, priority: Priority::NORMAL, key: None, limits }
    }

    /// How urgent it is. The default is 5.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Operation<T, F> {
        self.priority = priority;
        self
    }

    /// How long it may wait for its turn. The default is as long as it takes.
    #[must_use]
    pub fn queue_timeout(mut self, limit: Duration) -> Operation<T, F> {
        self.limits.queue = limit;
        self
    }

    /// How long it may run once its turn has come. The default is the manager's;
    /// [`Duration::MAX`] means as long as it takes.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Operation<T, F> {
        self.limits.run = Some(limit);
        self
    }

    /// How long it may wait and run, counted from its submission. The default is as long as it
    /// takes.
    #[must_use]
    pub fn total_timeout(mut self, limit: Duration) -> Operation<T, F> {
        self.limits.total = limit;
        self
    }

    /// Makes it one with every other operation of the same kind, key and type of value that waits
    /// or runs: the work is done once and each caller gets a copy of the value.
    ///
    /// A caller who joins brings its priority: the operation waits as the most urgent of them. It
    /// keeps the time-outs of the operation it joins, and its own future is dropped unused. Callers
    /// come and go without harm to the others; when the last has cancelled, the work is dropped.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Operation<T, F>
    where
        T: Clone,
    {
        self.key = Some(Key { name: key.into(), copy: T::clone });
        self
    }
}

// Written out, because an async block would hold the future twice.
pin_project! {
    struct Fallible<F> {
        #[pin]
        future: F,
    }
}

impl<T, E: Into<BoxError>, F: Future<Output = Result<T, E>>> Future for Fallible<F> {
    type Output = Answer<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<T>> {
        self.project().future.poll(cx).map_err(Into::into)
    }
}

pin_project! {
    struct Infallible<F> {
        #[pin]
        future: F,
    }
}

impl<T, F: Future<Output = T>> Future for Infallible<F> {
    type Output = Answer<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<T>> {
        self.project().future.poll(cx).map(Ok)
    }
}

impl<T, F> fmt::Debug for Operation<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("kind", &self.kind)
            .field("priority", &self.priority)
            .field("key", &self.key.as_ref().map(|key| &key.name))
            .finish_non_exhaustive()
    }
}

/// How long an operation may wait and run, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) queue: Duration,
    pub(crate) run: Option<Duration>,
    pub(crate) total: Duration,
}

impl Limits {
    /// With the manager's time-out where the operation has none of its own.
    pub(crate) fn or_run(mut self, default: Duration) -> Limits {
        self.run.get_or_insert(default);
        self
    }
}
