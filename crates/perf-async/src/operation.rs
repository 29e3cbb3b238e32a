//! A piece of work and how it wants to be run.

use crate::driver::{BoxError, Keep, KeptValue};
use crate::fallback::Degrade;
use crate::scheduler::Asks;
use crate::sync::Arc;
use crate::work::{Fallible, Infallible};
use crate::{Attempt, Hedge, KindSettings, Needs, OperationError, Retry, Retryable, Work};
use perf_core::Priority;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// A piece of work with a value of type `T`, and how it wants to be run.
///
/// `W` is its [`Work`]: a future, or a function that makes one for each attempt. Nothing of it is
/// run before its turn has come, so what it awaits costs nothing while it waits.
pub struct Operation<T, W> {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) work: W,
    pub(crate) priority: Priority,
    pub(crate) key: Option<Key<T>>,
    pub(crate) limits: Limits,
    pub(crate) choices: Choices<T>,
}

/// What the caller has chosen for one operation alone, beside its limits. In a box, because few have
/// any and all that wait would carry it.
pub(crate) type Choices<T> = Option<Box<Chosen<T>>>;

pub(crate) struct Chosen<T> {
    pub(crate) retry: Option<Retry>,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) degrade: Degrade<T>,
    pub(crate) needs: Option<Needs>,
    pub(crate) keep: Option<Keep<T>>,
}

/// A key, and how to copy the value for each who waits: known only where `T` can be copied.
pub(crate) struct Key<T> {
    pub(crate) name: String,
    pub(crate) copy: fn(&T) -> T,
}

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

    /// An operation of that kind that can be tried again: the function makes the future of each
    /// attempt, and is told which attempt it is, why the last one ended and how much time is left.
    /// A panic of the function counts as one of the attempt.
    ///
    /// It is tried again as its [`retry`](Operation::retry) says, or else its
    /// [kind's](crate::KindSettings::retry); without either there is one attempt. An operation made
    /// from a future, by [`new`](Operation::new) or [`infallible`](Operation::infallible), is never
    /// tried again.
    ///
    /// ```
    /// # use perf_async::Operation;
    /// # async fn load(url: &str) -> Result<String, std::io::Error> { Ok(url.to_owned()) }
    /// let url = "https://example.org".to_owned();
    /// let operation = Operation::retryable("fetch", move |_attempt| {
    ///     let url = url.clone();
    ///     async move { load(&url).await }
    /// });
    /// ```
    pub fn retryable<T, E, M, F>(
        kind: impl Into<Cow<'static, str>>,
        make: M,
    ) -> Operation<T, Retryable<M, F>>
    where
        M: FnMut(Attempt) -> F,
        F: Future<Output = Result<T, E>>,
        E: Into<BoxError>,
    {
        Operation::of(kind.into(), Retryable::new(make))
    }
}

impl<T, W> Operation<T, W> {
    pub(crate) fn of(kind: Cow<'static, str>, work: W) -> Operation<T, W>
    where
        W: Work<T>,
    {
        Operation::with(kind, work)
    }

    /// The same for what is not run by itself.
    pub(crate) fn with(kind: Cow<'static, str>, work: W) -> Operation<T, W> {
        let limits = Limits::NONE;
        Operation { kind, work, priority: Priority::NORMAL, key: None, limits, choices: None }
    }

    /// How urgent it is. The default is 5.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Operation<T, W> {
        self.priority = priority;
        self
    }

    /// How long it may wait for its turn. The default is its kind's, or as long as it takes.
    #[must_use]
    pub fn queue_timeout(mut self, limit: Duration) -> Operation<T, W> {
        self.limits.queue = Some(limit);
        self
    }

    /// How long it may run once its turn has come. The default is its kind's, or else the manager's;
    /// [`Duration::MAX`] means as long as it takes. Limits of more than a second are kept to the
    /// microsecond, of more than 17 minutes to the millisecond, rounded up.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Operation<T, W> {
        self.limits.run = Some(limit);
        self
    }

    /// How long it may wait and run, counted from its submission. The default is its kind's, or as
    /// long as it takes.
    #[must_use]
    pub fn total_timeout(mut self, limit: Duration) -> Operation<T, W> {
        self.limits.total = Some(limit);
        self
    }

    /// How often it is tried again, and when; goes before what its kind says. Only a [`retryable`](Operation::retryable) operation
    /// can be tried again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Operation<T, W> {
        self.chosen().retry = Some(retry);
        self
    }

    /// When a second attempt is made beside a slow one; goes before what its kind says. Only a
    /// [`retryable`](Operation::retryable) operation can have one.
    #[must_use]
    pub fn hedge(mut self, hedge: Hedge) -> Operation<T, W> {
        self.chosen().hedge = Some(hedge);
        self
    }

    /// What answers if the operation has no value in the end: asked once, with the error, when there
    /// will be no further attempt; not if it was cancelled. `None`, or a panic, leaves it at the
    /// error, or at the [`stale`](Operation::stale) value if there is one.
    ///
    /// No time limit holds for it, and it must not block. The record and the statistics say how the
    /// operation itself ended; [`Handle::answered`](crate::Handle::answered) says who answered.
    #[must_use]
    pub fn fallback(
        mut self,
        fallback: impl FnOnce(&OperationError) -> Option<T> + Send + 'static,
    ) -> Operation<T, W> {
        self.chosen().degrade.set_fallback(fallback);
        self
    }

    /// A value of earlier, for when neither the operation nor its [`fallback`](Operation::fallback)
    /// answers. Asked for only then, and as that is.
    #[must_use]
    pub fn stale(mut self, stale: impl FnOnce() -> Option<T> + Send + 'static) -> Operation<T, W> {
        self.chosen().degrade.set_stale(stale);
        self
    }

    /// What it takes of the manager's [pools](crate::Pools) while it runs, instead of what its kind
    /// says. It starts only when all of that is free.
    #[must_use]
    pub fn needs(mut self, needs: Needs) -> Operation<T, W> {
        self.chosen().needs = Some(needs);
        self
    }

    /// What it asks of the pools by itself.
    pub(crate) fn asks(&self) -> Option<Box<Asks>> {
        let needs = self.choices.as_ref().and_then(|chosen| chosen.needs)?;
        Some(Box::new(Asks::of(needs)))
    }

    fn chosen(&mut self) -> &mut Chosen<T> {
        let nothing = || {
            let degrade = Degrade::default();
            Box::new(Chosen { retry: None, hedge: None, degrade, needs: None, keep: None })
        };
        self.choices.get_or_insert_with(nothing)
    }

    /// Makes it one with every other operation of the same kind, key and type of value that waits
    /// or runs: the work is done once and each caller gets a copy of the value.
    ///
    /// A caller who joins brings its priority: the operation waits as the most urgent of them. It
    /// keeps the time-outs of the operation it joins, and its own work is dropped unused. Callers
    /// come and go without harm to the others; when the last has cancelled, the work is dropped.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Operation<T, W>
    where
        T: Clone,
    {
        self.key = Some(Key { name: key.into(), copy: T::clone });
        self
    }

    /// Keeps the value for that long once the operation has completed, to answer later callers with
    /// the same kind, [key](Operation::key) and type of value with a copy of it: nothing is run for
    /// them. Without a key it does nothing.
    ///
    /// Errors are not kept, nor is what a [`fallback`](Operation::fallback) answers. A manager keeps
    /// at most as many values as [`kept_limit`](crate::ManagerBuilder::kept_limit) says; beyond that
    /// those go first whose time passes first. A value whose time has passed is dropped when the
    /// next is kept.
    #[must_use]
    pub fn keep_for(mut self, time: Duration) -> Operation<T, W>
    where
        T: Clone + Send + Sync + 'static,
    {
        let copy = |value: &T| Arc::new(value.clone()) as KeptValue;
        self.chosen().keep = Some(Keep { time, copy, key: None });
        self
    }
}

impl<T, W> fmt::Debug for Operation<T, W> {
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
    pub(crate) queue: Option<Duration>,
    pub(crate) run: Option<Duration>,
    pub(crate) total: Option<Duration>,
}

impl Limits {
    pub(crate) const NONE: Limits = Limits { queue: None, run: None, total: None };

    /// With the kind's where the operation has none of its own, and the manager's time-out where
    /// the kind has none either.
    pub(crate) fn or(self, kind: &KindSettings, default: Duration) -> Limits {
        Limits {
            queue: self.queue.or(kind.queue_timeout),
            run: self.run.or(kind.timeout).or(Some(default)),
            total: self.total.or(kind.total_timeout),
        }
    }
}
