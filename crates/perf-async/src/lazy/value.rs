//! A value that is made when somebody first asks for it.

use super::Loading;
use super::report::LazyStats;
use super::slot::{Found, Slot};
use crate::driver::BoxError;
use crate::sync::{Arc, Ordering, StaticU64};
use crate::{Handle, Manager, Operation, OperationError, Refused, TimeoutClock};
use perf_core::{Instant, Priority};
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A value that is made when somebody first asks for it.
///
/// However many ask at once, one operation of the manager loads it. An error is not kept: the next
/// who asks tries again, unless [`keep_errors`](LazyBuilder::keep_errors) says otherwise. Cheap to
/// clone: each clone is the same value. Whoever asks gets a copy, so a large `T` goes into an `Arc`.
///
/// Asking for it inside an operation of the same manager takes a second place among the running;
/// where all places are held by those who wait for such a value, only time-outs help. Give values
/// that operations need a manager of their own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use perf_async::{Lazy, Manager};
/// use std::sync::Arc;
///
/// let manager = Manager::builder().build()?;
/// let words = Lazy::new(&manager, "dictionary", || async {
///     Ok::<_, std::io::Error>(Arc::new(vec!["alpha", "beta"]))
/// });
/// assert_eq!(words.try_get(), None); // not asked for yet, so not loaded
/// assert_eq!(words.get().await?.len(), 2);
/// assert_eq!(words.get().await?[0], "alpha");
/// assert_eq!(words.stats().loads, 1);
/// # Ok(())
/// # }
/// ```
pub struct Lazy<T> {
    pub(super) inner: Arc<Inner<T>>,
}

pub(super) struct Inner<T> {
    settings: Settings,
    /// Tells values of the same name apart.
    number: u64,
    load: Box<dyn Fn() -> Loading<T> + Send + Sync>,
    slot: Slot<T>,
}

/// How a [`Lazy`] is loaded. Made by [`Lazy::builder`].
#[derive(Clone, Debug)]
#[must_use = "`load` makes the value of it"]
pub struct LazyBuilder {
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Settings {
    manager: Manager,
    name: String,
    kind: Cow<'static, str>,
    priority: Priority,
    timeout: Option<Duration>,
    queue_timeout: Option<Duration>,
    keep_errors: Duration,
}

impl Lazy<()> {
    /// A value of that name, to be loaded by operations of that manager.
    ///
    /// The name is for people and reports. Two values of the same name are two values.
    pub fn new<T, E, L, F>(manager: &Manager, name: impl Into<String>, load: L) -> Lazy<T>
    where
        T: Send + Sync + 'static,
        E: Into<BoxError>,
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        Lazy::builder(manager, name).load(load)
    }

    /// The same with settings: of kind `lazy`, asked for with priority 9, the manager's time-outs,
    /// and no error kept, until set otherwise.
    pub fn builder(manager: &Manager, name: impl Into<String>) -> LazyBuilder {
        let settings = Settings {
            manager: manager.clone(),
            name: name.into(),
            kind: Cow::Borrowed("lazy"),
            priority: ASKED,
            timeout: None,
            queue_timeout: None,
            keep_errors: Duration::ZERO,
        };
        LazyBuilder { settings }
    }
}

impl LazyBuilder {
    /// The kind of the operation that loads it, which limits and statistics go by. The default is
    /// `lazy`.
    pub fn kind(mut self, kind: impl Into<Cow<'static, str>>) -> LazyBuilder {
        self.settings.kind = kind.into();
        self
    }

    /// How urgent the load is once somebody asks. The default is 9.
    pub fn priority(mut self, priority: Priority) -> LazyBuilder {
        self.settings.priority = priority;
        self
    }

    /// How long a load may run. The default is the manager's.
    pub fn timeout(mut self, limit: Duration) -> LazyBuilder {
        self.settings.timeout = Some(limit);
        self
    }

    /// How long a load may wait for its turn. The default is as long as it takes.
    pub fn queue_timeout(mut self, limit: Duration) -> LazyBuilder {
        self.settings.queue_timeout = Some(limit);
        self
    }

    /// How long those who ask after a load that failed are answered its error, without another try.
    /// The default is not at all; [`Duration::MAX`] means until [`reset`](Lazy::reset).
    ///
    /// Only what says something about the value is kept: its own error, a panic, or that it ran for
    /// too long; not that the queue was full. It is kept when somebody who asked hears of it.
    pub fn keep_errors(mut self, time: Duration) -> LazyBuilder {
        self.settings.keep_errors = time;
        self
    }

    /// The value, loaded by what `load` answers. It is called once for each load, inside the
    /// operation; if operations of its kind are tried again, so is this one.
    pub fn load<T, E, L, F>(self, load: L) -> Lazy<T>
    where
        T: Send + Sync + 'static,
        E: Into<BoxError>,
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let load = move || -> Loading<T> {
            let loading = load();
            Box::pin(async move { loading.await.map_err(Into::into) })
        };
        // Relaxed: a number of its own is all that is wanted.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let load = Box::new(load);
        Lazy { inner: Arc::new(Inner { settings: self.settings, number, load, slot: Slot::new() }) }
    }
}

impl<T: Send + Sync + 'static> Lazy<T> {
    /// The name it was made with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.settings.name
    }

    /// The value, loaded now if it is not there. Those who ask meanwhile wait for the same load; if
    /// it waits in the queue, it gets at least this value's priority.
    ///
    /// Dropping this future leaves the load to go on, so that its value is there next time; the
    /// time-outs bound it.
    ///
    /// # Errors
    ///
    /// [`OperationError`]: the load failed, panicked, took too long, was cancelled, or was turned
    /// away. The next call tries again, unless errors are kept.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timer enabled, if the value is not there.
    pub async fn get(&self) -> Result<T, OperationError>
    where
        T: Clone,
    {
        let value = match self.inner.find(true) {
            Found::Value(value) => value,
            Found::Error(error) => return Err(error),
            Found::Nothing(generation) => {
                let handle = self.inner.submit(generation, self.inner.settings.priority)?;
                self.inner.wait(handle, generation).await?
            }
        };
        Ok(T::clone(&value))
    }

    /// The value if it is there. Never loads, never waits.
    #[must_use]
    #[doc(alias = "get_if_ready")]
    pub fn try_get(&self) -> Option<T>
    where
        T: Clone,
    {
        match self.inner.find(true) {
            Found::Value(value) => Some(T::clone(&value)),
            Found::Error(_) | Found::Nothing(_) => None,
        }
    }

    /// Forgets the value, and an error that is kept, so that the next who asks has it loaded anew.
    /// Answers whether there was a value. A load under way goes on for those who wait for it, but
    /// its value is not kept.
    pub fn reset(&self) -> bool {
        self.inner.slot.reset()
    }

    /// What it was asked for since it was made, and what that cost.
    #[must_use]
    pub fn stats(&self) -> LazyStats {
        Preload::stats(&*self.inner)
    }
}

impl<T: Send + Sync + 'static> Inner<T> {
    fn now(&self) -> Instant {
        self.settings.manager.clock().now()
    }

    fn find(&self, counted: bool) -> Found<T> {
        // The clock is read only where an error may have been kept.
        let keeps = !self.settings.keep_errors.is_zero();
        let now = if keeps { self.now() } else { Instant::default() };
        self.slot.find(now, counted)
    }

    /// Starts the load, or joins the one under way.
    fn submit(
        self: &Arc<Self>,
        generation: u64,
        priority: Priority,
    ) -> Result<Handle<Arc<T>>, Refused> {
        let settings = &self.settings;
        // After a reset nobody joins what was begun before it.
        let key = format!("{}#{}.{generation}", settings.name, self.number);
        let lazy = Arc::clone(self);
        let load = move |_| Arc::clone(&lazy).load(generation);
        let mut operation =
            Operation::retryable(settings.kind.clone(), load).key(key).priority(priority);
        if let Some(limit) = settings.timeout {
            operation = operation.timeout(limit);
        }
        if let Some(limit) = settings.queue_timeout {
            operation = operation.queue_timeout(limit);
        }
        settings.manager.submit(operation)
    }

    async fn load(self: Arc<Self>, generation: u64) -> Result<Arc<T>, BoxError> {
        // A load may have ended between the look that found nothing and this operation's start.
        if let Some(value) = self.slot.value_of(generation) {
            return Ok(value);
        }
        let begun = self.slot.begin(generation, self.now());
        match (self.load)().await {
            Ok(value) => Ok(begun.end(value, self.now())),
            Err(error) => {
                begun.fail(error.to_string().chars().take(ERROR_CHARS).collect());
                Err(error)
            }
        }
    }

    async fn wait(
        &self,
        handle: Handle<Arc<T>>,
        generation: u64,
    ) -> Result<Arc<T>, OperationError> {
        let result = handle.await;
        if let Err(error) = &result
            && !self.settings.keep_errors.is_zero()
            && is_about_the_value(error)
        {
            self.slot.keep(generation, error, self.now() + self.settings.keep_errors);
        }
        result
    }
}

/// What a [`Preloader`](super::Preloader) does with a lazy of any type.
pub(super) trait Preload: Send + Sync {
    fn name(&self) -> &str;
    fn stats(&self) -> LazyStats;
    /// Loads it if it is not there, without counting as somebody who asks. Dropping the future
    /// cancels the load, unless somebody else waits for it.
    fn preload(self: Arc<Self>, priority: Priority) -> Preloading;
}

pub(super) type Preloading = Pin<Box<dyn Future<Output = Result<(), OperationError>> + Send>>;

impl<T: Send + Sync + 'static> Preload for Inner<T> {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn stats(&self) -> LazyStats {
        self.slot.stats(&self.settings.name, self.now())
    }

    fn preload(self: Arc<Self>, priority: Priority) -> Preloading {
        Box::pin(async move {
            match self.find(false) {
                Found::Value(_) => Ok(()),
                Found::Error(error) => Err(error),
                Found::Nothing(generation) => {
                    let handle = self.submit(generation, priority)?.cancel_on_drop();
                    self.wait(handle, generation).await.map(drop)
                }
            }
        })
    }
}

/// Whether another try would likely end the same way, whatever else the manager has to do.
fn is_about_the_value(error: &OperationError) -> bool {
    matches!(
        error,
        OperationError::Failed(_)
            | OperationError::Panicked(_)
            | OperationError::TimedOut { clock: TimeoutClock::Run, .. }
    )
}

impl<T> Clone for Lazy<T> {
    fn clone(&self) -> Lazy<T> {
        Lazy { inner: Arc::clone(&self.inner) }
    }
}

impl<T> fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy").field("name", &self.inner.settings.name).finish_non_exhaustive()
    }
}

/// For a value that somebody waits for.
const ASKED: Priority = match Priority::new(9) {
    Some(priority) => priority,
    None => Priority::HIGHEST,
};
const ERROR_CHARS: usize = 256;

/// How many lazies this process has made.
static NUMBER: StaticU64 = StaticU64::new(0);
